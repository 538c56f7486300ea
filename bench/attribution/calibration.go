package main

import (
	"cmp"
	"math"
	"slices"
)

// claim is the first answer of one case, "no change" included.
type claim struct {
	top     float64 // its probability
	right   bool
	change  bool    // it names a change, or a service in sets without changes
	truth   float64 // the probability of what is true
	squares float64 // sum of squared errors of all probabilities
}

// calibration says how honest probabilities are: that of the truth (NLL; Brier over
// all answers), and that of the first answer (ECE in ten bins of equal mass).
type calibration struct {
	NLL   float64    `json:"nll"`
	Brier float64    `json:"brier"`
	ECE   float64    `json:"ece"`
	ECECI [2]float64 `json:"ece_ci"` // 95 %, by resampling the cases; an ECE of few cases is too large
	// AccuracyWithNone is the share of all cases whose first answer was right, be it
	// a change or none.
	AccuracyWithNone   float64    `json:"accuracy_with_none"`
	AccuracyWithNoneCI [2]float64 `json:"accuracy_with_none_ci"`
	RiskCoverage       []covered  `json:"risk_coverage"`
	Reliability        []bin      `json:"reliability"` // the bins of ECE
}

// covered is how the answers fare that have at least some confidence. Those that
// name a change, for which something would be taken back, are counted again alone (in
// sets without changes all name a service). Of no answers there is no precision: null.
type covered struct {
	Confidence        float64    `json:"confidence"`
	N                 int        `json:"n"`
	Coverage          float64    `json:"coverage"`
	Precision         *float64   `json:"precision"`
	PrecisionCI       [2]float64 `json:"precision_ci,omitzero"`
	Changes           int        `json:"changes"`
	ChangePrecision   *float64   `json:"change_precision"`
	ChangePrecisionCI [2]float64 `json:"change_precision_ci,omitzero"`
}

// bin is a tenth of the cases, those of similar confidence.
type bin struct {
	N          int     `json:"n"`
	Confidence float64 `json:"confidence"`
	Right      float64 `json:"right"`
}

func calibrationOf(claims []claim) calibration {
	c := calibration{Reliability: reliabilityOf(claims)}
	n := float64(max(1, len(claims)))
	c.ECE = eceOf(claims)
	c.ECECI = resampled(len(claims), 1000, func(pick []int) float64 {
		drawn := make([]claim, len(pick))
		for i, k := range pick {
			drawn[i] = claims[k]
		}
		return eceOf(drawn)
	})
	var right []float64
	for _, x := range claims {
		c.NLL -= math.Log(max(1e-9, x.truth)) / n
		c.Brier += x.squares / n
		right = append(right, one(x.right))
	}
	c.AccuracyWithNone, c.AccuracyWithNoneCI = mean(right), interval(right)
	for _, least := range []float64{.5, .7, .9} {
		c.RiskCoverage = append(c.RiskCoverage, coveredAt(claims, least))
	}
	return c
}

func coveredAt(claims []claim, least float64) covered {
	var all, changes []float64
	for _, x := range claims {
		if x.top < least {
			continue
		}
		all = append(all, one(x.right))
		if x.change {
			changes = append(changes, one(x.right))
		}
	}
	return covered{Confidence: least, N: len(all), Coverage: float64(len(all)) / float64(max(1, len(claims))), Precision: meanOf(all), PrecisionCI: interval(all),
		Changes: len(changes), ChangePrecision: meanOf(changes), ChangePrecisionCI: interval(changes)}
}

// meanOf is the mean, nil of nothing.
func meanOf(x []float64) *float64 {
	if len(x) == 0 {
		return nil
	}
	m := mean(x)
	return &m
}

// reliabilityOf sorts claims into ten bins of equal mass by confidence.
func reliabilityOf(claims []claim) []bin {
	sorted := slices.SortedFunc(slices.Values(claims), func(a, b claim) int { return cmp.Compare(a.top, b.top) })
	const bins = 10
	out := make([]bin, 0, bins)
	for b := range bins {
		part := sorted[b*len(sorted)/bins : (b+1)*len(sorted)/bins]
		if len(part) == 0 {
			continue
		}
		x := bin{N: len(part)}
		for _, c := range part {
			x.Confidence += c.top / float64(len(part))
			x.Right += one(c.right) / float64(len(part))
		}
		out = append(out, x)
	}
	return out
}

func eceOf(claims []claim) float64 {
	e := 0.0
	for _, b := range reliabilityOf(claims) {
		e += math.Abs(b.Confidence-b.Right) * float64(b.N) / float64(len(claims))
	}
	return e
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
