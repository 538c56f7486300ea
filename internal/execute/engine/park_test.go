package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParked_resumesAtTheNextLaunch(t *testing.T) {
	path := place(t)
	var full atomic.Bool
	full.Store(true)
	var before atomic.Int32
	flow := func(f *Flow, in json.RawMessage) json.RawMessage {
		Step(f, "before", func(context.Context) int32 { return before.Add(1) })
		Transaction(f, "write", func(ctx context.Context, tx Tx) (int, error) {
			if full.Load() {
				return 0, errors.New("the disk is full")
			}
			return 1, nil
		})
		return nil
	}
	t.Run("full", func(t *testing.T) {
		e := open(t, path, map[string]FlowFunc{"f": flow})
		if err := e.Start("f", "x", nil); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return e.Parked("x") != nil })
	})
	full.Store(false)
	e := open(t, path, map[string]FlowFunc{"f": flow})
	if s := wait(t, e, "x"); s != StateEnded || before.Load() != 1 {
		t.Errorf("state %s, the recorded step ran %d times", s, before.Load())
	}
	if err := e.Parked("x"); err != nil {
		t.Errorf("still parked: %v", err)
	}
}

// A connection that is cut parks a flow that nobody would restart: the process is
// well, and so is the fleet's opinion of it.
func TestParked_resumesByItself(t *testing.T) {
	var cut, before, begun atomic.Int32
	cut.Store(3)
	e := open(t, place(t), map[string]FlowFunc{"f": func(f *Flow, in json.RawMessage) json.RawMessage {
		Step(f, "before", func(context.Context) int32 { return before.Add(1) })
		Transaction(f, "write", func(ctx context.Context, tx Tx) (int, error) {
			begun.Add(1)
			if cut.Add(-1) >= 0 {
				return 0, errors.New("unexpected EOF")
			}
			_, err := tx.Exec(ctx, "INSERT INTO lines VALUES ($1)", "written")
			return 1, err
		})
		return nil
	}})
	if _, err := e.DB().Exec("CREATE TABLE lines (line TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := e.Start("f", "x", nil); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return e.Parked("x") != nil })
	if s := wait(t, e, "x"); s != StateEnded {
		t.Fatalf("state %s, parked %v", s, e.Parked("x"))
	}
	if err := e.Parked("x"); err != nil {
		t.Errorf("still parked: %v", err)
	}
	var lines int
	if err := e.DB().QueryRow("SELECT count(*) FROM lines").Scan(&lines); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int32{1, 4, 1}, []int32{before.Load(), begun.Load(), int32(lines)}); d != "" {
		t.Errorf("times the recorded step ran, the transaction was begun, and it was committed: %s", d)
	}
}

// The same inside steps done together, of which none may be left under way.
func TestTogether_parksForAll(t *testing.T) {
	var cut atomic.Bool
	cut.Store(true)
	var slow, under atomic.Int32
	e := open(t, place(t), map[string]FlowFunc{"f": func(f *Flow, in json.RawMessage) json.RawMessage {
		Together(f, []Task[int]{
			{Name: "cut", Do: func(context.Context) int {
				if cut.Swap(false) {
					Park("note", errors.New("unexpected EOF"))
				}
				return 1
			}},
			{Name: "slow", Do: func(context.Context) int {
				if under.Add(1) > 1 {
					t.Error("begun again while it was under way")
				}
				time.Sleep(time.Second)
				slow.Add(1)
				under.Add(-1)
				return 2
			}},
		})
		return nil
	}})
	if err := e.Start("f", "x", nil); err != nil {
		t.Fatal(err)
	}
	if s := wait(t, e, "x"); s != StateEnded || slow.Load() != 1 {
		t.Errorf("state %s, parked %v; the step that was recorded ran %d times", s, e.Parked("x"), slow.Load())
	}
}

// What somebody else adopted meanwhile is theirs: a flow must never be taken from
// an execution that goes on.
func TestPutUp_leavesWhatIsAdopted(t *testing.T) {
	hold := make(chan struct{})
	e := open(t, place(t), map[string]FlowFunc{"f": func(f *Flow, in json.RawMessage) json.RawMessage {
		Step(f, "wait", func(ctx context.Context) int {
			select {
			case <-hold:
			case <-ctx.Done():
			}
			return 1
		})
		return nil
	}})
	if err := e.Start("f", "x", nil); err != nil {
		t.Fatal(err)
	}
	schema := ""
	if e.Database().Shared() {
		schema = "dbos."
	}
	set := func(executor string) {
		if _, err := e.DB().Exec("UPDATE "+schema+"workflow_status SET executor_id = $1 WHERE workflow_uuid = 'x'", executor); err != nil {
			t.Fatal(err)
		}
	}
	status := func() (s string) {
		if err := e.DB().QueryRow("SELECT status FROM " + schema + "workflow_status WHERE workflow_uuid = 'x'").Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	set("another")
	if ours, err := e.putUp(t.Context(), "x"); err != nil || ours || status() != "PENDING" {
		t.Errorf("%v, %s: it is another executor's, and must stay so", err, status())
	}
	set(e.Executor())
	if ours, err := e.putUp(t.Context(), "x"); err != nil || !ours || status() != "ENQUEUED" {
		t.Errorf("%v, %s: it is ours, and must be put up", err, status())
	}
	close(hold)
	if s := wait(t, e, "x"); s != StateEnded {
		t.Errorf("state %s", s)
	}
}

func TestPark_waitsLongerEachTime(t *testing.T) {
	e := &Engine{parked: map[string]park{}}
	var got []time.Duration
	for range 9 {
		got = append(got, e.park("x", errors.New("away")).pause())
	}
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	p := e.parked["x"]
	p.since = p.since.Add(-parkForgotten - time.Second)
	e.parked["x"] = p
	if got := e.park("x", errors.New("away")).pause(); got != parkFirst {
		t.Errorf("%s: what happened long ago makes nobody wait", got)
	}
}

func TestFlow_panicParks(t *testing.T) {
	e := open(t, place(t), map[string]FlowFunc{
		"bad": func(f *Flow, in json.RawMessage) json.RawMessage {
			Step(f, "boom", func(context.Context) int { panic("boom") })
			return nil
		},
	})
	if err := e.Start("bad", "x", nil); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return e.Parked("x") != nil })
	if s, _ := e.Status(t.Context(), "x"); s != StateRunning {
		t.Errorf("state %s: a flow with a defect waits for a mended program", s)
	}
}
