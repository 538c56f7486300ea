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
// and the world is loaded far more often than a run ends. Which runs those are is asked of the
// database each time, so another replica's runs are among them.
type pastRuns struct {
	mu   sync.Mutex
	runs map[backout.AttemptID][]backout.OwnEffect // guarded by mu
}

// Effects lists what our own attempts did since a time, or may have done, from their
// journals: one for each step and direction of an attempt that was tried, in order of
// attempts. An effect that is certain not to have happened is left out. Runs that ended
// before that time are not looked at, however many there are.
func (x *Executor) Effects(ctx context.Context, since time.Time) ([]backout.OwnEffect, error) {
	states, err := x.mattering(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("read own effects: %w", err)
	}
	x.did.mu.Lock()
	defer x.did.mu.Unlock()
	out, kept := []backout.OwnEffect{}, map[backout.AttemptID][]backout.OwnEffect{}
	for _, r := range states {
		did, known := x.did.runs[r.Attempt]
		if !known {
			if did, err = x.effectsOf(ctx, r); err != nil {
				return nil, fmt.Errorf("read own effects of %s: %w", r.Attempt, err)
			}
		}
		if r.State.Terminal() {
			kept[r.Attempt] = did
		}
		for _, e := range did {
			if e.Ended.IsZero() || e.Ended.After(since) {
				out = append(out, e)
			}
		}
	}
	x.did.runs = kept // what ended too long ago is forgotten
	return out, nil
}

// apart is how far the clocks of two replicas may be apart, one of which wrote when an
// effect ended and the other when its run did.
const apart = time.Hour

// mattering are the runs, without their journals, that go on or ended after a time, and maybe a
// little before it. It counts as well: where not every ended run has a moment, since a program
// that did not know of moments ended it, they are written down first.
func (x *Executor) mattering(ctx context.Context, since time.Time) ([]backout.Run, error) {
	for {
		runs, complete, err := x.endedSince(ctx, since.Add(-apart))
		if err != nil || complete {
			return runs, err
		}
		if _, err := x.db.ExecContext(ctx, `INSERT INTO run_ended (attempt, at) SELECT attempt, $1 FROM run
			WHERE state IN ('completed', 'stopped', 'halted', 'aborted') AND attempt NOT IN (SELECT attempt FROM run_ended) ON CONFLICT DO NOTHING`, time.Now().UnixMilli()); err != nil {
			return nil, err
		}
	}
}

// endedSince is one statement, so that a run that ends meanwhile is either open or has
// its moment. The first row is no run but says how many ended ones have none.
func (x *Executor) endedSince(ctx context.Context, since time.Time) (runs []backout.Run, complete bool, err error) {
	const open = "state NOT IN ('completed', 'stopped', 'halted', 'aborted')"
	rows, err := x.db.QueryContext(ctx, `SELECT '', '', (SELECT count(*) FROM run) - (SELECT count(*) FROM run WHERE `+open+`) - (SELECT count(*) FROM run_ended)
		UNION ALL SELECT attempt, state, 0 FROM run WHERE `+open+`
		UNION ALL SELECT r.attempt, r.state, 0 FROM run_ended e JOIN run r ON r.attempt = e.attempt WHERE e.at > $1
		ORDER BY 1`, since.UnixMilli())
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var r backout.Run
		var without int64
		if err := rows.Scan(&r.Attempt, &r.State, &without); err != nil {
			return nil, false, err
		}
		if r.Attempt == "" {
			complete = without == 0
			continue
		}
		runs = append(runs, r)
	}
	return runs, complete, rows.Err()
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
