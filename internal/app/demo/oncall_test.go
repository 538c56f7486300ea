package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
	"github.com/backout-dev/backout/internal/render"
)

// waiting is a plan that waits for a person only because a Deployment is moved whole and
// there is no history.
func waiting() (backout.World, backout.Incident) {
	const id = backout.ComponentID("deployment:web@production/eu-1")
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	step := backout.Step{Component: id, Service: "web", Kind: backout.KindDeployment, From: "2", To: "1", P: .9, Loss: backout.LossNone, Reverts: []backout.ChangeID{"c"}, Stages: []backout.Stage{{Share: 1}}}
	w := backout.World{Now: now, Policy: backout.Policy{Autonomy: backout.AutonomyAct, ColdStart: backout.ColdStartActIfReversible, MinConfidence: .7, MaxPNone: .2, FourEyesTier: -1, MaxAttempts: 1}}
	w.Graph.Components = []backout.Component{{ID: id, Kind: backout.KindDeployment, Service: "web", Actuator: "kubernetes"}}
	p := backout.Plan{Action: backout.ActionRollBack, Certificate: backout.Certificate{Safe: true}, Waves: []backout.Wave{{Steps: []backout.Step{step}}}}
	return w, backout.Incident{ID: "INC-1", OpenedAt: now, Plan: &p, Attribution: &backout.Attribution{PNone: .05}}
}

func TestOnCall_saysYesToWhatOnlyLacksAHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*backout.World, *backout.Incident)
		want  bool
	}{
		"no history":       {func(*backout.World, *backout.Incident) {}, true},
		"unlikely":         {func(_ *backout.World, i *backout.Incident) { i.Plan.Waves[0].Steps[0].P = .4 }, false},
		"perhaps no cause": {func(_ *backout.World, i *backout.Incident) { i.Attribution.PNone = .4 }, false},
		"data is lost":     {func(_ *backout.World, i *backout.Incident) { i.Plan.Waves[0].Steps[0].Loss = backout.LossSome }, false},
		"not proven":       {func(_ *backout.World, i *backout.Incident) { i.Plan.Certificate.Safe = false }, false},
		"shadow":           {func(w *backout.World, _ *backout.Incident) { w.Policy.Autonomy = backout.AutonomyShadow }, false},
	} {
		w, inc := waiting()
		tc.spoil(&w, &inc)
		if yes, err := sensible(w, inc); err != nil || yes != tc.want {
			t.Errorf("%s: %t, %v, want %t", name, yes, err, tc.want)
		}
	}
}

func TestStory_tellsWritesApartFromTrials(t *testing.T) {
	var b strings.Builder
	s := newStory(&b, render.Style{}, time.Second)
	patch := local.Call{Verb: "patch", Resource: "deployments", Group: "apps", Namespace: "shop", Name: "web", Code: 200}
	dry := patch
	dry.URI = "/apis/apps/v1/namespaces/shop/deployments/web?dryRun=All&fieldManager=backout"
	s.wrote([]local.Call{{Verb: "get", Code: 200}, {Verb: "create", Group: "authorization.k8s.io", Code: 201}, dry, patch})
	for _, want := range []string{"wrote to the cluster once", "1 write tried", "2 calls to read", "patch deployments shop/web: 200"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q: %s", want, b.String())
		}
	}
	if strings.Count(b.String(), "patch deployments") != 1 {
		t.Errorf("a trial is told as a write: %s", b.String())
	}
}
