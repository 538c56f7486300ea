package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// loaded is a town whose payment goes back with facts about what that does. The
// journey is worth 60 euros a minute.
func loaded(r backout.Rollback, values map[backout.Quantity]float64) (*town, backout.ComponentID) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .85)
	w.req.World.Graph.Journeys = []backout.Journey{{ID: "buy", Services: []backout.ServiceID{"payment"}, ValuePerMinute: eur(60)}}
	w.req.World.Graph.Components[0].Rollback = &r
	w.req.World.Loads = map[backout.ComponentID]backout.Load{payment: {Values: values}}
	return w, payment
}

func (w *town) headroom(c backout.ComponentID, h float64) {
	r := w.req.World.Reversals[c]
	r.Headroom = h
	w.req.World.Reversals[c] = r
}

func TestMake_sideEffectsAreNamedAndPriced(t *testing.T) {
	busy := func(u float64) map[backout.Quantity]float64 {
		return map[backout.Quantity]float64{backout.QuantityUtilisation: u}
	}
	queue := &backout.Queue{Backlog: "b", Inflow: "i", DrainRate: 10, DelayPenalty: .5}
	writes := &backout.Writes{Query: "w", Unit: "receipts", Since: "2.14.0", Fate: backout.FateUnreadable, Each: backout.Money{Minor: 40, Currency: "EUR"}}
	tests := map[string]struct {
		rollback backout.Rollback
		values   map[backout.Quantity]float64
		arrange  func(w *town, payment backout.ComponentID)
		kind     backout.SideEffectKind // "" = none
		minor    int64
		unpriced bool
		lasts    time.Duration
		words    []string
	}{
		// Two stages of a third and two thirds, a third away at a time: three times a
		// minute in which two thirds of the capacity serve what needs 80 %.
		"capacity while starting": {
			rollback: backout.Rollback{Startup: backout.Duration(time.Minute)}, values: busy(.8),
			arrange: func(w *town, c backout.ComponentID) { w.headroom(c, 1./3) },
			kind:    backout.SideEffectCapacity, minor: int64(math.Round(3 * 6000 * (.8 - 2./3) / .8)), words: []string{"for 3 min", "33 %", "80 %"},
		},
		"capacity enough": {
			rollback: backout.Rollback{Startup: backout.Duration(time.Minute)}, values: busy(.5),
			arrange: func(w *town, c backout.ComponentID) { w.headroom(c, 1./3) },
		},
		"capacity never missing": {rollback: backout.Rollback{Startup: backout.Duration(time.Minute)}, values: busy(.99)},
		"capacity unknown": {
			rollback: backout.Rollback{Startup: backout.Duration(time.Minute)},
			arrange:  func(w *town, c backout.ComponentID) { w.headroom(c, 1./3) },
			kind:     backout.SideEffectCapacity, unpriced: true, words: []string{"how busy it is is not known"},
		},
		// One of three instances comes back, 1.5 are needed: a third is not served.
		"fewer instances": {
			values: busy(.5), arrange: func(w *town, c backout.ComponentID) { w.req.World.Reversals[c].Levels[0].Instances = 1 },
			kind: backout.SideEffectCapacity, minor: 15 * 2000, lasts: 15 * time.Minute, words: []string{"comes back with 1 instance, 3 run now and 2 are needed", "scale it up first"},
		},
		"fewer is enough": {
			values: busy(.3), arrange: func(w *town, c backout.ComponentID) { w.req.World.Reversals[c].Levels[0].Instances = 1 },
		},
		"cold cache": {
			rollback: backout.Rollback{CacheWarmup: backout.Duration(4 * time.Minute), CachePenalty: .25},
			kind:     backout.SideEffectColdCache, minor: 6000, lasts: 4 * time.Minute, words: []string{"warm after 4 min", "25 %"},
		},
		"cold cache of unknown harm": {
			rollback: backout.Rollback{CacheWarmup: backout.Duration(4 * time.Minute)},
			kind:     backout.SideEffectColdCache, unpriced: true, words: []string{"no cachePenalty"},
		},
		"worth nothing": {
			rollback: backout.Rollback{CacheWarmup: backout.Duration(4 * time.Minute), CachePenalty: .25},
			arrange:  func(w *town, _ backout.ComponentID) { w.req.World.Graph.Journeys = nil },
			kind:     backout.SideEffectColdCache, unpriced: true, words: []string{"no journey with a value"}, lasts: 4 * time.Minute,
		},
		// A third away for a minute thrice: 6.67 of 8 a second are taken, 240 more wait;
		// with the 60 that wait already they drain at 2 a second in 150 s, not 30 s.
		"backlog": {
			rollback: backout.Rollback{Startup: backout.Duration(time.Minute), Queue: queue},
			values:   map[backout.Quantity]float64{backout.QuantityBacklog: 60, backout.QuantityInflow: 8, backout.QuantityUtilisation: .1},
			arrange:  func(w *town, c backout.ComponentID) { w.headroom(c, 1./3) },
			kind:     backout.SideEffectBacklog, minor: 2 * 3000, lasts: 150 * time.Second, words: []string{"300 messages", "240 of them", "2 min 30 s"},
		},
		"backlog that never drains": {
			rollback: backout.Rollback{Queue: queue}, values: map[backout.Quantity]float64{backout.QuantityBacklog: 60, backout.QuantityInflow: 12},
			kind: backout.SideEffectBacklog, lasts: 45 * time.Minute, words: []string{"does not drain: 12 a second arrive and it takes 10"},
		},
		"no backlog": {rollback: backout.Rollback{Queue: queue}, values: map[backout.Quantity]float64{backout.QuantityBacklog: 0, backout.QuantityInflow: 2}},
		"backlog unknown": {
			rollback: backout.Rollback{Queue: queue}, values: map[backout.Quantity]float64{backout.QuantityInflow: 2},
			kind: backout.SideEffectBacklog, unpriced: true, words: []string{"how many messages wait is not known"},
		},
		// 20 minutes at one a second.
		"data": {
			rollback: backout.Rollback{Writes: writes}, values: map[backout.Quantity]float64{backout.QuantityWrites: 1},
			kind: backout.SideEffectData, minor: 1200 * 40, words: []string{"about 1,200 receipts that payment 2.14.0 wrote can't be read by 2.13.2, written since 11:40 UTC"},
		},
		// Ten minutes at a tenth are as one minute at full exposure.
		"data of a rollout": {
			rollback: backout.Rollback{Writes: writes}, values: map[backout.Quantity]float64{backout.QuantityWrites: 1},
			arrange: func(w *town, _ backout.ComponentID) {
				w.req.World.Changes[0].Exposure.Stages = []backout.ExposureStage{{At: noon.Add(-20 * time.Minute), Share: .1}, {At: noon.Add(-10 * time.Minute), Share: 1}}
			},
			kind: backout.SideEffectData, minor: 660 * 40, words: []string{"about 660 receipts"},
		},
		"data unknown": {
			rollback: backout.Rollback{Writes: writes}, kind: backout.SideEffectData, unpriced: true, words: []string{"how many are written is not known"},
		},
		"data of an older form": {
			rollback: backout.Rollback{Writes: &backout.Writes{Query: "w", Unit: "receipts", Since: "2.13.0", Fate: backout.FateLost}},
			values:   map[backout.Quantity]float64{backout.QuantityWrites: 1},
		},
		"nothing said": {values: busy(1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, payment := loaded(tt.rollback, tt.values)
			plain, _ := loaded(backout.Rollback{}, nil)
			if tt.arrange != nil {
				tt.arrange(w, payment)
				if len(w.req.World.Graph.Journeys) == 0 {
					plain.req.World.Graph.Journeys = nil
				}
			}
			p := w.make(t)
			wantShape(t, p, backout.ActionRollBack, "payment:2.13.2")
			if bad := check.Plan(w.req.World, p); len(bad) > 0 {
				t.Errorf("not safe: %v", bad)
			}
			got := p.Steps()[0].SideEffects
			if tt.kind == "" {
				if len(got) > 0 || p.Cost != plain.make(t).Cost && tt.rollback.Startup == 0 {
					t.Errorf("effects %+v, cost %s; want none", got, p.Cost)
				}
				return
			}
			k := slices.IndexFunc(got, func(e backout.SideEffect) bool { return e.Kind == tt.kind })
			if k < 0 {
				t.Fatalf("effects %+v, want %s", got, tt.kind)
			}
			e := got[k]
			if e.Component != payment || e.Cost.Minor != tt.minor || e.Priced == tt.unpriced || e.Lasts.Std() != tt.lasts {
				t.Errorf("%+v: want %d minor, unpriced %t, lasting %s", e, tt.minor, tt.unpriced, tt.lasts)
			}
			for _, word := range tt.words {
				if !strings.Contains(e.Words, word) {
					t.Errorf("words %q, want %q in it", e.Words, word)
				}
			}
		})
	}
}

