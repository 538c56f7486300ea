package respond

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

// shelf is a memory in memory.
type shelf struct {
	kept  []backout.Precedent
	ended []backout.Incident
	down  error
}

func (s *shelf) Precedents(_ context.Context, after int64) ([]backout.Precedent, int64, error) {
	return slices.Clone(s.kept[after:]), int64(len(s.kept)), s.down
}

func (s *shelf) SavePrecedents(_ context.Context, all []backout.Precedent) error {
	if s.down == nil {
		s.kept = append(s.kept, all...)
		s.ended = slices.DeleteFunc(s.ended, func(i backout.Incident) bool {
			return slices.ContainsFunc(all, func(p backout.Precedent) bool { return string(p.ID) == string(i.ID) })
		})
	}
	return s.down
}

func (s *shelf) Unremembered(context.Context) ([]backout.Incident, error) { return s.ended, s.down }

func remembering(t *testing.T, kept ...backout.Precedent) (*town, *shelf) {
	t.Helper()
	tw, s := newTown(t, true, nil), &shelf{kept: kept}
	c := tw.r.cfg
	c.Memory = s
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	tw.r = r
	return tw, s
}

func (t *town) recover(id backout.IncidentID) backout.Incident {
	t.Helper()
	inc := t.until(id, backout.StateExecuting)
	step := inc.Plan.Steps()[0]
	t.runner.run = backout.Run{State: backout.RunCompleted, Why: "every step is done", Entries: []backout.Entry{{Kind: backout.EntryEffect, Step: step.ID, Component: step.Component, Outcome: backout.OutcomeDone, Share: 1}}}
	return t.until(id, backout.StateRecovered)
}

func TestRemember_whatRecoveredIsFoundAgain(t *testing.T) {
	tw, s := remembering(t)
	id := tw.detect()
	inc := tw.recover(id)
	if inc.Likeness == nil || inc.Likeness.Novelty != backout.NoveltyInsufficient || inc.Likeness.N != 0 {
		t.Errorf("likeness %+v: want insufficient, and that it acted all the same", inc.Likeness)
	}
	if len(s.kept) == 0 {
		t.Fatal("nothing was kept")
	}
	p := s.kept[len(s.kept)-1]
	if string(p.ID) != string(id) || p.Label != backout.LabelChange || p.Outcome != backout.PrecedentVerified || p.Cause != backout.KindDeployment || p.Right == nil || !*p.Right || p.Said < .6 || len(p.Signature.Profile) == 0 {
		t.Errorf("kept %+v", p)
	}
	again, _ := remembering(t, p)
	again.now = again.now.Add(minute) // another id
	inc = again.until(again.detect(), backout.StateExecuting)
	if l := inc.Likeness; len(l.Nearest) != 1 || string(l.Nearest[0].Precedent) != string(id) || l.Nearest[0].Distance > .3 || !strings.Contains(l.Nearest[0].Did, "payment") {
		t.Errorf("likeness %+v: want the first one", l)
	}
}

// others are incidents of another sort, alike among themselves.
func others(n int) []backout.Precedent {
	out := []backout.Precedent{}
	for i := range n {
		out = append(out, backout.Precedent{ID: backout.PrecedentID(fmt.Sprint("INC-0", i)), At: noon.Add(-100 * minute), Outcome: backout.PrecedentByItself, Signature: backout.Signature{
			Services: []backout.ServiceID{"mail"}, Profile: []backout.ProfileCell{{Kind: backout.SignalLatency, Reach: backout.ReachOrigin, Level: .5}, {Kind: backout.SignalErrors, Reach: backout.ReachOrigin, Level: -.5}},
		}})
	}
	return out
}

func TestNovelty_asksAPersonOnlyWhenItCanBeKnown(t *testing.T) {
	few, _ := remembering(t, others(18)...)
	if inc := few.until(few.detect(), backout.StateExecuting); inc.Likeness.Novelty != backout.NoveltyInsufficient || inc.Likeness.N != 18 {
		t.Errorf("%+v", inc.Likeness)
	}
	many, _ := remembering(t, others(30)...)
	inc := many.until(many.detect(), backout.StateWaiting)
	if inc.Likeness.Novelty != backout.NoveltyNovel || !strings.Contains(inc.Why, "nothing like this in 30 incidents") {
		t.Errorf("%+v: %s", inc.Likeness, inc.Why)
	}
}

