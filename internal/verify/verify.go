// Package verify judges, from what was measured since a stage began, whether the
// product recovered, got worse, or nothing can be said yet.
//
// # The model
//
// A metric arrives as residuals: differences from its healthy baseline in
// standard deviations, worse is positive, so 0 is healthy. Two questions are
// asked of it, each with an e-process (see package statistics), so that the
// answer stays honest however often one looks:
//
//   - recovered: can "the mean is at least the margin" be rejected?
//   - worse: can "the mean is at most what it was before, plus the harm margin"
//     be rejected? Where old and new version run side by side, the same is asked
//     of treated minus control, and that answer alone counts for the component:
//     it can't be confused by trouble that goes on elsewhere.
//
// Neighbouring residuals are correlated, and an e-process on correlated samples
// is void: samples are whitened with the metric's phi first. Phi, level and spread are
// estimates themselves where a baseline was learnt from few samples; recovery is then
// asked for with a smaller margin and more whitening. A baseline worth less than about
// 15 independent samples, n(1-phi)/(1+phi), promises nothing all the same.
//
// An effect takes time to show, and the samples before it did speak against
// recovery for ever if they were summed with the rest. So the recovery e-process
// waits with its bets until a sample looks recovered (see recovered.go).
//
// What recovered means depends on how ill a metric was: below the margin, or with
// most of its excess gone where that is more. To prove of what was twelve standard
// deviations off that less than one is left takes three times as long as to prove
// that the trouble is over.
//
// The verdict recovered needs every primary metric (each at alpha: intersection
// of unions needs no correction) and is given at the last stage only. Beside clearly
// ill metrics a mildly ill one, off by less than three standard deviations, is asked for
// odds of two to one only: should it alone stay ill, that is missed in up to half of the
// cases, and what stays ill opens the next incident. Worse is
// the mean of the e-values of everything watched, which is an e-value under any
// dependence. Missing data is never recovered and never worse: it is a reason,
// and when too little was measured the verdict says that it is blind.
//
// What "worse" promises: while nothing changed, a false one has at most its alpha.
// The level before the stage is itself measured, on a few samples; a true rise by
// about the harm margin may therefore go either way, and is harm anyway.
//
// Source: Howard et al. 2021; Lindon & Malek 2022; Ramdas, Grünwald,
// Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference", 2023.
package verify

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// Question is everything a verdict depends on. The zero value of a setting means
// its default.
type Question struct {
	// Primary metrics must recover: all of them, or as Objectives say.
	Primary []backout.Residuals
	// Objectives weigh the primary metrics; nil = each decides alone, and one that is not
	// named weighs nothing.
	Objectives map[backout.SeriesID]Objective
	// Pass is the share of the weight that must be proven recovered, Warning that from
	// which on the verdict carries a warning; 0 = 1.
	Pass, Warning float64
	// Watched metrics were healthy before and must not become worse.
	Watched []backout.Residuals
	// Arms compare what was moved with what was not.
	Arms []Arm
	// Counts compare events, such as errors, orders or requests slower than a
	// quantile, on moved and unmoved instances. They need no baseline.
	Counts []Counts
	// Since is when the stage's first effect began; Now ends what is judged.
	Since time.Time
	Now   time.Time
	// Began is when the first effect of the whole run began. What a metric was like just
	// before it says how much of its excess must be gone; zero = ask for Margin alone.
	Began time.Time
	// WarmUp after Since: cold caches and draining queues are not the steady state.
	WarmUp time.Duration
	// Last is set at the last stage, where recovery is proven; before it a stage
	// only has to be not worse.
	Last bool

	Margin         float64 // recovered means below this, in sd; 0 = 1
	Gone           float64 // or that this share of its excess before Began has gone; 0 = .7
	Harm           float64 // worse means this far above before, in sd; 0 = 1
	AlphaRecovered float64 // 0 = .05
	AlphaWorse     float64 // 0 = .01
	AlphaMild      float64 // of recovered, for what was ill only mildly; 0 = .5
	MinSamples     int     // 0 = 5

	mild []bool // of each primary metric
}

// Arm is one component's metric on instances that were moved (Treated) beside
// those that were not (Control).
type Arm struct {
	Treated backout.Residuals
	Control backout.Residuals
	// Share of the requests that are treated, in (0,1); 0 = not known.
	Share float64
}

