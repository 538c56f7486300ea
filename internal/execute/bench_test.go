package execute_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

func component(name string) backout.Component {
	id := backout.NewComponentID(backout.KindDeployment, name, "production", "eu")
	return backout.Component{ID: id, Kind: backout.KindDeployment, Name: name, Actuator: "fake"}
}

// shop has three components at 2, each of which the attempt brings to 1.
var shop = []backout.Component{component("web"), component("payment"), component("ledger")}

// attempt takes web and payment back side by side (payment in two stages), then
// ledger.
func attempt(bake time.Duration) backout.Attempt {
	b := backout.Duration(bake)
	step := func(i int, stages ...backout.Stage) backout.Step {
		return backout.Step{ID: shop[i].Name, Component: shop[i].ID, From: "2", To: "1", Stages: stages}
	}
	p := backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{
		{Steps: []backout.Step{step(0, backout.Stage{Share: 1, Bake: b}), step(1, backout.Stage{Share: 0.1, Bake: b}, backout.Stage{Share: 1, Bake: b})}},
		{Steps: []backout.Step{step(2, backout.Stage{Share: 1, Bake: b})}},
	}}
	return backout.Attempt{ID: "i/1", Digest: p.ExecutableDigest(), Plan: p}
}

// guard and gate are functions.
type guard func(execute.Proposal) (execute.Permission, error)

func (g guard) Allow(_ context.Context, p execute.Proposal) (execute.Permission, error) { return g(p) }

type gate func(ctx context.Context, q execute.Question) (execute.Answer, error)

func (g gate) Ask(ctx context.Context, q execute.Question) (execute.Answer, error) { return g(ctx, q) }

func always(d execute.Decision, why string) gate {
	return func(context.Context, execute.Question) (execute.Answer, error) {
		return execute.Answer{Decision: d, Why: why}, nil
	}
}

// bench is an executor on a temporary file with fakes around it.
type bench struct {
	*execute.Executor
	engine  *engine.Engine
	t       *testing.T
	fake    *executetest.Fake
	failing *executetest.Failing
	// actuators are those of the executor; changed before start only.
	actuators map[string]execute.Actuator
	guard     guard
	gate      gate
	mu        sync.Mutex
	told      []backout.Entry        // guarded by mu
	stop      atomic.Pointer[string] // why everything is stopped
	news      chan struct{}          // one token at least for each entry told since the last receive
}

func newBench(t *testing.T) *bench {
	// Pauses are short to wait for.
	return newBenchPausing(t, time.Millisecond, 5*time.Millisecond)
}

// newBenchPausing is a bench whose pauses between two looks are of these lengths.
func newBenchPausing(t *testing.T, tick, most time.Duration) *bench {
	b := &bench{t: t, fake: executetest.NewFake(nil), news: make(chan struct{}, 1),
		guard: func(execute.Proposal) (execute.Permission, error) { return execute.Permission{Yes: true}, nil },
		gate:  always(execute.DecisionGoOn, "fine"),
	}
	for _, c := range shop {
		b.fake.Set(c.ID, map[backout.Version]float64{"2": 1})
	}
	b.failing = &executetest.Failing{Actuator: b.fake}
	b.actuators = map[string]execute.Actuator{"fake": b.failing}
	f, err := engine.Open(t.Context(), place(t))
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{Database: f})
	if err != nil {
		t.Fatal(err)
	}
	b.engine = e
	b.Executor, err = execute.New(t.Context(), execute.Config{
		Engine: e, Actuators: b.actuators,
		Guard: guard(func(p execute.Proposal) (execute.Permission, error) { return b.guard(p) }),
		Gate:  gate(func(ctx context.Context, q execute.Question) (execute.Answer, error) { return b.gate(ctx, q) }),
		Stopped: func(context.Context) (string, error) {
			if why := b.stop.Load(); why != nil {
				return *why, nil
			}
			return "", nil
		},
		// Settle is far longer than an effect of the fake takes and short to wait for.
		Timeout: 300 * time.Millisecond, Settle: 200 * time.Millisecond, Tick: tick, MaxTick: most,
		Tell: b.hear,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Launch(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(5*time.Second), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// place names an empty database: a file, or one of the server these tests run on.
func place(t testing.TB) string {
	if s, on := postgrestest.Given(); on {
		return s.Database(t)
	}
	return filepath.Join(t.TempDir(), "x.db")
}

func TestPostgreSQL(t *testing.T) { postgrestest.Again(t) }

func (b *bench) hear(e backout.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, e)
	select {
	case b.news <- struct{}{}:
	default:
	}
}

func (b *bench) start(att backout.Attempt) {
	b.t.Helper()
	if err := b.Start(b.t.Context(), execute.Request{Attempt: att, Components: shop}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) end() backout.Run {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	r, err := b.Wait(ctx, "i/1")
	if err != nil {
		b.t.Fatalf("%v\n%s", err, lines(r))
	}
	return r
}

// state waits until the run is in a state.
func (b *bench) state(want backout.RunState) backout.Run {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		r, err := b.Run(b.t.Context(), "i/1")
		if err == nil && r.State == want {
			return r
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("run is %s, want %s (%v)\n%s", r.State, want, err, lines(r))
		}
		<-time.After(time.Millisecond)
	}
}

// until waits for something to become true.
func (b *bench) until(true func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !true() {
		if time.Now().After(deadline) {
			b.t.Fatal("it did not come about in time")
		}
		<-time.After(time.Millisecond)
	}
}

func (b *bench) control(kind execute.ControlKind) {
	b.t.Helper()
	if err := b.Control(b.t.Context(), "i/1", execute.Control{Kind: kind, By: "ann", Why: "because"}); err != nil {
		b.t.Fatal(err)
	}
}

func lines(r backout.Run) string {
	var s strings.Builder
	for _, e := range r.Entries {
		fmt.Fprintf(&s, "%2d %-8s %-8s %-8s %s\n", e.Seq, e.Kind, e.Step, e.Outcome, e.Text)
	}
	return s.String()
}

// expect checks how a run ended, what it said, and which effects changed what.
func (b *bench) expect(r backout.Run, state backout.RunState, why string, keys ...string) {
	b.t.Helper()
	if r.State != state || !strings.Contains(r.Why, why) {
		b.t.Errorf("ended %s (%s), want %s (%s)", r.State, r.Why, state, why)
	}
	if keys == nil {
		keys = []string{}
	}
	got := b.fake.Keys()
	if len(got) > 1 && len(keys) > 1 && got[0] == keys[1] && got[1] == keys[0] {
		got[0], got[1] = got[1], got[0] // the first two steps go side by side
	}
	if d := cmp.Diff(keys, got); d != "" {
		b.t.Errorf("effects: %s", d)
	}
	if b.t.Failed() {
		b.t.Logf("journal:\n%s", lines(r))
	}
}
