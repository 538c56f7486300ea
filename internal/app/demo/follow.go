package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/drill"
	"github.com/backout-dev/backout/internal/web"
)

// follow tells what happens until the run has ended, or the time is over. It ends
// when the newest incident has, and the script has been through for long enough
// that what it did last would have been noticed: trouble that began before the
// fault, or went away by itself, is not the end.
func (s *show) follow(ctx context.Context) ([]backout.Incident, error) {
	tick := time.NewTicker(s.step)
	defer tick.Stop()
	var all []backout.Incident // newest first
	asked := false
	for {
		changes, err := s.app.Changes(ctx)
		if err != nil {
			return all, err
		}
		s.story.changes(changes)
		if all, err = s.app.Incidents(ctx); err != nil {
			return all, err
		}
		if len(all) > 0 {
			s.story.incident(all[0])
			if all[0].State == backout.StateWaiting && s.Approve && !asked {
				asked = true
				if err := s.ask(ctx, all[0]); err != nil {
					return all, err
				}
			}
			if all[0].State == backout.StateWaiting && s.Kubernetes && !s.Approve {
				if err := s.onCall(ctx, all[0]); err != nil {
					return all, err
				}
			}
		}
		report, err := s.shop.Report(ctx)
		if err != nil {
			return all, fmt.Errorf("ask the shop whether its script is through: %w", err)
		}
		if len(all) > 0 && s.over(all[0], report.Through) {
			return all, s.settle(ctx)
		}
		if time.Since(s.began) > s.limit && !s.Approve {
			s.story.timeIsUp()
			return all, nil
		}
		select {
		case <-ctx.Done():
			return all, ctx.Err()
		case err := <-s.failed:
			return all, err
		case <-tick.C:
		}
	}
}

// How long after the script's last deed a run may end, in model minutes: by then
// trouble would have been noticed, and a person asked for would have been missed.
const (
	noticedWithin = 12
	askedFor      = 24
)

// over reports whether the newest incident is the run's last word.
func (s *show) over(inc backout.Incident, through time.Time) bool {
	if through.IsZero() {
		return false
	}
	since := func(at time.Time) time.Duration { return time.Since(at) / s.step }
	switch {
	case inc.State == backout.StateWaiting:
		return !s.Approve && since(through) >= askedFor && since(inc.UpdatedAt) >= askedFor
	case !inc.State.Terminal():
		return false
	}
	return since(through) >= noticedWithin
}

// settle lets the shop run on for a moment, so that its last numbers count.
func (s *show) settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(6 * s.step):
		return nil
	}
}

// ask puts the decision to the person in front of the terminal, if there is one.
func (s *show) ask(ctx context.Context, inc backout.Incident) error {
	if s.Confirm == nil {
		return nil
	}
	yes, err := s.Confirm(ctx, fmt.Sprintf("Carry out the plan %.8s? Only 'yes' approves: ", inc.Plan.Digest))
	if err != nil {
		return fmt.Errorf("ask for approval: %w", err)
	}
	d := web.Decision{Incident: inc.ID, Verb: "reject", Digest: inc.Plan.Digest, Reason: "answered in the terminal", By: backout.Principal{Name: "terminal", Role: backout.RoleApprover}}
	if yes {
		d.Verb = "approve"
	}
	_, err = s.app.Decide(ctx, d)
	return err
}

// score holds the run against the truth, which is read here for the first time.
func (s *show) score(ctx context.Context, incidents []backout.Incident) (drill.Result, error) {
	report, err := s.shop.Report(ctx)
	if err != nil {
		return drill.Result{}, fmt.Errorf("ask the shop for its report: %w", err)
	}
	truth, err := drill.ReadTruth(filepath.Join(s.dir, "truth.json"))
	if err != nil {
		return drill.Result{}, err
	}
	f := drill.Facts{Mode: "names", Incidents: incidents, Shop: shopReport(report), Entries: []backout.Entry{}, Graph: s.app.Graph(), HumanAsked: s.story.asked}
	if s.Blind {
		f.Mode = "blind"
	}
	s.mu.Lock()
	f.Hits = append(f.Hits, s.found...)
	s.mu.Unlock()
	w, err := s.app.World(ctx)
	if err != nil {
		return drill.Result{}, err
	}
	for _, inc := range incidents {
		for _, at := range inc.Attempts {
			run, err := s.app.RunOf(ctx, at.ID)
			if err != nil && backout.CodeOf(err) != backout.CodeNotFound {
				return drill.Result{}, err
			}
			f.Entries = append(f.Entries, run.Entries...)
			f.UnsafeStates += drill.UnsafeStates(w, at.Plan, run.Entries)
		}
	}
	r := drill.Score(truth, f)
	s.story.scored(r, drill.Scored(truth, incidents), report)
	return r, nil
}
