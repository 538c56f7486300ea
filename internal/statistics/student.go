package statistics

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// StudentSurvival is P(T > t) for Student's t with nu > 0 degrees of freedom.
func StudentSurvival(t, nu float64) float64 {
	if t < 0 {
		return 1 - StudentSurvival(-t, nu)
	}
	return 0.5 * mathext.RegIncBeta(nu/2, 0.5, nu/(nu+t*t))
}

// StudentLogSurvival is log P(T > t), also where P itself underflows.
func StudentLogSurvival(t, nu float64) float64 {
	if p := StudentSurvival(t, nu); p > 1e-280 || math.IsNaN(p) || math.IsInf(t, 0) {
		return math.Log(p)
	}
	// Regularised incomplete beta by its hypergeometric series (DLMF 8.17.8); all
	// terms are positive, so nothing cancels.
	a, b := nu/2, 0.5
	q := t / math.Sqrt(nu)
	logX := -math.Log1p(q * q)
	if q > 1e8 { // q*q may overflow, and the 1 is lost anyway
		logX = -2 * math.Log(q)
	}
	x := math.Exp(logX)
	log1mX := math.Log1p(-x)
	sum, term := 1.0, 1.0
	for n := 0.0; n < 1e5 && term > 1e-16*sum; n++ {
		term *= (a + b + n) / (a + 1 + n) * x
		sum += term
	}
	return -math.Ln2 + a*logX + b*log1mX - math.Log(a) - mathext.Lbeta(a, b) + math.Log(sum)
}
