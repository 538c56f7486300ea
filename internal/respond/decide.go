package respond

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/plan"
	"github.com/backout-dev/backout/internal/plan/check"
)

// When to stop looking and decide. All waits are in model minutes since the
// incident opened: too early an answer is an expensive guess, too late a one
// costs every minute of trouble.
const (
	evidenceWindow = 60 // how far back the scorer looks
	settleWait     = 2.0
	settleSamples  = 4 // or so many samples, from nearlySure on, if that is sooner
	nearlySure     = .95
	nobodyWait     = 8.0 // "no change did this" loses little by waiting
	longestWait    = 20.0
	decisive       = .80
	decisiveNone   = .85
	// Somebody who is still rolling out holds the wheel: a suspect is left to settle
	// for so long after a stage before it is taken back. One that has reached everything
	// only warms up.
	settleStage = 6.0
	settleWhole = 1.5
	// While a person is asked, the suspects are weighed anew for so long. Later what is
	// ill has spread and the onset fades: more of that is less evidence.
	longestLook = 40.0
)

// decide asks who did it, what is next and what to do, from detected, attributed
// or waiting. It stays attributed while more evidence is worth more than a
// minute of trouble, goes to planned when a decision is due, and keeps looking
// while a person is asked.
func (r *Responder) decide(ctx context.Context, now time.Time, inc backout.Incident) (time.Time, error) {
	if gone, why, err := r.wentAway(ctx, now, inc); err != nil {
		return time.Time{}, err
	} else if gone {
		_, err := r.move(ctx, now, inc, backout.StateSelfRecovered, why)
		return time.Time{}, err
	}
	w, err := r.cfg.Facts.World(ctx, now, true)
	if err != nil {
		return time.Time{}, err
	}
	if r.remembers(now, inc) {
		return r.reconsider(ctx, now, w, inc, inc.Attribution)
	}
	before := inc.Attribution
	att := r.rank(now, r.taught(ctx, now, w, inc), inc)
	fc := r.cascade(now, w, att, inc)
	inc.Attribution, inc.Forecast, inc.Onset = &att, &fc, att.Onset
	r.liken(ctx, now, w, &inc)
	if inc.State == backout.StateWaiting {
		return r.reconsider(ctx, now, w, inc, before)
	}
	due, timing := r.due(now, w, inc, before)
	if fresh := leads(&att, decisive) && !steady(before, att, decisive); !due || fresh {
		if inc.State == backout.StateDetected {
			inc.FirstForecast = &fc
			_, err = r.move(ctx, now, inc, backout.StateAttributed, leading(att)+patience(att, timing))
		} else {
			messages := r.tell(now, &inc, nil)
			_, err = r.save(ctx, now, inc, "attributed again: "+leading(att)+patience(att, timing), messages)
		}
		return now.Add(r.cfg.Step), err
	}
	if inc.FirstForecast == nil {
		inc.FirstForecast = &fc
	}
	inc.Plan, err = r.plan(ctx, now, w, inc)
	if err != nil {
		return time.Time{}, err
	}
	if inc.Plan.Action == backout.ActionRollBack {
		inc.Plan.Timing = timing
	}
	inc.ETA = r.foresee(now, w, inc, *inc.Plan, nil)
	_, err = r.move(ctx, now, inc, backout.StatePlanned, inc.Plan.Summary)
	return now, err
}

// remembers reports whether an incident is decided with what was found while its
// onset was fresh.
func (r *Responder) remembers(now time.Time, inc backout.Incident) bool {
	return inc.State == backout.StateWaiting && inc.Attribution != nil && now.Sub(inc.OpenedAt) > r.minutes(longestLook)
}

