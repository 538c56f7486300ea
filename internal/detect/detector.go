package detect

import (
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Detector judges many series. One goroutine owns it; package watch puts a
// mutex around the one it owns.
type Detector struct {
	config Config
	step   time.Duration
	series map[backout.SeriesID]*series
	order  []*series // in order of first appearance, so that output is reproducible
}

// New makes a detector without any series. It fails when the configuration is
// out of range; the message names the field.
func New(c Config) (*Detector, error) {
	checked, err := c.checked()
	if err != nil {
		return nil, err
	}
	return &Detector{config: checked, series: map[backout.SeriesID]*series{}}, nil
}

// Tick feeds the samples of w that are newer than what each series has seen, in
// order of time, however many steps that are, and returns the findings that
// arose: one for each series that opens incidents and crossed its threshold,
// sorted by time. A finding is said once; Standing lists those that still hold.
//
// When the step of w differs from before, correlations and rings no longer
// mean the same, and every series starts anew.
func (d *Detector) Tick(w backout.Window) []backout.Finding {
	if w.Step > 0 && w.Step != d.step {
		if d.step != 0 {
			d.series, d.order = map[backout.SeriesID]*series{}, nil
		}
		d.step = w.Step
	}
	if d.step <= 0 {
		return nil
	}
	var found []backout.Finding
	for i := range w.Series {
		s := d.find(&w.Series[i])
		for _, smp := range w.Series[i].Samples {
			if smp.At.After(w.Now) {
				break
			}
			if d.feed(s, smp) && s.opens {
				found = append(found, *s.alert)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b backout.Finding) int { return a.At.Compare(b.At) })
	return found
}

func (d *Detector) find(in *backout.Series) *series {
	s := d.series[in.ID]
	if s == nil {
		s = &series{id: in.ID}
		d.series[in.ID] = s
		d.order = append(d.order, s)
		if s.arm() {
			s.raw = &rawRing{}
		}
	}
	if s.signal != in.Kind && s.Seen > 0 { // the signal was redefined
		*s = series{id: in.ID, raw: s.raw}
	}
	s.signal, s.kind, s.worse, s.opens = in.Kind, kindOf(in.Kind), in.Worse, in.Opens
	return s
}

// steps is how many steps lie between two samples, at least one.
func steps(from, to int64, step time.Duration) int {
	if from == 0 {
		return 1
	}
	return int(max(1, min((to-from+int64(step)/2)/int64(step), 1<<20)))
}

// mostMissing is how many samples in a row may be absent before what was
// believed of the moment (not the baseline) is forgotten.
const mostMissing = 3

// feed takes one sample and reports whether a finding arose. Samples that are
// not newer, or not half a step newer, were seen; what can't be read is a gap.
func (d *Detector) feed(s *series, smp backout.Sample) bool {
	at := smp.At.UnixNano()
	if s.Last != 0 && at-s.Last <= int64(d.step)/2 {
		return false
	}
	o, ok := observe(s.kind, at, smp.Value, smp.Total)
	if !ok {
		return false
	}
	gap := steps(s.Last, at, d.step)
	if s.First == 0 {
		s.First = at
	}
	s.Last = at
	s.Seen++
	switch {
	case s.arm():
		s.raw.push(gap, o)
		s.Head += int64(gap)
		return false
	case s.Mode == warming:
		s.warm = append(s.warm, o)
		if len(s.warm) >= d.config.Warm {
			s.begin(d.step, d.config.Overlap)
		}
		return false
	}
	return d.judge(s, o, gap)
}

func (d *Detector) judge(s *series, o observation, gap int) bool {
	if gap > mostMissing+1 {
		s.forget()
	}
	st := s.standardise(o)
	w := s.innovation(st.z, gap)
	calm := d.weigh(s, o.at, w, st)
	s.push(gap, st.z, w)
	ev := s.evidence()
	arose := false
	switch {
	case s.Alarm:
		d.stand(s, o, st, calm)
	case ev >= d.config.ARL:
		d.raise(s, o, st, ev)
		arose = true
	default:
		s.learn(o, st, w, gap, ev >= math.Sqrt(d.config.ARL))
		s.grow(d.config.Full)
	}
	if s.Mode != warming {
		s.learnSeason(o, d.step)
		s.Previous = st.z
	}
	return arose
}

// weigh adds the sample to the evidence and says whether it looked healthy.
func (d *Detector) weigh(s *series, at int64, w float64, st standing) (calm bool) {
	first, last := s.sides()
	calm = true
	for side := first; side <= last; side++ {
		p, least := s.pValue(side, w, st)
		s.Ladder[side].add(bets(p, least), at)
		worse := st.z
		if side == down {
			worse = -worse
		}
		calm = calm && worse < 2 && p > .02
	}
	return calm
}

// raise notes the finding; its threshold is the promise that was made.
func (d *Detector) raise(s *series, o observation, st standing, ev float64) {
	first, last := s.sides()
	loud := &s.Ladder[first]
	if s.Ladder[last].mean() > loud.mean() {
		loud = &s.Ladder[last]
	}
	s.Alarm, s.AlarmAt, s.Onset, s.Calm = true, o.at, loud.onset(), 0
	s.alert = &backout.Finding{
		ID: s.id, Kind: s.signal, At: time.Unix(0, o.at).UTC(), Onset: time.Unix(0, s.Onset).UTC(),
		Evidence: ev, Threshold: d.config.ARL, Mode: s.Mode.String(),
		Expected: s.kind.inOwnUnit(st.expected), Observed: o.inOwnUnit(s.kind), Opens: s.opens,
	}
}

// calmSamples in a row end a finding.
const calmSamples = 10

// stand keeps a finding until the series is calm again, or has stayed away so
// long that the new level is accepted: then it warms up anew.
func (d *Detector) stand(s *series, o observation, st standing, calm bool) {
	if calm {
		s.Calm++
	} else {
		s.Calm = 0
	}
	switch {
	case s.Calm >= calmSamples:
		s.Alarm, s.Ladder, s.Calm, s.alert = false, [2]ladder{}, 0, nil
	case time.Duration(o.at-s.AlarmAt) >= d.config.Accept:
		*s = series{id: s.id, kind: s.kind, signal: s.signal, worse: s.worse, opens: s.opens, season: s.season,
			state: state{First: s.First, Last: s.Last, Seen: s.Seen, Accepted: s.Accepted + 1,
				Slow: s.Slow, SeasonOn: s.SeasonOn, SeasonFrom: s.SeasonFrom}}
	}
}

// forget drops what was believed of the moment.
func (s *series) forget() {
	s.Ladder, s.Previous = [2]ladder{}, math.NaN()
}

// grow lets the series' own past speak once there is enough of it.
func (s *series) grow(full int) {
	if s.Mode != short || s.Healthy < int64(full) {
		return
	}
	s.Mode = seasonal
	s.Tail[up].fit(s.History.quantile(tailShare))
	s.Tail[down].fit(-s.History.quantile(1 - tailShare))
}