// What a step does by itself is in the plan's cost to the cent, stands among its
// terms, and makes the gates wait.
func TestMake_sideEffectsAreInTheCost(t *testing.T) {
	penalty := func(share float64) backout.Plan {
		w, _ := loaded(backout.Rollback{CacheWarmup: backout.Duration(4 * time.Minute), CachePenalty: share}, nil)
		return w.make(t)
	}
	without, with := penalty(0), penalty(.25)
	if diff := with.Cost.Minor - without.Cost.Minor; diff != 6000 {
		t.Errorf("a cold cache of 60 euros makes the plan %d dearer", diff)
	}
	if got := minor(with.Alternatives[0].Terms, termAside); got != 6000 || !with.Alternatives[0].Chosen {
		t.Errorf("terms %+v", with.Alternatives[0])
	}
	for _, st := range with.Steps()[0].Stages {
		if st.Bake.Std() < bakePart*time.Minute+4*time.Minute {
			t.Errorf("stage %+v: its gate speaks before the caches are warm", st)
		}
	}
	w, _ := loaded(backout.Rollback{CacheWarmup: backout.Duration(90 * time.Minute), CachePenalty: .9}, nil)
	if p := w.make(t); p.Action != backout.ActionNone || !strings.Contains(p.Summary, "more than it is expected to save") {
		t.Errorf("%s: %s; the way back is dearer than the trouble", p.Action, p.Summary)
	}
	slow, _ := loaded(backout.Rollback{Startup: backout.Duration(6 * time.Minute)}, nil)
	if p := slow.make(t); p.Takes.Std() < time.Duration(len(p.Steps()[0].Stages))*9*time.Minute {
		t.Errorf("takes %s with %d stages of six minutes' start each", p.Takes, len(p.Steps()[0].Stages))
	}
}

