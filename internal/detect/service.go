package detect

import (
	"math"
	"time"

	"github.com/backout-dev/backout"
)

// group is the series of one service, or of one journey, that may open incidents.
// What they say together is the sum of their evidence, each over the run length
// promised for it: the sum divided by their number is an average of e-detectors,
// which is an e-detector however they depend on each other (Shin, Ramdas and
// Rinaldo, 2023). So a service whose K series each promise A samples has false
// findings at least A/K samples apart on average, and two series that are each a
// little odd at once are found before either is.
type group struct {
	exposed int64   // Unix nanoseconds at which a change last reached everybody
	sum     float64 // of this step, 1 is enough
	many    int     // series in it
	loud    *series // the one that says most, with what it saw
	say     float64
	// what it showed, and what was expected of it on its transformed scale
	observed, expected float64
}

func groupOf(s backout.Subject) string {
	if s.Service == "" {
		return "journey " + string(s.Journey)
	}
	return string(s.Service)
}

// hear adds a series' evidence of this step; one that stands was told already.
func (d *Detector) hear(s *series, o observation, st standing, share float64) {
	g := s.group
	if g.many == 0 {
		d.heard = append(d.heard, g)
	}
	g.many++
	g.sum += share
	if share > g.say || g.loud == nil {
		g.loud, g.say, g.observed, g.expected = s, share, o.inOwnUnit(s.kind), st.expected
	}
}

// together raises the loudest series of each service whose series say enough
// together and none alone, and forgets the step.
func (d *Detector) together(found []backout.Finding) []backout.Finding {
	for _, g := range d.heard {
		if s := g.loud; g.sum >= 1 && g.many > 1 && s.Mode != warming && !s.Alarm {
			d.raise(s, s.Last, g.expected, g.observed, g.sum*d.promise(s))
			found = append(found, *s.alert)
		}
		*g = group{exposed: g.exposed}
	}
	d.heard = d.heard[:0]
	return found
}

// After a change has reached everybody its service stays under suspicion: its
// samples count as more than one in the promise of the run length, eight at first
// and half of what is above one less every three hours. A slow harm is so found
// sooner for days, and the price is stated: each change costs as many samples of
// the run length as fit into a day and a half of one-minute steps.
const (
	mostSuspicion = 8
	suspicionHalf = 3 * time.Hour
)

// Exposed says that a change of a service reached all of its users at a moment.
// Series with a long history of the service are then suspicious for a while, decaying;
// see mostSuspicion. A service that it does not know is ignored.
func (d *Detector) Exposed(service backout.ServiceID, at time.Time) {
	if g := d.groups[groupOf(backout.Subject{Service: service})]; g != nil {
		g.exposed = max(g.exposed, at.UnixNano())
	}
}

// weight is how many samples one at a moment counts as.
func (g *group) weight(at int64) float64 {
	if g == nil || g.exposed == 0 || at < g.exposed {
		return 1
	}
	age := time.Duration(at - g.exposed)
	if age > 20*suspicionHalf {
		return 1
	}
	return 1 + (mostSuspicion-1)*math.Exp2(-float64(age)/float64(suspicionHalf))
}
