package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// Propose gives the way back of an open incident as it would be planned at a
// moment, checked and ruled on. Nothing is saved, told or acted on. Where nobody is
// to decide any more the error has code conflict. When no plan can be made, what
// there is comes with the error.
func (r *Responder) Propose(ctx context.Context, now time.Time, id backout.IncidentID) (backout.Plan, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return backout.Plan{}, fmt.Errorf("plan for %s: %w", id, err)
	}
	if !undecided(inc.State) {
		return backout.Plan{}, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("incident %s is %s (%s): there is nothing to plan", id, inc.State, inc.Why)}
	}
	w, err := r.cfg.Facts.World(ctx, now, true)
	if err != nil {
		return backout.Plan{}, fmt.Errorf("plan for %s: %w", id, err)
	}
	if !r.remembers(now, inc) {
		att := r.rank(now, r.taught(ctx, now, w, inc), inc)
		fc := r.cascade(now, w, att, inc)
		inc.Attribution, inc.Forecast = &att, &fc
		r.liken(ctx, now, w, &inc)
	}
	p, err := r.plan(ctx, now, w, inc)
	if err != nil {
		return backout.Plan{Format: 1, Incident: id, MadeAt: now}, fmt.Errorf("plan for %s: %w", id, err)
	}
	p.Ruling = r.whole(ctx, w, *p, &inc)
	return *p, nil
}

// Apply takes a plan that was made earlier and kept outside, and a person's yes to
// it. The plan is carried out only if it is the one that was made (its digest), the
// world is still the one it was made for, the independent checker finds it safe
// again, and the policy as it is now does not forbid it; then it waits for as many
// people as any other plan. It is started at most once.
//
// What the policy reads of a plan (services, probabilities, losses) is taken from
// the world and the incident and not from the file, whose words anybody may have
// written.
func (r *Responder) Apply(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal, p backout.Plan, reason string) (backout.Incident, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return inc, fmt.Errorf("apply plan to %s: %w", id, err)
	}
	if err := appliable(inc, by, p); err != nil {
		return inc, err
	}
	w, err := r.cfg.Facts.World(ctx, now, true)
	if err != nil {
		return inc, fmt.Errorf("apply plan to %s: %w", id, err)
	}
	if err := stands(w, p); err != nil {
		return inc, err
	}
	if inc.State != backout.StateWaiting || inc.Plan == nil || inc.Plan.Digest != p.Digest {
		inc = r.adopt(ctx, now, w, inc, p)
	}
	yes := backout.Approval{By: by, At: now, Digest: p.Digest, Reason: reason, Yes: true}
	if err := answerable(inc, yes); err != nil {
		return inc, err
	}
	return r.record(ctx, now, inc, yes)
}

// undecided reports whether a plan may still be chosen in a state.
func undecided(s backout.State) bool {
	return slices.Contains([]backout.State{backout.StateDetected, backout.StateAttributed, backout.StatePlanned, backout.StateWaiting}, s)
}

// appliable refuses what needs no look at the world.
func appliable(inc backout.Incident, by backout.Principal, p backout.Plan) error {
	if err := mayDecide(by); err != nil {
		return err
	}
	for _, a := range inc.Attempts {
		if a.Digest == p.Digest && !a.StartedAt.IsZero() {
			return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("plan %.8s was applied already, as attempt %s (%s): a plan is carried out once", p.Digest, a.ID, a.Result)}
		}
	}
	switch {
	case p.Incident != "" && p.Incident != inc.ID:
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("plan.incident: %s: expected %s, or none", p.Incident, inc.ID)}
	case p.Digest != p.ExecutableDigest():
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("plan.digest: %.12s: expected %.12s: the plan was altered", p.Digest, p.ExecutableDigest())}
	case p.Action != backout.ActionRollBack:
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("plan %.8s has no steps to carry out: %s", p.Digest, p.Summary)}
	case !undecided(inc.State):
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("incident %s is %s (%s): nothing can be applied to it", inc.ID, inc.State, inc.Why)}
	}
	return nil
}

