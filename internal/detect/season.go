package detect

import (
	"math"
	"time"
)

const (
	halfHours = 48
	day       = 24 * time.Hour
	seasonAge = 3 * day // before this, seasons are learnt and not used
)

// season is what a half-hour of a weekday or a weekend day adds to the level, in
// transformed units.
type season struct {
	Bins [2][halfHours]float32
	Days [2][halfHours]float32 // visits, counted in days
}

func slot(at int64) (week int, pos float64) {
	t := time.Unix(0, at).UTC()
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		week = 1
	}
	return week, float64(t.Hour()*2) + (float64(t.Minute())*60+float64(t.Second()))/1800
}

// at interpolates between the middles of half-hours.
func (e *season) at(at int64) float64 {
	week, pos := slot(at)
	f := math.Mod(pos-.5+halfHours, halfHours)
	i := int(f)
	part := float32(f - float64(i))
	b := &e.Bins[week]
	return float64(b[i]*(1-part) + b[(i+1)%halfHours]*part)
}

// learn moves the bin towards difference, the first days by averaging and later
// by a twentieth a day.
func (e *season) learn(at int64, step time.Duration, difference float64) {
	week, pos := slot(at)
	i := int(pos) % halfHours
	perDay := float64(30*time.Minute) / float64(max(step, 1))
	share := 1 / math.Max(perDay, 1)
	days := float64(e.Days[week][i]) + share
	e.Days[week][i] = float32(math.Min(days, 100))
	gain := share * math.Max(.05, 1/days)
	e.Bins[week][i] += float32(math.Min(gain, 1) * (difference - float64(e.Bins[week][i])))
}
