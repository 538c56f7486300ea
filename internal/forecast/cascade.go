package forecast

import (
	"cmp"
	"math"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// Cascade says what the trouble hits until the horizon, when, and what it costs
// while nobody acts. It is a pure function; equal questions give equal answers.
// Without an origin and without findings the forecast is empty. No slice is nil.
func Cascade(q Question) backout.Forecast {
	out := backout.Forecast{At: q.World.Now, Horizon: q.span(q.horizon()), Hits: []backout.Hit{}, Drivers: []string{}, Warnings: []string{}, Stretch: 1}
	s := newSimulation(q)
	if len(s.origins) == 0 && !slices.ContainsFunc(s.seen, func(t float64) bool { return !math.IsNaN(t) }) {
		return out
	}
	out.Draws = q.draws()
	worlds := make([]world, out.Draws)
	for k := range worlds {
		worlds[k] = s.draw(uint64(k))
	}
	weights, effective := temper(worlds)
	out.Effective = effective
	v := view{s, worlds, weights}
	out.Stretch, out.Fitted = stretch(q.World.Priors.HitTimes)
	for i, id := range s.net.ids {
		// A provider is nobody's to mend and has no signals of its own: it may be an
		// origin, but it is no target.
		if sv, _ := q.World.Graph.Service(id); sv.Kind != backout.ServiceExternal {
			v.service(&out, i, id)
		}
	}
	v.journeys(&out)
	slices.SortStableFunc(out.Hits, func(a, b backout.Hit) int {
		return cmp.Or(cmp.Compare(hitFirst(a), hitFirst(b)), a.HitAt.Compare(b.HitAt), cmp.Compare(a.P50, b.P50), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Kind, b.Kind))
	})
	for i := range out.Hits {
		if out.Hits[i].HitAt.IsZero() {
			widened(&out.Hits[i], out.Stretch, q)
		}
	}
	out.Warnings = v.warnings()
	return out
}

func hitFirst(h backout.Hit) int {
	if h.HitAt.IsZero() {
		return 1
	}
	return 0
}

// temper turns log weights into weights that sum to 1, and flattens them (by
// square roots) until at least fifty worlds count. It returns the effective
// number of worlds, 1/Σw².
func temper(worlds []world) ([]float64, float64) {
	top := math.Inf(-1)
	for _, w := range worlds {
		top = max(top, w.weight)
	}
	out := make([]float64, len(worlds))
	for power := 1.0; ; power /= 2 {
		sum, sq := 0.0, 0.0
		for i, w := range worlds {
			out[i] = math.Exp(power * (w.weight - top))
			sum += out[i]
		}
		for i := range out {
			out[i] /= sum
			sq += out[i] * out[i]
		}
		if 1/sq >= min(enough, float64(len(worlds))/2) || power < 1e-3 {
			return out, 1 / sq
		}
	}
}

// view reads the worlds.
type view struct {
	*simulation
	worlds  []world
	weights []float64
}

// start is the time that the simulation counts from.
func (v view) time(minute float64) time.Time {
	return v.q.World.Now.Add(v.q.span(minute - v.now).Std())
}

// timing fills in the probability and quantiles of a target that is hit in each
// world at these minutes. It reports whether the target is worth telling.
func (v view) timing(h *backout.Hit, at []float64) bool {
	var waits, weights []float64
	for k, t := range at {
		if wait := max(0, t-v.now); wait <= v.q.horizon() {
			waits, weights = append(waits, wait), append(weights, v.weights[k])
			h.P += v.weights[k]
		}
	}
	h.P = min(1, h.P)
	if h.P < leastP {
		return false
	}
	h.P10, h.P50, h.P90 = v.q.span(quantile(waits, weights, 0.1)), v.q.span(quantile(waits, weights, 0.5)), v.q.span(quantile(waits, weights, 0.9))
	return true
}

func (v view) service(out *backout.Forecast, i int, id backout.ServiceID) {
	at, cost := make([]float64, len(v.worlds)), make([]float64, len(v.worlds))
	value := 0.0
	for _, j := range v.q.World.Graph.Journeys {
		if slices.Contains(j.Services, id) {
			value += float64(j.ValuePerMinute.Minor)
		}
	}
	for k, w := range v.worlds {
		at[k], cost[k] = w.at[i], value*w.severity[i]
	}
	h := backout.Hit{Target: string(id), Kind: backout.TargetService}
	if seen := v.seen[i]; !math.IsNaN(seen) {
		h.P, h.HitAt = 1, v.time(seen)
	} else if !v.timing(&h, at) {
		return
	}
	h.CostPerMinute = v.moneyOf(cost, at)
	out.Hits = append(out.Hits, h)
}

// moneyOf is the range of a cost over the worlds where the target is hit before
// the horizon.
func (v view) moneyOf(cost, at []float64) backout.MoneyRange {
	var x, w []float64
	for k, t := range at {
		if t <= v.now+v.q.horizon() {
			x, w = append(x, cost[k]), append(w, v.weights[k])
		}
	}
	return v.money(x, w)
}

func (v view) money(x, w []float64) backout.MoneyRange {
	currency := ""
	for _, j := range v.q.World.Graph.Journeys {
		currency = cmp.Or(currency, j.ValuePerMinute.Currency)
	}
	at := func(p float64) backout.Money {
		return backout.Money{Minor: 1, Currency: currency}.Times(quantile(x, w, p))
	}
	return backout.MoneyRange{P10: at(0.1), P50: at(0.5), P90: at(0.9)}
}

