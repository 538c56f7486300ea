package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// open starts an engine with the given flows on a file; the test closes it.
func open(t testing.TB, path string, flows map[string]FlowFunc) *Engine {
	t.Helper()
	f, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(t.Context(), Config{Database: f, Executor: "one"})
	if err != nil {
		t.Fatal(err)
	}
	for name, fn := range flows {
		e.Register(name, fn)
	}
	if err := e.Launch(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(5*time.Second), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// place names an empty database: a file, or one of the server these tests run on.
func place(t testing.TB) string {
	if s, on := postgrestest.Given(); on {
		return s.Database(t)
	}
	return filepath.Join(t.TempDir(), "x.db")
}

// onFile skips a test that is about SQLite's file.
func onFile(t testing.TB) string {
	if _, on := postgrestest.Given(); on {
		t.Skip("is about the file")
	}
	return filepath.Join(t.TempDir(), "x.db")
}

func TestPostgreSQL(t *testing.T) { postgrestest.Again(t) }

func wait(t testing.TB, e *Engine, id string) State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := e.Wait(ctx, id)
	if err != nil {
		t.Fatalf("wait for %s: %v (parked: %v)", id, err, e.Parked(id))
	}
	return s
}

func TestStart_idempotent(t *testing.T) {
	var ran atomic.Int32
	e := open(t, place(t), map[string]FlowFunc{
		"count": func(f *Flow, in json.RawMessage) json.RawMessage {
			Step(f, "count", func(context.Context) int32 { return ran.Add(1) })
			return nil
		},
	})
	for range 3 {
		if err := e.Start("count", "one", "input"); err != nil {
			t.Fatal(err)
		}
		if s := wait(t, e, "one"); s != StateEnded {
			t.Fatalf("state %s", s)
		}
	}
	if n := ran.Load(); n != 1 {
		t.Errorf("ran %d times, want 1", n)
	}
	if s, err := e.Status(t.Context(), "two"); err != nil || s != StateAbsent {
		t.Errorf("unknown flow: %s %v, want absent", s, err)
	}
	if err := e.Start("nobody", "three", nil); err == nil {
		t.Error("a flow nobody registered was started")
	}
}

func TestTransaction_commitsWithTheRecord(t *testing.T) {
	path := place(t)
	fail := errors.New("refused")
	e := open(t, path, map[string]FlowFunc{
		"write": func(f *Flow, in json.RawMessage) json.RawMessage {
			Transaction(f, "first", func(ctx context.Context, tx Tx) (int, error) {
				_, err := tx.Exec(ctx, "INSERT INTO lines VALUES ($1)", "first")
				return 1, err
			})
			Transaction(f, "second", func(ctx context.Context, tx Tx) (int, error) {
				if _, err := tx.Exec(ctx, "INSERT INTO lines VALUES ($1)", "second"); err != nil {
					return 0, err
				}
				return 0, fail
			})
			return nil
		},
	})
	if _, err := e.DB().Exec("CREATE TABLE lines (line TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := e.Start("write", "w", nil); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return e.Parked("w") != nil })
	if err := e.Parked("w"); !errors.Is(err, fail) {
		t.Errorf("parked with %v, want %v", err, fail)
	}
	var got string
	if err := e.DB().QueryRow("SELECT min(line) || count(*) FROM lines").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != "first1" {
		t.Errorf("lines %q: the failed transaction must leave nothing behind", got)
	}
	if s, _ := e.Status(t.Context(), "w"); s != StateRunning {
		t.Errorf("state %s: a parked flow has not ended", s)
	}
}

func TestAfterLaunch_isCalledOnceItRuns(t *testing.T) {
	f, err := Open(t.Context(), place(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, err := New(t.Context(), Config{Database: f})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(time.Second)
	e.Register("f", func(*Flow, json.RawMessage) json.RawMessage { return nil })
	e.AfterLaunch(func() error { return e.Start("f", "x", nil) })
	if err := e.Launch(); err != nil {
		t.Fatal(err)
	}
	if s := wait(t, e, "x"); s != StateEnded {
		t.Errorf("state %s", s)
	}
}

func TestTogether_keepsTheOrderOfTheTasks(t *testing.T) {
	var got []string
	second := make(chan struct{})
	e := open(t, place(t), map[string]FlowFunc{
		"both": func(f *Flow, in json.RawMessage) json.RawMessage {
			got = Together(f, []Task[string]{
				{"a", func(context.Context) string { <-second; return "a" }},
				{"b", func(context.Context) string { close(second); return "b" }},
			})
			return nil
		},
	})
	if err := e.Start("both", "b", nil); err != nil {
		t.Fatal(err)
	}
	wait(t, e, "b")
	if d := cmp.Diff([]string{"a", "b"}, got); d != "" {
		t.Error(d)
	}
}

func TestClose_resumesAtTheNextLaunch(t *testing.T) {
	path := place(t)
	var before, during, after atomic.Int32
	begun := make(chan struct{}, 1)
	flow := func(f *Flow, in json.RawMessage) json.RawMessage {
		Step(f, "before", func(context.Context) int32 { return before.Add(1) })
		Step(f, "during", func(ctx context.Context) int32 {
			n := during.Add(1)
			if n == 1 {
				begun <- struct{}{}
				<-ctx.Done()
			}
			return n
		})
		Step(f, "after", func(context.Context) int32 { return after.Add(1) })
		return nil
	}
	t.Run("first process", func(t *testing.T) {
		e := open(t, path, map[string]FlowFunc{"f": flow})
		if err := e.Start("f", "x", nil); err != nil {
			t.Fatal(err)
		}
		<-begun
	})
	e := open(t, path, map[string]FlowFunc{"f": flow})
	if s := wait(t, e, "x"); s != StateEnded {
		t.Fatalf("state %s", s)
	}
	if d := cmp.Diff([]int32{1, 2, 1}, []int32{before.Load(), during.Load(), after.Load()}); d != "" {
		t.Errorf("times each step ran: %s", d)
	}
}

func TestOpenFile_refuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	held := filepath.Join(dir, "held.db")
	f, err := Open(t.Context(), held)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct{ name, path, want string }{
		{"held by another", held, fmt.Sprintf("in use by another process (process %d", os.Getpid())},
		{"garbage", write("garbage.db", strings.Repeat("this is no database ", 100)), "not a SQLite database"},
		{"folder is a file", filepath.Join(write("file", ""), "x.db"), "create its folder"},
		{"path is a folder", dir, "can't be opened"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Open(t.Context(), c.path)
			if err == nil {
				got.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("error %q, want the path and %q", err, c.want)
			}
		})
	}
	if _, err := Open(t.Context(), held); !errors.Is(err, ErrInUse) {
		t.Errorf("error %v, want ErrInUse", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), held)
	if err != nil {
		t.Fatalf("after the holder closed it: %v", err)
	}
	again.Close()
}

func TestOpenFile_durability(t *testing.T) {
	f, err := Open(t.Context(), filepath.Join(t.TempDir(), "with space?#%.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "10000"} {
		var got string
		if err := f.DB.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
}

func TestNew_environmentThatOrphansFlows(t *testing.T) {
	t.Setenv("DBOS__APPVERSION", "other")
	f, err := Open(t.Context(), place(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := New(t.Context(), Config{Database: f}); err == nil {
		t.Error("accepted")
	}
}

// BenchmarkStep measures what recording one step costs, with synchronous=FULL.
func BenchmarkStep(b *testing.B) {
	e := open(b, filepath.Join(b.TempDir(), "x.db"), map[string]FlowFunc{
		"many": func(f *Flow, in json.RawMessage) json.RawMessage {
			for range b.N {
				Step(f, "s", func(context.Context) int { return 1 })
			}
			return nil
		},
	})
	b.ResetTimer()
	if err := e.Start("many", "m", nil); err != nil {
		b.Fatal(err)
	}
	<-endedOf(e, "m")
}

func BenchmarkTransaction(b *testing.B) {
	e := open(b, filepath.Join(b.TempDir(), "x.db"), map[string]FlowFunc{
		"many": func(f *Flow, in json.RawMessage) json.RawMessage {
			for i := range b.N {
				Transaction(f, "t", func(ctx context.Context, tx Tx) (int, error) {
					_, err := tx.Exec(ctx, "INSERT INTO lines VALUES ($1)", i)
					return 1, err
				})
			}
			return nil
		},
	})
	if _, err := e.DB().Exec("CREATE TABLE lines (line INTEGER)"); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if err := e.Start("many", "m", nil); err != nil {
		b.Fatal(err)
	}
	<-endedOf(e, "m")
}

func endedOf(e *Engine, id string) chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.endedLocked(id)
}

// Replicas that boot at once prepare tables one after the other; what a killed one had
// begun may still come to be under the next one's hands, as here, where nobody waits.
func TestNew_tablesThatComeToBeMeanwhile(t *testing.T) {
	address := postgrestest.Start(t).Database(t)
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			d, err := Open(t.Context(), address)
			if err != nil {
				errs <- err
				return
			}
			defer d.Close()
			_, err = d.DB.ExecContext(t.Context(), "CREATE SCHEMA IF NOT EXISTS s; CREATE TABLE IF NOT EXISTS s.x (a bigint)")
			errs <- err
		}()
	}
	raced := 0
	for range cap(errs) {
		if err := <-errs; err != nil {
			if raced++; !madeMeanwhile(err) {
				t.Errorf("%v: it was made in the same moment", err)
			}
		}
	}
	t.Logf("%d of %d met one another", raced, cap(errs))
	d, err := Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, other := range []string{"CREATE TABLE y (a int PRIMARY KEY); INSERT INTO y VALUES (1), (1)", "SELECT 1/0", "SELECT nobody"} {
		if _, err := d.DB.ExecContext(t.Context(), other); err == nil || madeMeanwhile(err) {
			t.Errorf("%s: %v: that will not pass by itself", other, err)
		}
	}
}
