package detect

import (
	"math"
	"time"
)

const (
	halfHours = 48
	day       = 24 * time.Hour
	week      = 7 * day // that the average which seasons are learnt against remembers
	seasonAge = 3 * day // before this, seasons are learnt and not used
)

// season is what a half-hour of a weekday or a weekend day adds to the level, in
// transformed units.
type season struct {
	Bins [2][halfHours]float32
	Days [2][halfHours]uint8 // visits that are over
}

// slot says where in a day a moment lies, in half-hours, and whether on a weekend
// (1). Days are those of UTC.
func slot(at int64) (end int, pos float64) {
	const weekend = 2 // 1970-01-03 was a Saturday
	days := at / int64(day)
	if d := (days - weekend) % 7; d == 0 || d == 1 {
		end = 1
	}
	return end, float64(at-days*int64(day)) / float64(30*time.Minute)
}

// at interpolates between the middles of half-hours.
func (e *season) at(at int64) float64 {
	end, pos := slot(at)
	f := math.Mod(pos-.5+halfHours, halfHours)
	i := int(f)
	part := float32(f - float64(i))
	return float64(e.bin(end, i)*(1-part) + e.bin(end, (i+1)%halfHours)*part)
}

// bin is one half-hour; a weekend that was never seen is like the week, and the
// other way round.
func (e *season) bin(end, i int) float32 {
	if b := e.Bins[end][i]; b != 0 {
		return b
	}
	return e.Bins[1-end][i]
}

// centre takes the day's average away from what was seen of it.
func (e *season) centre(average float64) {
	for end := range e.Bins {
		for i := range e.Bins[end] {
			if b := &e.Bins[end][i]; *b != 0 {
				*b -= float32(average)
			}
		}
	}
}

// learn moves the bin towards difference, the first days by averaging and later
// by a twentieth a day.
func (e *season) learn(at int64, step time.Duration, difference float64) {
	end, pos := slot(at)
	i := int(pos) % halfHours
	if w, p := slot(at - int64(step)); (w != end || int(p)%halfHours != i) && e.Days[w][int(p)%halfHours] < math.MaxUint8 {
		e.Days[w][int(p)%halfHours]++
	}
	share := math.Min(1, float64(step)/float64(30*time.Minute)) // of one visit
	days := float64(e.Days[end][i]) + pos - math.Floor(pos) + share
	gain := share * math.Max(.05, 1/days)
	b := &e.Bins[end][i]
	if *b == 0 && e.Bins[1-end][i] != 0 {
		*b = e.Bins[1-end][i]
	} else if *b == 0 {
		gain = 1 // never seen
	}
	*b += float32(math.Min(gain, 1) * (difference - float64(*b)))
}
