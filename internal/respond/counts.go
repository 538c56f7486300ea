package respond

import (
	"context"
	"maps"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/verify"
)

// Counted gives what was measured after a time, as it was measured. Residuals say
// how far a series is from its baseline; how many requests failed, and of how many,
// is only in the raw numbers.
type Counted interface {
	Window(ctx context.Context, from time.Time) (backout.Window, error)
}

// counts gathers the failed requests of the services moved, by old and new version,
// for the steps in which both served: wherever requests are counted this is sharper
// than comparing two rates, and no trend that both share can disturb it.
func (g *Gate) counts(ctx context.Context, q execute.Question) []verify.Counts {
	if g.Counted == nil {
		return nil
	}
	moved := movedOf(q)
	maps.DeleteFunc(moved, func(_ backout.ServiceID, s backout.Step) bool { return shareOf(s, q.Round) >= 1 }) // nothing to compare with
	if len(moved) == 0 {
		return nil
	}
	w, err := g.Counted.Window(ctx, q.Since)
	if err != nil { // a reason among the others, so that people see what was not looked at
		return []verify.Counts{{Series: backout.SeriesID{Signal: "counts by version"}}}
	}
	arms := map[backout.SeriesID][2]*backout.Series{}
	var order []backout.SeriesID
	for _, s := range w.Series {
		st, ok := moved[s.ID.Subject.Service]
		if s.ID.Subject.Version == "" || !ok || s.Kind != backout.SignalErrors {
			continue
		}
		key := s.ID
		key.Subject.Version = ""
		pair, known := arms[key]
		switch s.ID.Subject.Version {
		case st.To:
			pair[0] = &s
		case st.From:
			pair[1] = &s
		}
		if arms[key] = pair; !known {
			order = append(order, key)
		}
	}
	var out []verify.Counts
	for _, key := range order {
		pair := arms[key]
		if pair[0] == nil || pair[1] == nil {
			continue
		}
		if c := (verify.Counts{Series: pair[0].ID, Worse: pair[0].Worse, Splits: splits(*pair[0], *pair[1], q.Since)}); len(c.Splits) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// splits pairs the samples of two versions since a time, where both had requests.
func splits(treated, control backout.Series, since time.Time) []verify.Split {
	other := map[int64]backout.Sample{}
	for _, x := range control.Samples {
		other[x.At.UnixNano()] = x
	}
	var out []verify.Split
	for _, x := range treated.Samples {
		if y, ok := other[x.At.UnixNano()]; ok && x.At.After(since) && x.Total > 0 && y.Total > 0 {
			out = append(out, verify.Split{X: x.Value, Y: y.Value, Share: x.Total / (x.Total + y.Total)})
		}
	}
	return out
}

// movedOf are the deployments that this round moved, by service.
func movedOf(q execute.Question) map[backout.ServiceID]backout.Step {
	out := map[backout.ServiceID]backout.Step{}
	for _, s := range q.Moved {
		if s.Kind == backout.KindDeployment {
			out[s.Service] = s
		}
	}
	return out
}

// uncounted leaves out the arms whose events are counted: the same evidence twice
// would only thin out the rest.
func uncounted(arms []verify.Arm, counts []verify.Counts) []verify.Arm {
	counted := map[backout.SeriesID]bool{}
	for _, c := range counts {
		counted[c.Series] = true
	}
	var out []verify.Arm
	for _, a := range arms {
		if !counted[a.Treated.ID] {
			out = append(out, a)
		}
	}
	return out
}
