package recorded

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/detect"
)

func TestPet(t *testing.T) {
	dir := "/work/shared/data/petshop/low_traffic"
	for _, u := range []time.Duration{-1, 4 * time.Minute, 8 * time.Minute} {
		cases, err := ReadPetShop(dir, u)
		if err != nil {
			t.Fatal(err)
		}
		h1, h3 := 0, 0
		for _, c := range cases {
			w := c.Window()
			d, _ := detect.New(detect.Config{})
			d.Tick(w)
			a := attribute.Rank(attribute.Question{World: c.World(), Noticed: c.Noticed, Residuals: d.Residuals(w.Now.Add(-60*time.Minute), w.Now), Baselines: d.Baselines()})
			p := map[backout.ServiceID]float64{}
			for _, o := range a.Origins {
				p[o.Service] += o.P
			}
			var ids []backout.ServiceID
			for _, s := range c.Services {
				if s.ID != c.Truth.Target {
					ids = append(ids, s.ID)
				}
			}
			slices.SortFunc(ids, func(x, y backout.ServiceID) int { return cmp.Or(cmp.Compare(p[y], p[x]), cmp.Compare(x, y)) })
			k := slices.Index(ids, c.Truth.Service)
			if k == 0 {
				h1++
			}
			if k < 3 {
				h3++
			}
			if *loud && u < 0 {
				line := ""
				for _, o := range a.Origins[:min(5, len(a.Origins))] {
					line += fmt.Sprintf(" %s=%.3f", cmp.Or(string(o.Service), string(o.Kind)+o.Text), o.P)
				}
				t.Logf("%s rank %d %s (%.3f) onset %v: %s", c.ID, k+1, c.Truth.Service, p[c.Truth.Service], a.Onset.Sub(c.Noticed), line)
			}
		}
		t.Logf("%v top1 %d top3 %d of %d", u, h1, h3, len(cases))
	}
	c, err := ReadPetShopCalm(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := c.Window()
	d, _ := detect.New(detect.Config{})
	f := d.Tick(w)
	for _, x := range f {
		t.Logf("finding %v %v %v..%v", x.ID, x.At.Sub(w.From), x.Expected, x.Observed)
	}
}
