// Package permit answers what policy allows.
//
// # The model in one page
//
// A [backout.Policy] is compiled once into a [Permit]. It is asked twice.
//
// [Permit.PerAction] is asked before planning and again before every effect:
// which components may not be moved at all, each with the reason, as values that
// the planner works around. A kill switch and a freeze without rollbacks keep
// everything; a hold that names no bad version keeps its component still;
// components that nobody can move stay where they are. (A hold that names a bad
// version keeps only the way back to that version shut, which is the planner's
// and the checker's to see.)
//
// [Permit.Whole] is asked about a finished plan. Its [backout.Ruling] says
// forbidden, automatic, or how many people must say yes; every condition that
// spoke is a reason in words. A plan runs by itself only when no condition
// objects: autonomy, proof and gaps, losses, cold start, novelty, confidence, coincidence, bounds, the loop
// breakers (attempts on the same change, age of the failure, settling, cooldown, what
// would undo a rollback, budget), and the policy's own rules.
//
// [Deploy] is asked by those who deploy: do the holds and the deploy locks let
// this pass? [Permit.Breakers] says how the loop breakers stand.
//
// # Rules
//
// A rule is a CEL expression that must be true for a plan to run by itself. It
// sees:
//
//	plan.action, plan.summary, plan.safe, plan.optimal, plan.gaps, plan.success,
//	plan.takes_s, plan.cost_minor, plan.cost_nothing_minor, plan.currency,
//	plan.confidence, plan.services, and plan.steps, each with component, kind,
//	service, tier, from, to, p, demanded, loss, stages (a number), takes_s
//	incident.id, incident.environment, incident.p_none, incident.attempts,
//	incident.findings (numbers), incident.age_s, incident.novelty (insufficient,
//	familiar, novel, or empty where nobody looked)
//	now, a timestamp
//
// For example: plan.steps.all(s, s.kind != 'schema') && now.getHours() >= 8.
// A rule that fails or costs too much counts as no.
package permit

import (
	"fmt"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/backout-dev/backout"
)

// costLimit bounds one rule's work: some hundred thousand operations, far more
// than a plan's few steps need and far less than a person would notice.
const costLimit = 200_000

// Permit is a compiled policy. It is never changed; any number of callers may
// ask it at once.
type Permit struct {
	policy backout.Policy
	rules  []rule
}

type rule struct {
	backout.PolicyRule
	program cel.Program
}

// Compile checks a policy's rules. The error names the rule and what is wrong
// with it: mend the policy.
func Compile(p backout.Policy) (*Permit, error) {
	env, err := cel.NewEnv(
		cel.Variable("plan", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("incident", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("now", cel.TimestampType),
	)
	if err != nil {
		return nil, fmt.Errorf("compile policy: %w", err)
	}
	out := &Permit{policy: p}
	for _, r := range p.Rules {
		c, err := compile(env, r)
		if err != nil {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("policy rule %q", r.Name), Err: err}
		}
		out.rules = append(out.rules, c)
	}
	return out, nil
}

func compile(env *cel.Env, r backout.PolicyRule) (rule, error) {
	ast, issues := env.Compile(r.Expr)
	if issues.Err() != nil {
		return rule{}, issues.Err()
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return rule{}, fmt.Errorf("expr gives %s: expected true or false", t)
	}
	prg, err := env.Program(ast, cel.CostLimit(costLimit))
	if err != nil {
		return rule{}, err
	}
	out := rule{r, prg}
	if _, err := out.holds(example()); err != nil { // finds fields that don't exist
		return rule{}, err
	}
	return out, nil
}

// holds evaluates a rule.
func (r rule) holds(vars map[string]any) (bool, error) {
	v, _, err := r.program.Eval(vars)
	if err != nil {
		return false, fmt.Errorf("evaluate: %w", err)
	}
	b, ok := v.Value().(bool)
	if !ok {
		return false, fmt.Errorf("evaluate: it gives %v: expected true or false", v.Value())
	}
	return b, nil
}

// example is what rules are tried on when they are compiled.
func example() map[string]any {
	p := backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{{
		Component: "deployment:payment@production/eu-1", Kind: backout.KindDeployment, Service: "payment", From: "2", To: "1", P: 1,
		Stages: []backout.Stage{{Share: 1}}, Loss: backout.LossNone,
	}}}}}
	return variables(backout.World{Now: time.Unix(0, 0)}, p, backout.Attribution{}, backout.Incident{ID: "example", Environment: "production"})
}

