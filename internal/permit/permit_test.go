package permit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const (
	payment = backout.ComponentID("deployment:payment@production/eu-1")
	express = backout.ComponentID("flag:express@production/eu-1")
)

// scene is a plan that may run by itself; tests spoil one thing each.
type scene struct {
	policy   backout.Policy
	world    backout.World
	plan     backout.Plan
	att      backout.Attribution
	incident backout.Incident
}

func good() *scene {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &scene{
		policy: backout.Policy{Autonomy: backout.AutonomyAct, ColdStart: backout.ColdStartActIfReversible, MinConfidence: 0.8, MaxPNone: 0.2,
			MaxSteps: 2, MaxServices: 2, FourEyesTier: 0, Cooldown: backout.Duration(10 * time.Minute), MaxAttempts: 2},
		world: backout.World{Now: now, Graph: backout.Graph{
			Services: []backout.Service{{ID: "payment", Tier: 1}, {ID: "checkout", Tier: 1}},
			Components: []backout.Component{{ID: payment, Actuator: "a"}, {ID: express, Actuator: "b"},
				{ID: "deployment:partner@p/l", Actuator: "a", Immovable: true}, {ID: "infrastructure:hosts@p/l"}},
		}, Priors: backout.Priors{Incidents: 30}},
		plan: backout.Plan{Action: backout.ActionRollBack, Certificate: backout.Certificate{Safe: true}, Waves: []backout.Wave{{Steps: []backout.Step{
			{Component: payment, Service: "payment", Kind: backout.KindDeployment, From: "2", To: "1", P: 0.85, Loss: backout.LossNone, Reverts: []backout.ChangeID{"c1"}, Stages: []backout.Stage{{Share: 0.3}, {Share: 1}}},
			{Component: express, Service: "checkout", Kind: backout.KindFlag, From: "on", To: "off", P: 0.5, Demanded: true, Loss: backout.LossNone, Stages: []backout.Stage{{Share: 1}}},
		}}}},
		att:      backout.Attribution{PNone: 0.1},
		incident: backout.Incident{ID: "INC-1", OpenedAt: now.Add(-time.Minute)},
	}
}

func (s *scene) step(i int) *backout.Step { return &s.plan.Waves[0].Steps[i] }

func (s *scene) rule(t *testing.T) backout.Ruling {
	t.Helper()
	p, err := Compile(s.policy)
	if err != nil {
		t.Fatal(err)
	}
	return p.Whole(s.world, s.plan, s.att, s.incident)
}