// stands holds a plan against the world as it is: what moved, and what the checker
// says.
func stands(w backout.World, p backout.Plan) error {
	grounds := w.Grounds(p.Touched())
	if backout.FingerprintOf(grounds) != p.Fingerprint {
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("the world moved since the plan was made at %s: %s. Make a new plan", p.MadeAt.UTC().Format(time.RFC3339), movedWords(p.Grounds, grounds))}
	}
	if found := check.Plan(w, p); len(found) > 0 {
		words := []string{}
		for _, v := range found {
			words = append(words, v.String())
		}
		return &backout.Error{Code: backout.CodeConflict, Message: "the checker refuses the plan: " + strings.Join(words, "; ")}
	}
	return nil
}

// movedWords names what is not as it was, at most a few of it.
func movedWords(was, is []backout.Ground) string {
	const most = 5
	words := []string{}
	moved := backout.MovedBetween(was, is)
	for i, m := range moved {
		if i == most {
			words = append(words, fmt.Sprintf("and %d more", len(moved)-most))
			break
		}
		words = append(words, m.String())
	}
	if len(words) == 0 {
		return "its grounds are not those of its fingerprint"
	}
	return strings.Join(words, "; ")
}

// adopt makes a plan from outside the one that the incident waits with.
func (r *Responder) adopt(ctx context.Context, now time.Time, w backout.World, inc backout.Incident, p backout.Plan) backout.Incident {
	if inc.Attribution == nil {
		att := r.rank(now, r.taught(ctx, now, w, inc), inc)
		fc := r.cascade(now, w, att, inc)
		inc.Attribution, inc.Forecast, inc.FirstForecast = &att, &fc, &fc
		r.liken(ctx, now, w, &inc)
	}
	p = restated(w, p, *inc.Attribution)
	p.Incident = inc.ID
	p.Certificate, _ = check.Certify(w, p) // it passed a moment ago
	p.Ruling = r.whole(ctx, w, p, &inc)
	inc.State, inc.Plan, inc.Deadline = backout.StateWaiting, &p, r.deadline(now, w.Policy)
	inc.Attempts = withAttempt(inc)
	inc.Attempts[len(inc.Attempts)-1].FromFile = true
	return inc
}

// restated is a plan with what policy and people go by as the world and the
// attribution have it. Claims of optimality are the planner's own and not taken on
// trust.
func restated(w backout.World, p backout.Plan, att backout.Attribution) backout.Plan {
	suspicion := map[backout.ChangeID]float64{}
	for _, s := range att.Suspects {
		suspicion[s.Change] = s.P
	}
	p.Certificate = backout.Certificate{LowerCost: backout.Money{Currency: p.Cost.Currency}, Gap: p.Cost}
	p.Waves = slices.Clone(p.Waves)
	for k, wave := range p.Waves {
		steps := slices.Clone(wave.Steps)
		for i := range steps {
			s := &steps[i]
			c, _ := w.Graph.Component(s.Component)
			s.Service, s.Kind, s.P = c.Service, c.Kind, 0
			for _, id := range s.Reverts {
				s.P = min(1, s.P+suspicion[id])
			}
			for _, l := range w.Reversals[s.Component].Levels {
				if l.Level == s.ToLevel {
					s.Lost = l.Lost
				}
			}
		}
		p.Waves[k].Steps = steps
	}
	return p
}

// kept reports whether somebody applied the waiting plan and the world is still the
// one that it was made for: then it stays, whatever we would propose ourselves.
func kept(w backout.World, inc backout.Incident) bool {
	n := len(inc.Attempts)
	return n > 0 && inc.Attempts[n-1].FromFile && inc.Attempts[n-1].StartedAt.IsZero() &&
		inc.Attempts[n-1].Digest == inc.Plan.Digest && stands(w, *inc.Plan) == nil
}
