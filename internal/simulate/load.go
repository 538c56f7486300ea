package simulate

import (
	"math"
	"time"
)

// load is the demand on the whole product as a factor, by minute.
type load struct {
	phase, swing        float64 // of the day
	rises               []rise
	wander, wanderPhase float64
}

// rise is demand that goes up within some minutes and stays, or falls again as fast
// from a minute on.
type rise struct{ begin, lasts, by, until float64 }

// drawLoad draws the hour's demand: the day's curve, sometimes a peak that builds up
// before or during the incident, sometimes a jump that hurts nobody; and the surge.
func (w *world) drawLoad() load {
	r := w.r
	minutes := float64(w.at.Sub(w.at.Truncate(24*time.Hour))) / float64(time.Minute)
	l := load{phase: 2 * math.Pi * (minutes - w.end - 60*9) / (24 * 60), swing: .15 + .25*r.Float64(), wander: .03 * r.Float64(), wanderPhase: 7 * r.Float64()}
	if r.Float64() < .25 {
		l.rises = append(l.rises, rise{begin: -60 + 50*r.Float64(), lasts: 20 + 30*r.Float64(), by: .2 + .3*r.Float64()})
	}
	if w.cause.class == ClassSurge {
		l.rises = append(l.rises, rise{begin: -1 - r.Float64(), lasts: 2 + 4*r.Float64(), by: .5 + .8*r.Float64()})
	} else if r.Float64() < .15 {
		l.rises = append(l.rises, rise{begin: -6 + 10*r.Float64(), lasts: 1 + 4*r.Float64(), by: .3 + .4*r.Float64()})
	}
	return l
}

func (l load) at(t float64) float64 {
	f := 1 + l.swing*math.Sin(l.phase+2*math.Pi*t/(24*60)) + l.wander*math.Sin(l.wanderPhase+t/9)
	for _, r := range l.rises {
		k := max(0, min(1, (t-r.begin)/r.lasts))
		if r.until > 0 {
			k *= max(0, min(1, 1-(t-r.until)/r.lasts))
		}
		f *= 1 + r.by*k
	}
	return f
}