// rank weighs the suspects on everything from an hour before the incident opened
// until now, or until the first of our own effects changed the picture.
func (r *Responder) rank(now time.Time, w backout.World, inc backout.Incident) backout.Attribution {
	q := attribute.Question{World: w, Baselines: inc.Baselines, Tried: inc.Tried, Noticed: noticed(inc)}
	if len(inc.Attempts) > 0 {
		q.Until = inc.Attempts[0].StartedAt
	}
	from := now
	if inc.OpenedAt.Before(from) {
		from = inc.OpenedAt
	}
	from = from.Add(-r.minutes(evidenceWindow))
	q.Residuals = witnessed(r.cfg.Signals.Residuals(from, now), inc, from, now, r.cfg.Step)
	return attribute.Rank(unsettled(q, inc.After))
}

// noticed is when most of what the incident is about had been found: its first finding
// may be another story. Zero where nothing was found, as when somebody asks about a calm
// moment.
func noticed(inc backout.Incident) time.Time {
	var at []time.Time
	for _, f := range inc.Findings {
		if f.Opens {
			at = append(at, f.At)
		}
	}
	if len(at) == 0 {
		return time.Time{}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at[(len(at)-1)/2]
}

// due reports whether it is time to decide, and where that was weighed in money
// what came of it. An answer that is decisive waits only while another minute is worth
// more than it costs. One that is not decisive is never hurried by dear minutes: what
// a needless rollback costs in trust has no price here.
func (r *Responder) due(now time.Time, w backout.World, inc backout.Incident, before *backout.Attribution) (bool, *backout.Timing) {
	waited := float64(now.Sub(inc.OpenedAt)) / float64(r.cfg.Minute)
	att := *inc.Attribution
	switch {
	case waited < longestWait && !sure(att) && r.rollingOut(now, w, att):
		return false, nil
	case now.Sub(latelySince(inc)) < r.minutes(longestEasing) && r.easing(now, inc):
		return false, nil // whoever acts now takes back what has mended itself
	case waited >= longestWait:
		return true, nil
	case att.PNone >= decisiveNone:
		return waited >= nobodyWait, nil
	case len(att.Suspects) == 0 || att.Suspects[0].P < decisive || waited < r.settled(att.Suspects[0].P):
		return false, nil
	}
	t := r.weigh(w, inc, before)
	return t == nil || !t.Wait || waited >= nobodyWait, t
}

// steady reports whether the same change has at least this probability as at the look
// before: what one sample has turned the next one often turns back.
func steady(before *backout.Attribution, att backout.Attribution, p float64) bool {
	return leads(before, p) && leads(&att, p) && before.Suspects[0].Change == att.Suspects[0].Change
}

func leads(att *backout.Attribution, p float64) bool {
	return att != nil && len(att.Suspects) > 0 && att.Suspects[0].P >= p
}

// sure reports whether it is nearly certain who did it: then nobody waits for a rollout
// to end that does harm with every instance it reaches.
func sure(att backout.Attribution) bool { return leads(&att, nearlySure) }

// settled is how many model minutes an incident must be open before anything is decided:
// first findings of a cascade arrive one after the other. Where it is nearly certain who
// did it, a few samples are enough.
func (r *Responder) settled(p float64) float64 {
	if p < nearlySure {
		return settleWait
	}
	few := float64(settleSamples*r.cfg.Step) / float64(r.cfg.Minute)
	return min(settleWait, max(settleWait/2, few))
}

// weigh asks whether another minute is worth its price; nil when that can't be said.
func (r *Responder) weigh(w backout.World, inc backout.Incident, before *backout.Attribution) *backout.Timing {
	if before == nil {
		before = &backout.Attribution{}
	}
	t, err := plan.Weigh(r.request(w, inc), *before)
	if err != nil {
		r.cfg.Log.Warn("weigh waiting", "incident", inc.ID, "err", err)
		return nil
	}
	return &t
}

// patience says why nothing is decided yet.
func patience(att backout.Attribution, t *backout.Timing) string {
	switch {
	case t != nil:
		return "; " + t.Words
	case len(att.Suspects) > 0 && att.Suspects[0].P < decisive && att.PNone < decisiveNone:
		return fmt.Sprintf("; more evidence is waited for, until %.0f %% or %.0f minutes", 100*decisive, longestWait)
	}
	return ""
}

// request is what a plan depends on.
func (r *Responder) request(w backout.World, inc backout.Incident) plan.Request {
	return plan.Request{World: w, Incident: inc.ID, Attribution: *inc.Attribution, Forecast: *inc.Forecast, Forbidden: r.cfg.Permit.PerAction(w), Fix: inc.Fix}
}

// easing reports whether what was ill is on its way back by itself: of the signals
// that opened the incident most have been near their baseline, or far below their
// worst, for the last minutes. Alerts don't tell; a signal that is not measured any
// more is not easing.
func (r *Responder) easing(now time.Time, inc backout.Incident) bool {
	ill, seen, calm := illOf(inc), 0, 0
	for _, res := range r.cfg.Signals.Residuals(inc.OpenedAt.Add(-r.minutes(easingLook)), now) {
		if !ill[res.ID] || len(res.Levels) == 0 {
			continue
		}
		seen++
		recent := int(r.minutes(easingFor) / max(1, res.Step))
		worst, last, n := 0.0, 0.0, 0
		for i, x := range res.Levels {
			if math.IsNaN(x) {
				continue
			}
			worst = max(worst, x)
			if i >= len(res.Levels)-recent {
				last, n = max(last, x), n+1
			}
		}
		if n > 0 && last < max(goesOnLevel, worst/easedTo) {
			calm++
		}
	}
	return seen > 0 && float64(calm) >= mostlyCalm*float64(seen)
}

const (
	easingLook = 5.0 // model minutes before the incident opened in which its worst may lie
	easingFor  = 1.0 // model minutes for which it must have eased
	easedTo    = 2.0 // the worst divided by this is far below it
	mostlyCalm = .75 // of the ill signals
	// What has eased and is not back by then will not come back by itself: an attempt
	// that stopped half way may halve the trouble for good.
	longestEasing = 40.0
)

// rollingOut reports whether a serious suspect's rollout is still going on: its
// last stage was a part and is not old.
func (r *Responder) rollingOut(now time.Time, w backout.World, att backout.Attribution) bool {
	for _, s := range att.Suspects {
		if s.P < .1 {
			break // ordered by probability
		}
		for _, c := range w.Changes {
			st := c.Exposure.Stages
			if c.ID != s.Change || len(st) == 0 {
				continue
			}
			last := st[len(st)-1]
			limit := settleWhole
			if last.Share < 1 && last.Audience == "" {
				limit = settleStage // the next one is to be expected
			}
			if now.Sub(last.At) < r.minutes(limit) {
				return true
			}
		}
	}
	return false
}

// plan makes the way back and lets the independent checker look at it; a plan it
// refuses is never shown as one, and only what it proves about cost is said.
func (r *Responder) plan(ctx context.Context, now time.Time, w backout.World, inc backout.Incident) (*backout.Plan, error) {
	w = r.taught(ctx, now, w, inc)
	p, derived, err := plan.Derive(r.request(w, inc))
	if err != nil {
		return nil, fmt.Errorf("make plan: %w", err)
	}
	p.ID = backout.PlanID(fmt.Sprintf("%s/plan-%d", inc.ID, len(inc.Attempts)+1))
	proof, violations := check.Certify(w, p)
	if violations = append(violations, check.Values(w, *inc.Attribution, p)...); len(violations) > 0 {
		return nil, fmt.Errorf("check plan: %v", violations)
	}
	p.Certificate = proof
	if p.Certificate, violations = check.Cost(p, derived); len(violations) > 0 {
		r.cfg.Log.Error("the proof of the plan's cost does not hold, so nothing is said about it", "incident", inc.ID, "violations", violations)
	}
	return &p, nil
}

func leading(att backout.Attribution) string {
	if len(att.Suspects) == 0 || att.Suspects[0].P < att.PNone {
		return fmt.Sprintf("most likely no change did this (%.0f %%)", att.PNone*100)
	}
	s := att.Suspects[0]
	return fmt.Sprintf("%s to %s leads with %.0f %%", s.Component, s.To, s.P*100)
}
