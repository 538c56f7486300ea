package attribute

import (
	"math"

	backout "github.com/backout-dev/backout"
)

// A change that reaches one part of the instances or users after the other hurts one
// part after the other: what is measured of its service grows as its exposure does. That
// tells it from others of the same service, which differ from it in nothing else.

const (
	doseApplies = 0.7 // trouble is in proportion to the exposure
	mostDose    = 4.0 // log evidence beyond this is not believed
)

// dose is the log evidence, by minute of the onset, that the trouble of the changed
// services grew with the exposure of the change, against trouble of any usual shape; nil
// where the exposure did not grow in the window or the services look healthy.
func (p *panel) dose(services []backout.ServiceID, e backout.Exposure, loc backout.Location) []float64 {
	share, grows := p.clock.shares(e)
	if !grows {
		return nil
	}
	out, n := make([]float64, p.clock.n), 0.0
	for _, s := range services {
		for _, k := range p.of[s] {
			r := &p.readings[k]
			if !r.ill() || !everywhere(loc) && r.at.location != "" && r.at.location != loc {
				continue
			}
			for _, x := range p.sumsOf(r.at) {
				n++
				for i, d := range x.doseEvidence(share) {
					out[i] += d
				}
			}
		}
	}
	if n == 0 {
		return nil
	}
	for i, d := range out {
		d = min(mostDose, tempering*d/math.Sqrt(n)) // they see one and the same trouble
		out[i] = logAdd(math.Log(1-doseApplies), math.Log(doseApplies)+d)
	}
	return out
}

// doseText tells dose evidence that is worth a sentence.
func doseText(bf float64) backout.Evidence {
	e := backout.Evidence{Kind: backout.EvidenceTime, LogBF: bf}
	switch {
	case bf >= telling:
		e.Text = "what went wrong grew with its exposure, stage by stage"
	case bf <= -telling:
		e.Text = "what went wrong did not grow with its exposure"
	}
	return e
}

// shares is the share that a change had reached in the middle of each minute, and whether
// it grew within the window.
func (c clock) shares(e backout.Exposure) (out []float64, grows bool) {
	out = make([]float64, c.n)
	for i := range out {
		for _, s := range e.Stages {
			if c.since(i, s.At) > .5 {
				out[i] = max(0, min(1, s.Share))
			}
		}
	}
	least := 1.0
	for _, x := range out {
		if x > 0 {
			least = min(least, x)
		}
	}
	return out, c.n > 0 && out[c.n-1] > least
}

// doseEvidence is, by minute of the onset, the log evidence of the usual ramps times the
// exposure over that of the ramps alone.
func (s armSums) doseEvidence(share []float64) []float64 {
	n := len(share)
	phi := max(0, min(0.95, s.phi))
	k, l2 := (1+phi)/(1-phi), shiftSD*shiftSD
	ramps := s.shapes()
	out := make([]float64, n)
	with, without := make([]float64, len(ramps)), make([]float64, len(ramps))
	for tau := range out {
		if share[tau] == 0 || share[n-1] == share[tau] {
			continue // not yet exposed, or all of it: the ramps alone
		}
		for j, r := range ramps {
			var wz, ww, vz, vv float64
			for i := tau; i < n; i++ {
				v := min(1, float64(i-tau+1)/float64(r))
				w := v * share[i]
				wz, ww = wz+w*s.sum[i], ww+w*w*s.n[i]
				vz, vv = vz+v*s.sum[i], vv+v*v*s.n[i]
			}
			with[j], without[j] = logShift(wz, ww, k, l2), logShift(vz, vv, k, l2)
		}
		out[tau] = logSum(with) - logSum(without)
	}
	return out
}

// logShift is the log Bayes factor of a shift whose weighted sums are these.
func logShift(wz, ww, k, l2 float64) float64 {
	if ww <= 0 {
		return 0
	}
	q := 1 / (k + l2*ww)
	x := wz * math.Sqrt(l2*q/k)
	if x > 20 {
		return math.Log(k*q)/2 + x*x/2 + math.Ln2
	}
	return math.Log(math.Sqrt(k*q) * twiceMills(x))
}
