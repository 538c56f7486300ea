package attribute

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	backout "github.com/backout-dev/backout"
)

// comparison is treated against control for one change.
type comparison struct {
	known bool
	// logBF is the evidence, by minute, that the treated are worse from then on;
	// 0 where nothing can be compared.
	logBF []float64
	// worst is the metric with the strongest difference (or, with none, the
	// calmest) and the mean difference of it, in standard deviations.
	worst    backout.SignalKind
	meanDiff float64
	factor   float64 // the same as a factor of the raw signal; 0 = unknown
	minutes  int     // how long both were live in the window
	// silent is how many minutes the control answered requests after the exposure
	// while the treated answered none; 0 as soon as they answered one.
	silent int
}

// arms are the residuals of versions, by service, location and metric.
type arms struct {
	clock clock
	by    map[armKey]map[backout.Version]armSums
	scale map[armKey]float64 // of the whole service; signal is empty
}

type armKey struct {
	service  backout.ServiceID
	location backout.Location
	kind     backout.SignalKind
	signal   backout.SignalName
}

type armSums struct {
	minuteSums
	phi float64
}

func newArms(q Question, c clock) arms {
	out := arms{c, map[armKey]map[backout.Version]armSums{}, map[armKey]float64{}}
	for _, b := range q.Baselines {
		if s := b.Series.Subject; s.Version == "" && s.Caller == "" && s.Client == "" {
			out.scale[armKey{service: s.Service, location: s.Location, kind: b.Kind}] = b.Scale
		}
	}
	for _, r := range q.Residuals {
		s := r.ID.Subject
		if s.Version == "" || s.Service == "" || s.Caller != "" || s.Client != "" || r.Mode == backout.ModeWarming || r.Step <= 0 {
			continue
		}
		if r.Kind != backout.SignalLatency && r.Kind != backout.SignalErrors {
			continue
		}
		k := armKey{s.Service, s.Location, r.Kind, r.ID.Signal}
		if out.by[k] == nil {
			out.by[k] = map[backout.Version]armSums{}
		}
		out.by[k][s.Version] = armSums{c.sums(r), believedPhi(r)}
	}
	return out
}

// compare sets the instances with the change against those without, while both
// are live. The difference has the common trend, season and incident removed.
func (a arms) compare(c backout.Change, loc backout.Location) comparison {
	var metrics [][]float64
	out := comparison{}
	best := math.Inf(-1)
	keys := make([]armKey, 0, len(a.by))
	for k := range a.by {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y armKey) int {
		return strings.Compare(string(x.service)+"|"+string(x.location)+"|"+string(x.signal), string(y.service)+"|"+string(y.location)+"|"+string(y.signal))
	})
	for _, k := range keys {
		if !slices.Contains(c.Services, k.service) || (loc != "" && k.location != "" && k.location != loc) {
			continue
		}
		d, ok := a.difference(k, c)
		if !ok {
			continue
		}
		lb := shiftEvidence(d.minuteSums, d.phi)
		metrics = append(metrics, lb)
		if top := slices.Max(lb); top > best {
			best = top
			out.worst, out.meanDiff, out.minutes = k.kind, d.lateMean(), d.minutes()
			out.factor = a.factor(k, d)
		}
	}
	if len(metrics) == 0 {
		out.silent = a.silence(c, loc)
		return out
	}
	out.known, out.logBF = true, together(metrics)
	for i, x := range out.logBF {
		out.logBF[i] = min(capLogBF, x)
	}
	return out
}

// silence counts the minutes in which the version that the change replaced
// answered requests although the new one, exposed as well, never did. It is 0 for a
// version that answered once, and where the old one can't be seen either.
func (a arms) silence(c backout.Change, loc backout.Location) int {
	start := firstExposed(c.Exposure)
	if c.Kind != backout.KindDeployment || start.IsZero() || c.From == c.To {
		return 0
	}
	answered := make([]bool, a.clock.n)
	for k, versions := range a.by {
		if !slices.Contains(c.Services, k.service) || (loc != "" && k.location != "" && k.location != loc) {
			continue
		}
		if total(versions[c.To].n) > 0 {
			return 0
		}
		for i, n := range versions[c.From].n {
			answered[i] = answered[i] || n > 0 && a.clock.since(i, start) >= 1
		}
	}
	minutes := 0
	for _, yes := range answered {
		if yes {
			minutes++
		}
	}
	return minutes
}

// firstExposed is when the first instance had the new version.
func firstExposed(e backout.Exposure) time.Time {
	for _, s := range e.Stages {
		if s.Share > 0 {
			return s.At
		}
	}
	return time.Time{}
}

// difference is treated − control by minute, divided by sd.
type difference struct {
	minuteSums
	phi float64
	sd  float64
}

// difference compares the arms of one metric.
func (a arms) difference(k armKey, c backout.Change) (difference, bool) {
	versions := a.by[k]
	treated, ok := versions[c.To]
	if !ok {
		return difference{}, false
	}
	controls := a.controls(versions, c)
	d, ok := contrast(a.clock, []armSums{treated}, controls, c.Exposure.Start())
	if luck, known := a.luck(controls, c); ok && known {
		d.scaleTo(min(luck, d.sd), controls) // either may be too large: see luck and noise
	}
	return d, ok
}

