package picture

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

const hostile = `<b>&"'` + "\x00\x1b\xff" + "name"

func forecast(n int) backout.Forecast {
	f := backout.Forecast{Horizon: backout.Duration(30 * time.Minute)}
	for i := range n {
		h := backout.Hit{Target: fmt.Sprintf("%s-%d", hostile, i), Kind: backout.TargetService, P: .9 - float64(i)/50, P50: backout.Duration(time.Duration(i) * time.Minute)}
		if i == 0 {
			h.HitAt = time.Unix(1, 0)
		}
		f.Hits = append(f.Hits, h)
	}
	return f
}

func plan() backout.Plan {
	return backout.Plan{Summary: hostile, Takes: backout.Duration(time.Minute), Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a", Component: hostile, From: hostile, To: "1", Takes: backout.Duration(time.Minute), Stages: []backout.Stage{{Share: .5, Bake: backout.Duration(20 * time.Second)}, {Share: 1, Bake: backout.Duration(20 * time.Second)}}}}}}}
}

// Whatever names come in, each picture is strict XML that stands alone, has a
// title, and is the same for the same input.
func TestSVG_isStrictAndRepeats(t *testing.T) {
	for name, draw := range map[string]func() *Scene{
		"cascade":       func() *Scene { return Cascade(forecast(20), backout.Graph{}) },
		"empty cascade": func() *Scene { return Cascade(backout.Forecast{}, backout.Graph{}) },
		"plan":          func() *Scene { return Plan(plan(), nil) },
		"empty plan":    func() *Scene { return Plan(backout.Plan{}, nil) },
		"suspects": func() *Scene {
			return Suspects(backout.Attribution{PNone: .5, Suspects: []backout.Suspect{{Component: hostile, P: .5}}})
		},
	} {
		svg := draw().SVG()
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s is not strict XML: %v", name, err)
			}
		}
		if svg != draw().SVG() || !strings.Contains(svg, "<title>") || strings.Contains(svg, "<b>") {
			t.Errorf("%s differs from itself, has no title, or lets markup through", name)
		}
	}
}

func TestCascade_isCutWithACount(t *testing.T) {
	svg := Cascade(forecast(20), backout.Graph{}).SVG()
	if n := strings.Count(svg, `width="176.0"`); n != maxCards {
		t.Errorf("%d cards, want %d", n, maxCards)
	}
	if !strings.Contains(svg, "and 8 more") {
		t.Error("the rest is not counted")
	}
}

func TestPlan_marksWhatIsDone(t *testing.T) {
	ahead := Plan(plan(), nil).SVG()
	half := Plan(plan(), []backout.Entry{{Step: "a", Stage: 0, Kind: backout.EntryEffect, Outcome: backout.OutcomeDone}}).SVG()
	if strings.Count(ahead, "◆") != 0 || strings.Count(half, "◆") != 1 || strings.Count(half, "◇") != 1 {
		t.Errorf("gates: %d filled ahead, %d filled and %d open half way", strings.Count(ahead, "◆"), strings.Count(half, "◆"), strings.Count(half, "◇"))
	}
}

func TestBars_lengthsCompare(t *testing.T) {
	svg := Bars("Failed <transactions>", []Bar{{Name: "a & b", Value: 100, Label: "100", Ink: Bad}, {Name: "half", Value: 50, Label: "50", Note: "note", Ink: OK}, {Name: "none", Value: -1, Label: "0", Ink: OK}}).SVG()
	for _, want := range []string{`width="270.0"`, `width="135.0"`, `width="2.0"`, "a &amp; b", "Failed &lt;transactions&gt;"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in %s", want, svg)
		}
	}
	if Bars("nothing", nil).SVG() == "" {
		t.Error("no picture of nothing")
	}
}
