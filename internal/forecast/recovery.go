package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// Recovery is everything that [Recover] may depend on.
type Recovery struct {
	Now    time.Time
	Minute time.Duration // length of a model minute; 0 = a minute
	Step   time.Duration // between two samples; 0 = half a model minute
	// Remaining is the planned time until the last effect, bakes included; 0 when all
	// effects are done, and Done is when the last one was.
	Remaining time.Duration
	Done      time.Time
	// Right is the probability that the plan takes back what did it, and that it works.
	Right float64
	// Curves are the levels of the ill signals, in standard deviations above normal, one
	// a step and the newest last, from the last effect on. Used once all effects are done.
	Curves [][]float64
	// Phi is the correlation of neighbouring samples of the ill signals, in [0,1), and
	// Margin how many standard deviations count as recovered; 0 = 1.
	Phi, Margin float64
	Backlogs    []Backlog
	// Errors are log(actual / foretold median) of past recoveries; see
	// [backout.Priors.Recoveries].
	Errors []float64
	Draws  int // 0 = 1000
	Seed   uint64
}

// Backlog is work that waits and must be done before the trouble is over.
type Backlog struct {
	Name     string
	Waiting  float64 // pieces of work
	Served   float64 // of them a model minute, once healthy
	Arriving float64 // of them a model minute
}

const (
	recoveryDraws = 1000
	actingSpread  = .3  // log-sd of how long an action takes, against the plan
	effectMedian  = 2.0 // model minutes from the last effect until it shows
	effectSpread  = .7  // log-sd of the same
	warmMinutes   = 1.0 // after an effect, in which nothing is proven
	proofAlpha    = .05
	mostSamples   = 500 // that anybody waits for a proof
	bendPoints    = 10  // newest samples that say whether a curve bends
	leastBend     = 4
)

// Recover says when recovery is expected, by simulation of what it is made of:
//
//	T = T_acting + T_effect + T_drain + T_verify
//
// The remaining actions take what the plan says, give or take; an effect shows after two
// minutes in the median; a backlog of B pieces drains in B/(served - arriving) minutes,
// or never; and the proof takes the samples until the recovery e-process of package
// verify reaches 1/.05, whose length is drawn by running that process. Once the last
// effect is done and the measured curves bend, r(t) = r_end + (r_0 - r_end)·exp(-t/τ) is
// fitted robustly (Theil and Sen's slope of the logarithms) to their newest points and
// combined with the prior by precision, on the logarithmic scale.
//
// The interval is that of the draws, or, from nine past recoveries on, the one that
// covered eight of ten of them. It is a pure function; equal questions give equal answers.
func Recover(q Recovery) backout.ETA {
	q = q.defaults()
	out := backout.ETA{At: q.Now, Right: min(1, max(0, q.Right)), Stays: []string{}}
	drain := 0.0
	for _, b := range q.Backlogs {
		d, drains := b.minutes()
		if !drains {
			out.Stays = append(out.Stays, b.Name)
		}
		drain = max(drain, d)
	}
	if len(out.Stays) > 0 {
		return out
	}
	fit, bends := bend(q.Curves, q.Margin, q.step())
	out.Bends = bends && q.Remaining <= 0
	r := rand.New(rand.NewPCG(mix(q.Seed), 0x657461))
	n := q.Draws
	all, acting, effect, verify := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for k := range all {
		acting[k] = q.span(q.Remaining) * math.Exp(actingSpread*r.NormFloat64())
		effect[k] = q.effect(r, fit, out.Bends)
		verify[k] = q.proof(r)
		all[k] = acting[k] + effect[k] + drain + verify[k]
	}
	out.Parts = backout.ETAParts{Acting: q.of(statistics.Median(acting)), Effect: q.of(statistics.Median(effect)), Draining: q.of(drain), Verifying: q.of(statistics.Median(verify))}
	q.tell(&out, all)
	return out
}

func (q Recovery) defaults() Recovery {
	if q.Minute <= 0 {
		q.Minute = time.Minute
	}
	if q.Step <= 0 {
		q.Step = q.Minute / 2
	}
	if q.Margin <= 0 {
		q.Margin = 1
	}
	if q.Draws <= 0 {
		q.Draws = recoveryDraws
	}
	return q
}

// span and of turn time into model minutes and back; step is a sample's length in them.
func (q Recovery) span(d time.Duration) float64 { return max(0, float64(d)/float64(q.Minute)) }
func (q Recovery) of(minutes float64) backout.Duration {
	return backout.Duration(minutes * float64(q.Minute))
}
func (q Recovery) step() float64 { return q.span(q.Step) }

// minutes until a backlog has drained; false when it does not.
func (b Backlog) minutes() (float64, bool) {
	if b.Waiting <= 0 {
		return 0, true
	}
	if b.Served <= b.Arriving {
		return 0, false
	}
	return b.Waiting / (b.Served - b.Arriving), true
}

// effect draws the minutes until what was done shows: given that it has not shown since
// the last effect, and by the curve where that bends.
func (q Recovery) effect(r *rand.Rand, fit estimate, bends bool) float64 {
	if bends {
		fit = combined(fit, estimate{math.Log(effectMedian), effectSpread})
		return math.Exp(fit.mean + fit.sd*r.NormFloat64())
	}
	waited := 0.0
	if q.Remaining <= 0 && !q.Done.IsZero() {
		waited = q.span(q.Now.Sub(q.Done))
	}
	if waited <= 0 {
		return math.Exp(math.Log(effectMedian) + effectSpread*r.NormFloat64())
	}
	// Inverse of the survival function beyond what was waited, by its logarithm.
	z := (math.Log(waited) - math.Log(effectMedian)) / effectSpread
	target := statistics.LogNDTR(-z) + math.Log(1-r.Float64())
	lo, hi := z, z+10
	for range 60 {
		if mid := (lo + hi) / 2; statistics.LogNDTR(-mid) > target {
			lo = mid
		} else {
			hi = mid
		}
	}
	return effectMedian*math.Exp(effectSpread*hi) - waited
}

