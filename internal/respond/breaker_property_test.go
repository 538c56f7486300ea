package respond

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

// history is a town in which things go on happening: others ship, runs end in every
// way, backout is restarted, trouble comes again. The world it shows is what the
// adapters would.
type history struct {
	*town
	rt      *rapid.T
	changes int
	put     backout.Version // where we put payment last; "" once somebody shipped since
	taken   map[backout.Version]bool
	tried   map[string]bool // change and incident of every automatic attempt
	seen    int             // attempts looked at so far
	onsets  []time.Time     // of troubles, each of which lasts a while
}

// lasts is how long a trouble goes on that nobody ends.
const lasts = 25 * minute

// ill makes the town's signals tell of its troubles.
func (h *history) ill() {
	for id := range h.signals.levels {
		if id.Signal == "errors" {
			h.signals.levels[id] = func(at time.Time) float64 {
				for _, onset := range h.onsets {
					if !at.Before(onset) && at.Before(onset.Add(lasts)) {
						return 9
					}
				}
				return 0
			}
		}
	}
}

// trouble is noticed when there is some.
func (h *history) trouble() backout.IncidentID {
	onset := h.onsets[len(h.onsets)-1]
	if h.now.Sub(onset) > lasts {
		return ""
	}
	id, err := h.r.Observe(h.Context(), h.now, "production", []backout.Finding{{
		ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "payment"}}, Kind: backout.SignalErrors, At: h.now, Onset: onset, Opens: true,
	}}, nil)
	if err != nil {
		h.rt.Fatal(err)
	}
	return id
}

func (h *history) draw(name string, max int) int { return rapid.IntRange(0, max).Draw(h.rt, name) }

func (h *history) live() backout.Version { return h.world.Live[payment].Version() }

// settle shows payment at a version, with a way back to every other one of its stack.
func (h *history) settle(v backout.Version) {
	h.world.Live = map[backout.ComponentID]backout.Live{payment: {Shares: map[backout.Version]float64{v: 1}, Healthy: true}}
	rev := h.world.Reversals[payment]
	rev.Current, rev.Levels = v, nil
	for l := range h.world.Stack(payment) {
		if at, ok := h.world.VersionAt(payment, backout.Level(l)); ok && at != v {
			rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: at, Loss: backout.LossNone, Verified: true})
		}
	}
	h.world.Reversals = map[backout.ComponentID]backout.Reversal{payment: rev}
}

// ship lets somebody roll out another version, or one that was there before.
func (h *history) ship(to backout.Version) {
	if from := h.live(); from != to {
		h.changes++
		h.world.Changes = append(h.world.Changes, backout.Change{
			ID: backout.ChangeID(fmt.Sprintf("c%d", h.changes)), Kind: backout.KindDeployment, Component: payment, Services: []backout.ServiceID{"payment"}, From: from, To: to,
			Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: h.now, Share: 1}}},
		})
		h.put = ""
		delete(h.taken, to)
		h.settle(to)
	}
}

// before adds a release that came before the one the town begins with, so that there
// is something to go on to once that one is taken back.
func (h *history) before(ago time.Duration) {
	c := h.world.Changes[0]
	c.ID, c.From, c.To = "c0", "0", "1"
	c.Exposure = backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(-ago), Share: 1}}}
	h.world.Changes = append([]backout.Change{c}, h.world.Changes...)
	h.settle("2")
}

// act shows what our own effect did, as the journal and the actuator tell it.
func (h *history) act(at backout.AttemptID, from, to backout.Version) {
	h.world.Responses = append(h.world.Responses, backout.Response{Attempt: at, Component: payment, To: to, At: h.now})
	h.put, h.taken[from] = to, true
	delete(h.taken, to)
	h.settle(to)
}

// look holds what was started against the rules.
func (h *history) look() {
	for _, a := range h.runner.started[h.seen:] {
		h.seen++
		incident := incidentOf(a.ID)
		for _, s := range a.Plan.Steps() {
			for _, c := range s.Reverts {
				key := fmt.Sprint(incident, " ", c)
				if h.tried[key] {
					h.rt.Fatalf("attempt %s takes %s back without a person for the second time in %s", a.ID, c, incident)
				}
				h.tried[key] = true
			}
			if h.put != "" && s.From == h.put {
				h.rt.Fatalf("attempt %s moves %s away from %s, where we had put it", a.ID, s.Component, s.From)
			}
			if h.taken[s.To] {
				h.rt.Fatalf("attempt %s brings %s to %s, which we had taken away", a.ID, s.Component, s.To)
			}
		}
	}
}