// Data that older code can't read, or that nobody counted, is a person's decision.
func TestMake_dataWrittenSinceIsAGap(t *testing.T) {
	for _, values := range []map[backout.Quantity]float64{{backout.QuantityWrites: 2}, nil} {
		w, _ := loaded(backout.Rollback{Writes: &backout.Writes{Query: "w", Unit: "receipts", Fate: backout.FateLost}}, values)
		if p := w.make(t); len(p.Gaps) != 1 || !strings.Contains(p.Gaps[0], "receipts that payment 2.14.0 wrote are lost") {
			t.Errorf("gaps %q", p.Gaps)
		}
	}
}

// A caller that was deployed since, and never met what comes back, may break; one
// that goes back as well can't.
func TestMake_consumersThatMovedOn(t *testing.T) {
	w, _ := loaded(backout.Rollback{}, nil)
	web := w.part(backout.KindDeployment, "web", 10*time.Minute, "1", "2")
	w.req.World.Graph.Dependencies = []backout.Dependency{{From: "web", To: "payment"}}
	w.req.World.Graph.Journeys[0].Services = []backout.ServiceID{"web", "payment"}
	effects := func() []backout.SideEffect { return w.make(t).Steps()[len(w.make(t).Steps())-1].SideEffects }
	want := []backout.SideEffect{{Kind: backout.SideEffectConsumers, Component: web, Priced: true, Cost: backout.Money{Minor: 6000 * 5 / 10, Currency: "EUR"},
		Words: "web 2 came after payment 2.14.0 and never met 2.13.2"}}
	if diff := cmp.Diff(want, effects()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.req.World.Pairs = []backout.Pair{{A: web, B: id(backout.KindDeployment, "payment"), AVersion: "2", BVersion: "2.13.2", Healthy: true}}
	if got := effects(); len(got) > 0 {
		t.Errorf("%+v although the two were seen healthy together", got)
	}
	w.req.World.Pairs = nil
	w.req.Wanted = map[backout.ComponentID]backout.Version{web: "1", id(backout.KindDeployment, "payment"): "2.13.2"}
	for _, st := range w.make(t).Steps() {
		if len(st.SideEffects) > 0 {
			t.Errorf("%+v although web goes back as well", st.SideEffects)
		}
	}
}

func TestSideEffects_numbersAsPeopleWriteThem(t *testing.T) {
	for want, got := range map[string]string{
		"0": about(0), "0.5": about(.5), "7": about(7), "12": about(12.3), "1,200": about(1234), "1,300,000": about(1_250_001), "1,000": about(999.6),
		"40 s": spell(40 * time.Second), "2 min 30 s": spell(150 * time.Second), "1 h 30 min": spell(90 * time.Minute), "less than a second": spell(time.Millisecond),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Shortage is nought while there is enough, and never counts what is lost already.
func TestShortage(t *testing.T) {
	for _, tt := range [][3]float64{{.5, .6, 0}, {.8, .4, .5}, {2, 1, 0}, {2, .5, .25}, {0, 0, 0}} {
		if got := shortage(tt[0], tt[1]); math.Abs(got-tt[2]) > 1e-12 {
			t.Errorf("%s: got %v", fmt.Sprint(tt), got)
		}
	}
}