// journeys adds the journeys that are hit, the money lost now and at the
// horizon, and who loses most of it.
func (v view) journeys(out *backout.Forecast) {
	n := len(v.worlds)
	nowSum, laterSum, total := make([]float64, n), make([]float64, n), make([]float64, n)
	type driver struct {
		name string
		cost float64
	}
	var drivers []driver
	for _, j := range v.q.World.Graph.Journeys {
		at, cost := make([]float64, n), make([]float64, n)
		uses, lost := v.uses(j), 0.0
		for k, w := range v.worlds {
			at[k] = math.Inf(1)
			for i := range uses {
				if w.at[i] < at[k] && w.reaches(i, uses) {
					at[k] = w.at[i]
				}
			}
			value := float64(j.ValuePerMinute.Minor)
			cost[k] = value * down(uses, w, v.now+v.q.horizon())
			nowSum[k] += value * down(uses, w, v.now)
			laterSum[k] += cost[k]
			total[k] += value * v.lostTime(uses, w)
			lost += v.weights[k] * cost[k]
		}
		h := backout.Hit{Target: string(j.ID), Kind: backout.TargetJourney}
		if seen, ok := v.journeySeen(j); ok {
			h.P, h.HitAt = 1, seen
		} else if !v.timing(&h, at) {
			continue
		}
		h.CostPerMinute = v.moneyOf(cost, at)
		out.Hits = append(out.Hits, h)
		if lost > 0 {
			drivers = append(drivers, driver{h.Target, lost})
		}
	}
	out.CostNow, out.CostHorizon, out.Loss = v.money(nowSum, v.weights), v.money(laterSum, v.weights), v.money(total, v.weights)
	slices.SortStableFunc(drivers, func(a, b driver) int { return cmp.Or(cmp.Compare(b.cost, a.cost), cmp.Compare(a.name, b.name)) })
	for _, d := range drivers[:min(5, len(drivers))] {
		out.Drivers = append(out.Drivers, d.name)
	}
}

// uses are the services on a journey's path, by index.
func (v view) uses(j backout.Journey) map[int]bool {
	out := map[int]bool{}
	for _, id := range j.Services {
		if i, ok := v.net.index[id]; ok {
			out[i] = true
		}
	}
	return out
}

// down is the share of a journey's attempts that fail at a minute.
func down(uses map[int]bool, w world, minute float64) float64 {
	up := 1.0
	for i := range w.at { // in order, for sums of floats must repeat
		if uses[i] && w.at[i] <= minute && w.reaches(i, uses) {
			up *= 1 - w.severity[i]
		}
	}
	return 1 - up
}

// lostTime is how many minutes' worth of a journey are lost between now and the
// horizon: the integral of its down-share, which changes when another of its services is
// hit.
func (v view) lostTime(uses map[int]bool, w world) float64 {
	end := v.now + v.q.horizon()
	turns := []float64{v.now, end}
	for i, t := range w.at {
		if uses[i] && t > v.now && t < end {
			turns = append(turns, t)
		}
	}
	slices.Sort(turns)
	sum := 0.0
	for i := 1; i < len(turns); i++ {
		sum += (turns[i] - turns[i-1]) * down(uses, w, turns[i-1])
	}
	return sum
}

// journeySeen is when a journey was seen hit: by its own signals, or by those of
// a service on its path that is not merely passing on the trouble of a callee off
// the path.
func (v view) journeySeen(j backout.Journey) (time.Time, bool) {
	first, ok := time.Time{}, false
	for _, f := range v.q.Findings {
		s := f.ID.Subject
		if s.Journey == j.ID || (s.Journey == "" && slices.Contains(j.Services, s.Service) && !v.passedOn(f, j)) {
			if !ok || f.Onset.Before(first) {
				first, ok = f.Onset, true
			}
		}
	}
	return first, ok
}

// passedOn reports whether the service of a finding depends on one that is ill as
// well and that the journey does not use.
func (v view) passedOn(f backout.Finding, j backout.Journey) bool {
	return slices.ContainsFunc(v.q.Findings, func(o backout.Finding) bool {
		callee := o.ID.Subject.Service
		return callee != "" && o.ID.Subject.Journey == "" && !slices.Contains(j.Services, callee) && v.needs(f.ID.Subject.Service, callee, 0)
	})
}

// needs reports whether one service calls another, itself or through others.
func (v view) needs(from, to backout.ServiceID, depth int) bool {
	return depth < 6 && slices.ContainsFunc(v.q.World.Graph.Dependencies, func(d backout.Dependency) bool {
		return d.From == from && (d.To == to || v.needs(d.To, to, depth+1))
	})
}

// quantile is the smallest x whose weight, with all smaller ones, reaches p of
// the total; 0 of nothing.
func quantile(x, w []float64, p float64) float64 {
	order := make([]int, len(x))
	total := 0.0
	for i := range order {
		order[i] = i
		total += w[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	sum := 0.0
	for _, i := range order {
		if sum += w[i]; sum >= p*total-1e-12 {
			return x[i]
		}
	}
	return 0
}
