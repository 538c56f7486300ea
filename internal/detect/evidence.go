package detect

import "math"

// The five powers of the bets. Small powers win fast on large shifts, large
// powers win slowly but surely on small ones.
const powers = 5

var power = [powers]float64{.15, .35, .55, .75, .90}

// bets turns a p-value into the five e-values k*p^(k-1). Below least the p-value
// isn't believed and stays; the factor in front keeps the mean at exactly one
// for uniform p in spite of that.
func bets(p, least float64) (e [powers]float64) {
	lp, norm := math.Log(math.Min(1, math.Max(p, least))), &normShort
	if least == leastFull {
		norm = &normFull
	}
	for i, k := range power {
		e[i] = norm[i] * math.Exp((k-1)*lp)
	}
	return e
}

var normShort, normFull = norms(leastShort), norms(leastFull)

// norms are the factors that keep the mean of a bet at one.
func norms(least float64) (n [powers]float64) {
	for i, k := range power {
		n[i] = k / (1 - (1-k)*math.Pow(least, k))
	}
	return n
}

// ladder is the evidence in one direction: Shiryaev-Roberts sums at five powers
// and, for the onset, the time at which each running product was last at one.
type ladder struct {
	M     [powers]float32
	C     [powers]float32
	Since [powers]int64 // Unix nanoseconds
}

const mostEvidence = 1e12

// add takes bets at a moment. weight is how many samples this one counts as in
// the promise of the run length, 1 but for a time after a change (see
// [Detector.Exposed]).
func (l *ladder) add(e [powers]float64, at int64, weight float64) {
	for i := range e {
		if l.C[i] <= 1 || l.Since[i] == 0 {
			l.C[i], l.Since[i] = 1, at
		}
		l.C[i] = float32(math.Min(float64(l.C[i])*e[i], mostEvidence))
		l.M[i] = float32(math.Min((weight+float64(l.M[i]))*e[i], mostEvidence))
	}
}

// shifts are what a long history bets on beside the first power: that innovations
// have moved by so many standard deviations. On the normal score z of the p-value the
// likelihood ratio is exp(d*z - d*d/2), whose mean is one for uniform p. On noise with heavy tails
// a power of p pays for what a shift seldom does, the very smallest p, and takes half as
// long again to see a shift of one standard deviation.
var shifts = [powers]float64{0, .4, .7, 1.2, 2.2}

// scores turns a p-value into the five e-values of a long history.
func scores(p, least float64) (e [powers]float64) {
	p = math.Max(p, least)
	z := normalScore(p)
	e[0] = normFull[0] * math.Exp((power[0]-1)*math.Log(p))
	for i, d := range shifts[1:] {
		e[i+1] = math.Exp(d*z - d*d/2)
	}
	return e
}

// How much each bet counts in the mean.
var (
	equally = [powers]float64{.2, .2, .2, .2, .2}
	mainly  = [powers]float64{.2, .1, .3, .2, .2}
)

// mean is the weighted mean of the sums, an e-detector as each of them is.
func (l *ladder) mean(weights *[powers]float64) float64 {
	s := 0.0
	for i, m := range l.M {
		s += weights[i] * float64(m)
	}
	return s
}

// onset is the last reset of the power that speaks loudest.
func (l *ladder) onset() int64 {
	best := 0
	for i := range l.M {
		if l.M[i] > l.M[best] {
			best = i
		}
	}
	return l.Since[best]
}