// proof draws the minutes that it takes to prove a recovery that is there: the first
// sample at which the one-sided normal mixture against "the mean is at least the margin"
// reaches 1/alpha, on whitened samples of unit level noise around zero.
func (q Recovery) proof(r *rand.Rand) float64 {
	phi := min(.95, max(0, q.Phi))
	variance := 1 - phi*phi
	rho, bound := 10*variance, math.Log(1/proofAlpha)
	s, n := 0.0, 0
	for n < mostSamples {
		n++
		s += q.Margin*(1-phi) - math.Sqrt(variance)*r.NormFloat64()
		if statistics.LogMixtureOneSided(s, float64(n)*variance, rho) >= bound {
			break
		}
	}
	return warmMinutes + float64(n)*q.step()
}

// tell fills in the quantiles, fitted to past recoveries where there are enough.
func (q Recovery) tell(out *backout.ETA, all []float64) {
	low, mid, high := statistics.Quantile(all, .1), statistics.Quantile(all, .5), statistics.Quantile(all, .9)
	out.Model = q.of(mid)
	at := func(p float64) float64 { return statistics.Quantile(all, p) }
	if l, m, h, ok := between(mid, q.Errors); ok {
		out.Fitted = len(q.Errors)
		// Other quantiles follow the ends on the logarithmic scale.
		at = interpolated(l, m, h)
		low, mid, high = l, m, h
	}
	out.P10, out.P50, out.P90 = q.of(low), q.of(mid), q.of(high)
	out.Any50, out.Any90 = q.whatever(at, out.Right, .5), q.whatever(at, out.Right, .9)
}

// whatever is a quantile whether the diagnosis is right or not: if it is wrong nothing
// that the plan does brings recovery. nil when there is none.
func (q Recovery) whatever(at func(float64) float64, right, p float64) *backout.Duration {
	if right <= p {
		return nil
	}
	d := q.of(at(p / right))
	return &d
}

// interpolated is a quantile function through three quantiles, normal on the logarithmic
// scale on each side of the median.
func interpolated(low, mid, high float64) func(float64) float64 {
	return func(p float64) float64 {
		z := normalQuantile(p)
		if z < 0 {
			return mid * math.Exp(z/normalQuantile(.9)*math.Log(max(1, mid/low)))
		}
		return mid * math.Exp(z/normalQuantile(.9)*math.Log(max(1, high/mid)))
	}
}

// normalQuantile is the standard normal quantile, by bisection.
func normalQuantile(p float64) float64 {
	lo, hi := -8.0, 8.0
	for range 60 {
		if mid := (lo + hi) / 2; math.Exp(statistics.LogNDTR(mid)) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// estimate is a normal law of a logarithm of minutes.
type estimate struct{ mean, sd float64 }

// combined weighs two estimates by their precision.
func combined(a, b estimate) estimate {
	x, y := 1/(a.sd*a.sd), 1/(b.sd*b.sd)
	return estimate{(a.mean*x + b.mean*y) / (x + y), 1 / math.Sqrt(x+y)}
}

// bend is when the slowest of the curves is back within the margin, as their newest
// points go; false when one of those that are still ill does not bend. step is in minutes.
func bend(curves [][]float64, margin, step float64) (estimate, bool) {
	slowest, any := estimate{math.Inf(-1), 0}, false
	for _, c := range curves {
		points := slices.DeleteFunc(slices.Clone(c[max(0, len(c)-bendPoints):]), math.IsNaN)
		if len(points) < leastBend || points[len(points)-1] <= margin {
			continue // nothing to see, or back already
		}
		e, ok := decay(points, margin, step)
		if !ok {
			return estimate{}, false
		}
		if any = true; e.mean > slowest.mean {
			slowest = e
		}
	}
	return slowest, any
}

// decay fits an exponential decay towards zero and says when it passes the margin: the
// median of all pairs' slopes, robust against a few wild samples (Sen, JASA 1968), whose
// own spread gives the error.
func decay(points []float64, margin, step float64) (estimate, bool) {
	logs := make([]float64, len(points))
	for i, x := range points {
		logs[i] = math.Log(max(x, margin/4))
	}
	var slopes []float64
	for i := range logs {
		for j := i + 1; j < len(logs); j++ {
			slopes = append(slopes, (logs[j]-logs[i])/(float64(j-i)*step))
		}
	}
	slope := statistics.Median(slopes)
	if slope >= 0 {
		return estimate{}, false
	}
	var rest []float64
	for i := range logs {
		rest = append(rest, logs[i]-slope*float64(i)*step)
	}
	base := statistics.Median(rest)
	now := base + slope*float64(len(logs)-1)*step
	for i := range rest {
		rest[i] = math.Abs(rest[i] - base)
	}
	noise := max(.05, 1.4826*statistics.Median(rest))
	n := float64(len(points))
	// Standard error of a slope of n points a step apart, relative to the slope.
	se := noise * math.Sqrt(12/(n*(n*n-1))) / step / -slope
	left := max(step/2, (now-math.Log(margin))/-slope)
	return estimate{math.Log(left), math.Hypot(se, noise/max(.5, now-math.Log(margin)))}, true
}
