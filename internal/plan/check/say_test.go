package check

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// callers is checkout, which stays, and payment 2, which goes back to 1.
func callers() (backout.World, backout.Plan) {
	w := world()
	w.Contracts = []backout.Contract{}
	w.Graph.Dependencies = []backout.Dependency{{From: "checkout", To: "payment"}}
	for i := range w.Changes { // checkout came when payment 1 had long gone
		if w.Changes[i].Component == checkout {
			w.Changes[i].Exposure.Stages[0].At = noon.Add(-5 * time.Minute)
		}
	}
	p := good()
	p.Waves = []backout.Wave{{Steps: []backout.Step{step("1.1", payment, 0)}}}
	return w, p
}

func said(source backout.ContractSource, allows bool) backout.Line {
	return backout.Line{Consumer: checkout, ConsumerVersion: "2", Provider: payment, ProviderVersion: "1", Allows: allows, Source: source, Confidence: .9, Reason: "GET /cards"}
}

func TestPlan_sources(t *testing.T) {
	ground := func(s backout.ContractSource) []backout.Meeting {
		return []backout.Meeting{{A: payment, AVersion: "1", B: checkout, BVersion: "2", Source: s, Confidence: .9}}
	}
	for name, c := range map[string]struct {
		change func(w *backout.World, p *backout.Plan)
		want   Reason // "" = the plan passes
		words  string
	}{
		"nobody knows": {func(*backout.World, *backout.Plan) {}, ReasonUnproven, ""},
		"specs allow":  {func(w *backout.World, _ *backout.Plan) { w.Lines = []backout.Line{said(backout.ContractSpec, true)} }, "", ""},
		"specs forbid": {func(w *backout.World, _ *backout.Plan) { w.Lines = []backout.Line{said(backout.ContractSpec, false)} }, ReasonIncompatible, "the spec line (GET /cards) forbids it"},
		"worse allows": {func(w *backout.World, _ *backout.Plan) {
			w.Lines = []backout.Line{said(backout.ContractMigration, true), said(backout.ContractSpec, false)}
		}, ReasonIncompatible, "counts less"},
		"worse forbids": {func(w *backout.World, _ *backout.Plan) {
			w.Lines = []backout.Line{said(backout.ContractMigration, false), said(backout.ContractSpec, true)}
		}, "", ""},
		"other version": {func(w *backout.World, _ *backout.Plan) {
			w.Lines = []backout.Line{said(backout.ContractSpec, true)}
			w.Lines[0].ConsumerVersion = "1"
		}, ReasonUnproven, ""},
		"other direction": {func(w *backout.World, _ *backout.Plan) {
			w.Lines = []backout.Line{{Consumer: payment, ConsumerVersion: "1", Provider: checkout, ProviderVersion: "2", Allows: true, Source: backout.ContractSpec, Confidence: .9}}
		}, ReasonUnproven, ""},
		"less than trusted": {func(w *backout.World, _ *backout.Plan) {
			w.Lines = []backout.Line{said(backout.ContractSpec, true)}
			w.Policy.Trust = map[backout.ContractSource]float64{backout.ContractSpec: .95}
		}, ReasonUnproven, ""},
		"skew": {func(w *backout.World, _ *backout.Plan) { w.Policy.Skew = 1 }, ReasonUnproven, ""},
		"trusted skew": {func(w *backout.World, _ *backout.Plan) {
			w.Policy.Skew, w.Policy.Trust = 1, map[backout.ContractSource]float64{backout.ContractSkew: .5}
		}, "", ""},
		"a skew where others saw more": { // the planner leaves out what met only in trouble
			func(w *backout.World, p *backout.Plan) {
				w.Policy.Skew, p.Meetings = 1, ground(backout.ContractSkew)
				for i := range w.Changes {
					if w.Changes[i].Component == checkout {
						w.Changes[i].Exposure.Stages[0].At = noon.Add(-35 * time.Minute)
					}
				}
			}, "", ""},
		"a ground that holds": {func(w *backout.World, p *backout.Plan) {
			w.Lines, p.Meetings = []backout.Line{said(backout.ContractSpec, true)}, ground(backout.ContractSpec)
		}, "", ""},
		"a ground that nobody gave": {func(w *backout.World, p *backout.Plan) {
			w.Lines, p.Meetings = []backout.Line{said(backout.ContractSpec, true)}, ground(backout.ContractDeclared)
		}, ReasonSource, "says no such thing"},
		"a ground that a better source contradicts": {func(w *backout.World, p *backout.Plan) {
			w.Lines, p.Meetings = []backout.Line{said(backout.ContractMigration, true), said(backout.ContractSpec, false)}, ground(backout.ContractMigration)
		}, ReasonSource, "the spec line (GET /cards) forbids it"},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := callers()
			c.change(&w, &p)
			found := Plan(w, seal(w, p))
			var of []string
			for _, v := range found {
				if v.Reason == c.want {
					of = append(of, v.Text)
				}
			}
			if c.want == "" && len(found) > 0 || c.want != "" && (len(of) == 0 || !strings.Contains(strings.Join(of, "\n"), c.words)) {
				t.Errorf("violations %v, want %q with %q", found, c.want, c.words)
			}
		})
	}
}
