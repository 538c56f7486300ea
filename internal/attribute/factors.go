package attribute

import (
	"math"
	"slices"
	"sync"

	backout "github.com/backout-dev/backout"
)

// Bayes factors of nearly all series fit into a float64, and multiplying and adding
// them up is ten times as fast as doing the same with logarithms. Where one does not,
// everything about its series is done with logarithms instead.

// factors are the Bayes factors of one series by minute: "worse from then on" against
// "as ever".
type factors struct {
	bf   []float64 // nil where they don't fit
	logs []float64 // then these are their logarithms
}

// mostExponent is the largest exponent that is not left to logarithms.
const mostExponent = 300

// deepTail is where erfc·exp is replaced by its asymptotic series.
const deepTail = -25

// newFactors is [shiftEvidence] with "worse in the whole window" taken into the null
// hypothesis. The sum of a ramp's weights times z is the mean of r sums to the end of
// the window, Σ_j T(τ+j)/r, and that of its squared weights is Σ_j (2j+1)·T(τ+j)/r²,
// so sums of these tails give every minute in constant time.
func newFactors(s minuteSums, phi float64, scratch *tails) factors {
	bf, ok := s.bayesFactors(phi, scratch)
	if !ok {
		return factors{logs: againstOffset(shiftEvidence(s, phi))}
	}
	if len(bf) > 0 {
		null := 2 / (1 + bf[0])
		for i := range bf {
			bf[i] *= null
		}
	}
	return factors{bf: bf}
}

// tails are cumulated sums of minutes: to the end, of those, and of those times the
// minute.
type tails struct {
	z, zz, n, nn, in []float64
	minutes          []float64 // what they are sums of, see [tails.read]
}

// read adds up a series in memory that the next one takes over.
func (t *tails) read(c clock, r backout.Residuals) minuteSums {
	t.minutes = slices.Grow(t.minutes[:0], 2*c.n)[:2*c.n]
	clear(t.minutes)
	return c.sumsIn(t.minutes, r)
}

var scratches = sync.Pool{New: func() any { return &tails{} }}

// of fills the tails of a series; what they held before is lost.
func (t *tails) of(s minuteSums, longest int) {
	n := len(s.sum)
	for _, x := range []*[]float64{&t.z, &t.zz, &t.n, &t.nn, &t.in} {
		if len(*x) < n+longest+1 {
			*x = make([]float64, n+longest+1)
		}
		clear(*x)
	}
	for i := n - 1; i >= 0; i-- {
		t.z[i], t.n[i] = t.z[i+1]+s.sum[i], t.n[i+1]+s.n[i]
		t.zz[i], t.nn[i] = t.zz[i+1]+t.z[i], t.nn[i+1]+t.n[i]
		t.in[i] = t.in[i+1] + float64(i)*t.n[i]
	}
}

// bayesFactors reports false where one of them is too large for it.
func (s minuteSums) bayesFactors(phi float64, t *tails) ([]float64, bool) {
	phi = max(0, min(0.95, phi))
	k, l2 := (1+phi)/(1-phi), shiftSD*shiftSD
	rootK, toX := math.Sqrt(k), math.Sqrt(l2/k)
	ramps := s.shapes()
	t.of(s, slices.Max(ramps))
	out := make([]float64, len(s.sum))
	for tau := range out {
		if t.n[tau] == 0 {
			out[tau] = 1
			continue
		}
		for _, r := range ramps {
			wz, ww, end, f := t.z[tau], t.n[tau], tau+r, float64(r)
			if r > 1 {
				wz = (t.zz[tau] - t.zz[end]) / f
				ww = (2*(t.in[tau]-t.in[end]) + (1-2*float64(tau))*(t.nn[tau]-t.nn[end])) / (f * f)
			}
			root := 1 / math.Sqrt(k+l2*ww)
			x := wz * root * toX
			if x*x > 2*mostExponent && x > 0 {
				return nil, false
			}
			out[tau] += rootK * root * twiceMills(x)
		}
		out[tau] /= float64(len(ramps))
	}
	return out, true
}

