package attribute

import (
	"math"
	"time"

	backout "github.com/backout-dev/backout"
)

// horizon is how long after its exposure a change is suspected, model minutes.
const horizon = 90.0

// delayEdges are the bins in which past delays are counted, model minutes.
var delayEdges = [...]float64{0, 1, 2, 5, 10, 20, 40, horizon}

// priorDelays is how many observations the delay formula is worth against
// learnt counts.
const priorDelays = 20.0

// delayBefore is the probability that trouble starts within d minutes of the
// exposure that causes it: most soon (mean 3 minutes), a fifth
// within a quarter of an hour or so, where caches, pools and rare requests must come first,
// and a fifth any time within 90.
func delayBefore(d float64) float64 {
	if d <= 0 {
		return 0
	}
	return 0.6*-math.Expm1(-d/3) + 0.2*-math.Expm1(-d/15) + 0.2*min(d, horizon)/horizon
}

// delays is the delay of one kind of change: the formula, its bins re-weighted by
// what was learnt (a Dirichlet posterior).
type delays struct {
	weight [len(delayEdges) - 1]float64
	upTo   [len(delayEdges) - 1]float64 // the probability of a start before each bin
}

// edgesBefore are the formula at the edges of the bins.
var edgesBefore = func() (out [len(delayEdges)]float64) {
	for i, e := range delayEdges {
		out[i] = delayBefore(e)
	}
	return out
}()

func newDelays(counts []float64) delays {
	var d delays
	sum := 0.0
	for i := range d.weight {
		if i < len(counts) {
			sum += max(0, counts[i])
		}
	}
	for i := range d.weight {
		mass := edgesBefore[i+1] - edgesBefore[i]
		n := 0.0
		if i < len(counts) {
			n = max(0, counts[i])
		}
		d.weight[i] = (priorDelays*mass + n) / (priorDelays + sum) / mass
		if i > 0 {
			d.upTo[i] = d.upTo[i-1] + d.weight[i-1]*(edgesBefore[i]-edgesBefore[i-1])
		}
	}
	return d
}

// before is the probability of a start until so many minutes after exposure.
func (d delays) before(minutes float64) float64 {
	minutes = min(minutes, horizon)
	i := len(d.weight) - 1
	for i > 0 && minutes <= delayEdges[i] {
		i--
	}
	return d.upTo[i] + d.weight[i]*(delayBefore(minutes)-edgesBefore[i])
}

// hazard is, for each minute, the probability that a change with this exposure
// starts trouble in it. A fault shows by the time it has share s with probability
// √s (a tenth of the traffic shows a third of the faults), so each stage counts
// with what it adds to that. Starts before the exposure get 1e-6, or a
// thousandth within one minute, for clocks differ.
func hazard(e backout.Exposure, d delays, c clock) []float64 {
	type stage struct {
		at time.Time
		w  float64
	}
	var stages []stage
	last := 0.0
	for _, s := range e.Stages {
		if share := max(0.01, min(1, s.Share)); share > last {
			stages = append(stages, stage{s.At, math.Sqrt(share) - math.Sqrt(last)})
			last = share
		}
	}
	out := make([]float64, c.n)
	for _, s := range stages {
		first, before := c.since(0, s.at), 0.0
		if first > 1 {
			before = d.before(first - 1)
		}
		for i := range out {
			switch age := first + float64(i); {
			case age > 0:
				until := d.before(age)
				out[i] += s.w * max(afterOnset, until-before)
				before = until
			case age > -1:
				out[i] += s.w * clockSkew
			default:
				out[i] += s.w * afterOnset
			}
		}
	}
	for i, x := range out {
		out[i] = max(x, afterOnset)
	}
	return out
}

// noticing is the log likelihood of trouble that began in each minute being noticed
// when it was: most is noticed within minutes, or a few samples where they are rarer,
// some creeps for an hour, and none before it begins; but what was noticed may also have
// been something else. It is the same for all causes, so it only says when.
func noticing(q Question, c clock) []float64 {
	out := make([]float64, c.n)
	if q.Noticed.IsZero() {
		return out
	}
	usual := noticeMinutes
	for _, r := range q.Residuals {
		usual = max(usual, noticeSamples*float64(r.Step)/float64(c.minute))
	}
	for i := range out {
		p := elsewhere / horizon
		if d := -c.since(i, q.Noticed); d >= -1 { // from the end of the minute to the notice
			p += (1 - elsewhere) * (0.6/usual*math.Exp(-max(0, d)/usual) + 0.4/horizon)
		}
		out[i] = math.Log(p)
	}
	return out
}

// kindPrior is how much likelier than a deployment a change of this kind hurts.
func kindPrior(k backout.ComponentKind) float64 {
	switch k {
	case backout.KindConfig:
		return 1.2
	case backout.KindFlag:
		return 0.8
	case backout.KindSchema:
		return 1.6
	case backout.KindInfrastructure:
		return 1.3
	}
	return 1
}

// kindRisk corrects the prior by the share of culprits among all shipped changes
// of the kind, worth 20 shipped changes of prior, within [1/5, 5]: what was
// blamed before must not be blamed for ever because of it.
func kindRisk(k backout.ComponentKind, pr backout.Priors) float64 {
	base := kindPrior(k)
	culprits, shipped := 0.0, 0.0
	for kind, n := range pr.Shipped {
		shipped += max(0, n)
		culprits += max(0, pr.Culprit[kind])
	}
	if shipped <= 0 || culprits <= 0 {
		return base
	}
	rate := culprits / shipped
	const worth = 20
	learnt := (max(0, pr.Culprit[k]) + worth*rate*base) / (max(0, pr.Shipped[k]) + worth) / rate
	return base * max(0.2, min(5, learnt/base))
}

// nonePrior is the share of incidents that no change caused: 0.35, worth twenty
// incidents, corrected by what was learnt.
func nonePrior(pr backout.Priors) float64 {
	const worth, share = 20, 0.35
	p := (worth*share + max(0, pr.None)) / (worth + max(0, pr.Incidents, pr.None))
	return max(0.1, min(0.8, p))
}
