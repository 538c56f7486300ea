package replay

import (
	"fmt"
	"maps"
	"time"

	"github.com/backout-dev/backout"
	folder "github.com/backout-dev/backout/internal/replay"
)

// What comes out, as internal/replay defines it.
type (
	Result  = folder.Result
	Answer  = folder.Answer
	Plan    = folder.Plan
	Verdict = folder.Verdict
	Summary = folder.Summary
	// Problems is everything that is wrong with a folder.
	Problems = folder.Problems
)

func (p *player) result() Result {
	r := Result{
		Format: folder.Format, Dir: p.c.Dir, From: p.span.from, To: p.span.to, Step: backout.Duration(p.span.step), Asked: p.asked(),
		Series: p.samples.Series(), Samples: p.samples.samples, Incidents: p.answers, Missed: []time.Time{},
		Ready: p.path.Readiness().String(), Missing: maps.Clone(p.heard.Missing), Notes: p.f.Notes,
	}
	if ready := p.path.Readiness(); !ready.Warm() {
		r.Notes = append(r.Notes, fmt.Sprintf("too little history to judge by at %s: %s", stamp(p.world.Now()), ready))
	}
	changes, _ := backout.Fold(p.f.Observations)
	r.Changes = len(changes)
	if r.Incidents == nil {
		r.Incidents = []Answer{}
	}
	if r.Missing == nil {
		r.Missing = map[backout.SignalName]string{}
	}
	r.Score(p.f.Settings.Incidents, p.f.Settings.MinuteOr(), len(p.c.At) > 0)
	return r
}

func (p *player) asked() string {
	switch {
	case len(p.c.At) > 0:
		return "at moments that were given"
	case p.c.Until != nil:
		return p.c.Until.String() + " after detection"
	}
	return "when the program would decide"
}