// noise is how many times the whole service's variance the arms' difference has: each
// sees a part of the traffic, and a small part is noisy.
func (a Arm) noise() float64 {
	if a.Share > 0 && a.Share < 1 {
		return math.Max(armNoise, 1/a.Share+1/(1-a.Share))
	}
	return armNoise
}

// Counts is how events of one kind fell, since the stage began, on requests that
// were served by what was moved (treated) and by what was not, one split for each
// stretch of time in which both served.
type Counts struct {
	Series backout.SeriesID
	Worse  backout.Direction // up for errors, down for orders; both counts as up
	Splits []Split
}

// Split is one stretch of [Counts]: X events on the treated arm, Y on the other.
type Split = statistics.Split

// usable are the splits that can be compared: both arms served, and the numbers are
// numbers.
func (c Counts) usable() (splits []Split, treated, events, share float64) {
	for _, s := range c.Splits {
		if !(s.X >= 0 && s.Y >= 0 && s.Share > 0 && s.Share < 1) {
			continue
		}
		treated, events, share = treated+s.X, events+s.X+s.Y, s.Share
		if c.Worse == backout.WorseDown { // too few here is too many there
			s = Split{X: s.Y, Y: s.X, Share: 1 - s.Share}
		}
		splits = append(splits, s)
	}
	return splits, treated, events, share
}

// armNoise is the least of it: instances differ, and the split is hardly ever even.
const armNoise = 8.0

// clip bounds what one sample can say, so that a single wild one decides nothing.
const clip = 12.0

// before is how many samples ahead of the stage say what it was like.
const before = 5

// Judge answers the question. The same question always gets the same answer.
func Judge(q Question) backout.Verdict {
	q.Margin, q.Harm = cmp.Or(q.Margin, 1), cmp.Or(q.Harm, 1)
	q.Gone = cmp.Or(q.Gone, .7)
	q.AlphaRecovered, q.AlphaWorse = cmp.Or(q.AlphaRecovered, .05), cmp.Or(q.AlphaWorse, .01)
	q.AlphaMild, q.MinSamples = cmp.Or(q.AlphaMild, .5), cmp.Or(q.MinSamples, 5)
	q.mild = q.mildly()
	v := backout.Verdict{Value: backout.VerdictInconclusive, Reasons: []backout.VerdictReason{}}
	measured := q.judgePrimary(&v)
	recovered := q.scored(&v)
	worse, watched := q.judgeHarm(&v)
	v.Blind = len(q.Primary)+len(q.Watched)+len(q.Arms)+len(q.Counts) > 0 && measured+watched == 0 ||
		len(q.Primary) > 0 && 2*measured < len(q.Primary)
	switch {
	case worse >= math.Log(1/q.AlphaWorse):
		v.Value = backout.VerdictWorse
	case q.Last && recovered:
		v.Value = backout.VerdictRecovered
	}
	return v
}

// judgePrimary asks every primary metric whether it recovered.
func (q Question) judgePrimary(v *backout.Verdict) (measured int) {
	for i, r := range q.Primary {
		u, margin, alpha := q.since(r), certain(q.margin(r), r), q.alpha(i)
		reason := backout.VerdictReason{Series: r.ID, Value: backout.VerdictInconclusive, Samples: u.n, Target: margin, Now: u.latest}
		if u.n == 0 || u.stale > q.MinSamples {
			reason.Unmeasured, reason.Text = true, "not measured since the stage began"
			if u.n > 0 {
				reason.Text = fmt.Sprintf("not measured in the last %d samples", u.stale)
			}
			v.Reasons = append(v.Reasons, reason)
			continue
		}
		measured++
		reason.LogERecovered = logRecovered(u, correlation(r), margin)
		switch {
		case u.n >= q.MinSamples && reason.LogERecovered >= math.Log(1/alpha):
			reason.Value = backout.VerdictRecovered
			reason.Text = fmt.Sprintf("back below %.1f sd of normal (%d samples, odds %s)", margin, u.n, odds(reason.LogERecovered))
		default:
			reason.Text = fmt.Sprintf("%.1f sd above normal, proof of recovery at odds %s of 1:%.0f needed (%d samples)", u.latest, odds(reason.LogERecovered), 1/alpha, u.n)
		}
		v.Reasons = append(v.Reasons, reason)
	}
	return measured
}

