package statistics

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Trials is a number of successes among trials; fractions are fine, since old
// counts decay.
type Trials struct {
	Worked, Tried float64
}

// Pooled is success rates of groups that lend each other strength: a group with
// few trials is drawn to the mean of all, one with many keeps its own rate.
type Pooled struct {
	Mu    float64   // success rate of a group not seen yet
	Kappa float64   // how many trials the others are worth to a group
	Mean  []float64 // posterior mean of each group
	Low   []float64 // 5 % quantile of each group
}

// The prior of log kappa is normal; mu is flat.
const (
	logKappaMean = 2.302585092994046 // log 10
	logKappaSD   = 1
)

func logPosterior(groups []Trials, mu, logKappa float64) float64 {
	z := (logKappa - logKappaMean) / logKappaSD
	k, sum := math.Exp(logKappa), -z*z/2
	a, b := mu*k, (1-mu)*k
	for _, g := range groups {
		if g.Tried > 0 {
			sum += mathext.Lbeta(a+g.Worked, b+g.Tried-g.Worked) - mathext.Lbeta(a, b)
		}
	}
	return sum
}

// PoolMAP pools at the single likeliest (mu, log kappa). No groups give the prior:
// mu 1/2, kappa 10.
func PoolMAP(groups []Trials) Pooled {
	bestMu := func(logKappa float64) float64 {
		return maximise(func(mu float64) float64 { return logPosterior(groups, mu, logKappa) }, 1e-6, 1-1e-6, 32)
	}
	logKappa := maximise(func(l float64) float64 { return logPosterior(groups, bestMu(l), l) }, -2, 8, 40)
	p := Pooled{Mu: bestMu(logKappa), Kappa: math.Exp(logKappa)}
	if !seen(groups) {
		p.Mu, p.Kappa = 0.5, 10
	}
	for _, g := range groups {
		a, b := p.Mu*p.Kappa+g.Worked, (1-p.Mu)*p.Kappa+g.Tried-g.Worked
		p.Mean = append(p.Mean, a/(a+b))
		p.Low = append(p.Low, mathext.InvRegIncBeta(a, b, 0.05))
	}
	return p
}

func seen(groups []Trials) bool {
	for _, g := range groups {
		if g.Tried > 0 {
			return true
		}
	}
	return false
}

// The grid of Pool: 64 rates by 17 strengths, log kappa in [0,6].
const (
	gridMu    = 64
	gridKappa = 17
)

// Pool pools over all (mu, kappa) on a grid, weighted by their posterior: wider
// and more honest than [PoolMAP] with few groups.
func Pool(groups []Trials) Pooled {
	logs := make([]float64, 0, gridMu*gridKappa)
	most := math.Inf(-1)
	for i := range gridMu {
		for j := range gridKappa {
			l := logPosterior(groups, (float64(i)+0.5)/gridMu, 6*float64(j)/(gridKappa-1))
			logs, most = append(logs, l), math.Max(most, l)
		}
	}
	total := 0.0
	for i := range logs {
		logs[i] = math.Exp(logs[i] - most)
		total += logs[i]
	}
	p := Pooled{}
	each := func(f func(w, mu, kappa float64)) {
		for i, w := range logs {
			f(w/total, (float64(i/gridKappa)+0.5)/gridMu, math.Exp(6*float64(i%gridKappa)/(gridKappa-1)))
		}
	}
	logKappa := 0.0
	each(func(w, mu, kappa float64) { p.Mu, logKappa = p.Mu+w*mu, logKappa+w*math.Log(kappa) })
	p.Kappa = math.Exp(logKappa)
	for _, g := range groups {
		mean := 0.0
		each(func(w, mu, kappa float64) { mean += w * (mu*kappa + g.Worked) / (kappa + g.Tried) })
		below := func(t float64) float64 {
			c := 0.0
			each(func(w, mu, kappa float64) {
				if w > 1e-9 {
					c += w * mathext.RegIncBeta(mu*kappa+g.Worked, (1-mu)*kappa+g.Tried-g.Worked, t)
				}
			})
			return c
		}
		lo, hi := 0.0, 1.0
		for range 30 {
			if mid := (lo + hi) / 2; below(mid) < 0.05 {
				lo = mid
			} else {
				hi = mid
			}
		}
		p.Mean, p.Low = append(p.Mean, mean), append(p.Low, lo)
	}
	return p
}
