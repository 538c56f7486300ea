package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

// bars is what is promised and held against the promise: by one series on the
// noise that published detectors are compared on, by a fleet in which everything
// has a day and a week, and by the machine.
type bars struct {
	Noise       string  `json:"noise"`
	ARLStated   float64 `json:"arl_stated"`
	ARLMeasured float64 `json:"arl_measured"`
	ARLAtLeast  float64 `json:"arl_at_least_99"`
	reached
	Fleet        fleet              `json:"fleet"`
	FleetFalse   float64            `json:"fleet_false_per_30d"`
	TickMS100k   float64            `json:"tick_ms_100k"`
	BytesPer     int                `json:"bytes_per_series"`
	Baselines    map[string]matched `json:"baselines"`
	OtherNoise   []runLength        `json:"other_noise"`
	Sparse       []delay            `json:"sparse_counts"`
	SparseRun    runLength          `json:"sparse_counts_run_length"`
	Seed         uint64             `json:"seed"`
	Series, Days int                `json:"-"`
}

// reached are median delays in samples, -1 when half of the shifts were not seen,
// and which share was seen at all within the patience.
type reached struct {
	Delay4 int     `json:"delay_4sd"`
	Delay2 int     `json:"delay_2sd"`
	Delay1 int     `json:"delay_1sd"`
	Found1 float64 `json:"found_1sd"`
}

const (
	statedARL = 1e5
	minutes   = 1440                // in a day
	learnt    = 14 * minutes        // samples before anything is measured, as on connecting to a server that has them
	patient   = 300                 // samples that a shift may take
	reference = "AR(0.4) t5 season" // of noise
)

func measureBars(seed uint64, series, days, fleets int) (b bars, err error) {
	b = bars{Noise: reference, ARLStated: statedARL, Seed: seed, Series: series, Days: days, Baselines: map[string]matched{}}
	c := detect.Config{ARL: statedARL}
	on := daily(plain("AR(0.4) t5", .4, student5))
	if err := b.measureReference(c, on); err != nil {
		return b, err
	}
	b.Baselines = measureBaselines(plain("AR(0.4) t5", .4, student5), b.ARLMeasured, series, days, seed+2)
	for i, s := range []source{daily(plain("white", 0, normal)), daily(plain("t5", 0, student5)), daily(plain("AR(0.7)", .7, normal)), daily(overlapping(4))} {
		l, err := measureRunLengthAt(detect.Config{ARL: statedARL / 10}, s, series/4, learnt, days*minutes/2, seed+10+uint64(i), time.Minute)
		if err != nil {
			return b, err
		}
		b.OtherNoise = append(b.OtherNoise, l)
	}
	if err = b.measureSparse(seed+20, series/2); err != nil {
		return b, err
	}
	if b.Fleet, err = measureFleet(seed+30, fleets); err != nil {
		return b, err
	}
	b.FleetFalse = b.Fleet.FalsePer30Days
	return b, nil
}

// measureSparse takes orders of two a minute through the same: the run length, and
// how long it takes until half and all of them are missed.
func (b *bars) measureSparse(seed uint64, many int) (err error) {
	c := detect.Config{ARL: statedARL / 10}
	if b.SparseRun, err = measureRunLengthAt(c, orders(2), many, learnt, 5*minutes, seed, time.Minute); err != nil {
		return err
	}
	for _, lost := range []float64{.5, 1} {
		d, err := measureDelayAt(c, orders(2), many, learnt, patient, seed+1, lost, func(int) float64 { return lost }, time.Minute)
		if err != nil {
			return err
		}
		b.Sparse = append(b.Sparse, d)
	}
	return nil
}

// measureReference lets every series learn once, watches it, and gives each shift
// to the same healthy state.
func (b *bars) measureReference(c detect.Config, s source) error {
	bank, err := newBank(c, repeat(s, b.Series), b.Seed, time.Minute)
	if err != nil {
		return err
	}
	bank.run(learnt, 0)
	found, samples := len(bank.run(b.Days*minutes, 0)), b.Series*b.Days*minutes
	b.ARLMeasured, b.ARLAtLeast = float64(samples)/max(float64(found), 1), float64(samples)/poissonUpper(found)
	return bank.reach(&b.reached)
}

// reach measures delays from where the bank is.
func (b *bank) reach(r *reached) error {
	for i, to := range []*int{&r.Delay4, &r.Delay2, &r.Delay1} {
		d, err := b.untilFound(math.Pow(2, float64(2-i)))
		if err != nil {
			return err
		}
		*to, r.Found1 = middle(d)
	}
	return nil
}

// daily adds a day and a weekend to a source: each series has its own hours and
// swings by up to two standard deviations either way. It counts minutes from the
// bench's epoch.
func daily(s source) source {
	inner := s.make
	s.name += " season"
	s.make = func(r *rand.Rand) func(float64) (float64, float64) {
		next, swing := inner(r), season(r)
		return func(shift float64) (float64, float64) { return next(shift + swing()) }
	}
	return s
}

// season gives what the next minute adds, in standard deviations.
func season(r *rand.Rand) func() float64 {
	size, phase, weekend := 2*r.Float64(), 2*math.Pi*r.Float64(), r.NormFloat64()
	at := epoch
	return func() float64 {
		at = at.Add(time.Minute)
		out := size * math.Sin(phase+2*math.Pi*float64(at.Hour()*60+at.Minute())/minutes)
		if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
			out += weekend
		}
		return out
	}
}