// luck is by how much two arms differ when nothing is wrong: the spread of the old
// version while it had all requests, widened since each arm has a part of them only.
// What the arms do side by side can't tell it, for a fault that creeps in looks like
// noise from one minute to the next. It reports false when the old version was not
// seen alone for long enough.
func (a arms) luck(controls []armSums, c backout.Change) (float64, bool) {
	var alone []float64
	for i := range a.clock.n {
		if sum, n := pooled(controls, i); n > 0 && a.clock.since(i, c.Exposure.Start()) <= 0 {
			alone = append(alone, sum/n)
		}
	}
	if len(alone) < enoughBefore {
		return 0, false
	}
	share := .5
	if st := c.Exposure.Stages; len(st) > 0 && st[0].Share > 0 && st[0].Share < 1 {
		share = min(.95, max(.05, st[0].Share))
	}
	return max(leastLuck, robustSpread(alone)) * math.Sqrt(1/share+1/(1-share)), true
}

// leastLuck is the least spread of one arm that is believed, in standard deviations
// of its baseline.
const leastLuck = .4

// robustSpread is 1.4826 times the median distance from the median, a standard
// deviation for normal samples.
func robustSpread(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	middle := x[len(x)/2]
	for i := range x {
		x[i] = math.Abs(x[i] - middle)
	}
	slices.Sort(x)
	return 1.4826 * x[len(x)/2]
}

// scaleTo expresses the difference in standard deviations of luck. Where the control
// is ill as well, chance decides which arm got more of the trouble, so a minute counts
// less the worse the control is.
func (d *difference) scaleTo(luck float64, controls []armSums) {
	for i := range d.sum {
		worse := 0.0
		if sum, n := pooled(controls, i); n > 0 {
			worse = illControl * max(0, sum/n)
		}
		d.sum[i] *= d.sd / math.Hypot(luck, worse)
	}
	d.sd = luck
}

// illControl is the share of the control's own illness that may be luck.
const illControl = .7

// contrast is treated − control by minute, from start on. Two arms differ by √2
// standard deviations by luck, and by more when few instances make them noisy. It
// reports false when there is no minute in which both were measured.
func contrast(clock clock, treated, controls []armSums, start time.Time) (difference, bool) {
	d := difference{minuteSums{make([]float64, clock.n), make([]float64, clock.n)}, 0, 1}
	for _, s := range slices.Concat(treated, controls) {
		d.phi = max(d.phi, s.phi)
	}
	before := minuteSums{make([]float64, clock.n), make([]float64, clock.n)}
	found := false
	for i := range d.sum {
		t, tn := pooled(treated, i)
		c, cn := pooled(controls, i)
		switch {
		case tn == 0 || cn == 0:
		case clock.since(i, start) > 0:
			d.sum[i], d.n[i], found = t/tn-c/cn, 1, true
		default:
			before.sum[i], before.n[i] = t/tn-c/cn, 1
		}
	}
	// Where both were there before the change, that tells how much they differ by luck.
	if d.sd = noise(d.minuteSums, d.phi); total(before.n) >= enoughBefore {
		d.sd = max(1, noise(before, d.phi))
	}
	for i := range d.sum {
		d.sum[i] /= d.sd
	}
	return d, found
}

// enoughBefore is how many minutes before a change tell the spread of a difference.
const enoughBefore = 10

func pooled(all []armSums, i int) (sum, n float64) {
	for _, s := range all {
		sum, n = sum+s.sum[i], n+s.n[i]
	}
	return sum, n
}

// controls are the version that the change replaced, or else all others, in order.
func (a arms) controls(versions map[backout.Version]armSums, c backout.Change) []armSums {
	if from, ok := versions[c.From]; ok && c.From != c.To {
		return []armSums{from}
	}
	var out []armSums
	for _, v := range slices.SortedFunc(maps.Keys(versions), backout.CompareVersions) {
		if v != c.To {
			out = append(out, versions[v])
		}
	}
	return out
}

// noise estimates the standard deviation from neighbouring minutes, so that a
// lasting difference does not count as noise.
func noise(d minuteSums, phi float64) float64 {
	var steps []float64
	for i := 1; i < len(d.sum); i++ {
		if d.n[i] > 0 && d.n[i-1] > 0 {
			steps = append(steps, math.Abs(d.sum[i]-d.sum[i-1]))
		}
	}
	if len(steps) < 4 {
		return 2
	}
	slices.Sort(steps)
	sd := 1.4826 * steps[len(steps)/2] / math.Sqrt(2*(1-min(phi, 0.9)))
	return max(math.Sqrt2, min(sd, 4))
}

// minutes is how many minutes could be compared.
func (d difference) minutes() int { return int(total(d.n)) }

// lateMean is the mean over the later half of the minutes compared: where a ramp
// has arrived.
func (d difference) lateMean() float64 {
	skip := d.minutes() / 2
	sum, n := 0.0, 0.0
	for i, k := range d.n {
		switch {
		case k == 0:
		case skip > 0:
			skip--
		default:
			sum, n = sum+d.sum[i], n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / n
}

// factor turns the difference back into the raw signal: latency and error ratios
// are standardised on a logarithmic scale, so a difference is a factor.
func (a arms) factor(k armKey, d difference) float64 {
	k.signal = ""
	scale := a.scale[k]
	if scale <= 0 {
		return 0
	}
	return math.Exp(d.lateMean() * d.sd * scale)
}
