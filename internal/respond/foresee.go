package respond

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/forecast"
)

// lately is how many model minutes back a level still says how things are now.
const lately = 5.0

// cascade asks what is hit next and what that costs.
func (r *Responder) cascade(now time.Time, w backout.World, att backout.Attribution, inc backout.Incident) backout.Forecast {
	q := forecast.Question{World: w, Attribution: att, Findings: inc.Findings, Seed: r.cfg.Seed}
	q.Saturation, q.ErrorRatio = r.pressure(now, w)
	return forecast.Cascade(q)
}

// pressure is how much of its capacity each service uses and how many of the calls to it
// fail, as was measured lately; services of which that is not measured are in neither.
func (r *Responder) pressure(now time.Time, w backout.World) (used, failing map[backout.ServiceID]float64) {
	used, failing = map[backout.ServiceID]float64{}, map[backout.ServiceID]float64{}
	levels := map[backout.SeriesID]float64{}
	var ids []backout.SeriesID
	for _, res := range r.cfg.Signals.Residuals(now.Add(-r.minutes(lately)), now) {
		s := res.ID.Subject
		if s.Service == "" || s.Version != "" || s.Caller != "" || res.Kind != backout.SignalSaturation && res.Kind != backout.SignalErrors {
			continue
		}
		if x, ok := newestLevel(res.Levels); ok {
			levels[res.ID], ids = x, append(ids, res.ID)
		}
	}
	if len(ids) > 0 { // none named would be all
		for _, b := range r.cfg.Signals.Baselines(ids) {
			into := failing
			if b.Kind == backout.SignalSaturation {
				into = used
			}
			s := b.Series.Subject.Service
			into[s] = max(into[s], share(b, levels[b.Series]))
		}
	}
	for id, l := range w.Loads { // what somebody asked for beats what was guessed from a gauge
		c, _ := w.Graph.Component(id)
		if u, ok := l.Values[backout.QuantityUtilisation]; ok && c.Service != "" {
			used[c.Service] = u
		}
	}
	return used, failing
}

func newestLevel(levels []float64) (float64, bool) {
	for _, x := range slices.Backward(levels) {
		if !math.IsNaN(x) {
			return x, true
		}
	}
	return 0, false
}

// share turns a level back into the share that it is of: both kinds are watched as
// logits.
func share(b backout.Baseline, level float64) float64 {
	if b.Worse == backout.WorseDown {
		level = -level
	}
	return 1 / (1 + math.Exp(-(b.Level + level*b.Scale)))
}

// foresee says when recovery is to be expected from a plan: from now on where it has not
// begun, else from where its run is. nil when the plan moves nothing.
func (r *Responder) foresee(now time.Time, w backout.World, inc backout.Incident, p backout.Plan, run *backout.Run) *backout.ETA {
	if len(p.Steps()) == 0 {
		return nil
	}
	q := forecast.Recovery{Now: now, Minute: r.cfg.Minute, Step: r.cfg.Step, Right: p.Success, Errors: w.Priors.Recoveries, Seed: r.cfg.Seed, Backlogs: backlogs(w, p, r.cfg.Minute)}
	q.Remaining = max(0, p.Takes.Std()-lastBake(p, r.cfg.Minute))
	if n := len(inc.Attempts); run != nil && n > 0 {
		q.Remaining, q.Done = remaining(now, inc.Attempts[n-1].StartedAt, q.Remaining, p, *run)
	}
	r.look(&q, now, inc)
	e := forecast.Recover(q)
	return &e
}

// remaining is how long a run still acts, and when it was done if it is.
func remaining(now, began time.Time, planned time.Duration, p backout.Plan, run backout.Run) (time.Duration, time.Time) {
	reached, last := map[string]float64{}, time.Time{}
	for _, e := range run.Entries {
		if (e.Kind == backout.EntryEffect || e.Kind == backout.EntrySkipped) && e.Outcome == backout.OutcomeDone {
			reached[e.Step], last = max(reached[e.Step], e.Share), e.At
		}
	}
	done, all := 0.0, 0.0
	for _, s := range p.Steps() {
		all += 1
		done += min(1, reached[s.ID])
	}
	if done >= all {
		return 0, last
	}
	// A run that is late has what its steps still ask for before it.
	return max(planned-now.Sub(began), time.Duration(float64(planned)*(all-done)/all/2)), time.Time{}
}

// lastBake is how long the last round bakes: by then its effect is there.
func lastBake(p backout.Plan, minute time.Duration) time.Duration {
	longest := time.Duration(0)
	for _, s := range p.Waves[len(p.Waves)-1].Steps {
		if n := len(s.Stages); n > 0 {
			longest = max(longest, s.Stages[n-1].Bake.Std())
		}
	}
	return time.Duration(float64(longest) * float64(minute) / float64(time.Minute))
}

