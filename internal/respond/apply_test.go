package respond

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

var ann, bob = backout.Principal{Name: "ann", Role: backout.RoleApprover}, backout.Principal{Name: "bob", Role: backout.RoleApprover}

func asks(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk }

// brought is a plan as a file brings it: other bakes than ours, and words that
// flatter.
func (t *town) brought(id backout.IncidentID) backout.Plan {
	t.Helper()
	p, err := t.r.Propose(t.Context(), t.now, id)
	if err != nil {
		t.Fatal(err)
	}
	p.Waves[0].Steps[0].Stages[0].Bake += backout.Duration(minute)
	p.Waves[0].Steps[0].Takes += backout.Duration(minute)
	p.Waves[0].Steps[0].P, p.Waves[0].Steps[0].Service, p.Certificate.Optimal = 1, "nobody", true
	p.Digest = p.ExecutableDigest()
	return p
}

func TestPropose_plansWithoutATrace(t *testing.T) {
	tw := newTown(t, true, asks)
	id := tw.detect()
	tw.now = noon.Add(4 * minute)
	saves := len(tw.store.saves)
	p, err := tw.r.Propose(t.Context(), tw.now, id)
	if err != nil || p.Action != backout.ActionRollBack || !p.Certificate.Safe || p.Ruling.Approvers != 1 || len(p.Grounds) == 0 {
		t.Fatalf("%+v, %v: want a checked plan with its ruling and grounds", p, err)
	}
	if len(tw.store.saves) != saves {
		t.Errorf("it saved %q", tw.store.saves[saves:])
	}
	inc := tw.until(id, backout.StateWaiting)
	again, err := tw.r.Propose(t.Context(), tw.now, id)
	if err != nil || again.Digest != inc.Plan.Digest {
		t.Errorf("%.8s, %v: want the waiting plan %.8s", again.Digest, err, inc.Plan.Digest)
	}
	tw.answer(id, false, ann, "no thanks")
	if _, err := tw.r.Propose(t.Context(), tw.now, id); backout.CodeOf(err) != backout.CodeConflict || !strings.Contains(err.Error(), "aborted") {
		t.Errorf("%v: want a conflict that names the state", err)
	}
}

func TestApply_theWaitingPlan(t *testing.T) {
	tw := newTown(t, true, asks)
	id := tw.detect()
	tw.until(id, backout.StateWaiting)
	p, err := tw.r.Propose(t.Context(), tw.now, id)
	if err != nil {
		t.Fatal(err)
	}
	if inc, err := tw.r.Apply(t.Context(), tw.now, id, ann, p, "reviewed"); err != nil || inc.State != backout.StateApproved {
		t.Fatalf("%s, %v", inc.State, err)
	}
	if _, err := tw.r.Apply(t.Context(), tw.now, id, ann, p, "reviewed"); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("approved twice: %v", err)
	}
	tw.until(id, backout.StateExecuting)
	tw.runner.run = backout.Run{State: backout.RunCompleted}
	tw.until(id, backout.StateRecovered)
	_, err = tw.r.Apply(t.Context(), tw.now, id, bob, p, "reviewed")
	if backout.CodeOf(err) != backout.CodeConflict || !strings.Contains(err.Error(), "applied already, as attempt INC-") || len(tw.runner.started) != 1 {
		t.Errorf("applied again: %v, %d starts", err, len(tw.runner.started))
	}
}

// Somebody's own plan replaces ours before we have one, with our probabilities and
// not with its own, and is not replaced again while people decide.
func TestApply_aPlanOfOnesOwn(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) { asks(p); p.FourEyesTier = 1 })
	id := tw.detect()
	tw.now = noon.Add(minute)
	p := tw.brought(id)
	inc, err := tw.r.Apply(t.Context(), tw.now, id, ann, p, "reviewed")
	if err != nil || inc.State != backout.StateWaiting || inc.Deadline.IsZero() || !inc.Attempts[0].FromFile {
		t.Fatalf("%+v, %v: want it waiting for a second person, until a deadline", inc, err)
	}
	step := inc.Plan.Steps()[0]
	if step.Service != "payment" || step.P != inc.Attribution.Suspects[0].P || step.P == 1 || inc.Plan.Certificate.Optimal || !inc.Plan.Certificate.Safe {
		t.Errorf("step %+v, certificate %+v: want what the world and the attribution say", step, inc.Plan.Certificate)
	}
	for range 5 {
		if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
			t.Fatal(err)
		}
		tw.now = tw.now.Add(minute)
	}
	if inc = tw.store.incidents[id]; inc.State != backout.StateWaiting || inc.Plan.Digest != p.Digest || len(inc.Attempts[0].Approvals) != 1 {
		t.Fatalf("%s with plan %.8s and %d approvals: want ann's plan %.8s to wait on", inc.State, inc.Plan.Digest, len(inc.Attempts[0].Approvals), p.Digest)
	}
	if _, err := tw.r.Apply(t.Context(), tw.now, id, bob, p, "reviewed"); err != nil {
		t.Fatal(err)
	}
	tw.until(id, backout.StateExecuting)
	if diff := cmp.Diff(p.Waves[0].Steps[0].Stages, tw.runner.started[0].Plan.Waves[0].Steps[0].Stages); diff != "" || len(tw.runner.started) != 1 {
		t.Errorf("started (-brought +started):\n%s", diff)
	}
}

