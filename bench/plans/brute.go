package main

import "github.com/backout-dev/backout"

// brute is the optimum by trying every combination of levels; starts are put off
// until no pair that may not meet does, or for ever. It reads the tables only.
func brute(p backout.Problem) int64 {
	best, target := int64(-1), make([]int, len(p.Movables))
	var try func(i int)
	try = func(i int) {
		if i < len(target) {
			for _, target[i] = range p.Movables[i].Levels {
				try(i + 1)
			}
			return
		}
		if start := earliest(p, target); start != nil {
			if c := costOf(p, target, start); best < 0 || c < best {
				best = c
			}
		}
	}
	try(0)
	return best
}

// allowed reports whether a tie lets two levels be live together; those at the start
// always may.
func allowed(p backout.Problem, t backout.Tie, a, b int) bool {
	return t.Allowed[a][b] || a == p.Movables[t.I].Current && b == p.Movables[t.J].Current
}

// earliest times the moves to a target, or nil when there is no safe way.
func earliest(p backout.Problem, target []int) []int {
	start := make([]int, len(target))
	for range len(target) + 1 {
		changed := false
		after := func(first, then int) {
			if end := start[first] + p.Movables[first].Duration; end > start[then] {
				start[then], changed = end, true
			}
		}
		for _, t := range p.Ties {
			a, b, ci, cj := target[t.I], target[t.J], p.Movables[t.I].Current, p.Movables[t.J].Current
			if !allowed(p, t, a, b) {
				return nil
			}
			if a == ci || b == cj {
				continue
			}
			if !allowed(p, t, a, cj) {
				after(t.J, t.I)
			}
			if !allowed(p, t, ci, b) {
				after(t.I, t.J)
			}
		}
		if !changed {
			return start
		}
	}
	return nil
}

func costOf(p backout.Problem, target, start []int) (sum int64) {
	for i, m := range p.Movables {
		if sum += m.Fixed[target[i]]; target[i] != m.Current {
			sum += m.Rate[target[i]] * int64(start[i]+m.Effect)
		}
	}
	return sum
}
