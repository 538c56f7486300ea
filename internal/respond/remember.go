package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/learn"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/recall"
)

// Memory keeps past incidents as later ones are compared with them.
type Memory interface {
	// Precedents gives those saved after a number, and the number of the last.
	Precedents(ctx context.Context, after int64) ([]backout.Precedent, int64, error)
	SavePrecedents(ctx context.Context, all []backout.Precedent) error
	// Unremembered gives ended incidents without a precedent, oldest first.
	Unremembered(ctx context.Context) ([]backout.Incident, error)
}

// remembered is the past as it was read last.
type remembered struct {
	sync.Mutex
	past  *recall.Past // guarded by Mutex; never changed, another one takes its place
	seen  int64        // guarded by Mutex
	whole bool         // guarded by Mutex: ended incidents without a precedent were looked for
}

// past reads what is new in the memory. Without one, or while it can't be read, it is
// what was known before: the past adds to a decision and must not keep one from being
// made.
func (r *Responder) past(ctx context.Context) *recall.Past {
	m := &r.remembered
	m.Lock()
	defer m.Unlock()
	if m.past == nil {
		m.past = recall.New()
	}
	if r.cfg.Memory == nil {
		return m.past
	}
	if !m.whole {
		err := r.recollect(ctx)
		if err != nil {
			r.cfg.Log.Error("recollect ended incidents", "err", err)
		}
		m.whole = err == nil
	}
	more, seen, err := r.cfg.Memory.Precedents(ctx, m.seen)
	if err != nil {
		r.cfg.Log.Error("read past incidents", "err", err)
		return m.past
	}
	if len(more) > 0 {
		m.past = m.past.With(more...)
	}
	m.seen = seen
	return m.past
}

// recollect makes precedents of ended incidents that have none. What they looked like
// is drawn from their findings, without a profile: what was measured then is gone.
func (r *Responder) recollect(ctx context.Context) error {
	for {
		ended, err := r.cfg.Memory.Unremembered(ctx)
		if err != nil || len(ended) == 0 {
			return err
		}
		made := make([]backout.Precedent, 0, len(ended))
		for _, inc := range ended {
			if inc.Signature == nil {
				s := recall.Signature(recall.Sketch{World: backout.World{Minute: backout.Duration(r.cfg.Minute)}, Incident: inc})
				inc.Signature = &s
			}
			made = append(made, precedentOf(inc, nil))
		}
		if err := r.cfg.Memory.SavePrecedents(ctx, made); err != nil {
			return err
		}
	}
}

// liken says what an incident looks like and what the past says about that. From the
// first effect on both stay as they were: what we did ourselves is no part of either.
func (r *Responder) liken(ctx context.Context, now time.Time, w backout.World, inc *backout.Incident) {
	if inc.Signature == nil || len(inc.Attempts) == 0 || inc.Attempts[0].StartedAt.IsZero() {
		from := inc.Onset
		if inc.Attribution != nil && !inc.Attribution.Onset.IsZero() {
			from = inc.Attribution.Onset
		}
		s := recall.Signature(recall.Sketch{World: w, Incident: *inc, From: from, Residuals: r.cfg.Signals.Residuals(from.Add(-r.minutes(1)), now)})
		inc.Signature = &s
	}
	if r.cfg.Memory == nil {
		return
	}
	l := r.past(ctx).Likeness(*inc.Signature, backout.PrecedentID(inc.ID))
	inc.Likeness = &l
}

// taught is the world with what the nearest past incidents and imported ones add to
// its priors, for weighing suspects and pricing plans. The policy is asked about the world
// without it: how many incidents backout has learnt from is not for others to say.
func (r *Responder) taught(ctx context.Context, now time.Time, w backout.World, inc backout.Incident) backout.World {
	if r.cfg.Memory == nil {
		return w
	}
	past := r.past(ctx)
	if past.Len() == 0 {
		return w
	}
	w.Priors = past.Priors(w.Priors, now)
	if inc.Signature != nil {
		w.Priors = past.Reuse(w.Priors, *inc.Signature, backout.PrecedentID(inc.ID))
	}
	return w
}

// whole asks the policy about a plan, with what its confidence has been worth so far.
func (r *Responder) whole(ctx context.Context, w backout.World, p backout.Plan, inc *backout.Incident) backout.Ruling {
	if r.cfg.Memory != nil {
		outcomes := []learn.Labelled{}
		for _, o := range r.past(ctx).Outcomes() {
			outcomes = append(outcomes, learn.Labelled{Score: o.Said, True: o.Right})
		}
		inc.Calibration = learn.Calibrate(outcomes, permit.Confidence(p))
	}
	return r.cfg.Permit.Whole(w, p, *inc.Attribution, *inc)
}

