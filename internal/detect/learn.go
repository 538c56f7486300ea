package detect

import (
	"math"
	"time"
)

// steadyMemory is how many samples the level remembers: the gain is 2/(N+1)
// with N six hours of minutes.
const steadyMemory = 361.0

// seasonMemory is the same once a season takes the day away: what is left for the
// level to follow is slow, and the less it wanders the longer the promise holds.
const seasonMemory = 721.0

// memory is how many samples the baseline comes from.
func (s *series) memory() float64 {
	if s.SeasonOn {
		return math.Min(float64(s.Healthy), seasonMemory)
	}
	return math.Min(float64(s.Healthy), steadyMemory)
}

const ratioMemory = 2000.0 // samples that the error ratio remembers

// lag is how many samples a long history waits before it learns one. A shift of
// one standard deviation takes about as long to be found; learnt at once, it would
// have moved the baseline by a third on the way and hidden itself.
const lag = 64

// phiMemory is how many samples a long history takes correlation from.
const phiMemory = 2000.0

// ago is the residual k samples before the newest, NaN when it is missing or older
// than the end of the last finding.
func (s *series) ago(k int64) float64 {
	if s.Head-1-k < s.Well || k >= ringSize {
		return math.NaN()
	}
	return unpack(s.Levels[(s.Head-1-k)%ringSize])
}

// learn moves the baseline towards a healthy sample; slow is set while the
// evidence is suspicious. The sample's residual and innovation are in the rings.
func (s *series) learn(o observation, st standing, w float64, d int, slow bool) {
	s.Healthy++
	n, rate := s.memory(), 1.0
	if slow {
		rate = .1
	}
	before, now, memory := s.Previous, st.z, n
	switch {
	case s.kind == ratio:
		s.learnRatio(o, rate)
	case s.Mode == seasonal && !st.exact:
		before, now, memory, d = s.ago(lag+1), s.ago(lag), math.Min(float64(s.Healthy), phiMemory), 1
		if v := unpack(s.Novelty[(s.Head+ringSize-1-lag)%ringSize]); !math.IsNaN(now) && !math.IsNaN(v) {
			s.learnLevel(standing{z: now, precision: 1}, v, rate/n*s.levelGain(n))
		}
	default:
		s.learnLevel(st, w, rate/n*s.levelGain(n))
	}
	if d == 1 && !math.IsNaN(before) && !math.IsNaN(now) {
		s.learnPhi(before, now, memory, rate)
	}
	s.Requests += rate * (o.n - s.Requests) / n
	// The innovation is kept however suspicious the moment: leaving out the wild
	// ones would make the tail too light and the promise false.
	s.History.add(w)
	first, last := s.sides()
	for i := first; i <= last; i++ {
		s.remember(i, w)
	}
}

// remember keeps an innovation in the tail of a direction.
func (s *series) remember(side int, w float64) {
	if side == up {
		s.side(up).Tail.add(w, func() float64 { return s.History.quantile(tailShare) })
		return
	}
	s.side(down).Tail.add(-w, func() float64 { return -s.History.quantile(1 - tailShare) })
}

// levelGain is 1 while averaging and tends to 2, the gain of an exponential
// average, as the memory fills up.
func (s *series) levelGain(n float64) float64 {
	if s.SeasonOn {
		return 1 + n/seasonMemory
	}
	return 1 + n/steadyMemory
}

func (s *series) learnLevel(st standing, w, gain float64) {
	move := gain * s.Scale * clip(st.z) / math.Max(st.precision, .3)
	if st.exact {
		move = gain * math.Max(-huber*s.Scale, math.Min(huber*s.Scale, st.residual))
	}
	s.Level += move
	v := clip(w)
	variance := s.Scale * s.Scale * (1 + gain*(v*v/secondMoment-1))
	s.Scale = math.Max(math.Sqrt(math.Max(variance, 0)), s.scaleFloor())
}

const seasonStart = 6 * time.Hour // younger series have no season to speak of

// learnSeason averages what each half-hour adds to the long average, for three
// days from every sample: the first morning looks like an incident to a series
// that has only seen a night. From then on the season is in use and follows
// healthy samples at a twentieth a day. A sample stands for the steps since the one before,
// so that a past that is told in every fourth sample teaches the same season.
func (s *series) learnSeason(o observation, step time.Duration, gap int) {
	step *= time.Duration(min(gap, mostMissing+1))
	if s.kind == ratio || s.SeasonOn && s.Alarm {
		return
	}
	if s.season == nil {
		if time.Duration(o.at-s.Began) >= seasonStart {
			s.season, s.Began, s.Slow = &season{}, o.at, o.x
		}
		return
	}
	age := time.Duration(o.at - s.Began)
	s.Slow += (o.x - s.Slow) / (1 + float64(min(age, week))/float64(step))
	middle := s.Slow
	switch {
	case age < day: // the average of part of a day is none: a morning would look like noon
		middle = 0
	case !s.Centred:
		s.season.centre(s.Slow)
		s.Centred = true
	}
	s.season.learn(o.at, step, o.x-middle)
	if !s.SeasonOn && age >= seasonAge {
		s.Level -= s.season.at(o.at) // the sum stays where it is
		s.SeasonOn = true
	}
}

func (s *series) learnRatio(o observation, rate float64) {
	if float64(s.Healthy) > ratioMemory {
		keep := 1 - rate/ratioMemory
		s.Events, s.Past = s.Events*keep, s.Past*keep
	}
	p := (s.Events + .5) / (s.Past + 1)
	s.Events += rate * math.Min(o.value, math.Max(1, 3*p*o.n+3))
	s.Past += rate * o.n
}

func (s *series) learnPhi(before, now, n, rate float64) {
	a, b := clip(before), clip(now)
	s.C0 += rate / n * ((a*a+b*b)/2 - s.C0)
	s.C1 += rate / n * (a*b - s.C1)
	if s.kind == ratio && s.Events < 10 {
		return
	}
	if s.kind == ratio {
		s.Phi = math.Max(float64(s.Floor), math.Max(s.Phi*(1-rate/n), lower(s.C0, s.C1, n)))
		return
	}
	s.Phi = math.Max(float64(s.Floor), upper(s.C0, s.C1, n))
}
