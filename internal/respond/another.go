package respond

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/verify"
)

// A second trouble may begin while an attempt runs. Its findings join the incident,
// since an environment has one at a time, but they say nothing about the attempt:
// held against it, they would have it halt and put back what it rightly took away.
// So the gate leaves them out, and when the attempt has brought recovery they open
// the next incident.
//
// A second trouble is told by three marks: its onset lies after the attempt's start,
// its service was not ill before, and somebody else has since changed that service or
// one that it needs. Without the last the attempt itself may have done it.

// reached lists the services that other hands may have hurt since an attempt began:
// those they changed, and all that need them.
func reached(w backout.World, at backout.Attempt) map[backout.ServiceID]bool {
	touched, out := at.Plan.Touched(), map[backout.ServiceID]bool{}
	for _, c := range w.Changes {
		if c.Exposure.Start().After(at.StartedAt) && !slices.Contains(touched, c.Component) {
			for _, s := range c.Services {
				out[s] = true
			}
		}
	}
	for more := true; more; {
		more = false
		for _, d := range w.Graph.Dependencies {
			if out[d.To] && !out[d.From] {
				out[d.From], more = true, true
			}
		}
	}
	return out
}

// apart says which series belong to a second trouble, as far as their subject tells.
func apart(w backout.World, inc backout.Incident, at backout.Attempt) func(backout.SeriesID) bool {
	hands, before, onset := reached(w, at), map[backout.ServiceID]bool{}, map[backout.SeriesID]time.Time{}
	for _, f := range inc.Findings {
		onset[f.ID] = f.Onset
		if !f.Onset.After(at.StartedAt) {
			before[f.ID.Subject.Service] = true
		}
	}
	return func(id backout.SeriesID) bool {
		s := id.Subject.Service
		return s != "" && hands[s] && !before[s] && (onset[id].IsZero() || onset[id].After(at.StartedAt))
	}
}

// joined reports whether something turned ill since the attempt began: a second trouble,
// or harm that the attempt did.
func joined(inc backout.Incident, at backout.Attempt) bool {
	return slices.ContainsFunc(inc.Findings, func(f backout.Finding) bool { return f.Opens && f.Onset.After(at.StartedAt) })
}

// withoutAnother leaves a second trouble out of what a gate judges.
func (g *Gate) withoutAnother(ctx context.Context, inc backout.Incident, q execute.Question, v verify.Question) (verify.Question, error) {
	if g.Facts == nil {
		return v, nil
	}
	w, err := g.Facts.World(ctx, q.Now, false)
	if err != nil {
		return v, fmt.Errorf("gate of %s: %w", q.Attempt.ID, err)
	}
	other, old := apart(w, inc, q.Attempt), earlier(w, inc, q.Attempt)
	drop := func(r backout.Residuals) bool { return other(r.ID) }
	v.Primary, v.Watched = slices.DeleteFunc(v.Primary, drop), slices.DeleteFunc(v.Watched, drop)
	stale := func(r backout.Residuals) bool { return old(r.ID) }
	if slices.ContainsFunc(v.Primary, func(r backout.Residuals) bool { return !stale(r) }) {
		v.Primary = slices.DeleteFunc(v.Primary, stale) // something is left to prove recovery with
	}
	return v, nil
}

// An incident may also have been opened by an earlier trouble: a slow drift, or what stood
// when we began to watch. What was ill long before all that the attempt takes back on
// suspicion was shipped does not get well by taking it back; held against the attempt it
// would be waited for until the gate gives up. It opens the next incident.

// lingers reports whether something was ill so long before the attempt that it may be of
// an earlier trouble.
func lingers(inc backout.Incident, at backout.Attempt, minute time.Duration) bool {
	return slices.ContainsFunc(inc.Findings, func(f backout.Finding) bool { return f.Opens && permit.LongBefore(minute, f.Onset, at.StartedAt) })
}

// earlier says which series belong to an earlier trouble; none where it isn't known when
// what is taken back was shipped.
func earlier(w backout.World, inc backout.Incident, at backout.Attempt) func(backout.SeriesID) bool {
	first := time.Time{}
	for _, s := range at.Plan.Steps() {
		for _, c := range w.Changes {
			if start := c.Exposure.Start(); !s.Demanded && slices.Contains(s.Reverts, c.ID) && (first.IsZero() || start.Before(first)) {
				first = start
			}
		}
	}
	old, fresh := map[backout.SeriesID]bool{}, map[backout.SeriesID]bool{}
	for _, f := range inc.Findings {
		if !first.IsZero() && permit.LongBefore(w.Minute.Std(), f.Onset, first) {
			old[f.ID] = true
		} else {
			fresh[f.ID] = true
		}
	}
	return func(id backout.SeriesID) bool { return old[id] && !fresh[id] }
}

// leftOver are the findings of another trouble that the newest incident took along
// and left behind when it recovered, as far as they last, with what that incident
// settled. The detector says a finding once only, so nobody else would bring them up
// again.
func (r *Responder) leftOver(ctx context.Context, now time.Time, env backout.Environment) ([]backout.Finding, *backout.Settled, error) {
	inc, ok, err := r.cfg.Store.Latest(ctx, string(env))
	if err != nil || !ok || inc.State != backout.StateRecovered || len(inc.Attempts) == 0 || now.Sub(inc.UpdatedAt) > r.minutes(goesOnFor) {
		return nil, nil, err
	}
	at := inc.Attempts[len(inc.Attempts)-1]
	if !joined(inc, at) && !lingers(inc, at, r.cfg.Minute) && len(at.Unproven) == 0 {
		return nil, nil, nil
	}
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return nil, nil, err
	}
	other, old, lasting := apart(w, inc, at), earlier(w, inc, at), map[backout.SeriesID]bool{}
	for _, res := range r.cfg.Signals.Residuals(now.Add(-r.minutes(goesOnQuiet)), now) {
		lasting[res.ID] = !quiet(res, r.minutes(goesOnQuiet)/2)
	}
	var out []backout.Finding
	after := &backout.Settled{Incident: inc.ID, Changes: undone(at), Series: []backout.SeriesID{}}
	for _, f := range inc.Findings {
		switch {
		case !f.Opens:
		case !other(f.ID) && !old(f.ID) && !slices.Contains(at.Unproven, f.ID):
			after.Series = append(after.Series, f.ID)
		case f.EndedAt.IsZero() && (lasting[f.ID] || f.Mode == backout.ModeAlert):
			out = append(out, f)
		}
	}
	return out, after, nil
}

// undone are the changes that an attempt took back altogether.
func undone(at backout.Attempt) []backout.ChangeID {
	out := []backout.ChangeID{}
	for _, s := range at.Plan.Steps() {
		if slices.ContainsFunc(at.TakenBack, func(b backout.TakenBack) bool { return b.Component == s.Component && b.Share >= 1 }) {
			out = append(out, s.Reverts...)
		}
	}
	return out
}

// unsettled leaves out of a question what the incident before has settled.
func unsettled(q attribute.Question, after *backout.Settled) attribute.Question {
	if after == nil {
		return q
	}
	q.World.Changes = slices.DeleteFunc(slices.Clone(q.World.Changes), func(c backout.Change) bool { return slices.Contains(after.Changes, c.ID) })
	q.Residuals = slices.DeleteFunc(q.Residuals, func(r backout.Residuals) bool { return slices.Contains(after.Series, r.ID) })
	return q
}
