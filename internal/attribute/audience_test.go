package attribute

import (
	"strings"
	"testing"

	backout "github.com/backout-dev/backout"
)

// audiences is a flag that met acme at minute 30, bolt at 38 and cord at 46, beside a
// release of the same service at minute 37. ill says how a client fares.
func audiences(ill map[string]func(int) float64, checkout func(int) float64) (*scene, backout.ChangeID, backout.ChangeID) {
	s := newScene()
	release := s.ship(backout.KindDeployment, "checkout", "checkout", 37, 1)
	flag := s.ship(backout.KindFlag, "express", "checkout", 30, .1, 38, .2, 46, .3)
	c := &s.q.World.Changes[1]
	for i, a := range []string{"acme", "bolt", "cord"} {
		c.Exposure.Stages[i].Audience = a
		s.q.World.Graph.Clients = append(s.q.World.Graph.Clients, backout.Client{ID: a + "-inc", Audience: a})
	}
	s.q.World.Graph.Clients = append(s.q.World.Graph.Clients, backout.Client{ID: "everybody", Audience: "public"})
	s.measure(map[string]func(int) float64{"checkout": checkout}, nil)
	for _, cl := range s.q.World.Graph.Clients {
		s.series(backout.Subject{Client: cl.ID}, backout.SignalErrors, ill[cl.Audience])
	}
	return s, flag, release
}

func suspect(a backout.Attribution, id backout.ChangeID) backout.Suspect {
	for _, s := range a.Suspects {
		if s.Change == id {
			return s
		}
	}
	return backout.Suspect{}
}

func TestRank_oneAudienceIsHurt(t *testing.T) {
	s, flag, release := audiences(map[string]func(int) float64{"bolt": step(39, 6)}, step(39, 2.5))
	a := Rank(s.q)
	got := suspect(a, flag)
	if got.P < .8 || got.Audience != "bolt" {
		t.Errorf("flag has %.2f for %q, release %.2f: expected the flag, for bolt alone", got.P, got.Audience, suspect(a, release).P)
	}
	text := ""
	for _, e := range got.For {
		text += e.Text + "; "
	}
	if !strings.Contains(text, "bolt") {
		t.Errorf("reasons %q don't name whom it hurts", text)
	}
	if n := len(a.Suspects); n != 2 {
		t.Errorf("%d suspects, expected one for each change", n)
	}
}

func TestRank_everyClientIllIsNoAudience(t *testing.T) {
	all := map[string]func(int) float64{}
	for _, a := range []string{"acme", "bolt", "cord", "public"} {
		all[a] = step(39, 6)
	}
	s, flag, release := audiences(all, step(39, 6))
	a := Rank(s.q)
	if got := suspect(a, flag); got.P > .4 || got.Audience == "bolt" && got.P > .1 {
		t.Errorf("flag has %.2f for %q: clients who never met it fare as badly", got.P, got.Audience)
	}
	if p := suspect(a, release).P; p < .5 {
		t.Errorf("release has %.2f, expected it to lead", p)
	}
}

func TestHypotheses_priorIsKept(t *testing.T) {
	for name, stages := range map[string][]backout.ExposureStage{
		"none": {{Share: .5}, {Share: 1}}, "one": {{Share: 1, Audience: "a"}}, "two": {{Share: .1, Audience: "a"}, {Share: .2, Audience: "b"}},
		"one, then everybody": {{Share: .1, Audience: "a"}, {Share: 1}},
	} {
		sum := 0.0
		for _, h := range hypotheses(backout.Change{Exposure: backout.Exposure{Stages: stages}}) {
			sum += h.share
		}
		if sum != 1 {
			t.Errorf("%s: shares sum to %v", name, sum)
		}
	}
}
