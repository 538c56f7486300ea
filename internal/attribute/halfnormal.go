package attribute

import "math"

// logBFShift compares "mean shifted up by a half-normal size of scale sd" with
// "no shift", for an estimate m with variance v.
func logBFShift(m, v, sd float64) float64 {
	l2 := sd * sd
	mu, s := m*l2/(l2+v), math.Sqrt(l2*v/(l2+v))
	return -0.5*math.Log1p(l2/v) + 0.5*m*m*(1/v-1/(v+l2)) + math.Ln2 + logPhi(mu/s)
}

// logPhi is log Φ(x); the tail by its continued asymptotic series.
func logPhi(x float64) float64 {
	if x > -10 {
		return math.Log(0.5 * math.Erfc(-x/math.Sqrt2))
	}
	x2 := x * x
	return -0.5*x2 - math.Log(-x) - 0.5*math.Log(2*math.Pi) + math.Log1p(-1/x2+3/(x2*x2)-15/(x2*x2*x2))
}
