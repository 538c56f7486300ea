package permit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// enough is how many labelled incidents make a history: with 19, the next one's
// rank among them is exceeded by chance in at most one of twenty.
const enough = 19

// question is one plan in its circumstances.
type question struct {
	policy   backout.Policy
	world    backout.World
	plan     backout.Plan
	att      backout.Attribution
	incident backout.Incident
}

// Whole rules on a finished plan.
func (p *Permit) Whole(w backout.World, pl backout.Plan, att backout.Attribution, inc backout.Incident) backout.Ruling {
	q := question{p.policy, w, pl, att, inc}
	r := backout.Ruling{Reasons: []string{}}
	if reasons := slices.Concat(q.shut(p.everything(w)), q.kept(p.PerAction(w)), q.turned()); len(reasons) > 0 {
		r.Forbidden, r.Reasons = true, reasons
		return r
	}
	if pl.Action == backout.ActionNone || pl.Action == backout.ActionRollForward {
		r.Reasons = append(r.Reasons, "there is nothing to carry out")
		return r
	}
	for _, objections := range [][]string{
		q.autonomy(), q.proof(), q.exposed(), q.coldStart(), q.novelty(), q.certainty(), q.coincidence(), q.bounds(), q.breakers(), p.ruled(q),
	} {
		r.Reasons = append(r.Reasons, objections...)
	}
	if len(r.Reasons) == 0 {
		r.Automatic = true
		r.Reasons = append(r.Reasons, q.grounds())
		return r
	}
	r.Approvers, r.Among = 1, q.among()
	if why := q.fourEyes(); why != "" {
		r.Approvers = 2
		r.Reasons = append(r.Reasons, why)
	}
	return r
}

// shut lists what forbids every plan.
func (q question) shut(everything string) []string {
	var out []string
	if everything != "" {
		out = append(out, everything)
	}
	if q.policy.Autonomy == backout.AutonomyShadow || q.world.Policy.Autonomy == backout.AutonomyShadow {
		out = append(out, "shadow mode: plans are made and recorded, never carried out")
	}
	return out
}

// kept lists what forbids this plan: components that may not move.
func (q question) kept(forbidden map[backout.ComponentID]string) []string {
	var out []string
	for _, s := range q.plan.Steps() {
		if why, ok := forbidden[s.Component]; ok {
			out = append(out, fmt.Sprintf("%s may not be moved: %s", s.Component, why))
		}
	}
	return out
}

// turned lists what only a person can do: a router that turns several components at
// once is no actuator of ours.
func (q question) turned() []string {
	var out []string
	for _, sw := range q.world.Graph.Switches {
		n := 0
		for _, s := range q.plan.Steps() {
			if s.Switch == sw.ID {
				n++
			}
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%d steps are to be turned at once by %s (switch %s): do it there, backout can't", n, sw.Router, sw.ID))
		}
	}
	return out
}

func (q question) autonomy() []string {
	var out []string
	if q.policy.Autonomy != backout.AutonomyAct {
		out = append(out, "the policy asks a person for every plan")
	}
	if q.plan.Action != backout.ActionRollBack {
		out = append(out, "the planner leaves the choice to a person")
	}
	return out
}

// proof holds for every automatic plan, however long the history.
func (q question) proof() []string {
	var out []string
	if !q.plan.Certificate.Safe {
		out = append(out, "the plan is not proven safe")
	}
	for _, g := range q.plan.Gaps {
		out = append(out, "not proven: "+g)
	}
	for _, s := range q.plan.Steps() {
		switch s.Loss {
		case backout.LossNone:
		case backout.LossSome:
			out = append(out, fmt.Sprintf("%s to %s loses %s", s.Component, s.To, s.Lost))
		default:
			out = append(out, fmt.Sprintf("nobody knows what %s to %s loses", s.Component, s.To))
		}
	}
	return out
}

// exposed names what a plan opens again: never automatic, whatever the odds.
func (q question) exposed() []string {
	var out []string
	for _, s := range q.plan.Steps() {
		for _, v := range s.Exposes {
			out = append(out, fmt.Sprintf("%s to %s opens %s again: one of %s must agree", s.Component, s.To, v, strings.Join(q.among(), ", ")))
		}
	}
	return out
}

// among are those of whom one must agree to a plan that opens a vulnerability again.
func (q question) among() []string {
	if !slices.ContainsFunc(q.plan.Steps(), func(s backout.Step) bool { return len(s.Exposes) > 0 }) {
		return nil
	}
	if len(q.policy.SecurityApprovers) > 0 {
		return q.policy.SecurityApprovers
	}
	return []string{string(backout.RoleAdmin)}
}

// coldStart is stricter while it can't be known whether an incident is novel.
func (q question) coldStart() []string {
	n := q.world.Priors.Incidents
	if n >= enough {
		return nil
	}
	if q.policy.ColdStart != backout.ColdStartActIfReversible {
		return []string{fmt.Sprintf("only %.0f incidents are known, %d are needed to tell a new kind of trouble", n, enough)}
	}
	var out []string
	for _, s := range q.plan.Steps() {
		instant := s.Kind == backout.KindFlag || s.Kind == backout.KindConfig || s.Kind == backout.KindTraffic
		if len(s.Stages) < 2 && !instant {
			out = append(out, fmt.Sprintf("%s moves in one go, and only %.0f of %d incidents are known", s.Component, n, enough))
		}
	}
	return out
}

// novelty asks a person about what is unlike anything before. That there are too few
// incidents to say so is no objection of its own: a fresh installation acts within what
// coldStart allows (decision 400).
func (q question) novelty() []string {
	l := q.incident.Likeness
	if l == nil || l.Novelty != backout.NoveltyNovel {
		return nil
	}
	return []string{fmt.Sprintf("there was nothing like this in %d incidents (p = %.2f): what was learnt from them may not hold", l.N, l.P)}
}

