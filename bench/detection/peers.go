package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/backout-dev/backout/internal/statistics"
)

// matched is what another rule reaches when its threshold is set, on healthy noise,
// so that its run length is ours.
type matched struct {
	Threshold float64 `json:"threshold"`
	Measured  float64 `json:"arl_measured"`
	reached
}

// peer is a rule with one number that grows while something is wrong. It gets what
// it asks for on a plate: noise without a season, and mean, deviation and
// correlation learnt from as many samples as ours.
type peer struct {
	name string
	make func(l *learning) func(z, w float64) float64
	most float64 // of its threshold
}

// learning is what a rule knows of a series before it begins.
type learning struct {
	mean, sd, phi, before float64
	above                 float64 // the 98th percentile of standardised samples
	law                   statistics.Pareto
}

func peers() []peer {
	return []peer{
		{"three_sigma", func(*learning) func(z, w float64) float64 { // the least of three in a row
			a, b := math.Inf(-1), math.Inf(-1)
			return func(z, _ float64) float64 {
				least := min(a, b, z)
				a, b = b, z
				return least
			}
		}, 12},
		{"cusum", func(*learning) func(z, w float64) float64 { // Page 1954, reference 0.5, on whitened samples
			sum := 0.0
			return func(_, w float64) float64 {
				sum = math.Max(0, sum+w-.5)
				return sum
			}
		}, 200},
		{"spot", func(l *learning) func(z, w float64) float64 { // Siffer et al., KDD 2017: one sample beyond a quantile
			return func(z, _ float64) float64 {
				if z <= l.above {
					return 0
				}
				return math.Min(200, -math.Log(.02*math.Max(l.law.Survival(z-l.above), 1e-80)))
			}
		}, 200},
	}
}

// learn takes samples on the scale of noise.
func learn(next func(float64) (float64, float64)) *learning {
	x := make([]float64, learnt)
	for i := range x {
		x[i] = reading(next(0))
	}
	l := &learning{}
	n := float64(len(x))
	for _, v := range x {
		l.mean += v / n
	}
	for _, v := range x {
		l.sd += (v - l.mean) * (v - l.mean) / n
	}
	for i, v := range x[1:] {
		l.phi += (v - l.mean) * (x[i] - l.mean) / n / l.sd
	}
	l.sd = math.Sqrt(l.sd)
	l.before = l.standard(x[len(x)-1])
	for i := range x {
		x[i] = l.standard(x[i])
	}
	slices.Sort(x)
	cut := len(x) * 98 / 100
	l.above = x[cut]
	var over []float64
	for _, v := range x[cut+1:] {
		over = append(over, v-l.above)
	}
	l.law = statistics.FitParetoMLE(over)
	return l
}

func reading(value, total float64) float64 { return math.Log(value/total + 1e-3) }

func (l *learning) standard(x float64) float64 { return (x - l.mean) / l.sd }

// pair is the next sample, standardised and whitened.
func (l *learning) pair(x float64) (z, w float64) {
	z = l.standard(x)
	w = (z - l.phi*l.before) / math.Sqrt(1-l.phi*l.phi)
	l.before = z
	return z, w
}

// quiet is healthy noise as the rules see it.
type quiet struct {
	learning
	z, w []float32
}

func measureBaselines(s source, arl float64, series, days int, seed uint64) map[string]matched {
	var calm []quiet
	for i := range series {
		next := s.make(rand.New(rand.NewPCG(seed, uint64(i))))
		q := quiet{learning: *learn(next)}
		for range days * minutes {
			z, w := q.pair(reading(next(0)))
			q.z, q.w = append(q.z, float32(z)), append(q.w, float32(w))
		}
		calm = append(calm, q)
	}
	out := map[string]matched{}
	for _, p := range peers() {
		m := p.match(calm, arl)
		for i, to := range []*int{&m.Delay4, &m.Delay2, &m.Delay1} {
			*to, m.Found1 = middle(p.delays(s, m.Threshold, math.Pow(2, float64(2-i)), series, seed+1+uint64(i)))
		}
		out[p.name] = m
	}
	return out
}

// match finds the threshold by halving.
func (p peer) match(calm []quiet, arl float64) (m matched) {
	lo, hi := 0.0, p.most
	for range 30 {
		m.Threshold = (lo + hi) / 2
		m.Measured = p.runLength(calm, m.Threshold)
		if m.Measured < arl {
			lo = m.Threshold
		} else {
			hi = m.Threshold
		}
	}
	return m
}

// runLength begins anew after each alarm.
func (p peer) runLength(calm []quiet, threshold float64) float64 {
	samples, alarms := 0, 0
	for i := range calm {
		q := &calm[i]
		step := p.make(&q.learning)
		for k := range q.z {
			if step(float64(q.z[k]), float64(q.w[k])) > threshold {
				alarms++
				step = p.make(&q.learning)
			}
		}
		samples += len(q.z)
	}
	return float64(samples) / math.Max(1, float64(alarms))
}

func (p peer) delays(s source, threshold, size float64, series int, seed uint64) (out []int) {
	for i := range series {
		next := s.make(rand.New(rand.NewPCG(seed, uint64(i))))
		l := learn(next)
		step, at := p.make(l), -1
		for k := 1; k <= patient && at < 0; k++ {
			if step(l.pair(reading(next(size)))) > threshold {
				at = k
			}
		}
		out = append(out, at)
	}
	return out
}