// look adds what the ill signals show.
func (r *Responder) look(q *forecast.Recovery, now time.Time, inc backout.Incident) {
	ill, from, phis := illOf(inc), now.Add(-r.minutes(lately)), []float64{}
	if !q.Done.IsZero() {
		from = q.Done
	}
	q.Margin = marginSeasonal
	for _, res := range r.cfg.Signals.Residuals(from, now) {
		if !ill[res.ID] {
			continue
		}
		phis = append(phis, res.Phi)
		if res.Mode == backout.ModeShort {
			q.Margin = marginShort
		}
		if !q.Done.IsZero() {
			q.Curves = append(q.Curves, res.Levels)
		}
	}
	if slices.Sort(phis); len(phis) > 0 {
		q.Phi = phis[len(phis)/2]
	}
}

// backlogs are the queues of what a plan moves, where somebody asked how long they are.
func backlogs(w backout.World, p backout.Plan, minute time.Duration) []forecast.Backlog {
	var out []forecast.Backlog
	for _, id := range p.Touched() {
		c, _ := w.Graph.Component(id)
		l := w.Loads[id]
		waiting, known := l.Values[backout.QuantityBacklog]
		inflow, counted := l.Values[backout.QuantityInflow]
		if c.Rollback == nil || c.Rollback.Queue == nil || !known || !counted {
			continue
		}
		out = append(out, forecast.Backlog{Name: c.Name, Waiting: waiting, Served: c.Rollback.Queue.DrainRate * minute.Seconds(), Arriving: inflow * minute.Seconds()})
	}
	return out
}

// Another answer is worth a row when the expected end moves by this much.
const (
	movedBy    = 2.0 // model minutes
	movedShare = .25 // of what is left
)

// expect keeps the running attempt's end up to date. It is saved when it has moved, so
// that every surface says the same; told reports whether it was.
func (r *Responder) expect(ctx context.Context, now time.Time, inc backout.Incident, run backout.Run) (told bool, err error) {
	n := len(inc.Attempts)
	if n == 0 || run.State != backout.RunActive || inc.State != backout.StateExecuting {
		return false, nil
	}
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return false, err
	}
	next := r.foresee(now, w, inc, inc.Attempts[n-1].Plan, &run)
	if next == nil || !r.elsewhere(inc.ETA, *next) {
		return false, nil
	}
	inc.ETA = next
	_, err = r.save(ctx, now, inc, "expected: "+expectation(*next), nil)
	return true, err
}

// elsewhere reports whether an answer differs from the one that is told.
func (r *Responder) elsewhere(told *backout.ETA, next backout.ETA) bool {
	if told == nil || !slices.Equal(told.Stays, next.Stays) {
		return true
	}
	_, was, _ := told.Ends()
	_, is, _ := next.Ends()
	return math.Abs(float64(is.Sub(was))) > max(float64(r.minutes(movedBy)), movedShare*float64(next.P50))
}

func expectation(e backout.ETA) string {
	if len(e.Stays) > 0 {
		return fmt.Sprintf("%v does not drain, so no end is in sight", e.Stays)
	}
	_, end, _ := e.Ends()
	return fmt.Sprintf("back by about %s if the diagnosis is right (%.0f %%)", end.UTC().Format("15:04:05 UTC"), 100*e.Right)
}

// missed is how far off the first forecast's times were, for the hits that it foretold
// and that came before anything was done: what is hit later may have been spared or
// hurried by us.
func missed(inc backout.Incident, minute time.Duration) []float64 {
	f := inc.FirstForecast
	if f == nil {
		return nil
	}
	until, out := inc.UpdatedAt, []float64{}
	for _, a := range inc.Attempts {
		if !a.StartedAt.IsZero() {
			until = a.StartedAt
			break
		}
	}
	in := func(d time.Duration) float64 { return float64(d) / float64(minute) }
	for _, h := range f.Hits {
		if h.Kind != backout.TargetService || !h.HitAt.IsZero() {
			continue
		}
		for _, x := range inc.Findings {
			if string(x.ID.Subject.Service) == h.Target && x.Onset.After(f.At) && x.Onset.Before(until) {
				miss := forecast.Miss(in(h.P10.Std()), in(h.P50.Std()), in(h.P90.Std()), in(x.Onset.Sub(f.At)))
				out = append(out, miss*cmp.Or(f.Stretch, 1))
				break
			}
		}
	}
	return out
}

// overdue is log(actual/foretold) of the time that recovery took; nil when none was
// foretold.
func overdue(inc backout.Incident, ended time.Time) *float64 {
	e := inc.FirstETA
	if e == nil || e.Model <= 0 || !ended.After(e.At) {
		return nil
	}
	x := math.Log(float64(ended.Sub(e.At)) / float64(e.Model))
	return &x
}
