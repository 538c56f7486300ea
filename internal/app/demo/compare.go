package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/drill"
	"github.com/backout-dev/backout/internal/render"
)

// A comparison's times, in model minutes.
const (
	lookFor = 100 // how long after the injection everybody is measured
	leadIn  = 16  // the injection comes before this many minutes of the scenario
	// People who roll back one by one take this long to begin once trouble is known,
	// and so long with each rollback until they see whether it helped. The rollback
	// itself takes no time at all, which is kind to them.
	handsBegin = 5
	handsEach  = 5
)

// Compare plays the same incident (same scenario, same seed) three times over the
// same time: nobody acts; people roll back every change of the last hour, newest
// first, until it helps; backout acts. All are measured by what the shop's
// customers met.
func Compare(ctx context.Context, c Config) (drill.Comparison, error) {
	out := drill.Comparison{Format: 1, Scenario: c.Scenario, Seed: c.Seed, Runs: []drill.ComparedRun{}}
	horizon := lookFor * c.pace().step
	out.HorizonS = horizon.Seconds()
	tell := newStory(c.Story, c.Style, c.pace().step)
	for i, actor := range drill.Actors {
		tell.line("%d of %d: %s (about %s) ...", i+1, len(drill.Actors), name[actor], render.Span((lookFor+leadIn+60)*c.pace().step))
		course, truth, err := answer(ctx, c, actor)
		if err != nil {
			return out, fmt.Errorf("compare, %s: %w", actor, err)
		}
		if n := len(course.Moments); n > 0 {
			out.Currency = course.Moments[n-1].Lost.Currency
		}
		out.Runs = append(out.Runs, drill.Compare(truth, course, horizon))
	}
	return out, nil
}

// answer plays the incident once, with one actor.
func answer(ctx context.Context, c Config, actor drill.Actor) (course drill.Course, truth drill.Truth, err error) {
	c.Story, c.shadow, c.Approve = nil, actor != drill.ActorBackout, false
	course.Actor = actor
	err = play(ctx, c, func(ctx context.Context, s *show) error {
		ctx, cancel := context.WithTimeout(ctx, (lookFor+leadIn)*s.step)
		defer cancel()
		hands := make(chan []drill.Deed, 1)
		go func() {
			if actor == drill.ActorOneByOne {
				hands <- s.oneByOne(ctx)
				return
			}
			<-ctx.Done()
			hands <- nil
		}()
		if err := s.look(ctx); err != nil {
			return err
		}
		course.Deeds = <-hands
		var err error
		ctx = context.WithoutCancel(ctx) // the look is over; what follows is short and bounded
		if actor == drill.ActorBackout {
			if course.Deeds, err = s.deeds(ctx); err != nil {
				return err
			}
		}
		report, err := s.shop.Report(ctx)
		if err != nil {
			return fmt.Errorf("ask the shop for its report: %w", err)
		}
		course.UnsafeRequests, course.Moments = report.Unsafe, s.seen()
		truth, err = drill.ReadTruth(filepath.Join(s.dir, "truth.json"))
		return err
	})
	return course, truth, err
}

// look writes down what the shop has counted, once a step, until the time is over.
func (s *show) look(ctx context.Context) error {
	tick := time.NewTicker(s.step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case <-tick.C:
		}
		r, err := s.shop.Report(ctx)
		if err != nil {
			continue // the next step sees it
		}
		s.mu.Lock()
		s.moments = append(s.moments, drill.Moment{At: time.Now().UTC(), Transactions: r.Transactions, Failed: r.Failed, Lost: r.Lost})
		s.mu.Unlock()
	}
}

func (s *show) seen() []drill.Moment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.moments)
}

// oneByOne is a team without a clue: once trouble is known it rolls back every
// change of the last hour, newest first, until the customers are well again.
func (s *show) oneByOne(ctx context.Context) []drill.Deed {
	deeds, done := []drill.Deed{}, map[backout.ChangeID]bool{}
	if !s.until(ctx, func() bool { return s.alarmed(ctx) && !s.calm() }) || !s.rest(ctx, handsBegin) {
		return deeds
	}
	for !s.calm() {
		changes, err := s.app.Changes(ctx)
		if err != nil {
			return deeds
		}
		i := len(changes) - 1
		for i >= 0 && (done[changes[i].ID] || changes[i].From == "") {
			i--
		}
		if i < 0 {
			return deeds
		}
		c := changes[i]
		done[c.ID] = true
		d := drill.Deed{Component: c.Component, From: c.To, To: c.From}
		if err := s.app.Move(ctx, c.Component, c.From); err != nil {
			d.Failed, d.Why = true, err.Error()
		}
		deeds = append(deeds, d)
		if !s.rest(ctx, handsEach) {
			return deeds
		}
	}
	return deeds
}

// alarmed reports whether backout, looking on, has opened an incident.
func (s *show) alarmed(ctx context.Context) bool {
	all, err := s.app.Incidents(ctx)
	return err == nil && len(all) > 0
}

// calm reports whether the customers of the last minutes met hardly any failure.
func (s *show) calm() bool {
	const few, minutes = .01, 3
	ms := s.seen()
	if len(ms) <= minutes {
		return true
	}
	a, b := ms[len(ms)-1-minutes], ms[len(ms)-1]
	return float64(b.Failed-a.Failed) <= few*float64(b.Transactions-a.Transactions)
}

// until waits for something, looking once a step; false when the time is over.
func (s *show) until(ctx context.Context, so func() bool) bool {
	for !so() {
		if !s.rest(ctx, 1) {
			return false
		}
	}
	return true
}

// rest waits so many model minutes; false when the time is over.
func (s *show) rest(ctx context.Context, minutes int) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(minutes) * s.step):
		return true
	}
}

// deeds are what backout's attempts moved, from their journals.
func (s *show) deeds(ctx context.Context) ([]drill.Deed, error) {
	incidents, err := s.app.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	out := []drill.Deed{}
	for _, inc := range incidents {
		for _, at := range inc.Attempts {
			run, err := s.app.RunOf(ctx, at.ID)
			if err != nil && backout.CodeOf(err) != backout.CodeNotFound {
				return nil, err
			}
			out = append(out, drill.Deeds(at.Plan, run.Entries)...)
		}
	}
	return out, nil
}
