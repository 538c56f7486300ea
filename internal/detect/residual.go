package detect

import (
	"math"
	"time"

	"github.com/backout-dev/backout"
)

const (
	ringSize = 128 // steps that residuals reach back
	missing  = math.MinInt8
	grain    = 8.0 // ring entries are eighths of a standard deviation
)

func pack(z float64) int8 {
	if math.IsNaN(z) {
		return missing
	}
	return int8(math.Round(math.Max(-127, math.Min(127, z*grain))))
}

func unpack(v int8) float64 {
	if v == missing {
		return math.NaN()
	}
	return float64(v) / grain
}

// push writes the newest residual and innovation, after marking what is missing.
func (s *series) push(gap int, z, w float64) {
	for range min(gap-1, ringSize) {
		s.Levels[s.Head%ringSize], s.Novelty[s.Head%ringSize] = missing, missing
		s.Head++
	}
	s.Levels[s.Head%ringSize], s.Novelty[s.Head%ringSize] = pack(z), pack(w)
	s.Head++
}

// rawRing keeps an arm's samples until they can be compared.
type rawRing struct {
	Value, Total [ringSize]float32
	Head         int64
}

func (r *rawRing) push(gap int, o observation) {
	for range min(gap-1, ringSize) {
		r.Value[r.Head%ringSize] = float32(math.NaN())
		r.Head++
	}
	r.Value[r.Head%ringSize], r.Total[r.Head%ringSize] = float32(o.value), float32(o.n)
	r.Head++
}

// Residuals gives, for every series that has a baseline, the standardised
// residuals of the samples after from and up to to, as far back as the ring
// reaches (128 steps). Arms are set against the baseline of the
// series they are a part of; an arm without one is left out.
// Values are rounded to an eighth of a standard deviation.
func (d *Detector) Residuals(from, to time.Time) []backout.Residuals {
	var out []backout.Residuals
	for _, s := range d.order {
		var r backout.Residuals
		var ok bool
		if s.arm() {
			r, ok = d.armResiduals(s, from, to)
		} else {
			r, ok = d.ownResiduals(s, from, to)
		}
		if ok {
			out = append(out, r)
		}
	}
	return out
}

// span is the part of a ring with head entries, the newest at last, that lies in
// (from, to]: entries [first, end) and the time of the first.
func (d *Detector) span(head, last int64, from, to time.Time) (first, end int64, at time.Time) {
	step := int64(d.step)
	end = head
	if past := last - to.UnixNano(); past > 0 {
		end -= (past + step - 1) / step
	}
	first = max(0, head-ringSize)
	if reach := last - from.UnixNano(); reach < (head-first)*step {
		first = head - max(0, (reach+step-1)/step)
	}
	return first, end, time.Unix(0, last-(head-1-first)*step).UTC()
}

func (d *Detector) ownResiduals(s *series, from, to time.Time) (backout.Residuals, bool) {
	first, end, at := d.span(s.Head, s.Last, from, to)
	if s.Mode == warming || first >= end {
		return backout.Residuals{}, false
	}
	r := d.blank(s, s, at)
	for i := first; i < end; i++ {
		r.Levels = append(r.Levels, s.sign()*unpack(s.Levels[i%ringSize]))
		r.Innovations = append(r.Innovations, s.sign()*unpack(s.Novelty[i%ringSize]))
	}
	return r, true
}

func (d *Detector) blank(s, base *series, at time.Time) backout.Residuals {
	return backout.Residuals{ID: s.id, Kind: s.signal, Mode: base.Mode.String(), From: at, Step: d.step, Phi: base.Phi, N: int(base.Healthy)}
}

// whole is the series that an arm is a part of: the same subject without a version,
// of the same signal or, when arms are asked for by a signal of their own, of the
// same kind. nil when there is none.
func (d *Detector) whole(arm *series) *series {
	id := arm.id
	id.Subject.Version = ""
	if s := d.known(id); s != nil {
		return s
	}
	for _, s := range d.order {
		if s.kind == arm.kind && s.id.Subject == id.Subject {
			return s
		}
	}
	return nil
}

func (d *Detector) armResiduals(s *series, from, to time.Time) (backout.Residuals, bool) {
	base := d.whole(s)
	first, end, at := d.span(s.raw.Head, s.Last, from, to)
	if base == nil || base.Mode == warming || first >= end {
		return backout.Residuals{}, false
	}
	r := d.blank(s, base, at)
	before, sinceBefore := math.NaN(), 1
	q := func(k int) float64 { return math.Pow(base.Phi, float64(k)) }
	for i := first; i < end; i++ {
		z, w := math.NaN(), math.NaN()
		when := at.Add(time.Duration(i-first) * d.step).UnixNano()
		o, ok := observe(s.kind, when, float64(s.raw.Value[i%ringSize]), float64(s.raw.Total[i%ringSize]))
		if ok {
			z = base.standardise(o).z
			w = z
			if phi := q(sinceBefore); !math.IsNaN(before) {
				w = (z - phi*before) / math.Sqrt(1-phi*phi)
			}
			before, sinceBefore = z, 0
		}
		sinceBefore++
		r.Levels, r.Innovations = append(r.Levels, s.sign()*z), append(r.Innovations, s.sign()*w)
	}
	return r, true
}

// Baselines gives frozen copies of the baselines of the named series, or of all
// when none is named. Series that are still warming have none.
func (d *Detector) Baselines(ids ...backout.SeriesID) []backout.Baseline {
	var out []backout.Baseline
	for _, s := range d.chosen(ids) {
		if s.Mode == warming || s.arm() {
			continue
		}
		b := backout.Baseline{Series: s.id, Kind: s.signal, Worse: s.worse, Mode: s.Mode.String(),
			Level: s.level(s.Last), Scale: s.Scale, Phi: s.Phi, N: int(s.Healthy), At: time.Unix(0, s.Last).UTC()}
		if s.kind == ratio {
			b.Level, b.Scale = s.ratioBaseline()
		}
		out = append(out, b)
	}
	return out
}

// ratioBaseline expresses the pooled error ratio as level and standard deviation
// of log((e+1/2)/(n-e+1/2)) at the usual number of requests.
func (s *series) ratioBaseline() (level, scale float64) {
	p := math.Max(s.Events+.5*s.Dispersion, leastRatio*(s.Past+1)) / (s.Past + 1)
	p = math.Min(p, .999)
	n := math.Max(s.Requests, 1)
	e := n * p
	level = math.Log((e + .5) / (n - e + .5))
	scale = math.Sqrt(s.Dispersion*e*(1-p)) * (n + 1) / ((e + .5) * (n - e + .5))
	return level, math.Max(scale, .05)
}

func (d *Detector) chosen(ids []backout.SeriesID) []*series {
	if len(ids) == 0 {
		return d.order
	}
	var out []*series
	for _, id := range ids {
		if s := d.known(id); s != nil {
			out = append(out, s)
		}
	}
	return out
}

// Standing lists the findings that have not ended, in order of first
// appearance of their series.
func (d *Detector) Standing() []backout.Finding {
	var out []backout.Finding
	for _, s := range d.order {
		if s.Alarm && s.alert.Opens {
			out = append(out, *s.alert)
		}
	}
	return out
}
