package detect

import (
	"hash/maphash"
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
	order  []*series // in order of first appearance, so that output is reproducible
	series map[uint64]int32
	seed   maphash.Seed // of the keys of series, which nothing else depends on
	groups map[string]*group
	abouts map[about]*about
	// segments of each service's customers, see otherMix
	segments map[backout.ServiceID][]*series

	accepted []backout.SeriesID // since the last call of Accepted
	wentAway int                // findings that were over at once
	mixed    int                // and those that other customers explained

	// For one Tick only.
	fed   []*series
	next  []int32
	heard []*group
}

// New makes a detector without any series. It fails when the configuration is
// out of range; the message names the field.
func New(c Config) (*Detector, error) {
	checked, err := c.checked()
	if err != nil {
		return nil, err
	}
	d := &Detector{config: checked}
	d.clear()
	return d, nil
}

// clear forgets all series.
func (d *Detector) clear() {
	d.order, d.series, d.seed = nil, map[uint64]int32{}, maphash.MakeSeed()
	d.groups, d.abouts, d.segments = map[string]*group{}, map[about]*about{}, map[backout.ServiceID][]*series{}
}

// Tick feeds the samples of w that are newer than what each series has seen, in
// order of time, however many steps that are, and returns the findings that
// arose: one for each series that opens incidents and crossed its threshold, alone
// or as the loudest of a service whose series cross it together,
// in order of time. A finding is said once; Standing lists those that still hold.
//
// When the step of w differs from before, correlations and rings no longer
// mean the same, and every series starts anew.
func (d *Detector) Tick(w backout.Window) []backout.Finding {
	if w.Step > 0 && w.Step != d.step {
		if d.step != 0 {
			d.clear()
		}
		d.step = w.Step
	}
	if d.step <= 0 {
		return nil
	}
	d.fed, d.next = d.fed[:0], append(d.next[:0], make([]int32, len(w.Series))...)
	for i := range w.Series {
		d.fed = append(d.fed, d.find(i, &w.Series[i]))
	}
	var found []backout.Finding
	for at, more := d.earliest(w); more; {
		at, more, found = d.advance(w, at.Add(d.step/2), found)
		found = d.together(found)
	}
	slices.SortStableFunc(found, func(a, b backout.Finding) int { return a.At.Compare(b.At) })
	return found
}

// earliest is the moment of the first sample of the window.
func (d *Detector) earliest(w backout.Window) (at time.Time, some bool) {
	for i := range w.Series {
		if all := w.Series[i].Samples; len(all) > 0 && !all[0].At.After(w.Now) && (!some || all[0].At.Before(at)) {
			at, some = all[0].At, true
		}
	}
	return at, some
}

// advance feeds what every series has up to a moment, one step, and says when the
// next sample is. Series go step by step together because a service is judged by
// all of its own.
func (d *Detector) advance(w backout.Window, until time.Time, found []backout.Finding) (next time.Time, more bool, _ []backout.Finding) {
	for i, s := range d.fed {
		all := w.Series[i].Samples
		k := d.next[i]
		for ; int(k) < len(all) && !all[k].At.After(w.Now); k++ {
			if at := all[k].At; at.After(until) {
				if !more || at.Before(next) {
					next, more = at, true
				}
				break
			}
			if d.feed(s, all[k]) && s.alert.Opens {
				found = append(found, *s.alert)
			}
		}
		d.next[i] = k
	}
	return next, more, found
}

// known finds a series.
func (d *Detector) known(id backout.SeriesID) *series {
	for h := maphash.Comparable(d.seed, id); ; h++ { // the next key after one that is another's
		i, ok := d.series[h]
		if !ok {
			return nil
		}
		if s := d.order[i]; s.id == id {
			return s
		}
	}
}

