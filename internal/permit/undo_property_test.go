package permit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

// Others ship, we take back, sources report what we did late or twice: whatever the
// history, a component that we moved last is not moved on without a person.
func TestUndoing_neverByItself(t *testing.T) {
	byUs := 0
	rapid.Check(t, func(t *rapid.T) {
		s := good()
		at := s.world.Now.Add(-2 * time.Hour)
		live, ours := backout.Version("0"), false
		var obs []backout.Observation
		var own []backout.OwnEffect
		report := func(to backout.Version) {
			obs = append(obs, backout.Observation{Source: "k8s", NativeID: fmt.Sprint(len(obs)), At: at, Component: payment, To: to, Share: 1})
		}
		for range rapid.IntRange(1, 8).Draw(t, "events") {
			at = at.Add(7 * time.Minute)
			to := backout.Version(rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "to"))
			switch rapid.IntRange(0, 2).Draw(t, "event") {
			case 0: // somebody ships
				if to != live {
					live, ours = to, false
					report(to)
				}
			case 1: // we move it, and a source may see it
				if to != live {
					own = append(own, backout.OwnEffect{Attempt: "INC-0/1", Key: fmt.Sprint("k", len(own)), Component: payment, To: to, Began: at, Ended: at.Add(time.Minute)})
					live, ours = to, true
					if rapid.Bool().Draw(t, "seen") {
						report(to)
					}
				}
			case 2: // a source says once more where it stands
				if len(obs)+len(own) > 0 {
					report(live)
				}
			}
		}
		s.world.Changes, s.world.Responses = backout.Fold(backout.Recognized(obs, own, time.Minute))
		s.policy.Cooldown, s.policy.MaxSteps = 0, 0
		s.step(0).From, s.step(0).To, s.step(0).Reverts = live, "other", nil
		if n := len(s.world.Changes); n > 0 {
			s.step(0).Reverts = []backout.ChangeID{s.world.Changes[n-1].ID}
		}
		p, err := Compile(s.policy)
		if err != nil {
			t.Fatal(err)
		}
		r := p.Whole(s.world, s.plan, s.att, s.incident)
		if ours {
			byUs++
		}
		if ours && r.Automatic {
			t.Fatalf("we put it at %s, and it is moved on without a person: %+v", live, s.world.Responses)
		}
	})
	if byUs == 0 {
		t.Error("we never moved it last: nothing was put to the test")
	}
}
