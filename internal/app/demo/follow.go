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

// follow tells what happens until the incident has ended, or the time is over.
// An incident that went away by itself is not the end: another may follow.
func (s *show) follow(ctx context.Context, began time.Time) (*backout.Incident, error) {
	tick := time.NewTicker(s.step)
	defer tick.Stop()
	var last *backout.Incident
	asked := false
	for {
		changes, err := s.app.Changes(ctx)
		if err != nil {
			return last, err
		}
		s.story.changes(changes)
		all, err := s.app.Incidents(ctx)
		if err != nil {
			return last, err
		}
		if len(all) > 0 {
			last = &all[0] // the newest
			s.story.incident(*last)
			if last.State == backout.StateWaiting && s.Approve && !asked {
				asked = true
				if err := s.ask(ctx, *last); err != nil {
					return last, err
				}
			}
			if last.State.Terminal() && last.State != backout.StateSelfRecovered {
				return last, s.settle(ctx)
			}
		}
		if time.Since(began) > s.limit && !s.Approve {
			s.story.timeIsUp()
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case err := <-s.failed:
			return last, err
		case <-tick.C:
		}
	}
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
func (s *show) score(ctx context.Context, inc *backout.Incident) (drill.Result, error) {
	report, err := s.shop.Report(ctx)
	if err != nil {
		return drill.Result{}, fmt.Errorf("ask the shop for its report: %w", err)
	}
	truth, err := drill.ReadTruth(filepath.Join(s.dir, "truth.json"))
	if err != nil {
		return drill.Result{}, err
	}
	f := drill.Facts{Mode: "names", Incident: inc, Shop: shopReport(report), Entries: []backout.Entry{}}
	if s.Blind {
		f.Mode = "blind"
	}
	s.mu.Lock()
	f.Hits = append(f.Hits, s.found...)
	s.mu.Unlock()
	if inc != nil {
		f.HumanAsked = s.story.asked
		w, err := s.app.World(ctx)
		if err != nil {
			return drill.Result{}, err
		}
		for _, at := range inc.Attempts {
			run, err := s.app.RunOf(ctx, at.ID)
			if err != nil && backout.CodeOf(err) != backout.CodeNotFound {
				return drill.Result{}, err
			}
			f.Entries = append(f.Entries, run.Entries...)
			f.UnsafeStates += drill.UnsafeStates(w, at.Plan, run.Entries)
		}
	}
	r := drill.Judge(truth, f, drill.Score(truth, f))
	s.story.scored(r, inc, report)
	return r, nil
}
