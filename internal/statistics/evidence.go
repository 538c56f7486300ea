package statistics

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// LogBetaBinomialAbove is [LogBetaBinomial] against shares above share0 only: its
// null is "the treated share of events is at most share0", and fewer treated
// events than expected are no evidence at all. The prior is cut at share0.
func LogBetaBinomialAbove(x, y, share0, k float64) float64 {
	const never = -700 // log of what a float64 can't hold
	a, b := k*share0, k*(1-share0)
	after := mathext.RegIncBeta(b+y, a+x, 1-share0)
	if after < 1e-300 {
		return never
	}
	return LogBetaBinomial(x, y, share0, k) + math.Log(after) - math.Log(mathext.RegIncBeta(b, a, 1-share0))
}

// Dispersion is the Fano factor, variance over mean of counts, and at least 1.
func Dispersion(counts []float64) float64 {
	n, sum, sq := 0.0, 0.0, 0.0
	for _, c := range counts {
		if !math.IsNaN(c) {
			n, sum, sq = n+1, sum+c, sq+c*c
		}
	}
	if n < 2 || sum <= 0 {
		return 1
	}
	mean := sum / n
	return math.Max(1, (sq-n*mean*mean)/(n-1)/mean)
}

// PowerE turns a p-value into the e-value k*p^(k-1), for k in (0,1). Its mean is
// one for uniform p. Small k wins fast on tiny p, k near one wins slowly but
// surely.
func PowerE(p, k float64) float64 { return k * math.Pow(p, k-1) }

// PowerMixture is PowerE averaged over all k in (0,1): (1-p+p log p)/(p log² p).
func PowerMixture(p float64) float64 {
	switch l := math.Log(p); {
	case p <= 0:
		return math.Inf(1)
	case l > -1e-4: // the limit at p = 1 is 1/2; the formula cancels there
		return 0.5 - l/6
	default:
		return (1 - p + p*l) / (p * l * l)
	}
}

// LogMeanExp is the logarithm of the mean of e-values given as logarithms: how
// evidence of metrics that depend on each other is combined. Empty is NaN.
func LogMeanExp(logs []float64) float64 {
	if len(logs) == 0 {
		return math.NaN()
	}
	most := math.Inf(-1)
	for _, l := range logs {
		most = math.Max(most, l)
	}
	if math.IsInf(most, 0) || math.IsNaN(most) {
		return most
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - most)
	}
	return most + math.Log(sum/float64(len(logs)))
}
