package detect

import (
	"time"

	"github.com/backout-dev/backout"
)

// State says how ready the detector is: how many series are in which mode.
type State struct {
	Series   int `json:"series"`
	Warming  int `json:"warming"`
	Short    int `json:"short"`
	Seasonal int `json:"seasonal"`
	Seasons  int `json:"seasons"` // series whose half-hours are in use
	Arms     int `json:"arms"`
	Opening  int `json:"opening"`  // series that may open incidents
	Standing int `json:"standing"` // findings that have not ended
	Accepted int `json:"accepted"` // level shifts that became the baseline
	// WentAway counts findings of a long history that were over at once, and Mixed
	// those that a change of the customers' mix explained, since the start.
	WentAway int `json:"went_away"`
	Mixed    int `json:"mixed"`
	// Judged is how many opening series have a baseline; LearntRatio is the share
	// of the samples needed for that, averaged over all opening series.
	Judged      int           `json:"judged"`
	LearntRatio float64       `json:"learnt_ratio"`
	Step        time.Duration `json:"step_ns"`
	ARL         float64       `json:"arl"`
}

// Services gives the state of each service that has series which may open
// incidents, in order of first appearance.
func (d *Detector) Services() []backout.Readiness {
	var out []backout.Readiness
	at := map[*group]int{}
	for _, s := range d.order {
		if s.group == nil {
			continue
		}
		i, ok := at[s.group]
		if !ok {
			i, at[s.group] = len(out), len(out)
			out = append(out, backout.Readiness{Service: s.id.Subject.Service})
			if s.id.Subject.Service == "" {
				out[i].Journey = s.id.Subject.Journey
			}
		}
		n := &out[i]
		n.Opening++
		if s.Mode == warming {
			n.Learnt += float64(len(s.warm)) / float64(d.config.Warm)
			continue
		}
		n.Judged++
		n.Learnt++
		if s.Mode == seasonal {
			n.Seasonal++
		}
		if s.SeasonOn {
			n.Seasons++
		}
	}
	for i := range out {
		out[i].Learnt /= float64(out[i].Opening)
	}
	return out
}

// State counts.
func (d *Detector) State() State {
	n, learnt := State{Series: len(d.order), Step: d.step, ARL: d.config.ARL, WentAway: d.wentAway, Mixed: d.mixed}, 0.0
	for _, s := range d.order {
		switch {
		case s.arm():
			n.Arms++
		case s.Mode == warming:
			n.Warming++
		case s.Mode == short:
			n.Short++
		default:
			n.Seasonal++
		}
		if s.arm() {
			continue
		}
		n.Accepted += int(s.Accepted)
		if s.SeasonOn {
			n.Seasons++
		}
		if s.opens {
			n.Opening++
			if s.Alarm {
				n.Standing++
			}
			if s.Mode == warming {
				learnt += float64(len(s.warm)) / float64(d.config.Warm)
			} else {
				n.Judged++
			}
		}
	}
	if n.Opening > 0 {
		n.LearntRatio = (learnt + float64(n.Judged)) / float64(n.Opening)
	}
	return n
}
