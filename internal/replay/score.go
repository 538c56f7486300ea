package replay

import (
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Verdict compares an answer with what people found out.
type Verdict struct {
	At       time.Time `json:"at"`       // when the trouble began
	Culprits []string  `json:"culprits"` // component=version; empty when no change did it
	// Rank of the first culprit among the suspects, 1 is the first; 0 when it is
	// none of them. Without culprits it is the rank of "no change did this" among
	// all answers.
	Rank int     `json:"rank"`
	P    float64 `json:"p"` // of the culprits together, or of "no change"
	// PlanRight is set when the plan takes a culprit back, or nothing when no change
	// did it.
	PlanRight bool `json:"plan_right"`
	// Again is set when an earlier incident has the same label; it is not counted.
	Again bool `json:"again"`
}

// Summary counts over a recording.
type Summary struct {
	Incidents int `json:"incidents"`
	Labels    int `json:"labels"`     // incidents that people know of, in the time judged
	WithLabel int `json:"with_label"` // those of them that were detected
	// Top1 and Top3 count the detected ones whose culprit is among the first one or
	// three suspects (or whose likeliest answer is that no change did it).
	Top1      int `json:"top1"`
	Top3      int `json:"top3"`
	PlanRight int `json:"plan_right"`
	// Plans by action.
	RollBack int `json:"roll_back"`
	Ask      int `json:"ask"`
	NoAction int `json:"no_action"`
	// MedianDelayS is the time from the label's beginning to detection, in seconds;
	// 0 without labels.
	MedianDelayS        float64 `json:"median_delay_s"`
	MedianAttributionMS float64 `json:"median_attribution_ms"`
}

// An incident has a label when it was detected from a little before the label's
// beginning on, for clocks differ, and not much later; in model minutes.
const (
	labelEarly = 5
	labelLate  = 60
)

// Score compares answers with labels and sums up. given says that the moments were
// given: several answers may then be about one label.
func (r *Result) Score(labels []Known, minute time.Duration, given bool) {
	taken := map[int]bool{}
	var delays, took []float64
	for i := range r.Incidents {
		a := &r.Incidents[i]
		took = append(took, a.TookMS)
		r.Summary.count(a.Plan)
		k := labelOf(*a, labels, minute)
		if k < 0 {
			continue
		}
		a.Known = judge(*a, labels[k])
		a.Known.Again = taken[k] && !given
		taken[k] = true
		if a.Known.Again {
			continue
		}
		r.Summary.add(*a.Known)
		delays = append(delays, a.DetectedAt.Sub(labels[k].At).Seconds())
	}
	for k, l := range labels {
		if inside := !l.At.Before(r.From) && !l.At.After(r.To); inside || taken[k] {
			r.Summary.Labels++
			if !taken[k] {
				r.Missed = append(r.Missed, l.At.UTC())
			}
		}
	}
	r.Summary.Incidents, r.Summary.MedianDelayS, r.Summary.MedianAttributionMS = len(r.Incidents), median(delays), median(took)
}

// labelOf finds the label that an answer is about: the newest that fits; -1 when
// none does.
func labelOf(a Answer, labels []Known, minute time.Duration) int {
	best := -1
	for k, l := range labels {
		after := a.DetectedAt.Sub(l.At)
		if after < -labelEarly*minute || after > labelLate*minute {
			continue
		}
		if best < 0 || l.At.After(labels[best].At) {
			best = k
		}
	}
	return best
}

func judge(a Answer, l Known) *Verdict {
	v := &Verdict{At: l.At.UTC(), Culprits: []string{}}
	guilty := func(c backout.ComponentID, to backout.Version) bool {
		return slices.ContainsFunc(l.Culprits, func(x Culprit) bool { return x.Component == c && x.To == to })
	}
	for _, c := range l.Culprits {
		v.Culprits = append(v.Culprits, c.String())
	}
	if len(l.Culprits) == 0 {
		v.Rank, v.P = 1, a.PNone
		for _, s := range a.Suspects {
			if s.P > a.PNone {
				v.Rank++
			}
		}
		v.PlanRight = a.Plan != nil && len(a.Plan.Steps) == 0
		return v
	}
	for i, s := range a.Suspects {
		if guilty(s.Component, s.To) {
			v.P += s.P
			if v.Rank == 0 {
				v.Rank = i + 1
			}
		}
	}
	if a.Plan != nil {
		v.PlanRight = slices.ContainsFunc(a.Plan.Steps, func(s backout.Step) bool { return guilty(s.Component, s.From) })
	}
	return v
}

func (s *Summary) count(p *Plan) {
	switch {
	case p == nil:
	case p.Action == backout.ActionRollBack:
		s.RollBack++
	case p.Action == backout.ActionAsk:
		s.Ask++
	default:
		s.NoAction++
	}
}

func (s *Summary) add(v Verdict) {
	s.WithLabel++
	if v.Rank == 1 {
		s.Top1++
	}
	if v.Rank >= 1 && v.Rank <= 3 {
		s.Top3++
	}
	if v.PlanRight {
		s.PlanRight++
	}
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
