package recorded

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/detect"
)

var until = flag.Duration("until", 0, "")
var loud = flag.Bool("loud", false, "")

func TestDev(t *testing.T) {
	dir := "/work/shared/data/changerca"
	if _, err := os.Stat(dir); err != nil {
		t.Skip()
	}
	for _, u := range []time.Duration{0, 4 * time.Minute, 8 * time.Minute} {
		if *loud && u != *until {
			continue
		}
		cases, err := ReadChangeRCA(dir, u)
		if err != nil {
			t.Fatal(err)
		}
		hit, hit3 := 0, 0
		pn := 0.0
		for _, c := range cases {
			w := c.Window()
			d, _ := detect.New(detect.Config{})
			d.Tick(w)
			world := c.World()
			a := attribute.Rank(attribute.Question{World: world, Noticed: c.Noticed, Residuals: d.Residuals(w.Now.Add(-60*time.Minute), w.Now), Baselines: d.Baselines()})
			pn += a.PNone
			line := ""
			for i, s := range a.Suspects {
				_, name, _, _, _ := s.Component.Split()
				mark := ""
				if name == string(c.Truth.Service) {
					mark = "*"
					if i == 0 {
						hit++
					}
					if i < 3 {
						hit3++
					}
				}
				line += fmt.Sprintf(" %s%s=%.3f", mark, name, s.P)
				if *loud {
					line += "\n"
					for _, e := range append(s.For, s.Against...) {
						line += fmt.Sprintf("        %+.1f %s\n", e.LogBF, e.Text)
					}
				}
			}
			if *loud {
				t.Logf("%s %s none %.3f onset %v\n%s", c.ID, c.Truth.Fault, a.PNone, a.Onset.Sub(c.At.Add(-u)), line)
			}
			_ = backout.World{}
		}
		t.Logf("until %v: AC1 %d/%d = %.3f AC3 %.3f pnone %.3f", u, hit, len(cases), float64(hit)/float64(len(cases)), float64(hit3)/float64(len(cases)), pn/float64(len(cases)))
	}
}
