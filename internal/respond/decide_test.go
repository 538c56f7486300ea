package respond

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestDecide_waitsForARolloutToSettle(t *testing.T) {
	tw := newTown(t, true, nil)
	c := tw.world.Changes[0]
	c.Exposure.Stages = []backout.ExposureStage{{At: noon.Add(-11 * minute), Share: .3}, {At: noon.Add(3 * minute), Share: .6}}
	tw.world.Changes = []backout.Change{c}
	id := tw.detect()
	for tw.now.Before(noon.Add(8 * minute)) {
		if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
			t.Fatal(err)
		}
		if s := tw.store.incidents[id].State; s != backout.StateDetected && s != backout.StateAttributed {
			t.Fatalf("%s after %s: somebody still holds the wheel", s, tw.now.Sub(noon))
		}
		tw.now = tw.now.Add(minute)
	}
	tw.until(id, backout.StateExecuting)
}

func TestConclude_whatGotWorseIsRemembered(t *testing.T) {
	for verdict, want := range map[backout.VerdictValue]backout.VerdictValue{
		backout.VerdictWorse: backout.VerdictWorse, backout.VerdictInconclusive: backout.VerdictInconclusive, "": backout.VerdictInconclusive,
	} {
		tw := newTown(t, true, nil)
		id := tw.detect()
		tw.runner.run = backout.Run{State: backout.RunHalted, Why: "halted", Entries: []backout.Entry{{Kind: backout.EntryGate, Verdict: verdict}}}
		tw.until(id, backout.StateExecuting)
		for range 2 {
			if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
				t.Fatal(err)
			}
		}
		if tried := tw.store.incidents[id].Tried; len(tried) == 0 || tried[0].Result != want {
			t.Errorf("gate said %q: tried %+v, want %s", verdict, tried, want)
		}
	}
}

func TestLearn_onlyWhatWasCarriedOut(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	tw.runner.run = backout.Run{State: backout.RunStopped, Why: "the symptom has gone", Entries: []backout.Entry{{Kind: backout.EntryEffect, Step: "1.1", Outcome: backout.OutcomeNotDone}}}
	tw.until(id, backout.StateRecovered)
	if r := tw.store.reviews[0]; len(r.Culprits) != 0 || len(r.Actions) != 0 {
		t.Errorf("culprits %v, actions %v learnt from a step that was never carried out", r.Culprits, r.Actions)
	}
}

// Ways from the culprit's service are ways from where the incident began, and no others.
func TestLearn_whereItBegan(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	inc := tw.until(id, backout.StateExecuting)
	tw.runner.run = backout.Run{State: backout.RunCompleted, Why: "every step is done", Entries: []backout.Entry{{Kind: backout.EntryEffect, Step: inc.Plan.Steps()[0].ID, Outcome: backout.OutcomeDone, Share: 1}}}
	tw.until(id, backout.StateRecovered)
	r := tw.store.reviews[0]
	if len(r.Culprits) == 0 || len(r.Spread) == 0 {
		t.Fatalf("culprits %v, spread %v: expected a culprit and ways", r.Culprits, r.Spread)
	}
	began := 0
	for _, s := range r.Spread {
		guilty := slices.ContainsFunc(tw.world.Changes, func(c backout.Change) bool {
			return slices.Contains(r.Culprits, c.ID) && slices.Contains(c.Services, s.Cause)
		})
		if s.Began != guilty {
			t.Errorf("way %s to %s: began %t, expected %t", s.Cause, s.Victim, s.Began, guilty)
		}
		if s.Began {
			began++
		}
	}
	if began == 0 {
		t.Error("no way began at a culprit's service")
	}
}

// Somebody was asked, and the picture turns to "no change did this": the question
// stands until it is answered or its deadline has come.
func TestReconsider_doesNotSendThePersonHome(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk })
	id := tw.detect()
	tw.until(id, backout.StateWaiting)
	tw.world.Changes = nil // no suspect is left
	for range 5 {
		if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
			t.Fatal(err)
		}
		tw.now = tw.now.Add(minute)
	}
	if in := tw.store.incidents[id]; in.State != backout.StateWaiting || in.Plan == nil || len(in.Plan.Waves) == 0 {
		t.Errorf("incident is %s (%s): want it still waiting for the answer to its plan", in.State, in.Why)
	}
}

