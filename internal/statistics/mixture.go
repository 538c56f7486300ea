// Package statistics holds the formulas that the deciding packages share: pure
// functions of numbers, with no nouns of ours.
//
// Most of them are e-values. An e-value is a number that is at most 1 on average
// while nothing is wrong; 20 is therefore as surprising as a p-value of 1/20. An
// e-process is a sequence of e-values that stays honest however often one looks
// (Ville's inequality: the chance that it ever exceeds 1/alpha is at most alpha),
// which is why gates may peek at every sample.
//
// Every function names its source; testdata/golden.json holds reference values
// computed with other programs.
package statistics

import "math"

// LogNDTR is the natural logarithm of the standard normal distribution function,
// accurate far into the lower tail where the distribution function itself is 0.
func LogNDTR(x float64) float64 {
	if x > -10 {
		return math.Log(0.5 * math.Erfc(-x/math.Sqrt2))
	}
	// Asymptotic series of Mills' ratio, Abramowitz and Stegun 26.2.12.
	z := 1 / (x * x)
	series := 1 - z*(1-z*(3-z*(15-z*105)))
	return -x*x/2 - math.Log(-x) - 0.5*math.Log(2*math.Pi) + math.Log(series)
}

// LogMixtureOneSided is the log e-value of a sum S of increments with mean at
// most 0 and summed variance V, against a positive mean, mixed over a half-normal
// prior with precision rho. Source: Howard, Ramdas, McAuliffe, Sekhon,
// "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021.
func LogMixtureOneSided(s, v, rho float64) float64 {
	return math.Log(2) + 0.5*math.Log(rho/(v+rho)) + s*s/(2*(v+rho)) + LogNDTR(s/math.Sqrt(v+rho))
}

// LogMixtureTwoSided is the same against a mean other than 0.
func LogMixtureTwoSided(s, v, rho float64) float64 {
	return 0.5*math.Log(rho/(v+rho)) + s*s/(2*(v+rho))
}

// MixtureBound is how large |S| must be for the two-sided e-value to reach 1/alpha.
func MixtureBound(v, rho, alpha float64) float64 {
	return math.Sqrt((v + rho) * math.Log((v+rho)/(rho*alpha*alpha)))
}

// MixtureRho is the precision at which the two-sided bound is tightest around a
// summed variance v.
func MixtureRho(v, alpha float64) float64 {
	l := 2 * math.Log(1/alpha)
	return v / (l + math.Log(1+l))
}

// LogBetaBinomial is the log e-value of x treated among x+y events, while the
// treated share of exposure is share0, mixed over a beta prior worth k events.
// It needs no variance and is immune to trends common to both arms. Source:
// Lindon and Malek, "Anytime-valid inference for multinomial count data", 2022.
func LogBetaBinomial(x, y, share0, k float64) float64 {
	return logBeta(k*share0+x, k*(1-share0)+y) - logBeta(k*share0, k*(1-share0)) - x*math.Log(share0) - y*math.Log(1-share0)
}

func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// LogGammaPoisson is the log e-value of x events where l were expected, mixed
// over a gamma prior of mean 1 and shape a on their ratio.
func LogGammaPoisson(x, l, a float64) float64 {
	lax, _ := math.Lgamma(a + x)
	la, _ := math.Lgamma(a)
	return a*math.Log(a) + lax - la - (a+x)*math.Log(a+l) + l
}

// LogBFShift is the log Bayes factor of a mean shift upwards against none, when a
// mean m of variance v was measured and the shift has a half-normal prior of
// scale lambda.
func LogBFShift(m, v, lambda float64) float64 {
	l2 := lambda * lambda
	post, sd := m*l2/(l2+v), math.Sqrt(l2*v/(l2+v))
	return -0.5*math.Log(1+l2/v) + 0.5*m*m*(1/v-1/(v+l2)) + math.Log(2) + LogNDTR(post/sd)
}
