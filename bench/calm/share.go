package main

import (
	"math"
	"regexp"
)

// share is k of n with its exact 95 % interval (Clopper and Pearson, Biometrika 1934);
// of nothing it is 0 and everything is possible.
func share(k, n int) (float64, [2]float64) {
	if n == 0 {
		return 0, [2]float64{0, 1}
	}
	lower := 0.0
	if k > 0 {
		lower = solve(func(p float64) bool { return atLeast(k, n, p) >= .025 })
	}
	return float64(k) / float64(n), [2]float64{lower, upperAt(k, n, .025)}
}

// upper is the upper end of the one-sided exact 95 % interval of a rate.
func upper(k, n int) float64 { return upperAt(k, n, .05) }

func upperAt(k, n int, alpha float64) float64 {
	if k >= n {
		return 1
	}
	return solve(func(p float64) bool { return 1-atLeast(k+1, n, p) <= alpha })
}

// atLeast is the probability of k or more successes among n of chance p.
func atLeast(k, n int, p float64) float64 {
	if p <= 0 || p >= 1 {
		return map[bool]float64{true: 1}[k == 0 || p >= 1]
	}
	choose := func(i int) float64 {
		all, _ := math.Lgamma(float64(n + 1))
		in, _ := math.Lgamma(float64(i + 1))
		out, _ := math.Lgamma(float64(n - i + 1))
		return all - in - out
	}
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(choose(i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(1, sum)
}

// solve is the least p in [0,1] from which on something holds.
func solve(holds func(float64) bool) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; holds(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

var (
	named  = regexp.MustCompile(`[a-z]+:[^ ]+`)
	number = regexp.MustCompile(`[0-9]+`)
)

// group takes names and numbers out of a reason.
func group(reason string) string {
	return number.ReplaceAllString(named.ReplaceAllString(reason, "it"), "#")
}
