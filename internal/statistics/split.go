package statistics

import "math"

// Split is how the events of one stretch of time fell on two arms: X on the treated
// one, Y on the other, while Share of the exposure, in (0,1), was treated.
type Split struct{ X, Y, Share float64 }

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
func LogSplitAbove(splits []Split) float64 {
	logs := make([]float64, len(oddsRatios))
	for i, r := range oddsRatios {
		for _, s := range splits {
			logs[i] += s.X*math.Log(r) - (s.X+s.Y)*math.Log1p((r-1)*s.Share)
		}
	}
	return LogMeanExp(logs)
}