// judgeHarm gives the mean e-value of everything that must not become worse.
func (q Question) judgeHarm(v *backout.Verdict) (logMean float64, measured int) {
	var logs []float64
	add := func(id backout.SeriesID, seen bool, e float64, n int, text string) {
		if !seen {
			v.Reasons = append(v.Reasons, backout.VerdictReason{Series: id, Value: backout.VerdictInconclusive, Unmeasured: true, Text: "not measured since the stage began"})
			return
		}
		measured++
		logs = append(logs, e)
		r := backout.VerdictReason{Series: id, Value: backout.VerdictInconclusive, Samples: n, LogEWorse: e, Text: text}
		if e >= math.Log(1/q.AlphaWorse) {
			r.Value = backout.VerdictWorse
		}
		v.Reasons = append(v.Reasons, r)
	}
	for _, r := range q.Watched {
		u := q.since(r)
		e := logAbove(u.levels, r.Phi, u.before+q.Harm, 1)
		add(r.ID, u.n > 0, e, u.n, fmt.Sprintf("%.1f sd, was %.1f before (%d samples)", u.latest, u.before, u.n))
	}
	for _, a := range q.Arms {
		d := difference(q.since(a.Treated), q.since(a.Control))
		e := logAbove(d, max(a.Treated.Phi, a.Control.Phi), 0, a.noise())
		add(a.Treated.ID, count(d) > 0, e, count(d), fmt.Sprintf("moved minus not moved over %d samples", count(d)))
	}
	for _, c := range q.Counts {
		splits, treated, events, share := c.usable()
		text := fmt.Sprintf("%.0f of %.0f events on what was moved, by now %.0f %% of the requests", treated, events, 100*share)
		add(c.Series, len(splits) > 0, statistics.LogSplitAbove(splits, statistics.SplitDispersion(splits)), len(splits), text)
	}
	if len(logs) == 0 {
		return math.Inf(-1), 0
	}
	return statistics.LogMeanExp(logs), measured
}

// stretch is a metric's levels since the stage began; NaN marks a gap.
type stretch struct {
	levels []float64
	warm   int     // samples inside the warm-up
	n      int     // measured samples
	stale  int     // missing samples at the end
	before float64 // mean level just before the stage
	known  bool    // was anything measured just before it?
	latest float64
}

func (q Question) since(r backout.Residuals) stretch {
	u := stretch{}
	sum, n := 0.0, 0
	for i, x := range r.Levels {
		at := r.From.Add(time.Duration(i) * r.Step)
		switch {
		case at.After(q.Now):
		case !at.After(q.Since):
			if !math.IsNaN(x) && at.After(q.Since.Add(-(before+1)*r.Step)) {
				sum, n = sum+bounded(x), n+1
			}
		default:
			u.levels = append(u.levels, bounded(x))
			u.stale++
			if !math.IsNaN(x) {
				u.n, u.stale, u.latest = u.n+1, 0, x
			}
			if !at.After(q.Since.Add(q.WarmUp)) {
				u.warm = len(u.levels)
			}
		}
	}
	if r.Step > 0 && len(u.levels) > 0 { // the series may have ended before Now
		last := r.From.Add(time.Duration(len(r.Levels)-1) * r.Step)
		u.stale += max(0, int(q.Now.Sub(last)/r.Step))
	}
	if n > 0 {
		u.before, u.known = sum/float64(n), true
	}
	return u
}

func bounded(x float64) float64 { return math.Max(-clip, math.Min(clip, x)) }

// margin is below what a metric's mean must be proven to be: most of what it was off
// by before the run must be gone.
func (q Question) margin(r backout.Residuals) float64 {
	if q.Began.IsZero() {
		return q.Margin
	}
	excess, _ := q.excess(r)
	return max(q.Margin, min(mostMargin, (1-q.Gone)*excess), min(mildMargin, excess/2))
}

// excess is how ill a metric was before the run or, where it turned ill during it, before
// the stage, in sd; false where that was never measured.
func (q Question) excess(r backout.Residuals) (float64, bool) {
	stage := q.since(r)
	q.Since = q.Began
	run := q.since(r)
	return max(stage.before, run.before), stage.known || run.known
}