// orders are Poisson counts whose mean has a day; a shift is the share of them that is lost.
func orders(mean float64) source {
	return source{"orders", backout.SignalKPI, backout.WorseDown, func(r *rand.Rand) func(float64) (float64, float64) {
		swing := season(r)
		return func(lost float64) (float64, float64) {
			return poisson(r, mean*math.Exp(.2*swing())*(1-lost)), 0
		}
	}}
}

// failures are errors of about 600 requests a minute, one in a thousand; a shift is
// so many standard deviations of the count.
func failures() source {
	return source{"failures", backout.SignalErrors, backout.WorseUp, func(r *rand.Rand) func(float64) (float64, float64) {
		swing := season(r)
		return func(shift float64) (float64, float64) {
			n := math.Max(1, math.Round(600*math.Exp(.2*swing())+25*r.NormFloat64()))
			mean := n * 1e-3
			return math.Min(n, poisson(r, mean+shift*math.Sqrt(mean))), n
		}
	}}
}

// fleet is fifty services of three series each over a month.
type fleet struct {
	Services       int     `json:"services"`
	Fleets         int     `json:"fleets"`
	FalsePer30Days float64 `json:"false_per_30d"`
	Upper          float64 `json:"false_per_30d_upper_95"`
	Most           int     `json:"most_in_one_fleet"`
	Stated         float64 `json:"stated_per_30d"`
	// BySignal counts the false findings.
	BySignal map[string]int `json:"false_findings"`
	reached
}

func measureFleet(seed uint64, fleets int) (fleet, error) {
	const services, window = 50, 30 * minutes
	out := fleet{Services: services, Fleets: fleets, Stated: 3 * services * window / 1e7, BySignal: map[string]int{}}
	all, delays := 0, [3][]int{}
	for f := range fleets {
		b, err := newFleet(services, seed+uint64(f))
		if err != nil {
			return out, err
		}
		b.run(learnt, 0)
		found := b.run(window, 0)
		for _, f := range found {
			out.BySignal[string(f.ID.Signal)]++
		}
		n := incidents(found)
		all, out.Most = all+n, max(out.Most, n)
		for i := range delays {
			d, err := b.untilFound(math.Pow(2, float64(2-i)))
			if err != nil {
				return out, err
			}
			delays[i] = append(delays[i], d...)
		}
	}
	out.FalsePer30Days, out.Upper = float64(all)/float64(fleets), poissonUpper95(all)/float64(fleets)
	out.Delay4, _ = middle(delays[0])
	out.Delay2, _ = middle(delays[1])
	out.Delay1, out.Found1 = middle(delays[2])
	return out, nil
}

func newFleet(services int, seed uint64) (*bank, error) {
	var from []source
	for range services {
		from = append(from, daily(plain("latency", .4, student5)), failures(), orders(5))
	}
	b, err := newBank(detect.Config{}, from, seed, time.Minute)
	if err != nil {
		return nil, err
	}
	for i := range b.w.Series {
		b.w.Series[i].ID.Subject.Service = service(i / 3)
	}
	b.shifts = func(i int) bool { return i%3 == 0 }
	return b, nil
}

// incidents counts findings, those within half an hour of another's onset being one
// trouble.
func incidents(found []backout.Finding) (n int) {
	var last time.Time
	for _, f := range found {
		if n == 0 || f.Onset.Sub(last) > 30*time.Minute {
			n++
		}
		last = f.At
	}
	return n
}

// untilFound shifts one series of each service and gives the samples to the first
// finding of each service, -1 for those not found. Services that are under an alarm
// already are left out, and the detector is afterwards as it was.
func (b *bank) untilFound(size float64) ([]int, error) {
	before, err := b.d.Snapshot()
	if err != nil {
		return nil, err
	}
	at, now := map[backout.ServiceID]int{}, b.now
	for _, f := range b.d.Standing() {
		at[f.ID.Subject.Service] = 0
	}
	for i := 1; i <= patient; i++ {
		for _, f := range b.step(size) {
			if _, ok := at[f.ID.Subject.Service]; !ok {
				at[f.ID.Subject.Service] = i
			}
		}
	}
	seen, out := map[backout.ServiceID]bool{}, []int{}
	for _, s := range b.w.Series {
		name := s.ID.Subject.Service
		i, ok := at[name]
		switch {
		case seen[name] || ok && i == 0:
		case ok:
			out = append(out, i)
		default:
			out = append(out, -1)
		}
		seen[name] = true
	}
	for range 7*minutes - patient { // to the same hour of the week
		for _, next := range b.sources {
			next(0)
		}
	}
	b.now = now
	return out, b.d.Restore(before)
}

// middle is the median and the share that is not -1.
func middle(d []int) (int, float64) {
	d = slices.Clone(d)
	found := 0
	for _, v := range d {
		if v >= 0 {
			found++
		}
	}
	slices.SortFunc(d, func(a, b int) int { return cmp.Compare(uint(a), uint(b)) }) // -1 is last
	return d[len(d)/2], float64(found) / float64(len(d))
}
