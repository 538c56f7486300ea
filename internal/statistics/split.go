package statistics

import "math"

// Split is how the events of one stretch of time fell on two arms: X on the treated
// one, Y on the other, while Share of the exposure, in (0,1), was treated.
type Split struct{ X, Y, Share float64 }

// What [SplitDispersion] assumes before it has seen anything.
const assumed, assumedBy = 3.0, 2.0

// oddsRatios are how many times as frequent events may be on the treated arm: the
// alternatives over which [LogSplitAbove] is mixed, each with the same first bet.
var oddsRatios = []float64{1.1, 1.25, 1.5, 2, 3, 5, 10}

// LogSplitAbove is the log e-value of "an exposure that is treated has events no
// more often than one that is not", for arms whose share of the exposure moves.
// Within each stretch the number of events, and with it every trend common to both
// arms, is given; an alternative of odds ratio r then expects the share
// r·θ/(r·θ+1−θ) of them on the treated arm, and its likelihood ratio is a test
// supermartingale, since it grows with X. Pooled counts would take a common rise
// while the share moves for a difference. Source: the mixture method of Robbins,
// "Statistical methods related to the law of the iterated logarithm", 1970, on the
// conditional likelihood of two Poisson streams (Przyborowski and Wilenski, 1940).
//
// Likelihoods are raised to the power 1/dispersion (quasi-likelihood, Wedderburn 1974);
// at 1 the guarantee is exact, at an estimate it is approximate.
func LogSplitAbove(splits []Split, dispersion float64) float64 {
	logs := make([]float64, len(oddsRatios))
	for i, r := range oddsRatios {
		for _, s := range splits {
			logs[i] += (s.X*math.Log(r) - (s.X+s.Y)*math.Log1p((r-1)*s.Share)) / dispersion
		}
	}
	return LogMeanExp(logs)
}

// SplitDispersion is how many times the variance of a binomial the splits have, at
// least 1: bursts on one arm alone make more of a difference than their number of
// events says. It is Pearson's statistic over its degrees of freedom, around the
// common odds ratio of Mantel and Haenszel (1959), after two stretches of dispersion 3:
// few stretches can't tell, and events hardly ever come one by one.
func SplitDispersion(splits []Split) float64 {
	above, below := 0.0, 0.0
	for _, s := range splits {
		above, below = above+s.X*(1-s.Share), below+s.Y*s.Share
	}
	if above <= 0 || below <= 0 {
		return assumed
	}
	odds, chi, n := above/below, 0.0, 0.0
	for _, s := range splits {
		if events := s.X + s.Y; events > 0 {
			p := odds * s.Share / (odds*s.Share + 1 - s.Share)
			d := s.X - events*p
			chi, n = chi+d*d/(events*p*(1-p)), n+1
		}
	}
	return math.Max(1, (chi+assumed*assumedBy)/(n-1+assumedBy))
}