func TestWhole_aGoodPlanRunsByItself(t *testing.T) {
	r := good().rule(t)
	if !r.Automatic || r.Forbidden || r.Approvers != 0 || len(r.Reasons) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestWhole_conditions(t *testing.T) {
	ask, forbidden := "ask", "forbidden"
	for name, tc := range map[string]struct {
		spoil func(*scene)
		want  string // ask, forbidden or automatic
		words string
	}{
		"ask":          {func(s *scene) { s.policy.Autonomy = backout.AutonomyAsk }, ask, "asks a person for every plan"},
		"zero policy":  {func(s *scene) { s.policy = backout.Policy{} }, ask, "asks a person"},
		"shadow":       {func(s *scene) { s.policy.Autonomy = backout.AutonomyShadow }, forbidden, "shadow mode"},
		"planner asks": {func(s *scene) { s.plan.Action = backout.ActionAsk }, ask, "leaves the choice"},
		"unproven":     {func(s *scene) { s.plan.Certificate.Safe = false }, ask, "not proven safe"},
		"gap":          {func(s *scene) { s.plan.Gaps = []string{"nobody saw x with y"} }, ask, "not proven: nobody saw x with y"},
		"lossy":        {func(s *scene) { s.step(0).Loss, s.step(0).Lost = backout.LossSome, "orders" }, ask, "loses orders"},
		"unknown loss": {func(s *scene) { s.step(0).Loss = backout.LossUnknown }, ask, "nobody knows what"},
		"novel":        {func(s *scene) { s.incident.Likeness = &backout.Likeness{Novelty: backout.NoveltyNovel, N: 43, P: .02} }, ask, "nothing like this in 43 incidents (p = 0.02)"},
		"familiar": {func(s *scene) {
			s.incident.Likeness = &backout.Likeness{Novelty: backout.NoveltyFamiliar, N: 43, P: .4}
		}, "automatic", ""},
		"insufficient history": {func(s *scene) { s.incident.Likeness = &backout.Likeness{Novelty: backout.NoveltyInsufficient, N: 3} }, "automatic", ""},
		"worth less than said": {func(s *scene) {
			s.incident.Calibration = &backout.Calibration{N: 120, Said: .85, P0: .6, P1: .7, P: .64}
		}, ask, "to blame with 60 % (85 % was said, and what was said so has been worth that in 120 incidents), 80 % are needed"},
		"of another plan": {func(s *scene) { s.incident.Calibration = &backout.Calibration{N: 120, Said: .5, P0: .3} }, "automatic", ""},
		"never worth more": {func(s *scene) {
			s.step(0).P = .7
			s.incident.Calibration = &backout.Calibration{N: 120, Said: .7, P0: .95}
		}, ask, "to blame with 70 %, 80 % are needed"},
		"confidence":      {func(s *scene) { s.step(0).P = 0.7 }, ask, "to blame with 70 %, 80 % are needed"},
		"none":            {func(s *scene) { s.att.PNone = 0.3 }, ask, "with 30 % no change did it"},
		"steps":           {func(s *scene) { s.policy.MaxSteps = 1 }, ask, "2 steps, at most 1"},
		"services":        {func(s *scene) { s.policy.MaxServices = 1 }, ask, "2 services, at most 1"},
		"cold, ask":       {func(s *scene) { s.world.Priors.Incidents = 18.9; s.policy.ColdStart = backout.ColdStartAsk }, ask, "incidents are known, 19 are needed"},
		"cold, staged":    {func(s *scene) { s.world.Priors.Incidents = 0 }, "automatic", "history is short"},
		"cold, in one go": {func(s *scene) { s.world.Priors.Incidents = 0; s.step(0).Stages = s.step(0).Stages[1:] }, ask, "moves in one go"},
		"warm, in one go": {func(s *scene) { s.step(0).Stages = s.step(0).Stages[1:] }, "automatic", ""},
		"attempts":        {func(s *scene) { s.incident.Attempts = []backout.Attempt{auto(s, "x"), auto(s, "y")} }, ask, "2 automatic attempts"},
		"one attempt":     {func(s *scene) { s.incident.Attempts = []backout.Attempt{auto(s, "x")} }, "automatic", ""},
		"approved attempts don't count": {func(s *scene) {
			a := auto(s, "c1")
			a.Approvals = []backout.Approval{{Yes: true}}
			s.incident.Attempts = []backout.Attempt{a, a}
		}, "automatic", ""},
		"same change again": {func(s *scene) { s.incident.Attempts = []backout.Attempt{auto(s, "c1")} }, ask, "c1 was tried already (INC-1/1)"},
		"cooldown": {func(s *scene) {
			s.world.Responses = []backout.Response{{Attempt: "INC-0/1", Component: payment, To: "0", At: s.world.Now.Add(-9 * time.Minute)}}
		}, ask, "was moved by INC-0/1 and cools down until 12:01:00 UTC"},
		"cooled": {func(s *scene) {
			s.world.Responses = []backout.Response{{Attempt: "INC-0/1", Component: payment, To: "0", At: s.world.Now.Add(-10 * time.Minute)}}
		}, "automatic", ""},
		"rollback of a rollback": {func(s *scene) {
			s.world.Responses = []backout.Response{{Attempt: "INC-0/1", Component: payment, To: "2", At: s.world.Now.Add(-time.Hour)}}
		}, ask, "because we took it there (INC-0/1): no rollback of a rollback"},
		"shipped again since": {func(s *scene) {
			s.world.Responses = []backout.Response{{Attempt: "INC-0/1", Component: payment, To: "2", At: s.world.Now.Add(-time.Hour)}}
			s.world.Changes = []backout.Change{{Component: payment, To: "2", Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: s.world.Now.Add(-time.Minute), Share: 1}}}}}
		}, "automatic", ""},
		"kill switch": {func(s *scene) { s.world.Policy.KillSwitch = true }, forbidden, "kill switch"},
		"freeze":      {func(s *scene) { s.policy.Freezes = freeze(s, false) }, forbidden, "frozen until 2026-11-23 13:00 UTC: sales"},
		"soft freeze": {func(s *scene) { s.policy.Freezes = freeze(s, true) }, "automatic", ""},
		"freeze of this service": {func(s *scene) {
			s.policy.Freezes = freeze(s, false)
			s.policy.Freezes[0].Services, s.world.Graph.Components[0].Service = []backout.ServiceID{"payment"}, "payment"
		}, forbidden, "payment@production/eu-1 may not be moved: frozen until 2026-11-23 13:00 UTC: sales"},
		"freeze of another service": {func(s *scene) {
			s.policy.Freezes = freeze(s, false)
			s.policy.Freezes[0].Services = []backout.ServiceID{"search"}
		}, "automatic", ""},
		"freeze elsewhere": {func(s *scene) {
			s.policy.Freezes = freeze(s, false)
			s.policy.Freezes[0].Location = "us-1"
		}, "automatic", ""},
		"vulnerability": {func(s *scene) { s.step(0).Exposes = []string{"CVE-2026-1234"} }, ask, "opens CVE-2026-1234 again: one of admin must agree"},
		"vulnerability, named approvers": {func(s *scene) {
			s.step(0).Exposes, s.policy.SecurityApprovers = []string{"CVE-2026-1234"}, []string{"ann", "bob"}
		}, ask, "opens CVE-2026-1234 again: one of ann, bob must agree"},
		"switch": {func(s *scene) {
			s.world.Graph.Switches = []backout.Switch{{ID: "blue-green", Members: []backout.ComponentID{payment, express}, Router: "traffic:edge@production/eu-1"}}
			s.step(0).Switch, s.step(1).Switch = "blue-green", "blue-green"
		}, forbidden, "2 steps are to be turned at once by traffic:edge@production/eu-1 (switch blue-green): do it there"},
		"switch not needed": {func(s *scene) {
			s.world.Graph.Switches = []backout.Switch{{ID: "blue-green", Members: []backout.ComponentID{payment, express}}}
		}, "automatic", ""},
		"hold": {func(s *scene) {
			s.world.Holds = []backout.Hold{{Component: payment, Owner: "ann", Reason: "debugging"}}
		}, forbidden, "ann holds it: debugging"},
		"nothing to do": {func(s *scene) { s.plan = backout.Plan{Action: backout.ActionNone} }, "nothing", "nothing to carry out"},
		"rule":          {func(s *scene) { s.policy.Rules = rules("plan.steps.all(s, s.kind != 'flag')") }, ask, "rule r: not so"},
		"rule passes": {func(s *scene) {
			s.policy.Rules = rules("plan.steps.size() == 2 && plan.safe && incident.p_none < 0.2 && now.getHours() == 12")
		}, "automatic", ""},
		"rule fails": {func(s *scene) { s.policy.Rules = rules("plan.steps[1].p > 0.0 || plan.steps.size() == 1") }, "automatic", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			tc.spoil(s)
			r := s.rule(t)
			got := map[bool]string{true: "automatic", false: ask}[r.Automatic]
			if r.Forbidden {
				got = forbidden
			} else if !r.Automatic && r.Approvers == 0 {
				got = "nothing"
			}
			if got != tc.want || !strings.Contains(strings.Join(r.Reasons, "\n"), tc.words) {
				t.Errorf("%s with %q; want %s with %q", got, r.Reasons, tc.want, tc.words)
			}
		})
	}
}

