package execute

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// pastRuns remembers what runs did that have ended: their journals don't change any more,
// and the world is loaded far more often than a run ends.
type pastRuns struct {
	mu   sync.Mutex
	runs map[backout.AttemptID][]backout.OwnEffect // guarded by mu
}

// Effects lists what our own attempts did since a time, or may have done, from their
// journals: one for each step and direction of an attempt that was tried. An effect
// that is certain not to have happened is left out.
func (x *Executor) Effects(ctx context.Context, since time.Time) ([]backout.OwnEffect, error) {
	states, err := x.states(ctx)
	if err != nil {
		return nil, fmt.Errorf("read own effects: %w", err)
	}
	x.did.mu.Lock()
	defer x.did.mu.Unlock()
	if x.did.runs == nil {
		x.did.runs = map[backout.AttemptID][]backout.OwnEffect{}
	}
	out := []backout.OwnEffect{}
	for _, r := range states {
		did, known := x.did.runs[r.Attempt]
		if !known {
			if did, err = x.effectsOf(ctx, r); err != nil {
				return nil, fmt.Errorf("read own effects of %s: %w", r.Attempt, err)
			}
		}
		if r.State.Terminal() {
			x.did.runs[r.Attempt] = did
		}
		for _, e := range did {
			if e.Ended.IsZero() || e.Ended.After(since) {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// states are all runs without their journals.
func (x *Executor) states(ctx context.Context) ([]backout.Run, error) {
	rows, err := x.db.QueryContext(ctx, "SELECT attempt, state FROM run ORDER BY attempt")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []backout.Run
	for rows.Next() {
		var r backout.Run
		if err := rows.Scan(&r.Attempt, &r.State); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func (x *Executor) effectsOf(ctx context.Context, r backout.Run) ([]backout.OwnEffect, error) {
	var body string
	if err := x.db.QueryRowContext(ctx, "SELECT request FROM run WHERE attempt = $1", r.Attempt).Scan(&body); err != nil {
		return nil, err
	}
	var q Request
	if err := json.Unmarshal([]byte(body), &q); err != nil {
		return nil, err
	}
	var err error
	if r.Entries, err = x.entries(ctx, r.Attempt, 0); err != nil {
		return nil, err
	}
	return did(q.Attempt.Plan, r), nil
}

// did draws from a journal what its run did to each component.
func did(p backout.Plan, r backout.Run) []backout.OwnEffect {
	steps := map[string]backout.Step{}
	for _, s := range p.Steps() {
		steps[s.ID] = s
	}
	type deed struct {
		step string
		back bool
	}
	found, open := map[deed]*backout.OwnEffect{}, map[deed]bool{}
	var order []deed
	last := time.Time{}
	for _, e := range r.Entries {
		last = e.At
		s, known := steps[e.Step]
		d := deed{e.Step, strings.HasSuffix(e.Key, "/back")}
		switch {
		case !known:
		case e.Kind == backout.EntryIntent:
			if open[d] = true; found[d] != nil {
				continue
			}
			to := s.To
			if d.back {
				to = s.From
			}
			found[d], order = &backout.OwnEffect{Attempt: r.Attempt, Key: e.Key, Component: s.Component, To: to, Began: e.At}, append(order, d)
		case found[d] != nil && (e.Kind == backout.EntryEffect || e.Kind == backout.EntryReversed):
			if open[d] = false; e.Outcome != backout.OutcomeNotDone {
				found[d].Key, found[d].Ended = e.Key, e.At
			}
		}
	}
	var out []backout.OwnEffect
	for _, d := range order {
		switch e := *found[d]; {
		case open[d] && r.State.Terminal(): // cut off: it may have happened
			e.Ended = last
			out = append(out, e)
		case open[d]:
			e.Ended = time.Time{}
			out = append(out, e)
		case !e.Ended.IsZero():
			out = append(out, e)
		}
	}
	return out
}
