package statistics

import "math"

// Pareto is a generalised Pareto law of excesses over a threshold
// (Pickands 1975): P(X > x) = (1 + Xi*x/Sigma)^(-1/Xi).
type Pareto struct {
	Xi    float64 // shape: > 0 heavy, 0 exponential, < 0 bounded
	Sigma float64 // scale, > 0, in the unit of the excesses
}

// Survival is P(X > x) for x >= 0.
func (g Pareto) Survival(x float64) float64 {
	if math.Abs(g.Xi) < 1e-9 {
		return math.Exp(-x / g.Sigma)
	}
	b := 1 + g.Xi*x/g.Sigma
	if b <= 0 {
		return 0
	}
	return math.Exp(-math.Log(b) / g.Xi)
}

// LogLikelihood of excesses under the law; -Inf when one is impossible.
func (g Pareto) LogLikelihood(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		if math.Abs(g.Xi) < 1e-9 {
			sum -= math.Log(g.Sigma) + x/g.Sigma
			continue
		}
		b := 1 + g.Xi*x/g.Sigma
		if b <= 0 {
			return math.Inf(-1)
		}
		sum -= math.Log(g.Sigma) + (1+1/g.Xi)*math.Log(b)
	}
	return sum
}

// FitParetoPWM fits by probability-weighted moments (Hosking & Wallis 1987):
// cheap, and steady on few samples. Fewer than 2 excesses, or all equal, give NaN.
func FitParetoPWM(excess []float64) Pareto {
	s := sorted(excess)
	n := float64(len(s))
	a0, a1 := 0.0, 0.0
	for i, x := range s {
		a0 += x / n
		a1 += x / n * (n - float64(i+1)) / (n - 1)
	}
	d := a0 - 2*a1
	if len(s) < 2 || d <= 0 {
		return Pareto{math.NaN(), math.NaN()}
	}
	return Pareto{2 - a0/d, 2 * a0 * a1 / d}
}

// FitParetoMLE fits by maximum likelihood, profiled to one dimension
// (Grimshaw 1993). Shapes below -0.5, where the likelihood is unbounded, are not
// looked for. Fewer than 2 positive excesses give NaN.
func FitParetoMLE(excess []float64) Pareto {
	s := sorted(excess)
	if len(s) < 2 || s[0] < 0 || s[len(s)-1] <= 0 {
		return Pareto{math.NaN(), math.NaN()}
	}
	mean := 0.0
	for _, x := range s {
		mean += x / float64(len(s))
	}
	at := func(theta float64) Pareto { // theta = Xi/Sigma
		if math.Abs(theta)*mean < 1e-9 {
			return Pareto{0, mean}
		}
		xi := 0.0
		for _, x := range s {
			xi += math.Log1p(theta*x) / float64(len(s))
		}
		return Pareto{xi, xi / theta}
	}
	profile := func(theta float64) float64 {
		g := at(theta)
		if g.Xi < -0.5 {
			return math.Inf(-1)
		}
		return -math.Log(g.Sigma) - g.Xi
	}
	return at(maximise(profile, -(1-1e-9)/s[len(s)-1], 10/mean, 400))
}

// maximise finds the x of the greatest f in [lo,hi]: a grid, then golden section
// around its best point.
func maximise(f func(float64) float64, lo, hi float64, grid int) float64 {
	step, best := (hi-lo)/float64(grid), lo
	most := math.Inf(-1)
	for i := range grid + 1 {
		if v := f(lo + float64(i)*step); v > most {
			most, best = v, lo+float64(i)*step
		}
	}
	a, b := math.Max(lo, best-step), math.Min(hi, best+step)
	const g = 0.6180339887498949
	c, d := b-g*(b-a), a+g*(b-a)
	fc, fd := f(c), f(d)
	for range 60 {
		if fc > fd {
			b, d, fd = d, c, fc
			c = b - g*(b-a)
			fc = f(c)
		} else {
			a, c, fc = c, d, fd
			d = a + g*(b-a)
			fd = f(d)
		}
	}
	return (a + b) / 2
}