// A person is asked because two versions were never seen together. That they count as
// seen a minute later, by another guess of the onset, does not let the plan run by itself.
func TestReconsider_aGapIsNotClosedByWaiting(t *testing.T) {
	tw := newTown(t, true, nil)
	shop := backout.ComponentID("deployment:shop@production/eu")
	tw.world.Graph.Components = append(tw.world.Graph.Components, backout.Component{ID: shop, Kind: backout.KindDeployment, Name: "shop", Service: "shop", Environment: "production", Location: "eu"})
	tw.world.Changes = append(tw.world.Changes, backout.Change{
		ID: "c0", Kind: backout.KindDeployment, Component: shop, Services: []backout.ServiceID{"shop"}, From: "4", To: "5", Sources: []string{"ci"},
		Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(-5 * minute), Share: 1}}},
	})
	tw.world.Live[shop] = backout.Live{Shares: map[backout.Version]float64{"5": 1}, Healthy: true}
	id := tw.detect()
	if inc := tw.until(id, backout.StateWaiting, backout.StateExecuting); inc.State != backout.StateWaiting || len(inc.Plan.Gaps) == 0 {
		t.Fatalf("incident is %s with gaps %q, want a person asked about a pair that nobody knows", inc.State, inc.Plan.Gaps)
	}
	tw.world.Pairs = []backout.Pair{{A: payment, B: shop, AVersion: "1", BVersion: "5", Healthy: true, SeenAt: noon}}
	for range 4 {
		if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
			t.Fatal(err)
		}
		tw.now = tw.now.Add(minute)
	}
	if in := tw.store.incidents[id]; in.State != backout.StateWaiting {
		t.Errorf("incident is %s (%s): want it still waiting", in.State, in.Why)
	}
}

// What was tried did not help: the incident does not end as if nothing were wrong.
func TestRule_nothingLeftAfterATryHalts(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.runner.run = backout.Run{State: backout.RunHalted, Why: "no recovery"}
	tw.until(id, backout.StateExecuting)
	tw.world.Changes = nil
	if in := tw.until(id, backout.StateHalted, backout.StateNoAction); in.State != backout.StateHalted {
		t.Errorf("ended %s: %s", in.State, in.Why)
	}
}

// Whoever is asked an hour later is asked about what was found while the onset was
// fresh: by then everything is ill, and the latest change looks guilty.
func TestReconsider_keepsTheFreshAnswer(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) {
		p.Autonomy, p.ApprovalTimeout = backout.AutonomyAsk, backout.Duration(4*time.Hour)
	})
	id := tw.detect()
	fresh := *tw.until(id, backout.StateWaiting).Attribution
	late := tw.world.Changes[0]
	late.ID, late.Component = "c2", "deployment:shop@production/eu"
	late.Services, late.Exposure = []backout.ServiceID{"shop"}, backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(55 * minute), Share: 1}}}
	tw.world.Changes = append(tw.world.Changes, late)
	for tw.now = noon.Add(50 * minute); tw.now.Before(noon.Add(90 * minute)); tw.now = tw.now.Add(minute) {
		if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
			t.Fatal(err)
		}
	}
	if in := tw.store.incidents[id]; in.State != backout.StateWaiting || in.Attribution.Suspects[0].Change != fresh.Suspects[0].Change {
		t.Errorf("incident is %s and blames %s, want it waiting with %s", in.State, in.Attribution.Suspects[0].Change, fresh.Suspects[0].Change)
	}
}

// A cold cache warms up: by the time it is clear who did it, the trouble eases. Nothing
// is planned then, and the incident ends as gone by itself; trouble that stays is.
func TestDue_waitsWhileTroubleEases(t *testing.T) {
	for stays, want := range map[bool]backout.State{false: backout.StateSelfRecovered, true: backout.StateExecuting} {
		tw := newTown(t, true, nil)
		for s, level := range tw.signals.levels {
			tw.signals.levels[s] = func(at time.Time) float64 {
				if !stays && at.After(noon) {
					return .2
				}
				return level(at)
			}
		}
		id := tw.detect()
		inc := tw.until(id, backout.StateSelfRecovered, backout.StateExecuting, backout.StateWaiting, backout.StateHalted)
		if inc.State != want || !stays && inc.Plan != nil {
			t.Errorf("trouble that stays: %t; ended %s (%s), want %s", stays, inc.State, inc.Why, want)
		}
	}
}

// Trouble that an attempt has halved and that then ends, or stays halved, has an end
// either way: easing is no reason to look for ever.
func TestDue_easedAfterAnAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		left float64
		want backout.State
	}{"it ends": {.1, backout.StateSelfRecovered}, "it stays halved": {4, backout.StateHalted}} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, nil)
			id := tw.detect()
			tried := tw.until(id, backout.StateExecuting).Attempts[0].StartedAt
			for s, level := range tw.signals.levels {
				tw.signals.levels[s] = func(at time.Time) float64 {
					if at.After(tried) && level(at) > c.left {
						return c.left
					}
					return level(at)
				}
			}
			tw.runner.run = backout.Run{State: backout.RunHalted, Why: "the target broke", Entries: []backout.Entry{{Kind: backout.EntryEffect, Step: tw.store.incidents[id].Plan.Steps()[0].ID, Outcome: backout.OutcomeDone, Share: 1. / 3}}}
			inc := tw.until(id, backout.StateSelfRecovered, backout.StateHalted)
			if inc.State != c.want || !strings.Contains(inc.Why, "the target broke") {
				t.Errorf("ended %s (%s), want %s and how the attempt ended", inc.State, inc.Why, c.want)
			}
		})
	}
}

