package main

import (
	"math"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// measure turns what truly happens into residuals: samples are drawn, baselines
// learnt from the calm part, and the last hour standardised.
func (g *generator) measure() {
	for i, n := range g.nodes {
		own := backout.Subject{Service: n.id}
		demand := func(m int) float64 { return n.rate * (1 + g.surge[m]) }
		slow := func(m int) float64 { return n.slow[m] }
		fail := func(m int) float64 { return n.fail[m] }
		if !n.external {
			ls := g.latency(own, n, slow)
			es := g.errors(own, n.rate, fail, demand)
			if n.layer == 0 {
				g.traffic(own, demand)
			}
			g.arms(n, ls, es)
		}
		for _, v := range n.callees {
			if g.untold[[2]int{i, v}] {
				continue
			}
			callee := g.nodes[v]
			bad := g.callBad[[2]int{i, v}]
			side := backout.Subject{Service: callee.id, Caller: n.id}
			g.latency(side, callee, func(m int) float64 { return callee.slow[m] })
			share := 0.5 * min(n.rate, callee.rate)
			g.errors(side, share, func(m int) float64 {
				f := callee.fail[m]
				if g.c.Truth.Kind == "silent" && callee.id == g.c.Truth.Origin && m >= g.onset {
					f += 0.1 // garbage that only callers notice
				}
				if bad != nil {
					f += bad[m]
				}
				return f
			}, func(m int) float64 { return share * (1 + g.surge[m]) })
		}
	}
}

// baseline of a drawn series, with the noise's standard deviation.
type baseline struct{ level, scale, phi float64 }

// standardise learns from the calm part and keeps the residuals of the rest.
func (g *generator) standardise(x []float64, sub backout.Subject, kind backout.SignalKind) baseline {
	sorted := slices.Sorted(slices.Values(x[:calm]))
	b := baseline{level: sorted[calm/2]}
	dev := make([]float64, calm)
	num, den := 0.0, 0.0
	for i, v := range x[:calm] {
		dev[i] = math.Abs(v - b.level)
		if i > 0 {
			num += (v - b.level) * (x[i-1] - b.level)
		}
		den += (v - b.level) * (v - b.level)
	}
	slices.Sort(dev)
	b.scale, b.phi = 1.4826*dev[calm/2], max(0, num/den)
	if kind == backout.SignalErrors { // few counts: the median deviation may be zero
		b.scale = max(b.scale, math.Sqrt(den/calm))
	}
	g.keep(x, b, sub, kind)
	return b
}

func (g *generator) keep(x []float64, b baseline, sub backout.Subject, kind backout.SignalKind) {
	id := backout.SeriesID{Signal: backout.SignalName(kind), Subject: sub}
	r := backout.Residuals{ID: id, Kind: kind, Mode: backout.ModeShort, From: g.now.Add(-(window - 1) * time.Minute), Step: time.Minute, Phi: b.phi}
	for _, v := range x[calm:] {
		r.Levels = append(r.Levels, (v-b.level)/b.scale)
	}
	g.c.Residuals = append(g.c.Residuals, r)
	g.c.Baselines = append(g.c.Baselines, backout.Baseline{Series: id, Kind: kind, Level: b.level, Scale: b.scale, Phi: b.phi})
}

func (g *generator) latencies(n *node, slow func(int) float64, noise float64) []float64 {
	x, e := make([]float64, length), 0.0
	for m := range x {
		e = n.phi*e + math.Sqrt(1-n.phi*n.phi)*g.r.NormFloat64()
		if g.r.Float64() < 0.01 {
			e += 3 * g.r.ExpFloat64() // a hiccup
		}
		x[m] = math.Log(n.latency*(1+slow(m))+0.001) + noise*e
	}
	return x
}

func (g *generator) latency(sub backout.Subject, n *node, slow func(int) float64) baseline {
	return g.standardise(g.latencies(n, slow, 0.08), sub, backout.SignalLatency)
}

func (g *generator) failures(fail, demand func(int) float64) []float64 {
	x := make([]float64, length)
	for m := range x {
		n := float64(g.poisson(demand(m)))
		e := min(n, float64(g.poisson(n*(0.003+fail(m)))))
		p := (e + 0.5) / (n + 1)
		x[m] = math.Log(p / (1 - p))
	}
	return x
}

func (g *generator) errors(sub backout.Subject, _ float64, fail, demand func(int) float64) baseline {
	return g.standardise(g.failures(fail, demand), sub, backout.SignalErrors)
}

func (g *generator) traffic(sub backout.Subject, demand func(int) float64) {
	x := make([]float64, length)
	for m := range x {
		x[m] = 2 * math.Sqrt(float64(g.poisson(demand(m)))+0.375)
	}
	g.standardise(x, sub, backout.SignalTraffic)
}

// arms adds treated and control series for half of the staged deployments.
func (g *generator) arms(n *node, ls, es baseline) {
	for _, c := range g.c.World.Changes {
		if c.Kind != backout.KindDeployment || c.Services[0] != n.id || len(c.Exposure.Stages) < 2 || g.r.Float64() < 0.3 {
			continue
		}
		f, guilty := g.faulty[c.ID]
		for _, treated := range []bool{true, false} {
			v := c.From
			if treated {
				v = c.To
			}
			sub := backout.Subject{Service: n.id, Version: v}
			part := func(m int, total, own float64) float64 {
				k := max(0, min(1, (float64(m-g.onset)+1)/f.ramp))
				switch {
				case guilty && g.c.Truth.Kind == "silent":
					return total
				case guilty && treated:
					return own * k
				case guilty:
					return 0
				}
				return total
			}
			share := func(m int) float64 {
				s := c.Exposure.Share(g.at(float64(m) + 0.5))
				if !treated {
					s = 1 - s
				}
				return s
			}
			lat := g.latencies(n, func(m int) float64 { return part(m, n.slow[m], f.slow) }, 0.12)
			err := g.failures(func(m int) float64 { return part(m, n.fail[m], f.fail) }, func(m int) float64 { return n.rate * max(0.05, share(m)) })
			for m := range lat {
				if share(m) <= 0.01 {
					lat[m], err[m] = math.NaN(), math.NaN()
				}
			}
			g.keep(lat, ls, sub, backout.SignalLatency)
			g.keep(err, es, sub, backout.SignalErrors)
		}
	}
}

// poisson draws by multiplication, or by the normal limit for large means.
func (g *generator) poisson(mean float64) int {
	if mean > 50 {
		return int(max(0, math.Round(mean+math.Sqrt(mean)*g.r.NormFloat64())))
	}
	k, p, stop := 0, g.r.Float64(), math.Exp(-mean)
	for p > stop {
		k++
		p *= g.r.Float64()
	}
	return k
}
