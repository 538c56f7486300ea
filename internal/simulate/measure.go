package simulate

import (
	"math"
	"time"

	backout "github.com/backout-dev/backout"
)

// calm is how many minutes are measured before the hour that is looked at.
const calm = 200.0

// window is how many minutes are looked at.
const window = 60.0

// Signals are the questions to which a window has the answers. They come without
// queries: nobody is asked.
func Signals() []backout.Signal {
	return []backout.Signal{
		{Name: "latency", Kind: backout.SignalLatency, Direction: backout.WorseUp, Opens: true},
		{Name: "errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Opens: true},
		{Name: "traffic", Kind: backout.SignalTraffic, Direction: backout.WorseBoth},
		{Name: "call-latency", Kind: backout.SignalLatency, Direction: backout.WorseUp},
		{Name: "call-errors", Kind: backout.SignalErrors, Direction: backout.WorseUp},
		{Name: "arm-latency", Kind: backout.SignalLatency, Direction: backout.WorseUp},
		{Name: "arm-errors", Kind: backout.SignalErrors, Direction: backout.WorseUp},
	}
}

// Indices of [Signals].
const (
	latency = iota
	failures
	traffic
	callLatency
	callErrors
	armLatency
	armErrors
)

// lost is the share of samples that never arrive.
const lost = .002

// measurement is the samples of a world in the making.
type measurement struct {
	*world
	out     backout.Window
	ticks   []float64 // middle of each step, in minutes
	signals []backout.Signal
	load    []float64
}

// measure draws the samples of everything that is measured.
func (w *world) measure() backout.Window {
	n := int(math.Round((calm + window + w.beyond) / w.step))
	step := time.Duration(w.step * float64(time.Minute))
	after := int(math.Round(w.beyond / w.step)) // of them lie after the end
	m := measurement{world: w, ticks: make([]float64, n), signals: Signals(), load: make([]float64, n),
		out: backout.Window{From: w.at.Add(-time.Duration(n-after) * step), Now: w.at.Add(time.Duration(after) * step), Step: step, Missing: map[backout.SignalName]string{}}}
	for i := range m.ticks {
		m.ticks[i] = w.end - (float64(n-after-i)-.5)*w.step
		m.load[i] = w.load.at(m.ticks[i])
	}
	for u, x := range w.nodes {
		if x.kind != backout.ServiceExternal {
			m.service(u, x)
		}
	}
	return m.out
}

// service measures one service, its calls and its versions.
func (m *measurement) service(u int, x *node) {
	own := backout.Subject{Service: x.id}
	slow, fail := m.trouble(x)
	m.series(own, x.demand, x, slow, fail, latency, failures, traffic)
	for _, c := range x.calls {
		if !c.seen {
			continue
		}
		callee := m.nodes[c.to]
		slow, fail := m.trouble(callee)
		if m.acts {
			for i, t := range m.ticks {
				s, f := sum(c.bad, t)
				slow[i], fail[i] = slow[i]+s, min(.9, fail[i]+f)
			}
		}
		m.series(backout.Subject{Service: callee.id, Caller: x.id}, callee.demand*c.weight, callee, slow, fail, callLatency, callErrors, -1)
	}
	for _, d := range m.drafts {
		if d.node == u && d.byVersion {
			m.arms(d, x)
		}
	}
}

// trouble is what goes wrong at a service, on average over its instances.
func (m *measurement) trouble(x *node) (slow, fail []float64) {
	slow, fail = make([]float64, len(m.ticks)), make([]float64, len(m.ticks))
	for i, t := range m.ticks {
		if m.acts && t >= 0 {
			slow[i], fail[i] = sum(x.influences, t)
		}
		s, f := sum(x.unrelated, t)
		slow[i] += s
		fail[i] = min(.9, fail[i]+f)
		if j := x.job; j.every > 0 && math.Mod(t+j.phase+1e4*j.every, j.every) < j.lasts {
			slow[i] += j.slow
		}
	}
	return slow, fail
}

// arms measures both versions of a rollout while both run. Trouble that the change
// itself makes is the new version's alone; all else they share.
func (m *measurement) arms(d draft, x *node) {
	own := d.guilty && m.acts && m.cause.class != ClassSilent
	for _, treated := range []bool{true, false} {
		version := d.from()
		if treated {
			version = d.to()
		}
		slow, fail := m.trouble(x)
		share := make([]float64, len(m.ticks))
		for i, t := range m.ticks {
			if share[i] = exposed(d.stages, t); len(d.back.stages) > 0 {
				share[i] *= 1 - d.back.at(t)
			}
			if !treated {
				share[i] = 1 - share[i]
			}
			if own && t >= 0 {
				mean, meanFail := x.influences[0].at(t)
				slow[i], fail[i] = slow[i]-mean, max(0, fail[i]-meanFail)
				if treated {
					s, f := m.cause.course.full(t)
					k := x.influences[0].strength
					slow[i], fail[i] = slow[i]+k*s, min(.9, fail[i]+k*f)
				}
			}
		}
		m.armSeries(backout.Subject{Service: x.id, Version: version}, x, slow, fail, share)
	}
}

// series draws one subject's signals; a negative index is none.
func (m *measurement) series(s backout.Subject, demand float64, x *node, slow, fail []float64, ofLatency, ofErrors, ofTraffic int) {
	ones := make([]float64, len(m.ticks))
	for i := range ones {
		ones[i] = 1
	}
	apart := 0.0
	if s.Caller != "" {
		apart = .3
	}
	samples := m.draw(s, demand, x, slow, fail, ones, apart)
	m.keep(ofLatency, s, samples.seconds)
	m.keep(ofErrors, s, samples.failed)
	if ofTraffic >= 0 {
		m.keep(ofTraffic, s, samples.requests)
	}
}

func (m *measurement) armSeries(s backout.Subject, x *node, slow, fail, share []float64) {
	samples := m.draw(s, x.demand, x, slow, fail, share, .5)
	m.keep(armLatency, s, samples.seconds)
	m.keep(armErrors, s, samples.failed)
}

func (m *measurement) keep(signal int, s backout.Subject, samples []backout.Sample) {
	q := m.signals[signal]
	if len(samples) > 0 {
		m.out.Series = append(m.out.Series, backout.Series{ID: backout.SeriesID{Signal: q.Name, Subject: s}, Kind: q.Kind, Worse: q.Direction, Opens: q.Opens, Samples: samples})
	}
}

func (m *measurement) wander(name string, phi float64) []float64 {
	return wandering(newStream(m.seed, m.split, name), len(m.ticks), phi, m.step, m.terms.wild, m.terms.hiccups)
}

// drawn is one subject's samples.
type drawn struct{ seconds, failed, requests []backout.Sample }

// draw draws requests, their latency and their failures. A service's latency
// wanders for all who look at it alike; what each look adds is the chance of its own
// requests, and apart, a share of that wandering, which instances and networks add.
func (m *measurement) draw(s backout.Subject, demand float64, x *node, slow, fail, share []float64, apart float64) drawn {
	name := string(s.Service) + "/" + string(s.Caller) + "/" + string(s.Version)
	r := newStream(m.seed, m.split, "series/"+name)
	common := m.wander("service/"+string(x.id), x.phi)
	if apart > 0 {
		for i, z := range m.wander("look/"+name, x.phi) {
			common[i] += apart * z
		}
	}
	var out drawn
	for i := range m.ticks {
		requests, z, u := share[i]*demand*m.step*m.load[i], r.NormFloat64(), r.Float64()
		n := poisson(r, requests)
		failing := x.failing * math.Exp(.3*r.NormFloat64()) // failures come in bursts
		bad := min(n, poisson(r, n*min(.95, failing+fail[i])))
		if share[i] <= 0 || u < lost {
			continue
		}
		at := m.out.From.Add(time.Duration(i+1) * m.out.Step)
		out.requests = append(out.requests, backout.Sample{At: at, Value: n})
		if n == 0 {
			continue
		}
		mean := x.latency * math.Pow(m.load[i], x.elastic) * (1 + slow[i]) * math.Exp(x.noise*common[i]+perRequest/math.Sqrt(n)*z)
		out.seconds = append(out.seconds, backout.Sample{At: at, Value: mean * n, Total: n})
		out.failed = append(out.failed, backout.Sample{At: at, Value: bad, Total: n})
	}
	return out
}