// remember keeps an ended incident for those to come. When it can't be kept now, it is
// recollected at the next start: the incident's row has all that it is drawn from.
func (r *Responder) remember(ctx context.Context, inc backout.Incident, rev *backout.Review) {
	if r.cfg.Memory == nil {
		return
	}
	if inc.Signature == nil {
		s := recall.Signature(recall.Sketch{World: backout.World{Minute: backout.Duration(r.cfg.Minute)}, Incident: inc})
		inc.Signature = &s
	}
	if err := r.cfg.Memory.SavePrecedents(ctx, []backout.Precedent{precedentOf(inc, rev)}); err != nil {
		r.cfg.Log.Error("keep incident for later ones", "incident", inc.ID, "err", err)
		r.remembered.Lock()
		r.remembered.whole = false
		r.remembered.Unlock()
	}
}

// precedentOf is an ended incident as later ones are compared with it. The review's
// label counts where there is one.
func precedentOf(inc backout.Incident, rev *backout.Review) backout.Precedent {
	p := backout.Precedent{
		ID: backout.PrecedentID(inc.ID), At: inc.Onset, Took: backout.Duration(inc.UpdatedAt.Sub(inc.Onset)), Signature: *inc.Signature,
		Label: backout.LabelUnknown, Outcome: outcomeOf(inc), Simulated: inc.Signature.Simulated, Moved: []backout.PrecedentMove{},
	}
	if inc.Likeness != nil {
		p.NoveltyP = inc.Likeness.P
	}
	culprits, moved := []backout.ChangeID{}, []string{}
	for _, at := range inc.Attempts {
		if at.StartedAt.IsZero() {
			continue
		}
		worked := at.Result == backout.RunCompleted || at.Result == backout.RunStopped
		for _, s := range at.Plan.Steps() {
			if !slices.ContainsFunc(at.TakenBack, func(b backout.TakenBack) bool { return b.Component == s.Component }) {
				continue
			}
			p.Moved = append(p.Moved, backout.PrecedentMove{Kind: s.Kind, Service: s.Service})
			moved = append(moved, fmt.Sprintf("%s from %s to %s", s.Component.Name(), s.From, s.To))
			if worked && !s.Demanded {
				culprits, p.Cause = append(culprits, s.Reverts...), s.Kind
			}
		}
	}
	switch {
	case rev != nil:
		p.Label, p.Simulated = rev.Label, p.Simulated || rev.Simulated
		if len(rev.Culprits) > 0 {
			culprits = rev.Culprits
		}
		if len(rev.Delays) > 0 {
			p.Cause = rev.Delays[0].Kind
		}
	case p.Outcome == backout.PrecedentVerified:
		p.Label = backout.LabelChange
	case inc.State == backout.StateFalseAlarm:
		p.Label = backout.LabelFalseAlarm
	}
	if p.Label != backout.LabelChange {
		p.Cause = ""
	}
	p.Did = did(inc, moved)
	p.Said, p.Right = said(inc, p.Label, culprits)
	return p
}

// outcomeOf says what came of an incident. A later label does not change it.
func outcomeOf(inc backout.Incident) backout.PrecedentOutcome {
	for _, at := range inc.Attempts {
		if at.Result == backout.RunCompleted || at.Result == backout.RunStopped {
			return backout.PrecedentVerified
		}
	}
	switch inc.State {
	case backout.StateRecovered:
		return backout.PrecedentVerified
	case backout.StateSelfRecovered:
		return backout.PrecedentByItself
	case backout.StateHalted, backout.StateAborted, backout.StateNoAction:
		return backout.PrecedentUnresolved
	}
	return backout.PrecedentNotKnown
}

func did(inc backout.Incident, moved []string) string {
	switch {
	case len(moved) > 0:
		return "taking back " + strings.Join(moved, ", ")
	case inc.TakeOver != nil:
		return inc.TakeOver.By.Name + " carried on by hand"
	}
	return ""
}

// said is the probability that the first answer had, and whether it was right; nil
// while nobody knows the cause. What was tried first counts, or else what was thought last.
func said(inc backout.Incident, l backout.ReviewLabel, culprits []backout.ChangeID) (p float64, right *bool) {
	var target []backout.ChangeID
	switch {
	case len(inc.Attempts) > 0:
		first := inc.Attempts[0].Plan
		p = permit.Confidence(first)
		for _, s := range first.Steps() {
			if !s.Demanded {
				target = append(target, s.Reverts...)
			}
		}
	case inc.Attribution != nil && len(inc.Attribution.Suspects) > 0:
		p, target = inc.Attribution.Suspects[0].P, []backout.ChangeID{inc.Attribution.Suspects[0].Change}
	}
	if p <= 0 || l != backout.LabelChange && l != backout.LabelNone || l == backout.LabelChange && len(culprits) == 0 {
		return p, nil
	}
	yes := l == backout.LabelChange && slices.ContainsFunc(target, func(c backout.ChangeID) bool { return slices.Contains(culprits, c) })
	return p, &yes
}