func auto(s *scene, reverts backout.ChangeID) backout.Attempt {
	return backout.Attempt{ID: "INC-1/1", StartedAt: s.world.Now, Plan: backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{Reverts: []backout.ChangeID{reverts}}}}}}}
}

func freeze(s *scene, allow bool) []backout.Freeze {
	return []backout.Freeze{{From: s.world.Now, To: s.world.Now.Add(time.Hour), Reason: "sales", AllowRollbacks: allow}}
}

func rules(expr string) []backout.PolicyRule {
	return []backout.PolicyRule{{Name: "r", Expr: expr, Deny: "not so"}}
}

func TestWhole_fourEyes(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*scene)
		want  int
	}{
		"tier 1":          {func(*scene) {}, 1},
		"tier 0":          {func(s *scene) { s.world.Graph.Services[0].Tier = 0 }, 2},
		"up to tier 1":    {func(s *scene) { s.policy.FourEyesTier = 1 }, 2},
		"never":           {func(s *scene) { s.policy.FourEyesTier = -1; s.world.Graph.Services[0].Tier = 0 }, 1},
		"unknown service": {func(s *scene) { s.world.Graph.Services = nil }, 2},
	} {
		s := good()
		s.policy.Autonomy = backout.AutonomyAsk
		tc.spoil(s)
		if r := s.rule(t); r.Approvers != tc.want {
			t.Errorf("%s: %d approvers, want %d: %q", name, r.Approvers, tc.want, r.Reasons)
		}
	}
}