// admit takes in a new series.
func (d *Detector) admit(s *series) {
	h := maphash.Comparable(d.seed, s.id)
	for _, taken := d.series[h]; taken; _, taken = d.series[h] {
		h++
	}
	d.series[h] = int32(len(d.order))
	d.order = append(d.order, s)
	if dimension(s.id.Subject) != 0 {
		d.segments[s.id.Subject.Service] = append(d.segments[s.id.Subject.Service], s)
	}
}

// find gives the series of an answer. Answers come in the same order each time, so
// the one at the same place is tried first.
func (d *Detector) find(i int, in *backout.Series) *series {
	var s *series
	if i < len(d.order) && d.order[i].id == in.ID {
		s = d.order[i]
	} else if s = d.known(in.ID); s == nil {
		s = &series{id: in.ID}
		if d.admit(s); s.arm() {
			s.raw = &rawRing{}
		}
	}
	a := about{kindOf(in.Kind), in.Kind, in.Worse, in.Opens}
	if s.about != nil && *s.about == a {
		return s
	}
	if s.about != nil && (s.signal != in.Kind || s.worse != in.Worse) { // the signal was redefined
		*s = series{id: in.ID, raw: s.raw}
	}
	d.describe(s, a)
	return s
}

// describe says what a series is about and whom it speaks with.
func (d *Detector) describe(s *series, a about) {
	if d.abouts[a] == nil {
		d.abouts[a] = &a
	}
	s.about, s.group = d.abouts[a], nil
	if a.worse == backout.WorseBoth && s.other == nil {
		s.other = &side{}
	}
	if a.opens && !s.arm() {
		name := groupOf(s.id.Subject)
		if d.groups[name] == nil {
			d.groups[name] = &group{}
		}
		s.group = d.groups[name]
	}
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
	if s.Began == 0 {
		s.Began = at
	}
	s.Last, s.Newest = at, float32(o.n)
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

// promise is the run length that a series keeps, in samples.
func (d *Detector) promise(s *series) float64 {
	if s.Mode == seasonal {
		return d.config.LongARL
	}
	return d.config.ARL
}

func (d *Detector) judge(s *series, o observation, gap int) bool {
	if gap > mostMissing+1 {
		s.forget()
	}
	st := s.standardise(o)
	w := s.innovation(st.z, gap)
	calm := d.weigh(s, o, w, st)
	s.push(gap, st.z, w)
	ev, arl := s.evidence(), d.promise(s)
	arose := false
	switch {
	case s.Alarm:
		d.stand(s, o, st, calm)
	case ev >= arl:
		d.raise(s, o.at, st.expected, o.inOwnUnit(s.kind), ev)
		arose = true
	default:
		s.learn(o, st, w, gap, ev >= math.Sqrt(arl))
		s.grow(d.config.Full)
		if s.group != nil {
			d.hear(s, o, st, ev/arl)
		}
	}
	if s.Mode != warming {
		s.learnSeason(o, d.step, gap)
		s.Previous = st.z
	}
	return arose
}

// A long history is watched for months, and the season, level and correlation behind
// its p-values are estimates: what they are off by lasts for hours, and bets on small
// shifts would take hours of it for one. So evidence fades by a part in a hundred with each
// sample, which leaves it a supermartingale, and is discounted by margin.
const (
	fading = .99
	margin = 1.5
)

// weigh adds the sample to the evidence and says whether it looked healthy.
func (d *Detector) weigh(s *series, o observation, w float64, st standing) (calm bool) {
	first, last := s.sides()
	calm = true
	weight, keep := 1.0, 1.0
	if s.Mode == seasonal {
		weight, keep = s.group.weight(o.at)/margin, fading
	}
	for side := first; side <= last; side++ {
		p, least := s.pValue(side, w, st)
		var e [powers]float64
		switch {
		case s.promising(st):
			e = s.counted(side, o, st)
		case s.Mode == seasonal:
			e = scores(p, least)
		default:
			e = bets(p, least)
		}
		if keep < 1 {
			for i := range e {
				e[i] *= keep
			}
		}
		s.side(side).Ladder.add(e, o.at, weight)
		worse := st.z
		if side == down {
			worse = -worse
		}
		calm = calm && worse < 2 && p > .02
		if s.Alarm {
			s.Since *= float32(e[powers/2])
		}
	}
	return calm
}

// raise notes the finding; its threshold is the promise that was made. A finding
// that other customers explain opens nothing.
func (d *Detector) raise(s *series, at int64, expected, observed, ev float64) {
	first, last := s.sides()
	loud := &s.side(first).Ladder
	if s.side(last).Ladder.mean(&equally) > loud.mean(&equally) {
		loud = &s.side(last).Ladder
	}
	s.Alarm, s.Calm, s.Since = true, 0, 1
	s.alert = &backout.Finding{
		ID: s.id, Kind: s.signal, At: time.Unix(0, at).UTC(), Onset: time.Unix(0, loud.onset()).UTC(),
		Evidence: ev, Threshold: d.promise(s), Mode: s.Mode.String(),
		Expected: s.kind.inOwnUnit(expected), Observed: observed, Opens: s.opens,
	}
	if s.opens && d.otherMix(s) {
		s.alert.Opens = false
		d.mixed++
	}
}

// calmSamples in a row end a finding.
const calmSamples = 10

// away is how many calm samples, soon after a finding, say that a burst is over:
// a finding that took no more than that many bad samples was made by few, and when
// all that came since speaks for health it went away by itself (a filter of
// FBDetect's, SOSP 2024). A shift that took longer to be seen has shown that it stays.
const away = 3

// burst reports whether the finding is one that went away.
func (s *series) burst(age, step time.Duration) bool {
	return s.Mode == seasonal && s.alert.At.Sub(s.alert.Onset) <= away*step && age <= 2*away*step && s.Calm >= away && s.Since < 1
}

// stand keeps a finding until the series is calm again, or has stayed away so
// long that the new level is accepted: then it warms up anew.
func (d *Detector) stand(s *series, o observation, st standing, calm bool) {
	if calm {
		s.Calm++
	} else {
		s.Calm, s.Since = 0, 1
	}
	age := time.Duration(o.at - s.alert.At.UnixNano())
	switch {
	case s.burst(age, d.step):
		d.wentAway++
		fallthrough
	case s.Calm >= calmSamples:
		s.Alarm, s.Calm, s.alert, s.Well = false, 0, nil, s.Head
		s.calmDown()
	case age >= d.config.Accept:
		d.accepted = append(d.accepted, s.id)
		*s = series{id: s.id, about: s.about, group: s.group, other: s.other, season: s.season,
			state: state{Began: s.Began, Last: s.Last, Seen: s.Seen, Accepted: s.Accepted + 1,
				Slow: s.Slow, SeasonOn: s.SeasonOn, Centred: s.Centred}}
		s.calmDown()
	}
}

// Accepted names the series whose new level became their baseline since the last
// call, once each time.
func (d *Detector) Accepted() []backout.SeriesID {
	out := d.accepted
	d.accepted = nil
	return out
}

// calmDown drops the evidence.
func (s *series) calmDown() {
	s.own.Ladder = ladder{}
	if s.other != nil {
		s.other.Ladder = ladder{}
	}
}

// forget drops what was believed of the moment.
func (s *series) forget() {
	s.calmDown()
	s.Previous = math.NaN()
}

// grow lets the series' own past speak once there is enough of it.
func (s *series) grow(full int) {
	if s.Mode != short || int(s.Healthy) < full {
		return
	}
	s.Mode = seasonal
	first, last := s.sides()
	for i := first; i <= last; i++ {
		above := s.History.quantile(tailShare)
		if i == down {
			above = -s.History.quantile(1 - tailShare)
		}
		s.side(i).Tail.fit(above)
	}
}
