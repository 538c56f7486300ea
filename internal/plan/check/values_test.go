package check

import (
	"math"
	"testing"

	"github.com/backout-dev/backout"
)

func TestValues_whatTheRulingReads(t *testing.T) {
	att := backout.Attribution{Suspects: []backout.Suspect{{Change: backout.ChangeID(payment), P: .8}, {Change: backout.ChangeID(checkout), P: .1}}}
	made := func(change func(p *backout.Plan)) []Violation {
		p := good()
		for k := range p.Waves {
			for i := range p.Waves[k].Steps {
				if s := &p.Waves[k].Steps[i]; s.Component == payment {
					s.P = .8
				} else {
					s.P = .1
				}
			}
		}
		p.Success = .7
		change(&p)
		return Values(world(), att, p)
	}
	if found := made(func(*backout.Plan) {}); len(found) > 0 {
		t.Fatalf("good values: %v", found)
	}
	first := func(p *backout.Plan) *backout.Step { return &p.Waves[0].Steps[0] }
	for name, change := range map[string]func(p *backout.Plan){
		"surer than the attribution": func(p *backout.Plan) { first(p).P = .3 },
		"no number":                  func(p *backout.Plan) { first(p).P = math.NaN() },
		"another service":            func(p *backout.Plan) { first(p).Service = "search" },
		"another kind":               func(p *backout.Plan) { first(p).Kind = backout.KindFlag },
		"likelier to succeed":        func(p *backout.Plan) { p.Success = .95 },
		"no chance":                  func(p *backout.Plan) { p.Success = math.NaN() },
	} {
		if found := made(change); len(found) != 1 || found[0].Reason != ReasonValues {
			t.Errorf("%s: %v, want one violation of the values", name, found)
		}
	}
}