// What was said with such confidence was right in half of the cases: it is worth that.
func TestCalibration_isWhatConfidenceIsReadAs(t *testing.T) {
	outcomes := func(n int) []backout.Precedent {
		out := []backout.Precedent{}
		for i := range n {
			right := i%2 == 0
			out = append(out, backout.Precedent{ID: backout.PrecedentID(fmt.Sprint("INC-0", i)), Said: .5 + .5*float64(i)/float64(n), Right: &right})
		}
		return out
	}
	tw, _ := remembering(t, outcomes(99)...)
	if inc := tw.until(tw.detect(), backout.StateExecuting); inc.Calibration != nil {
		t.Errorf("99 outcomes: %+v; the posterior stays", inc.Calibration)
	}
	tw, _ = remembering(t, outcomes(200)...)
	inc := tw.until(tw.detect(), backout.StateWaiting)
	if c := inc.Calibration; c == nil || c.N != 200 || c.P0 > .6 || c.P0 > c.P1 || !strings.Contains(inc.Why, "was said") {
		t.Errorf("%+v: %s", inc.Calibration, inc.Why)
	}
}

func TestRecollect_incidentsOfBefore(t *testing.T) {
	tw, s := remembering(t)
	s.ended = []backout.Incident{{ID: "INC-old", State: backout.StateRecovered, Onset: noon.Add(-5000 * minute), UpdatedAt: noon.Add(-4990 * minute), Findings: []backout.Finding{{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "payment"}}}}}}
	inc := tw.until(tw.detect(), backout.StateExecuting)
	if len(inc.Likeness.Nearest) != 1 || inc.Likeness.Nearest[0].Precedent != "INC-old" {
		t.Errorf("%+v", inc.Likeness)
	}
}

// The past adds to a decision; it can't keep one from being made.
func TestMemory_downKeepsNothingFromBeingDecided(t *testing.T) {
	tw, s := remembering(t)
	s.down = &backout.Error{Code: backout.CodeUnavailable, Message: "away"}
	id := tw.detect()
	tw.recover(id)
	if s.down = nil; len(s.kept) != 0 {
		t.Errorf("kept %v", s.kept)
	}
	s.ended = []backout.Incident{tw.store.incidents[id]}
	tw.r.past(t.Context())
	if len(s.kept) != 1 || cmp.Or(s.kept[0].Label, "none") != backout.LabelChange {
		t.Errorf("kept %+v: want it recollected", s.kept)
	}
}

func TestClose_labelsWhatIsKept(t *testing.T) {
	tw, s := remembering(t)
	id := tw.detect()
	ann := backout.Principal{Name: "ann", Role: backout.RoleApprover}
	tw.until(id, backout.StateExecuting)
	if _, err := tw.r.Close(t.Context(), tw.now, id, Closing{As: backout.StateReviewed, By: ann, Reason: "was the bank"}); err == nil {
		t.Fatal("a running incident can't be closed")
	}
	tw.runner.run = backout.Run{State: backout.RunAborted, Why: "ann aborted it"}
	tw.until(id, backout.StateAborted)
	if _, err := tw.r.Close(t.Context(), tw.now, id, Closing{As: backout.StateReviewed, By: ann, Reason: "was the bank", Cause: "none"}); err != nil {
		t.Fatal(err)
	}
	p := s.kept[len(s.kept)-1]
	if p.Label != backout.LabelNone || p.Right == nil || *p.Right || p.Outcome != backout.PrecedentUnresolved {
		t.Errorf("kept %+v", p)
	}
}

// What was imported moves the priors and not how far backout may go by itself.
func TestTaught_importsMoveThePriorsAndNotThePolicy(t *testing.T) {
	imported := []backout.Precedent{}
	for i := range 40 {
		imported = append(imported, backout.Precedent{ID: backout.PrecedentID(fmt.Sprint("wiki:", i)), Source: "wiki", At: noon.Add(-60 * minute), Label: backout.LabelNone, Signature: backout.Signature{Tokens: []string{"power"}}})
	}
	plain, _ := remembering(t)
	without := plain.until(plain.detect(), backout.StateExecuting)
	tw, s := newTown(t, true, func(p *backout.Policy) { p.ColdStart = backout.ColdStartAsk }), &shelf{kept: imported}
	c := tw.r.cfg
	c.Memory = s
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	tw.r = r
	inc := tw.until(tw.detect(), backout.StateWaiting)
	if !strings.Contains(inc.Why, "only 0 incidents are known") {
		t.Errorf("%s: 40 imported incidents are taken for learnt ones", inc.Why)
	}
	if inc.Attribution.PNone <= without.Attribution.PNone {
		t.Errorf("no change with %g, without the imports %g: 40 incidents that no change caused count for nothing", inc.Attribution.PNone, without.Attribution.PNone)
	}
}