// Whatever happens in whichever order, and however often backout is restarted: one
// change is taken back without a person at most once in an incident, and what we took
// back ourselves is never undone without one.
func TestBreakers_holdWhateverHappens(t *testing.T) {
	automatic, again := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		tw := newTown(t, true, func(p *backout.Policy) {
			p.MinConfidence, p.MaxPNone, p.MaxAttempts = .2, .8, 4
			p.Cooldown = backout.Duration(rapid.IntRange(0, 1).Draw(rt, "cooldown") * int(10*minute))
		})
		tw.steer()
		h := &history{town: tw, rt: rt, changes: 1, taken: map[backout.Version]bool{}, tried: map[string]bool{}}
		h.runner.run.State = backout.RunActive
		h.onsets = []time.Time{noon.Add(-10 * minute)}
		h.ill()
		h.before(time.Duration(12+h.draw("earlier", 3)) * minute)
		id := h.detect()
		for range 90 {
			if h.draw("restart", 5) == 0 {
				again, err := New(h.r.cfg)
				if err != nil {
					rt.Fatal(err)
				}
				h.r = again
			}
			if h.draw("ship", 9) == 0 {
				h.ship(backout.Version([]string{"1", "2", "3", "4"}[h.draw("version", 3)]))
				if h.draw("is it bad", 1) == 0 {
					h.onsets = append(h.onsets, h.now.Add(minute))
				}
			}
			h.world.Holds = h.store.holds
			if h.store.incidents[id].State.Terminal() {
				if next := h.trouble(); next != "" {
					id = next
				}
			}
			if _, err := h.r.Step(t.Context(), h.now, id); err != nil {
				rt.Fatalf("step in state %s: %v", h.store.incidents[id].State, err)
			}
			h.look()
			inc := h.store.incidents[id]
			if inc.State == backout.StateExecuting && h.runner.run.State == backout.RunActive {
				h.end(inc.Attempts[len(inc.Attempts)-1])
			} else if inc.State != backout.StateExecuting {
				h.runner.run = backout.Run{State: backout.RunActive}
			}
			h.now = h.now.Add(minute)
		}
		if h.seen > 1 {
			again++
		}
		automatic += h.seen
	})
	t.Logf("%d automatic attempts, %d histories with more than one", automatic, again)
	if automatic == 0 || again == 0 {
		t.Errorf("%d automatic attempts, %d histories with more than one: nothing was put to the test", automatic, again)
	}
}

// end ends a run now and then, in one of the ways that runs end.
func (h *history) end(a backout.Attempt) {
	steps := a.Plan.Steps()
	if len(steps) == 0 {
		return
	}
	s := steps[0]
	entry := func(kind backout.EntryKind) backout.Entry {
		return backout.Entry{Kind: kind, Step: s.ID, Component: s.Component, Outcome: backout.OutcomeDone, Share: 1}
	}
	switch h.draw("end", 4) {
	case 0: // it works
		h.act(a.ID, s.From, s.To)
		h.runner.run = backout.Run{State: backout.RunCompleted, Why: "drawn", Entries: []backout.Entry{entry(backout.EntryEffect)}}
	case 1: // it does not help, and stays
		h.act(a.ID, s.From, s.To)
		h.runner.run = backout.Run{State: backout.RunHalted, Why: "drawn", Entries: []backout.Entry{entry(backout.EntryEffect)}}
	case 2: // it got worse, and was restored
		h.act(a.ID, s.From, s.To)
		h.act(a.ID, s.To, s.From)
		h.runner.run = backout.Run{State: backout.RunHalted, Why: "drawn", Entries: []backout.Entry{entry(backout.EntryEffect), entry(backout.EntryReversed)}}
	case 3: // nothing came about
		h.runner.run = backout.Run{State: backout.RunHalted, Why: "drawn"}
	}
}
