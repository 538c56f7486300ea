package plan

import (
	"slices"

	"github.com/backout-dev/backout"
)

// eachPass goes through the flow along implications: on edge k, if x is at least at a
// then y is at least at b.
func (s *search) eachPass(f func(k, x, y, a, b int, amount int64)) {
	r := s.relax
	for k, e := range s.p.edges {
		at := r.slot[k]
		s.passesOf(k, 0, e.i, e.j, r.flow[at:], f)
		s.passesOf(k, 1, e.j, e.i, r.flow[at+len(s.p.fixed[e.i]):], f)
	}
}

func (s *search) passesOf(k, side, x, y int, flow []int64, f func(k, x, y, a, b int, amount int64)) {
	var with levels
	for rest := s.state.domain[x]; rest != 0; {
		a := rest.highest()
		rest &^= 1 << a
		with |= s.p.suits[k][side][a] & s.state.domain[y]
		if flow[a] > 0 {
			f(k, x, y, a, with.lowest(), flow[a])
		}
	}
}

// shown are the shifts and the flow together, as shifts: the proof of the last bound.
func (s *search) shown() []backout.Shift {
	all := slices.Clone(s.relax.shift)
	s.eachPass(func(k, x, _, a, b int, amount int64) {
		from, to := s.relax.sides(all, k)
		if x == s.p.edges[k].j {
			from, to = to, from
		}
		for l := a; l < len(from); l++ {
			from[l] += amount
		}
		for l := b; l < len(to); l++ {
			to[l] -= amount
		}
	})
	var out []backout.Shift
	for k := range s.p.edges {
		x, y := s.relax.sides(all, k)
		if some(x) || some(y) {
			out = append(out, backout.Shift{Tie: s.ties[k], I: x, J: y})
		}
	}
	return out
}

// charged are the waits that the shifts make use of.
func (s *search) charged() []backout.Charge {
	var out []backout.Charge
	if !s.charge {
		return out
	}
	for i, d := range s.state.domain {
		for l := range d.all() {
			if k := s.relax.charge[i][l]; k >= 0 {
				out = append(out, backout.Charge{Tie: s.ties[k], Movable: s.members[i], Level: l})
			}
		}
	}
	return out
}

// some reports whether any of the amounts is not zero.
func some(amounts []int64) bool {
	return slices.ContainsFunc(amounts, func(a int64) bool { return a != 0 })
}

func (s *search) named(part []int) []int {
	out := make([]int, len(part))
	for k, i := range part {
		out[k] = s.members[i]
	}
	return out
}
