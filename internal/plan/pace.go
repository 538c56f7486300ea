package plan

import (
	"cmp"
	"fmt"
	"slices"
)

// moves lists the sites that move, wave by wave and within a wave by site: list
// scheduling (Graham 1966) over the order that contracts demand. Each wave takes,
// of the moves whose predecessors are done, the most urgent ones for which capacity
// and the policy's limits leave room. Two locations of one component never share
// a wave: the first is the canary of the others, and its gate speaks before they
// move. Without limits a move's wave is the longest chain of moves before it, which
// is as early as can be; the solver's optimum knows no limits and so stays a lower
// bound.
//
// Moving later than the earliest safe start breaks no order, and moves that are
// ready together may run in any order: what an order forbids to overlap is never
// ready together.
func (m model) moves(s solution) [][]int {
	urgency, waits := m.urgency(s), map[int]int{}
	after := map[int][]int{}
	var ready []int
	for i, site := range m.sites {
		if s.target[i] == site.current {
			continue
		}
		for _, b := range s.before[i] {
			after[b] = append(after[b], i)
			waits[i]++
		}
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	var out [][]int
	for len(ready) > 0 {
		slices.SortStableFunc(ready, func(a, b int) int { return cmp.Or(cmp.Compare(urgency[b], urgency[a]), a-b) })
		l, wave, rest := m.newLoad(), []int{}, []int{}
		for _, i := range ready {
			with := m.company(s, i)
			switch {
			case with[0] != i: // comes along with the first of them
			case l.takeAll(with):
				wave = append(wave, with...)
			default:
				rest = append(rest, with...)
			}
		}
		for _, i := range wave {
			for _, j := range after[i] {
				if waits[j]--; waits[j] == 0 {
					rest = append(rest, j)
				}
			}
		}
		slices.Sort(wave)
		out, ready = append(out, wave), rest
	}
	return out
}

// urgency orders moves that compete for room: the money that a minute of the move
// takes off, its own and that of the moves that wait for it, by how long it lasts
// (Smith 1956; Sidney 1975 for chains). What waits counts by the density of the
// best chain that begins with the move.
func (m model) urgency(s solution) map[int]float64 {
	after := map[int][]int{}
	for i := range m.sites {
		for _, b := range s.before[i] {
			after[b] = append(after[b], i)
		}
	}
	order := make([]int, 0, len(m.sites))
	for i, site := range m.sites {
		if s.target[i] != site.current {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return s.depth[b] - s.depth[a] })
	type chain struct{ gain, length float64 }
	best, out := map[int]chain{}, map[int]float64{}
	for _, i := range order { // deepest first, so that what waits is known
		own := chain{float64(m.in.rate[i][s.target[i]]), float64(max(1, m.in.duration[i]))}
		best[i] = own
		for _, j := range after[i] {
			if c := (chain{own.gain + best[j].gain, own.length + best[j].length}); c.gain/c.length > best[i].gain/best[i].length {
				best[i] = c
			}
		}
		out[i] = best[i].gain / best[i].length
	}
	return out
}

// waveOf is the wave of each site that moves.
func (m model) waveOf(s solution) []int {
	if m.in == nil {
		return s.depth // not settled: nothing is known of room
	}
	out := make([]int, len(m.sites))
	for w, wave := range m.moves(s) {
		for _, i := range wave {
			out[i] = w
		}
	}
	return out
}

// paceReasons says which moves begin later than contracts demand, because of
// capacity, limits or a canary location.
func (m model) paceReasons(s solution) []string {
	out := []string{}
	wave := m.waveOf(s)
	for i, site := range m.sites {
		if s.target[i] == site.current {
			continue
		}
		earliest := 0
		for _, b := range s.before[i] {
			earliest = max(earliest, wave[b]+1)
		}
		if wave[i] > earliest {
			out = append(out, fmt.Sprintf("%s waits for wave %d: %s", site.label(), wave[i]+1, m.crowded(s, wave, i)))
		}
	}
	return out
}

// crowded says what keeps a move out of the wave before its own.
func (m model) crowded(s solution, wave []int, i int) string {
	l := m.newLoad()
	for k, site := range m.sites {
		if s.target[k] != site.current && wave[k] == wave[i]-1 {
			l.take(k)
		}
	}
	return cmp.Or(l.full(i), "others go first")
}