// twiceMills is 2·Φ(x)·exp(x²/2), from a table by cubic Hermite interpolation (the
// derivative is x times it plus 2/√2π) to a relative error below 1e-7, and as it is
// defined beyond the table.
func twiceMills(x float64) float64 {
	switch {
	case x < deepTail:
		u := 1 / (x * x)
		return 2 / (-x * math.Sqrt(2*math.Pi)) * (1 - u*(1-3*u*(1-5*u)))
	case x >= millsEnd:
		return exactMills(x)
	}
	at := (x - deepTail) * millsSteps
	i := min(int(at), len(millsTable)-1) // just below the end the difference is rounded up to it
	t, c := at-float64(i), &millsTable[i]
	return c[0] + t*(c[1]+t*(c[2]+t*c[3]))
}

func exactMills(x float64) float64 { return math.Erfc(-x/math.Sqrt2) * math.Exp(x*x/2) }

const (
	millsEnd   = 4
	millsSteps = 64 // a unit of x
)

// millsTable has the cubics between steps from deepTail to millsEnd that have the values
// and slopes (a step) of [exactMills] at both ends.
var millsTable = func() (out [(millsEnd - deepTail) * millsSteps][4]float64) {
	at := func(i int) (value, slope float64) {
		x := deepTail + float64(i)/millsSteps
		value = exactMills(x)
		return value, (x*value + 2/math.Sqrt(2*math.Pi)) / millsSteps
	}
	for i := range out {
		p, dp := at(i)
		q, dq := at(i + 1)
		out[i] = [4]float64{p, dp, 3*(q-p) - 2*dp - dq, 2*(p-q) + dp + dq}
	}
	return out
}()

func (f factors) logarithms() []float64 {
	if f.logs != nil {
		return f.logs
	}
	out := make([]float64, len(f.bf))
	for i, x := range f.bf {
		out[i] = math.Log(x)
	}
	return out
}

// anyFactors are the Bayes factors of several metrics of one thing, [anyOf], at most e^60.
func anyFactors(metrics []factors) []float64 {
	if out := joinedFast(metrics); out != nil {
		return out
	}
	logs := make([][]float64, len(metrics))
	for i, m := range metrics {
		logs[i] = m.logarithms()
	}
	out := slices.Clone(shrink(anyOf(logs)))
	for i, x := range out {
		out[i] = math.Exp(x)
	}
	return out
}

// joinedFast is nil where logarithms are needed.
func joinedFast(metrics []factors) []float64 {
	for _, m := range metrics {
		if m.bf == nil || slices.Max(m.bf) > 1e60 {
			return nil
		}
	}
	out := metrics[0].bf
	if len(metrics) > 1 {
		out = make([]float64, len(out))
		after := make([]float64, len(metrics)) // sums from the minute on
		for i := len(out) - 1; i >= 0; i-- {
			for m := range metrics {
				after[m] += metrics[m].bf[i]
			}
			left := float64(len(out) - i)
			for m := range metrics {
				bf := metrics[m].bf[i]
				leads := bf / (bf + seenToLead)
				term := bf / float64(len(metrics))
				for k := range metrics {
					if k != m {
						term *= (1 + leads*after[k]/left + metrics[k].bf[i]) / (2 + leads)
					}
				}
				out[i] += term
			}
		}
	}
	if slices.Max(out) > math.Exp(capLogBF) {
		return nil
	}
	return out
}

// byItself is the evidence that a place which is none of the cause's doing shows:
// nothing, or trouble of its own from any minute on.
func byItself(bf []float64) float64 {
	return 1 - background + background*total(bf)/float64(len(bf))
}

// track is the ratio of evidence over background for each minute at which a shift may
// have begun, and the same for "not within the window".
type track struct {
	ratio []float64
	never float64
}

// overBackground divides by what the series shows if it is none of the cause's doing.
func overBackground(bf []float64) track {
	never := 1 / byItself(bf)
	out := track{make([]float64, len(bf)), never}
	for i, x := range bf {
		out.ratio[i] = x * never
	}
	return out
}