// clearly is from which excess on a metric counts as clearly ill, in sd.
const clearly = 3

// mildly tells which primary metrics were so mildly ill, beside clearly ill ones, that
// their recovery need only be likelier than not: far hops feel trouble as a whiff of it,
// and a whiff takes longest to disprove. Where objectives say what counts, or nothing
// was clearly ill, everything is proven in full.
func (q Question) mildly() []bool {
	out := make([]bool, len(q.Primary))
	if q.Objectives != nil || q.Began.IsZero() {
		return out
	}
	some := false
	for i, r := range q.Primary {
		excess, known := q.excess(r)
		out[i] = known && excess < clearly
		some = some || known && excess >= clearly
	}
	if !some {
		clear(out)
	}
	return out
}

// alpha is the chance of a false recovered that a primary metric is allowed.
func (q Question) alpha(i int) float64 {
	if i < len(q.mild) && q.mild[i] {
		return q.AlphaMild
	}
	return q.AlphaRecovered
}

// certain is the margin in a baseline's own units, on the safe side of the margin in
// true ones. A baseline of few samples may lie too high or take its spread for too
// wide, and what it calls healthy is not then. Its level and spread are a median and a
// median deviation (variances 1.57 and 1.36 over n), of correlated samples (Bartlett's
// formula).
func certain(margin float64, r backout.Residuals) float64 {
	if r.N <= 0 {
		return margin
	}
	const ofMedian, ofDeviation = 1.57, 1.36
	phi, n := correlation(r), float64(r.N)
	level := math.Sqrt(ofMedian * (1 + phi) / (1 - phi) / n)
	spread := math.Sqrt(ofDeviation * (1 + phi*phi) / (1 - phi*phi) / n)
	return (margin - sure*level) / (1 + sure*spread)
}

// sure is how many standard errors an estimate is not trusted. At a half the stated
// alpha of recovered holds for baselines worth 15 independent samples and more, at the
// price of one or two samples; see bench/peeking.
const sure = .5

// correlation is the upper bound of a series' correlation: too much whitening costs
// some samples, too little voids the answer.
func correlation(r backout.Residuals) float64 {
	if r.N <= 0 {
		return whitening(r.Phi)
	}
	phi := whitening(r.Phi)
	return whitening(phi + sure*math.Sqrt((1-phi*phi)/float64(r.N)))
}

// whitening bounds the correlation that is removed: beyond it a series is a random
// walk, and below 0 it has none that flatters.
func whitening(phi float64) float64 { return math.Max(0, math.Min(.9, phi)) }

// What is no longer called normal, in sd, however ill a metric was, and where it was so
// mildly ill that only half of its excess is sure to have gone.
const (
	mostMargin = 2.5
	mildMargin = 1.5
)

// logAbove is the log e-value of "the mean of the levels is at most floor".
// noise scales the variance of one sample.
func logAbove(levels []float64, phi, floor, noise float64) float64 {
	phi = whitening(phi)
	s, v := 0.0, 0.0
	previous := math.NaN()
	for _, x := range levels {
		if math.IsNaN(x) {
			previous = x
			continue
		}
		if math.IsNaN(previous) { // nothing to whiten with: the sample itself
			s, v = s+(x-floor)*(1-phi), v+noise*(1-phi)*(1-phi)
		} else {
			s, v = s+(x-phi*previous)-floor*(1-phi), v+noise*(1-phi*phi)
		}
		previous = x
	}
	if v == 0 {
		return 0
	}
	return statistics.LogMixtureOneSided(s, v, 10*noise*(1-phi*phi))
}

// difference is treated minus control where both were measured.
func difference(a, b stretch) []float64 {
	n := min(len(a.levels), len(b.levels))
	out := make([]float64, n)
	for i := range n {
		out[i] = a.levels[i] - b.levels[i]
	}
	return out
}

func count(levels []float64) int {
	n := 0
	for _, x := range levels {
		if !math.IsNaN(x) {
			n++
		}
	}
	return n
}

// odds writes a log e-value as betting odds.
func odds(logE float64) string {
	if logE > math.Log(1e4) {
		return ">10000"
	}
	return fmt.Sprintf("%.1f", math.Exp(logE))
}