// Who must be among the approvers is said for vulnerabilities and for nothing else.
func TestWhole_among(t *testing.T) {
	s := good()
	s.policy.Autonomy = backout.AutonomyAsk
	if r := s.rule(t); len(r.Among) > 0 {
		t.Errorf("among %q, want nobody in particular", r.Among)
	}
	s.step(1).Exposes = []string{"CVE-2026-1234"}
	if diff := cmp.Diff([]string{"admin"}, s.rule(t).Among); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.policy.SecurityApprovers = []string{"ann"}
	if diff := cmp.Diff([]string{"ann"}, s.rule(t).Among); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPerAction_reasons(t *testing.T) {
	s := good()
	s.world.Holds = []backout.Hold{
		{Component: express, Owner: "ann", Reason: "debugging", Until: s.world.Now.Add(time.Minute)},
		{Component: payment, Owner: "backout INC-1", BadTo: "2", Until: s.world.Now.Add(time.Minute)}, // only the way to 2 is shut
		{Component: payment, Owner: "bob", Reason: "over", Until: s.world.Now},
	}
	p, err := Compile(s.policy)
	if err != nil {
		t.Fatal(err)
	}
	want := map[backout.ComponentID]string{
		"deployment:partner@p/l": "it is not ours to move", "infrastructure:hosts@p/l": "no actuator can move it", express: "ann holds it: debugging",
	}
	if diff := cmp.Diff(want, p.PerAction(s.world)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.world.Policy.KillSwitch = true
	if got := p.PerAction(s.world); len(got) != 4 || !strings.HasPrefix(got[payment], "the kill switch is on in the catalog") {
		t.Errorf("kill switch: %v", got)
	}
}

func TestCompile_namesTheRule(t *testing.T) {
	for expr, want := range map[string]string{
		"plan.steps.size( <": "Syntax error", "nobody.x": "undeclared reference", "1 + 1": "expected true or false",
		"plan.stepz.size() > 1": "no such key: stepz", "plan.summary": "expected true or false",
		"plan.steps.all(s, s.knd == 'flag')": "no such key: knd",
	} {
		_, err := Compile(backout.Policy{Rules: []backout.PolicyRule{{Name: "small", Expr: expr}}})
		if backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), `policy rule "small"`) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
}

// A rule can't keep the decision waiting: what costs too much counts as no.
func TestWhole_ruleThatCostsTooMuch(t *testing.T) {
	s := good()
	list := "[" + strings.Repeat("1,", 60) + "1]"
	s.policy.Rules = rules("plan.steps.size() == 1 || " + list + ".all(a, " + list + ".all(b, " + list + ".all(c, a + b + c > 0)))")
	if r := s.rule(t); r.Automatic || !strings.Contains(strings.Join(r.Reasons, "\n"), "cost limit") {
		t.Errorf("%+v", r)
	}
}

func TestConfidence_isThatOfOneChange(t *testing.T) {
	step := func(name, at string, from backout.Version, p float64, demanded bool) backout.Step {
		id := backout.NewComponentID(backout.KindDeployment, name, "production", backout.Location(at))
		return backout.Step{Component: id, Kind: backout.KindDeployment, Service: backout.ServiceID(name), From: from, P: p, Demanded: demanded}
	}
	for name, c := range map[string]struct {
		steps []backout.Step
		want  float64
	}{
		"two guesses":           {[]backout.Step{step("payment", "eu", "2", .5, false), step("ledger", "eu", "2", .4, false)}, .5},
		"one in two locations":  {[]backout.Step{step("payment", "eu", "2", .5, false), step("payment", "us", "2", .4, false)}, .9},
		"two versions":          {[]backout.Step{step("payment", "eu", "2", .5, false), step("payment", "us", "3", .4, false)}, .5},
		"what contracts demand": {[]backout.Step{step("payment", "eu", "2", .5, false), step("ledger", "eu", "2", .9, true)}, .5},
		"nothing":               {nil, 0},
	} {
		if got := Confidence(backout.Plan{Waves: []backout.Wave{{Steps: c.steps}}}); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