// trusted is the confidence to act on: what the probability that was given has been
// worth so far, once that is known, and never more than was given.
func trusted(p backout.Plan, inc backout.Incident) float64 {
	c, said := inc.Calibration, Confidence(p)
	if c == nil || math.Abs(c.Said-said) > 1e-9 {
		return said
	}
	return min(said, c.P0)
}

// Confidence is the probability of the likeliest change that is taken back on
// suspicion. It is not the sum over all of them: a plan that takes back two because
// one of them did it takes an innocent one back for certain, and that is for a person
// to choose. One version that went out in several locations is one change.
func Confidence(p backout.Plan) float64 {
	type version struct {
		kind    backout.ComponentKind
		service backout.ServiceID
		from    backout.Version
	}
	best, sums := 0.0, map[version]float64{}
	for _, s := range p.Steps() {
		if !s.Demanded {
			v := version{s.Kind, s.Service, s.From}
			if s.Service == "" {
				v.service = backout.ServiceID(s.Component)
			}
			sums[v] += s.P
			best = max(best, sums[v])
		}
	}
	return min(best, 1)
}

func (q question) certainty() []string {
	var out []string
	if c, said := trusted(q.plan, q.incident), Confidence(q.plan); c < q.policy.MinConfidence {
		was := ""
		if c < said {
			was = fmt.Sprintf(" (%.0f %% was said, and what was said so has been worth that in %d incidents)", 100*said, q.incident.Calibration.N)
		}
		out = append(out, fmt.Sprintf("its likeliest target is to blame with %.0f %%%s, %.0f %% are needed", 100*c, was, 100*q.policy.MinConfidence))
	}
	if q.att.PNone > q.policy.MaxPNone {
		out = append(out, fmt.Sprintf("with %.0f %% no change did it, at most %.0f %% are allowed", 100*q.att.PNone, 100*q.policy.MaxPNone))
	}
	return append(out, q.older()...)
}

// surelyEarlier is how much earlier, in model minutes, an estimated onset must lie to be
// earlier for certain: trouble that grows is dated back by some minutes, not by this.
const surelyEarlier = 30 * time.Minute

// LongBefore reports whether trouble that set in at onset is older for certain than what
// was shipped at a moment. A model minute that is zero is a minute.
func LongBefore(minute time.Duration, onset, shipped time.Time) bool {
	return !onset.IsZero() && shipped.After(onset.Add(scaled(backout.World{Minute: backout.Duration(minute)}, backout.Duration(surelyEarlier))))
}

// older names changes that are taken back on suspicion although all that is ill had been
// ill long before they were shipped: a slow drift that was noticed at last, and whatever
// was shipped just then.
func (q question) older() []string {
	last := time.Time{}
	for _, f := range q.incident.Findings {
		if f.Opens && f.Onset.After(last) {
			last = f.Onset
		}
	}
	if last.IsZero() {
		return nil
	}
	var out []string
	for _, s := range q.plan.Steps() {
		for _, c := range q.world.Changes {
			if !s.Demanded && slices.Contains(s.Reverts, c.ID) && LongBefore(q.world.Minute.Std(), last, c.Exposure.Start()) {
				out = append(out, fmt.Sprintf("all that is ill had begun by %s, long before %s to %s was shipped", clock(last), s.Component, s.From))
			}
		}
	}
	return out
}

// services lists the services that a plan touches.
func services(p backout.Plan) []backout.ServiceID {
	var out []backout.ServiceID
	for _, s := range p.Steps() {
		if !slices.Contains(out, s.Service) {
			out = append(out, s.Service)
		}
	}
	return out
}

func (q question) bounds() []string {
	var out []string
	if n := len(q.plan.Steps()); q.policy.MaxSteps > 0 && n > q.policy.MaxSteps {
		out = append(out, fmt.Sprintf("%d steps, at most %d may run without a person", n, q.policy.MaxSteps))
	}
	if n := len(services(q.plan)); q.policy.MaxServices > 0 && n > q.policy.MaxServices {
		out = append(out, fmt.Sprintf("%d services, at most %d may be touched without a person", n, q.policy.MaxServices))
	}
	return out
}

// ruled asks the policy's own rules.
func (p *Permit) ruled(q question) []string {
	var out []string
	vars := variables(q.world, q.plan, q.att, q.incident)
	for _, r := range p.rules {
		yes, err := r.holds(vars)
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("rule %s could not be answered: %v", r.Name, err))
		case !yes && r.Deny != "":
			out = append(out, fmt.Sprintf("rule %s: %s", r.Name, r.Deny))
		case !yes:
			out = append(out, fmt.Sprintf("rule %s says no", r.Name))
		}
	}
	return out
}

// fourEyes says why two people are needed. A service that nobody described is
// taken for a critical one.
func (q question) fourEyes() string {
	if q.policy.FourEyesTier < 0 {
		return ""
	}
	var names []string
	for _, id := range services(q.plan) {
		s, known := q.world.Graph.Service(id)
		if !known || s.Tier <= q.policy.FourEyesTier {
			names = append(names, string(id))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("two people must agree: %s is of tier %d or more critical", strings.Join(names, ", "), q.policy.FourEyesTier)
}

// grounds says why a plan may run by itself.
func (q question) grounds() string {
	s := fmt.Sprintf("proven safe, nothing is lost, and its likeliest target is to blame with %.0f %%", 100*trusted(q.plan, q.incident))
	if q.world.Priors.Incidents < enough {
		s += "; history is short, but every step can be taken back at once or goes in stages"
	}
	return s
}
