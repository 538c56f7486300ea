package attribute

import (
	"fmt"
	"math"

	backout "github.com/backout-dev/backout"
)

// A bad change may look healthy to the service that it was made in: it answers quickly,
// without errors, and wrongly. Then only some of its callers suffer, and those that do
// mostly see where it comes from. That is another way to be the cause than being ill
// oneself, not a weaker one: callers that don't suffer say nothing against it.

const (
	silentShare = 0.15 // bad changes that are so
	silentSeen  = 0.95 // a caller that suffers sees it in its calls
)

// guilt is the evidence of a change: it shows where it was made, or else to some callers.
func (p *panel) guilt(b blast) []float64 {
	out := p.evidence(b)
	for i, x := range p.evidence(b.silently()) {
		out[i] = logAdd(math.Log(1-silentShare)+out[i], math.Log(silentShare)+x)
	}
	return out
}

// silently is the same blast of a cause whose service looks healthy.
func (b blast) silently() blast {
	b.silent, b.badCalls = true, nil
	return b
}

// silentlyAt says that a reading is of a service where the cause is and does not show.
func (b blast) silentlyAt(t through) bool {
	return b.silent && t.stop >= 0 && len(b.stops[t.stop].links) == 0
}

// quietest is the logarithm of the ratio of a place none of whose witnesses sees
// anything. The receiver is what they were folded to. Where a dozen witnesses are
// clearly ill the ratio itself is below all numbers.
func (t track) quietest(seen []track) float64 {
	if len(seen) == 1 {
		return math.Log(seen[0].never)
	}
	q := math.Log(t.never)
	for _, w := range seen {
		q += math.Log(w.never / notices(w.never, len(seen)))
	}
	return q
}

// hushed calls each with the factors of what a silent cause does not show, and multiplies
// them into the chance that a stop is ill. A change's only service is ill for sure, and
// what it does not show is then made up for by callers that see it: a factor below all
// numbers is called in parts.
func hushed(log float64, ill []float64, each func(factors []float64), room []float64) {
	const most = 300 // of a logarithm whose number is far from the ends
	parts := math.Ceil(max(1, math.Abs(log)/most))
	part, whole := math.Exp(log/parts), max(faintest, math.Exp(log))
	for k := range int(parts) {
		for i, q := range ill {
			switch {
			case q == 1:
				room[i] = part
			case k == 0:
				room[i] = 1 - q + q*whole
			default:
				room[i] = 1
			}
		}
		each(room)
	}
	for i, q := range ill {
		if q != 1 {
			ill[i] = q * whole / (1 - q + q*whole)
		}
	}
}

// faintest keeps a product of likelihood ratios from becoming nothing at all, which says no
// more and can't be divided by; its inverse keeps one from growing beyond all numbers. The
// square of both is a number still.
const faintest = 1e-150

// viewOf is the clearest that is seen of a service by one that calls it; nil = nothing.
func (p *panel) viewOf(callee, caller backout.ServiceID, here func(*reading) bool) (out *reading) {
	for _, k := range p.callsTo[callee] {
		if v := p.views[k]; k.caller == caller && here(v) && (out == nil || v.peak > out.peak) {
			out = v
		}
	}
	return out
}

// throughView takes into account whether the reached service sees the trouble in its
// calls: given ill, the chance that the cause is ill, it fills in the factors of what is
// seen, and keeps in missed the chance that it comes by none of the links so far.
func (l link) throughView(ill, missed []float64, from int, factors []float64) {
	view := l.view.hop(0)[from:]
	for i := range missed {
		comes := l.p * ill[i]
		seen := comes * (1 - silentSeen + silentSeen*view[i]/l.view.never)
		f := 1 - comes + seen
		missed[i] *= 1 - seen/f
		factors[i] = f
	}
}

// silentAt says that a cause is likelier to be silent than ill itself, had it begun in a minute.
func (p *panel) silentAt(b blast, t0 int) bool {
	like := func(b blast) float64 {
		sum := 0.0
		p.filter(b, t0, t0+1, func(f []float64) { sum += math.Log(f[0]) })
		return sum
	}
	return math.Log(silentShare/(1-silentShare))+like(b.silently())-like(b) > 0
}

// silentText tells whose calls show a cause that looks healthy to itself; that all others
// see nothing is held against it.
func (t *trial) silentText(b blast, onset int) backout.Evidence {
	bf, callers, names := 0.0, 0, []string{}
	for _, s := range b.stops {
		if len(s.links) == 0 {
			names = append(names, string(s.service))
		}
		for _, l := range s.links {
			if l.view == nil {
				continue
			}
			if lr := tempering * math.Log(l.view.hop(0)[onset]/l.view.never); l.view.ill() && lr >= telling {
				bf, callers = bf+lr, callers+1
			}
		}
	}
	for _, th := range b.readings {
		if b.silentlyAt(th) {
			bf += tempering * t.panel.readings[th.reading].quiet
		}
	}
	if callers == 0 || bf < telling {
		return backout.Evidence{}
	}
	return backout.Evidence{Kind: backout.EvidenceCallers, LogBF: bf, Text: fmt.Sprintf("%s %s healthy from within, but calls from %s fail", list(names), are(names), count(callers, "caller"))}
}
