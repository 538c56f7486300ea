package respond

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

// Whatever the policy, the trouble, the run's ending and the people's answers: a step
// makes at most one save, what has ended stays as it is, nothing starts that was not
// proven safe and let through, and never more than the policy's attempts.
func TestStep_holdsWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(name string, max int) int { return rapid.IntRange(0, max).Draw(rt, name) }
		autonomy := []backout.Autonomy{backout.AutonomyShadow, backout.AutonomyAsk, backout.AutonomyAct}[pick("autonomy", 2)]
		tw := newTown(t, pick("guilty", 1) == 1, func(p *backout.Policy) {
			p.Autonomy, p.MaxAttempts = autonomy, pick("attempts", 3)
			p.KillSwitch = pick("kill switch", 4) == 0
		})
		if eases := pick("eases after", 40); eases < 20 {
			for s, level := range tw.signals.levels {
				tw.signals.levels[s] = func(at time.Time) float64 {
					if at.After(noon.Add(time.Duration(eases) * minute)) {
						return .1
					}
					return level(at)
				}
			}
		}
		tw.runner.run = backout.Run{State: []backout.RunState{backout.RunActive, backout.RunCompleted, backout.RunStopped, backout.RunHalted, backout.RunAborted, backout.RunFrozen}[pick("run", 5)], Why: "drawn"}
		id := tw.detect()
		approved := false
		for range 60 {
			before := tw.store.incidents[id]
			if before.State == backout.StateWaiting && pick("answer", 3) == 0 {
				_, err := tw.r.Approve(t.Context(), tw.now, id, backout.Principal{Name: "ann", Role: backout.RoleApprover}, before.Plan.Digest, "looks right")
				approved = approved || err == nil
				before = tw.store.incidents[id]
			}
			if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
				rt.Fatalf("step in state %s: %v", before.State, err)
			}
			after := tw.store.incidents[id]
			switch {
			case after.Row > before.Row+1:
				rt.Fatalf("%d saves in one step, from %s to %s", after.Row-before.Row, before.State, after.State)
			case before.State.Terminal() && after.State != before.State:
				rt.Fatalf("%s had ended and became %s", before.State, after.State)
			}
			tw.now = tw.now.Add(minute)
		}
		started := tw.runner.started
		if most := max(1, tw.world.Policy.MaxAttempts); len(started) > most {
			rt.Fatalf("%d attempts, at most %d are allowed", len(started), most)
		}
		for _, at := range started {
			switch {
			case !at.Plan.Certificate.Safe || at.Digest != at.Plan.Digest:
				rt.Fatalf("attempt %s was started without proof, or with another plan than was let through", at.ID)
			case autonomy == backout.AutonomyShadow, tw.world.Policy.KillSwitch, autonomy == backout.AutonomyAsk && !approved:
				rt.Fatalf("attempt %s was started under autonomy %s, kill switch %t, approved %t", at.ID, autonomy, tw.world.Policy.KillSwitch, approved)
			}
		}
	})
}