// variables is what rules see.
func variables(w backout.World, p backout.Plan, att backout.Attribution, inc backout.Incident) map[string]any {
	steps := []any{}
	for _, s := range p.Steps() {
		tier := int64(0)
		if sv, ok := w.Graph.Service(s.Service); ok {
			tier = int64(sv.Tier)
		}
		steps = append(steps, map[string]any{
			"component": string(s.Component), "kind": string(s.Kind), "service": string(s.Service), "tier": tier, "from": string(s.From), "to": string(s.To),
			"p": s.P, "demanded": s.Demanded, "loss": string(s.Loss), "stages": int64(len(s.Stages)), "takes_s": s.Takes.Std().Seconds(),
		})
	}
	novelty := ""
	if inc.Likeness != nil {
		novelty = string(inc.Likeness.Novelty)
	}
	return map[string]any{
		"plan": map[string]any{
			"action": string(p.Action), "summary": p.Summary, "safe": p.Certificate.Safe, "optimal": p.Certificate.Optimal, "gaps": p.Gaps,
			"success": p.Success, "takes_s": p.Takes.Std().Seconds(), "cost_minor": p.Cost.Minor, "cost_nothing_minor": p.CostNothing.Minor,
			"currency": p.CostNothing.Currency, "confidence": trusted(p, inc), "services": int64(len(services(p))), "steps": steps,
		},
		"incident": map[string]any{
			"id": string(inc.ID), "environment": string(inc.Environment), "p_none": att.PNone, "attempts": int64(len(inc.Attempts)),
			"findings": int64(len(inc.Findings)), "age_s": w.Now.Sub(inc.OpenedAt).Seconds(), "novelty": novelty,
		},
		"now": w.Now,
	}
}

// PerAction names the components that may not be moved now, each with why.
func (p *Permit) PerAction(w backout.World) map[backout.ComponentID]string {
	out := map[backout.ComponentID]string{}
	all := p.everything(w)
	for _, c := range w.Graph.Components {
		switch {
		case all != "":
			out[c.ID] = all
		case p.frozen(w, c) != "":
			out[c.ID] = p.frozen(w, c)
		case c.Immovable:
			out[c.ID] = "it is not ours to move"
		case c.Actuator == "":
			out[c.ID] = "no actuator can move it"
		}
	}
	for _, h := range w.Holds {
		if _, known := out[h.Component]; known || h.BadTo != "" || h.BadDigest != "" || !h.Holds(w.Now) {
			continue
		}
		out[h.Component] = fmt.Sprintf("%s holds it: %s", h.Owner, h.Reason)
	}
	return out
}

// everything says why nothing at all may be moved; empty when something may.
func (p *Permit) everything(w backout.World) string {
	if w.Stop.On {
		return w.Stop.Words()
	}
	if p.policy.KillSwitch || w.Policy.KillSwitch {
		return "the kill switch is on in the catalog's Policy (killSwitch): set it to false there to let anything be moved"
	}
	return p.frozen(w, backout.Component{}) // a window without a scope covers even this
}

// frozen says why a component may not be moved now, or what freezes everything when
// it is of no service and in no place.
func (p *Permit) frozen(w backout.World, c backout.Component) string {
	for _, list := range [][]backout.Freeze{p.policy.Freezes, w.Policy.Freezes} {
		for _, f := range list {
			if !f.AllowRollbacks && !w.Now.Before(f.From) && w.Now.Before(f.To) && f.Covers(c) {
				return fmt.Sprintf("frozen until %s: %s", f.To.UTC().Format("2006-01-02 15:04 UTC"), f.Reason)
			}
		}
	}
	return ""
}
