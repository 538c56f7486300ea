package detect

import (
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout/internal/statistics"
)

const huber = 2.5

// secondMoment is the mean of min(z^2, huber^2) for a standard normal z.
const secondMoment = 0.97760

// begin makes a baseline of the samples kept while warming: median and MAD
// first, then two rounds of Huber's weights, which lose little when the samples
// are clean and much of the harm when they are not.
func (s *series) begin(step time.Duration, overlap float64) {
	obs := s.warm
	s.Floor = float32(1 - 1/overlap)
	if s.kind == ratio {
		s.beginRatio(obs, step)
	} else {
		s.beginLevel(obs, step)
	}
	s.Mode, s.Healthy, s.Head, s.Well = short, uint32(len(obs)), 0, 0
	s.own.Tail = tail{U: 2.054, Xi: .1, Sigma: .5}
	if s.other != nil {
		s.other.Tail = s.own.Tail
	}
	s.Previous = math.NaN()
	var last int64
	for _, o := range obs {
		d := steps(last, o.at, step)
		if last == 0 || d > mostMissing+1 {
			s.Previous = math.NaN()
			d = 1
		}
		st := s.standardise(o)
		w := s.innovation(st.z, d)
		s.push(d, st.z, w)
		s.Previous, last = st.z, o.at
	}
	s.warm = nil
}

func (s *series) beginLevel(obs []observation, step time.Duration) {
	x, n := make([]float64, len(obs)), make([]float64, len(obs))
	for i, o := range obs {
		x[i], n[i] = o.x, o.n
		if s.SeasonOn {
			x[i] -= s.season.at(o.at)
		}
	}
	s.Requests = statistics.Median(n)
	s.Level = statistics.Median(x)
	spread := math.Max(1.4826*medianDistance(x, s.Level), s.scaleFloor())
	for range 3 {
		s.Level += spread * meanOf(x, func(v float64) float64 { return clip((v - s.Level) / spread) })
		spread = math.Max(clippedSpread(x, s.Level, spread), s.scaleFloor())
	}
	r := make([]float64, len(obs))
	for i, o := range obs {
		w := 1.0
		if s.kind == latency && o.n < s.Requests {
			w = math.Sqrt(o.n / s.Requests)
		}
		r[i] = (x[i] - s.Level) * w
	}
	phi := s.correlate(obs, r, spread, step)
	s.Phi = math.Max(phi, float64(s.Floor))
	w := innovations(obs, r, s.Phi, step)
	n0 := float64(len(w))
	spread = math.Max(1.4826*medianDistance(w, 0), s.scaleFloor())
	for range 3 {
		spread = math.Max(clippedSpread(w, 0, spread)*math.Sqrt(n0/(n0-2)), s.scaleFloor())
	}
	s.Scale = spread
}

// beginRatio pools errors and requests. The largest two samples count no more
// than the third, so that one bad moment doesn't become what is normal.
func (s *series) beginRatio(obs []observation, step time.Duration) {
	e, n := make([]float64, len(obs)), make([]float64, len(obs))
	for i, o := range obs {
		e[i], n[i] = o.value, o.n
	}
	third := slices.Sorted(slices.Values(e))[len(e)-3] + 1
	s.Events, s.Past = 0, 0
	for i := range e {
		e[i] = math.Min(e[i], third)
		s.Events += e[i]
		s.Past += n[i]
	}
	s.Requests, s.Dispersion = statistics.Median(n), 1
	p := s.Events / s.Past
	if s.Events >= 5 && p < 1 {
		chi := 0.0
		for i := range e {
			m := n[i] * p
			chi += (e[i] - m) * (e[i] - m) / (m * (1 - p))
		}
		s.Dispersion = math.Min(10, math.Max(1, chi/float64(len(e)-1)))
	}
	s.Phi = float64(s.Floor)
	// With hardly any errors the overlap of the queries' windows can't be seen
	// in them; the requests show it.
	z := make([]float64, len(obs))
	for i, o := range obs {
		z[i] = 2 * math.Sqrt(o.n+.375)
	}
	middle := statistics.Median(z)
	for i := range z {
		z[i] -= middle
	}
	spread := math.Max(1.4826*medianDistance(z, 0), 1e-9)
	s.Phi = math.Max(s.Phi, math.Min(.5, lower(correlation(obs, z, spread, step))))
	for i, o := range obs {
		z[i] = s.standardise(o).z
	}
	c0, c1, k := correlation(obs, z, 1, step)
	s.C0, s.C1 = c0, c1
	if s.Events >= 10 {
		s.Phi = math.Max(s.Phi, lower(c0, c1, k))
	}
}

// correlate keeps the moments of neighbouring residuals and gives the upper
// bound of their correlation.
func (s *series) correlate(obs []observation, r []float64, spread float64, step time.Duration) float64 {
	c0, c1, n := correlation(obs, r, spread, step)
	s.C0, s.C1 = c0, c1
	return upper(c0, c1, n)
}

func correlation(obs []observation, r []float64, spread float64, step time.Duration) (c0, c1, n float64) {
	for i := 1; i < len(r); i++ {
		if steps(obs[i-1].at, obs[i].at, step) != 1 {
			continue
		}
		a, b := clip(r[i-1]/spread), clip(r[i]/spread)
		c0 += (a*a + b*b) / 2
		c1 += a * b
		n++
	}
	if n == 0 {
		return 1, 0, 1
	}
	return c0 / n, c1 / n, n
}

const mostPhi = .95

// upper is the estimate of the AR(1) coefficient, freed of its bias towards
// zero and raised by half a standard error: too much whitening costs some delay,
// too little breaks the guarantee.
func upper(c0, c1, n float64) float64 {
	phi, se := unbiased(c0, c1, n)
	return math.Min(mostPhi, math.Max(0, phi+se/2))
}

func lower(c0, c1, n float64) float64 {
	phi, se := unbiased(c0, c1, n)
	return math.Min(mostPhi, math.Max(0, phi-se))
}

func unbiased(c0, c1, n float64) (phi, se float64) {
	if c0 <= 0 || n < 5 {
		return 0, 0
	}
	phi = c1 / c0
	phi += (1 + 3*math.Max(phi, 0)) / n
	return phi, math.Sqrt(math.Max(1-phi*phi, .02) / n)
}

func innovations(obs []observation, r []float64, phi float64, step time.Duration) []float64 {
	w := make([]float64, 0, len(r))
	q := math.Sqrt(1 - phi*phi)
	for i := 1; i < len(r); i++ {
		if steps(obs[i-1].at, obs[i].at, step) == 1 {
			w = append(w, (r[i]-phi*r[i-1])/q)
		}
	}
	if len(w) < 10 {
		return r
	}
	return w
}

func clip(z float64) float64 { return math.Max(-huber, math.Min(huber, z)) }

func medianDistance(x []float64, from float64) float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = math.Abs(v - from)
	}
	return statistics.Median(y)
}

func meanOf(x []float64, f func(float64) float64) float64 {
	s := 0.0
	for _, v := range x {
		s += f(v)
	}
	return s / float64(len(x))
}

func clippedSpread(x []float64, level, spread float64) float64 {
	m := meanOf(x, func(v float64) float64 { z := clip((v - level) / spread); return z * z })
	return spread * math.Sqrt(m/secondMoment)
}
