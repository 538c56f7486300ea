package attribute

import (
	"math"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// clock cuts the evidence window into model minutes. Minute i covers the samples
// in (from + i·minute, from + (i+1)·minute].
type clock struct {
	from   time.Time
	minute time.Duration
	n      int
	until  time.Time // samples after it are not looked at; zero = all are
}

// since is how many minutes after at the i-th minute ends; negative when at is later.
func (c clock) since(i int, at time.Time) float64 {
	return float64(c.from.Add(time.Duration(i+1)*c.minute).Sub(at)) / float64(c.minute)
}

// start is when minute i begins.
func (c clock) start(i int) time.Time { return c.from.Add(time.Duration(i) * c.minute) }

// minuteSums are residuals added up by minute: sum and number of samples.
type minuteSums struct{ sum, n []float64 }

func (c clock) sums(r backout.Residuals) minuteSums {
	return c.sumsIn(make([]float64, 2*c.n), r)
}

// sumsIn is sums in memory for two numbers a minute that is given, and all zero.
func (c clock) sumsIn(room []float64, r backout.Residuals) minuteSums {
	out := minuteSums{room[:c.n:c.n], room[c.n:]}
	end := time.Duration(c.n) * c.minute
	if !c.until.IsZero() {
		end = min(end, c.until.Sub(c.from))
	}
	first := r.From.Sub(c.from)
	for k, z := range r.Levels {
		past := first + time.Duration(k)*r.Step
		if math.IsNaN(z) || past <= 0 || past > end {
			continue
		}
		i := int((past - 1) / c.minute) // (0,minute] is minute 0
		out.sum[i] += max(-clipZ, min(clipZ, z))
		out.n[i]++
	}
	return out
}

// shapes are the ramps that a shift may take: full at once, or growing linearly over so
// many minutes. Without the slow ones the most likely onset of a creeping regression
// lies in the middle of the ramp, and whatever was changed there is blamed. Two minutes
// stand for "at once, from the middle of a minute on", which can't be told from the
// others where a minute has about one sample.
func (s minuteSums) shapes() []int {
	minutes := 0.0
	for _, n := range s.n {
		minutes += min(1, n)
	}
	if total(s.n) > 1.5*minutes {
		return []int{1, 2, 4, 10}
	}
	return []int{1, 4, 10}
}

// shiftEvidence gives for each minute τ the log Bayes factor of "worse from τ
// on" against "as ever". For a ramp with weights w_i the least-squares size is
// m = Σ w z / Σ w², with variance v = k/Σ w² and k = (1+φ)/(1−φ) for
// autocorrelation; the size has a half-normal prior. The shapes are averaged.
func shiftEvidence(s minuteSums, phi float64) []float64 {
	n := len(s.sum)
	phi = max(0, min(0.95, phi))
	k := (1 + phi) / (1 - phi)
	tailSum, tailN := make([]float64, n+1), make([]float64, n+1)
	for i := n - 1; i >= 0; i-- {
		tailSum[i], tailN[i] = tailSum[i+1]+s.sum[i], tailN[i+1]+s.n[i]
	}
	out := make([]float64, n)
	ramps := s.shapes()
	shapes := make([]float64, len(ramps))
	for tau := range out {
		if tailN[tau] == 0 {
			continue
		}
		for j, r := range ramps {
			full := min(n, tau+r-1)
			wz, ww := tailSum[full], tailN[full]
			for i := tau; i < full; i++ {
				w := float64(i-tau+1) / float64(r)
				wz, ww = wz+w*s.sum[i], ww+w*w*s.n[i]
			}
			if ww > 0 {
				shapes[j] = statistics.LogBFShift(wz/ww, k/ww, shiftSD)
			} else {
				shapes[j] = 0
			}
		}
		out[tau] = logSum(shapes) - math.Log(float64(len(ramps)))
	}
	return out
}

// againstOffset takes "worse in the whole window" into the null hypothesis: it is
// a baseline that is off by a little far oftener than trouble that began in the
// very first minute of the window.
func againstOffset(lb []float64) []float64 {
	if len(lb) == 0 {
		return lb
	}
	null := logAdd(0, lb[0]) - math.Ln2
	for i := range lb {
		lb[i] -= null
	}
	return lb
}

// sharpest is how much a minute of fully clipped evidence still weighs after
// shrinking, as a share: trouble that goes on for an hour must not blur when it
// began.
const sharpest = 0.15

// shrink brings the largest log evidence down to the cap: first everything
// positive in proportion, but not below the share that keeps the onset sharp, then
// what is left over is taken off all minutes alike. Cutting it off instead would
// make all minutes beyond the cap equal, and lose the onset of large shifts.
func shrink(lb []float64) []float64 {
	top := 0.0
	for _, x := range lb {
		top = max(top, x)
	}
	if top <= capLogBF {
		return lb
	}
	scale := max(capLogBF/top, sharpest)
	over := top*scale - capLogBF
	for i, x := range lb {
		if x > 0 {
			lb[i] = max(min(x, 0), x*scale-over)
		}
	}
	return lb
}

// seenToLead is the evidence from which on a metric is believed to have turned before
// the others. There are many earlier minutes in which it may have turned by a trifle, so
// it takes more than to call one reading ill.
const seenToLead = 1000

// anyOf joins the evidence of several metrics of one thing. The metric that turns
// first says when it fell ill; each of the others followed in the same minute or
// any later one, or stayed as it was, a third each. Latency leads and errors
// follow when a queue fills, so asking all metrics for one and the same minute
// would put the onset where the last of them turned. Only one that is seen leads: a
// quiet metric may always have turned by a trifle, and that the others followed it
// would put the onset anywhere before them.
func anyOf(metrics [][]float64) []float64 {
	if len(metrics) == 1 {
		return metrics[0]
	}
	follows := make([][]float64, len(metrics))
	for m, lb := range metrics {
		follows[m] = laterThan(lb)
	}
	out, terms := make([]float64, len(metrics[0])), make([]float64, len(metrics))
	for i := range out {
		for m, lb := range metrics {
			terms[m] = lb[i]
			leads := lb[i] - logAdd(lb[i], math.Log(seenToLead))
			for k := range metrics {
				if k != m {
					terms[m] += logAdd(logAdd(0, leads+follows[k][i]), metrics[k][i]) - math.Log(2+math.Exp(leads))
				}
			}
		}
		out[i] = logSum(terms) - math.Log(float64(len(metrics)))
	}
	return out
}

// laterThan gives for each minute the log mean evidence of this and all later
// minutes.
func laterThan(lb []float64) []float64 {
	out := make([]float64, len(lb))
	sum := math.Inf(-1)
	for i := len(lb) - 1; i >= 0; i-- {
		sum = logAdd(sum, lb[i])
		out[i] = sum - math.Log(float64(len(lb)-i))
	}
	return out
}

// together joins metrics that turn in one and the same minute, at least one of
// them, all non-empty subsets alike: log[(A + B + AB)/3] for two. Arms are
// compared this way, since a new version is what it is from its first request.
func together(metrics [][]float64) []float64 {
	out := make([]float64, len(metrics[0]))
	norm := math.Log(math.Exp2(float64(len(metrics))) - 1)
	for i := range out {
		prod := 0.0 // log Π (1 + BF)
		for _, m := range metrics {
			prod += logAdd(0, m[i])
		}
		if prod > 30 { // log(e^prod − 1), stable at both ends
			out[i] = prod - norm
		} else {
			out[i] = math.Log(math.Expm1(prod)) - norm
		}
	}
	return out
}

func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// logSum is log Σ exp x; of nothing it is minus infinity.
func logSum(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	if math.IsInf(top, -1) {
		return top
	}
	s := 0.0
	for _, v := range x {
		s += math.Exp(v - top)
	}
	return top + math.Log(s)
}