// When the world moves, a plan that somebody brought gives way like any other.
func TestApply_isReplacedWhenTheWorldMoves(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) { asks(p); p.FourEyesTier = 1 })
	id := tw.detect()
	tw.until(id, backout.StateWaiting)
	p := tw.brought(id)
	if _, err := tw.r.Apply(t.Context(), tw.now, id, ann, p, "reviewed"); err != nil {
		t.Fatal(err)
	}
	tw.world.Policy.Version = "2"
	tw.now = tw.now.Add(minute)
	if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
		t.Fatal(err)
	}
	if inc := tw.store.incidents[id]; inc.State != backout.StatePlanned || inc.Plan.Digest == p.Digest {
		t.Errorf("%s with %.8s: want another plan than %.8s", inc.State, inc.Plan.Digest, p.Digest)
	}
}

func TestApply_refusals(t *testing.T) {
	resealed := func(p *backout.Plan) { p.Digest = p.ExecutableDigest() }
	for name, c := range map[string]struct {
		alter  func(*town, *backout.Plan)
		code   backout.Code
		want   string
		by     backout.Principal
		reason string
	}{
		"a viewer":         {func(*town, *backout.Plan) {}, backout.CodeForbidden, "needs an approver", backout.Principal{Name: "eve", Role: backout.RoleViewer}, "reviewed"},
		"no reason":        {func(*town, *backout.Plan) {}, backout.CodeInvalid, "reason", ann, " "},
		"altered":          {func(_ *town, p *backout.Plan) { p.Waves[0].Steps[0].Stages[0].Bake = 0 }, backout.CodeInvalid, "plan.digest", ann, "reviewed"},
		"another incident": {func(_ *town, p *backout.Plan) { p.Incident = "INC-9" }, backout.CodeInvalid, "plan.incident: INC-9", ann, "reviewed"},
		"nothing to do":    {func(_ *town, p *backout.Plan) { p.Action, p.Waves = backout.ActionNone, nil; resealed(p) }, backout.CodeConflict, "no steps", ann, "reviewed"},
		"a made-up target": {func(_ *town, p *backout.Plan) { p.Waves[0].Steps[0].To = "0"; resealed(p) }, backout.CodeConflict, "checker refuses", ann, "reviewed"},
		"a made-up ground": {func(_ *town, p *backout.Plan) { p.Fingerprint = "0"; resealed(p) }, backout.CodeConflict, "the world moved", ann, "reviewed"},
		"the kill switch":  {func(tw *town, _ *backout.Plan) { tw.world.Policy.KillSwitch = true }, backout.CodeConflict, "kill switch of policy: was false, is true", ann, "reviewed"},
		"it moved": {func(tw *town, _ *backout.Plan) {
			tw.world.Live = map[backout.ComponentID]backout.Live{payment: {Shares: map[backout.Version]float64{"3": 1}}}
		}, backout.CodeConflict, "live version of deployment:payment@production/eu: was 2, is 3", ann, "reviewed"},
		"the policy forbid": {func(tw *town, _ *backout.Plan) { tw.world.Policy.Autonomy = backout.AutonomyShadow }, backout.CodeForbidden, "shadow mode", ann, "reviewed"},
	} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, asks)
			id := tw.detect()
			tw.until(id, backout.StateWaiting)
			p := tw.brought(id)
			c.alter(tw, &p)
			before := tw.store.incidents[id].Row
			_, err := tw.r.Apply(t.Context(), tw.now, id, c.by, p, c.reason)
			if backout.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %s with %q", err, c.code, c.want)
			}
			if tw.store.incidents[id].Row != before || len(tw.runner.started) > 0 {
				t.Error("something was done all the same")
			}
		})
	}
}