// A decisive answer waits while another minute is worth more than it costs, but not for
// ever; one that is not decisive is hurried by no price.
func TestDue_weighsAnotherMinute(t *testing.T) {
	tw := newTown(t, true, nil)
	r := tw.world.Reversals[payment]
	r.Levels[0].Loss, r.Levels[0].Lost = backout.LossSome, "the receipts of an hour"
	at := func(minutes float64, p float64, rate int64) (bool, *backout.Timing) {
		loss := backout.MoneyRange{P50: backout.Money{Minor: rate, Currency: "EUR"}}
		now := noon.Add(time.Duration(minutes * float64(minute)))
		inc := backout.Incident{
			ID: "INC-1", OpenedAt: noon,
			Attribution: &backout.Attribution{At: now, PNone: 1 - p, Suspects: []backout.Suspect{{Change: "c1", Component: payment, To: "2", P: p}}},
			Forecast:    &backout.Forecast{CostNow: loss, CostHorizon: loss},
		}
		w, err := tw.World(t.Context(), now, true)
		if err != nil {
			t.Fatal(err)
		}
		before := backout.Attribution{At: now.Add(-minute), PNone: .95, Suspects: []backout.Suspect{{Change: "c1", Component: payment, To: "2", P: .05}}}
		return tw.r.due(now, w, inc, &before) // the last minute told much, so the next may
	}
	waits, acts := 0, 0
	for rate := int64(10000); rate <= 200000; rate += 2000 {
		due, timing := at(5, .85, rate)
		if timing == nil || due == timing.Wait {
			t.Fatalf("at %d a minute: due %t though %+v", rate, due, timing)
		}
		if timing.Wait {
			waits++
			if late, _ := at(nobodyWait, .85, rate); !late {
				t.Errorf("at %d a minute it waits for more than %.0f minutes", rate, nobodyWait)
			}
		} else {
			acts++
		}
		if hurried, _ := at(5, .75, rate); hurried {
			t.Errorf("at %d a minute an answer of 75 %% is hurried", rate)
		}
	}
	if waits == 0 || acts == 0 {
		t.Errorf("%d prices to wait at and %d to act at: want some of both", waits, acts)
	}
}

// Who did it may still be rolling out. One that is merely suspected is left to settle; one
// that is nearly certain does harm with every instance it reaches.
func TestDue_aRolloutUnderWay(t *testing.T) {
	tw := newTown(t, true, nil)
	c := tw.world.Changes[0]
	c.Exposure.Stages = []backout.ExposureStage{{At: noon.Add(-minute), Share: .3}}
	tw.world.Changes = []backout.Change{c}
	w, err := tw.World(t.Context(), noon.Add(3*minute), true)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[float64]bool{nearlySure - .01: false, nearlySure: true} {
		inc := backout.Incident{ID: "INC-1", OpenedAt: noon, Forecast: &backout.Forecast{},
			Attribution: &backout.Attribution{At: w.Now, PNone: 1 - p, Suspects: []backout.Suspect{{Change: c.ID, Component: c.Component, To: c.To, P: p}}}}
		if due, _ := tw.r.due(w.Now, w, inc, inc.Attribution); due != want {
			t.Errorf("at %.2f, four minutes after its first stage: due %t, want %t", p, due, want)
		}
	}
}

// The first finding may be another story, so the ranking is told when most of them had
// come; and nothing where nobody noticed anything.
func TestNoticed_whenMostWasFound(t *testing.T) {
	at := func(minutes ...int) backout.Incident {
		inc := backout.Incident{OpenedAt: noon}
		for _, m := range minutes {
			inc.Findings = append(inc.Findings, backout.Finding{Opens: true, At: noon.Add(time.Duration(m) * minute)})
		}
		inc.Findings = append(inc.Findings, backout.Finding{At: noon.Add(-99 * minute)}) // opens nothing
		return inc
	}
	for _, c := range []struct {
		found []int
		want  time.Time
	}{{nil, time.Time{}}, {[]int{3}, noon.Add(3 * minute)}, {[]int{4, -30}, noon.Add(-30 * minute)}, {[]int{5, -30, 4}, noon.Add(4 * minute)}} {
		if got := noticed(at(c.found...)); !got.Equal(c.want) {
			t.Errorf("found at minutes %v: noticed at %s, want %s", c.found, got, c.want)
		}
	}
}

// One sample's answer is not acted on: the next look must say the same.
func TestSteady(t *testing.T) {
	att := func(id backout.ChangeID, p float64) *backout.Attribution {
		return &backout.Attribution{Suspects: []backout.Suspect{{Change: id, P: p}}}
	}
	for name, c := range map[string]struct {
		before *backout.Attribution
		want   bool
	}{"never looked": {nil, false}, "nobody suspected": {&backout.Attribution{}, false}, "less likely": {att("a", .7), false}, "another": {att("b", .9), false}, "the same": {att("a", .85), true}} {
		if got := steady(c.before, *att("a", .9), .8); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if steady(att("a", .9), *att("a", .7), .8) {
		t.Error("what is not decisive now is steady")
	}
}
