package attribute

import (
	"slices"
	"strings"
	"testing"

	backout "github.com/backout-dev/backout"
)

// What recorded incidents taught: each of these was wrong once.

func TestRank_newVersionThatNeverAnswers(t *testing.T) {
	ask := func(treated, control bool) backout.Attribution {
		s := newScene()
		s.ship(backout.KindDeployment, "payment", "payment", 50, 0.3)
		s.ship(backout.KindDeployment, "fraud", "fraud", 50, 0.3)
		s.measure(nil, levels{"checkout": step(52, 5)})
		for version, there := range map[backout.Version]bool{"1": control, "2": treated} {
			if there {
				s.series(backout.Subject{Service: "payment", Version: version}, backout.SignalErrors, nil)
			}
		}
		return Rank(s.q)
	}
	silent, both, blind := ask(false, true), ask(true, true), ask(false, false)
	if p, q := probability(silent, "payment"), probability(blind, "payment"); p < q+.05 {
		t.Errorf("a new version that answers nothing where the old one does has %.3f, one of which nothing is known %.3f", p, q)
	}
	if p, q := probability(both, "payment"), probability(blind, "payment"); p > q {
		t.Errorf("arms that do alike have %.3f, unknown ones %.3f", p, q)
	}
	text := ""
	for _, s := range silent.Suspects {
		for _, e := range s.For {
			text += e.Text + "; "
		}
	}
	if !strings.Contains(text, "its new version has answered nothing for 10 minutes in which the old one did") {
		t.Errorf("nobody is told that the new version is silent: %s", text)
	}
}

func TestRank_errorsThatHardlyEverHappen(t *testing.T) {
	s := newScene()
	s.ship(backout.KindConfig, "ledger", "ledger", 51, 1)
	s.measure(nil, levels{"ledger": step(52, 4)})
	before := probability(Rank(s.q), "ledger")
	for i := range s.q.Residuals {
		if s.q.Residuals[i].Kind == backout.SignalErrors {
			s.q.Residuals[i].Phi = .95 // zeros resemble each other
		}
	}
	if after := probability(Rank(s.q), "ledger"); after < before/2 {
		t.Errorf("errors that are all zero before have %.3f, others %.3f", after, before)
	}
}

func TestRank_tellsWhereItBrokeThoughNothingIsClear(t *testing.T) {
	s := newScene()
	s.measure(levels{"payment": step(50, 2.5)}, nil)
	a := Rank(s.q)
	of := func(id backout.ServiceID) float64 {
		i := slices.IndexFunc(a.Origins, func(o backout.Origin) bool { return o.Service == id && o.Kind == backout.OriginSpontaneous })
		if i < 0 {
			return 0
		}
		return a.Origins[i].P
	}
	if of("payment") <= of("ledger") || of("payment") == 0 {
		t.Errorf("payment, a little worse, has %.3f, ledger %.3f; origins %+v", of("payment"), of("ledger"), a.Origins)
	}
	together := 0
	for _, o := range a.Origins {
		if o.Service == "" && o.Kind == backout.OriginSpontaneous {
			together++
		}
	}
	if together != 1 {
		t.Errorf("%d origins stand for the services that show nothing, expected one: %+v", together, a.Origins)
	}
}
