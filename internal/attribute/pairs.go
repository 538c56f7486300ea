package attribute

import (
	"cmp"
	"math"
	"slices"
)

// Two causes at once are rare, and looked for only when the best single one
// leaves much unexplained.
const (
	pairChance    = 0.01 // heavy tails of single ticks pass for a second cause at more
	muchLeft      = 1e3  // factor of evidence that the background has to bear
	pairSuspects  = 10
	reachedEnough = 0.1 // reach from which the first cause accounts for a reading
)

// pair is the hypothesis that two changes did it, each its own part.
type pair struct {
	first, second int     // causes
	weight        float64 // logarithm, onsets summed out
}

// pairs supposes two culprits among the ten likeliest changes. The first explains
// what it reaches; the second, at a time of its own, what is left.
func (t *trial) pairs(sums []float64) []pair {
	best := -1
	var order []int
	for i, c := range t.causes {
		// A surge, or something that can't be told, may touch everything.
		if (c.change != nil || c.service != "") && (best < 0 || sums[i] > sums[best]) {
			best = i
		}
		if c.change != nil {
			order = append(order, i)
		}
	}
	if best < 0 || t.unexplained(best) <= math.Log(muchLeft) {
		return nil
	}
	among := 0.0 // the second is one of so many
	for _, i := range order {
		among += t.causes[i].prior
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(t.causes[a].change.ID, t.causes[b].change.ID))
	})
	order = order[:min(pairSuspects, len(order))]
	var out []pair
	for k, i := range order {
		for _, j := range order[k+1:] {
			second := t.causes[j]
			second.blast = leftOver(t.causes[i].blast, second.blast)
			if second.change.ID == t.causes[i].change.ID || len(second.blast.readings) == 0 || t.failOnOne(t.causes[i], t.causes[j]) {
				continue
			}
			second.evidence = t.panel.evidence(second.blast)
			second.outcome = 0 // what was tried speaks once, about the first
			t.weigh(&second)
			out = append(out, pair{i, j, math.Log(pairChance/among) + sums[i] + logSum(second.weight)})
		}
	}
	return out
}

// failOnOne says that both fail in calls to the same callee: then it is the callee,
// not two callers at once.
func (t *trial) failOnOne(a, b cause) bool {
	for _, x := range a.blast.badCalls {
		for _, y := range b.blast.badCalls {
			if x.call.callee == y.call.callee && t.panel.calls[x.call].ill() && t.panel.calls[y.call].ill() {
				return true
			}
		}
	}
	return false
}

func bestOf(x []float64) int {
	best := 0
	for i := range x {
		if x[i] > x[best] {
			best = i
		}
	}
	return best
}

// unexplained is what the background has to bear if this cause is the only one:
// the sum of log g over the ill that it doesn't reach.
func (t *trial) unexplained(i int) float64 {
	c := t.causes[i]
	reached := map[int]bool{}
	for _, th := range c.blast.readings {
		reached[th.reading] = th.a >= reachedEnough
	}
	onset := bestOf(c.weight)
	sum := 0.0
	for _, k := range t.panel.ill {
		if r := &t.panel.readings[k]; !reached[k] && !t.throughCalls(&c, r.at, onset) {
			sum -= math.Log(r.never)
		}
	}
	return sum
}

// leftOver is the part of a blast that another one does not account for.
func leftOver(first, second blast) blast {
	taken := map[int]bool{}
	for _, th := range first.readings {
		taken[th.reading] = th.a >= reachedEnough
	}
	out := blast{stops: second.stops}
	for _, th := range second.readings {
		if !taken[th.reading] {
			out.readings = append(out.readings, th)
		}
	}
	for _, b := range second.badCalls {
		if !slices.Contains(first.badCalls, b) {
			out.badCalls = append(out.badCalls, b)
		}
	}
	return out
}
