package manual_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/execute/manual"
)

var ledger = backout.Component{ID: backout.NewComponentID(backout.KindSchema, "ledger", "production", "eu"), Kind: backout.KindSchema, Name: "ledger", Service: "ledger", Actuator: "dba"}

var book = backout.Playbook{Name: "restore-ledger", Title: "restore the ledger", Component: ledger.ID, Owner: "dba-team", Steps: []string{"stop {service}", "restore {to} {untouched}"}}

// sheet is where a person writes what is live, and a machine reads it: a file.
type sheet string

func (s sheet) Look(context.Context, backout.Component) (execute.Sight, error) {
	b, err := os.ReadFile(string(s))
	if err != nil {
		return execute.Sight{}, err
	}
	return execute.ReadSight([]byte(fmt.Sprintf(`{"version": %q}`, strings.TrimSpace(string(b)))))
}

func (s sheet) write(t *testing.T, v backout.Version) {
	t.Helper()
	if err := os.WriteFile(string(s), []byte(v), 0o600); err != nil {
		t.Fatal(err)
	}
}

// memory has one change, which brought 42.
type memory struct{ *execute.Tasks }

func (memory) LastChange(context.Context, backout.ComponentID) (backout.Change, bool, error) {
	return backout.Change{Component: ledger.ID, From: "41", To: "42", Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: time.Now().Add(-time.Hour), Share: 1}}}}, true, nil
}

func actuator(t *testing.T, tasks *execute.Tasks, machine execute.Prober, change func(*manual.Config)) *execute.Declared {
	t.Helper()
	c := manual.Config{Tasks: tasks, Playbooks: []backout.Playbook{book}, Machine: machine, Deadline: time.Minute, EscalateTo: "head of data", Tick: 5 * time.Millisecond, MachineTick: 5 * time.Millisecond}
	if change != nil {
		change(&c)
	}
	m, err := manual.New(c)
	if err != nil {
		t.Fatal(err)
	}
	d := &execute.Declared{Mover: m, Prober: machine, Stated: execute.Stated{Loss: backout.LossSome, Lost: "an hour of entries"}}
	if machine == nil {
		d.Prober = manual.Recorded{Memory: memory{tasks}}
	}
	return d
}

// bench is an executor with one step that people do.
type bench struct {
	*execute.Executor
	t     *testing.T
	tasks *execute.Tasks
	close func()
}

func open(t *testing.T, file string, machine execute.Prober, change func(*manual.Config)) *bench {
	t.Helper()
	db, err := engine.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{Database: db})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, tasks: execute.NewTasks(db.DB)}
	b.Executor, err = execute.New(t.Context(), execute.Config{
		Engine: e, Actuators: map[string]execute.Actuator{"dba": actuator(t, b.tasks, machine, change)}, Guard: yes{}, Gate: yes{},
		Timeout: 100 * time.Millisecond, Settle: 100 * time.Millisecond, Tick: time.Millisecond, MaxTick: 5 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Launch(); err != nil {
		t.Fatal(err)
	}
	b.close = sync.OnceFunc(func() {
		if err := errors.Join(e.Close(5*time.Second), db.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.close)
	return b
}

type yes struct{}

func (yes) Allow(context.Context, execute.Proposal) (execute.Permission, error) {
	return execute.Permission{Yes: true}, nil
}

func (yes) Ask(context.Context, execute.Question) (execute.Answer, error) {
	return execute.Answer{Decision: execute.DecisionGoOn}, nil
}

func attempt() backout.Attempt {
	p := backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{{ID: "ledger", Component: ledger.ID, From: "42", To: "41"}}}}}
	return backout.Attempt{ID: "INC-1/1", Digest: p.ExecutableDigest(), Plan: p}
}

func (b *bench) start() {
	b.t.Helper()
	if err := b.Start(b.t.Context(), execute.Request{Attempt: attempt(), Components: []backout.Component{ledger}}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) end() backout.Run {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	r, err := b.Wait(ctx, "INC-1/1")
	if err != nil {
		b.t.Fatalf("%v\n%s", err, lines(r))
	}
	return r
}

// asked waits until the step's task is open.
func (b *bench) asked() backout.Task {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if all, err := b.tasks.TasksOf(b.t.Context(), "INC-1/1"); err == nil && len(all) > 0 {
			return all[0]
		}
	}
	b.t.Fatal("nobody was asked")
	return backout.Task{}
}

func (b *bench) answer(done bool, reason string) {
	b.t.Helper()
	if _, err := b.tasks.AnswerTask(b.t.Context(), b.asked().Key, backout.TaskAnswer{Done: done, By: "ann", At: time.Now(), Reason: reason}); err != nil {
		b.t.Fatal(err)
	}
}

func lines(r backout.Run) string {
	out := fmt.Sprintf("%s: %s\n", r.State, r.Why)
	for _, e := range r.Entries {
		out += fmt.Sprintf("%s %s %s\n", e.Kind, e.Outcome, e.Text)
	}
	return out
}

func said(r backout.Run, kind backout.EntryKind) (out []string) {
	for _, e := range r.Entries {
		if e.Kind == kind {
			out = append(out, e.Text)
		}
	}
	return out
}

// person does what it is asked, as the fault says.
func person(t *testing.T, tasks *execute.Tasks, s sheet, fault func() executetest.Fault) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		seen := map[string]bool{}
		for ctx.Err() == nil {
			time.Sleep(2 * time.Millisecond)
			all, err := tasks.TasksOf(ctx, "conformance/1")
			if err != nil {
				continue
			}
			for _, task := range all {
				if seen[task.Key] {
					continue
				}
				seen[task.Key] = true
				f := fault()
				if f == executetest.FaultHangs {
					continue
				}
				if f != executetest.FaultLies && s != "" {
					_ = os.WriteFile(string(s), []byte(task.To), 0o600) // seen by the suite when it fails
				}
				_, _ = tasks.AnswerTask(ctx, task.Key, backout.TaskAnswer{Done: f != executetest.FaultErrs, By: "ann", At: time.Now(), Reason: "as asked"})
			}
		}
	}()
}

func TestConform(t *testing.T) {
	for name, machine := range map[string]bool{"a machine sees it": true, "people say it": false} {
		t.Run(name, func(t *testing.T) {
			b := open(t, filepath.Join(t.TempDir(), "x.db"), nil, nil)
			var mu sync.Mutex
			var next executetest.Fault
			fault := func() executetest.Fault {
				mu.Lock()
				defer mu.Unlock()
				f := next
				next = ""
				return f
			}
			subject := executetest.Subject{
				Actuator: actuator(t, b.tasks, nil, nil), Component: ledger, From: "42", To: "41",
				Stack: []backout.Change{{Component: ledger.ID, From: "41", To: "42"}},
			}
			s := sheet("")
			if machine {
				s = sheet(filepath.Join(t.TempDir(), "live"))
				s.write(t, "42")
				subject.Actuator = actuator(t, b.tasks, s, nil)
				subject.Reopen = func(t *testing.T) execute.Actuator { return actuator(t, b.tasks, s, nil) }
				subject.Arrange = func(_ *testing.T, f executetest.Fault) {
					mu.Lock()
					defer mu.Unlock()
					next = f
				}
			}
			person(t, b.tasks, s, fault)
			executetest.Conform(t, subject)
		})
	}
}

func TestRun_waitsForAPersonAndSaysSo(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "x.db"), nil, nil)
	b.start()
	task := b.asked()
	if diff := cmp.Diff([]string{"stop ledger", "restore 41 {untouched}"}, task.Playbook.Steps); diff != "" || task.Step != "ledger" || task.Playbook.Owner != "dba-team" {
		t.Errorf("task %+v %s", task, diff)
	}
	// Longer than the executor's timeout for one call, and its settling.
	time.Sleep(400 * time.Millisecond)
	if r, err := b.Run(t.Context(), "INC-1/1"); err != nil || r.State.Terminal() {
		t.Fatalf("it did not wait: %v\n%s", err, lines(r))
	}
	b.answer(true, "restored, totals agree")
	r := b.end()
	if r.State != backout.RunCompleted {
		t.Errorf("%s", lines(r))
	}
	waits := said(r, backout.EntryWaits)
	if len(waits) != 1 || !strings.Contains(waits[0], "dba-team until "+task.Deadline.UTC().Format("15:04:05")) || !strings.Contains(waits[0], "restore the ledger") {
		t.Errorf("journal says %q", waits)
	}
}

func TestRun_refusedHalts(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "x.db"), nil, nil)
	b.start()
	b.answer(false, "the backup is broken")
	if r := b.end(); r.State != backout.RunHalted || !strings.Contains(r.Why, "ann said no: the backup is broken") || !strings.Contains(r.Why, string(backout.OutcomeNotDone)) {
		t.Errorf("%s", lines(r))
	}
}

func TestRun_nobodyInTime(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "x.db"), nil, func(c *manual.Config) { c.Deadline, c.EscalateAfter = 300*time.Millisecond, 100*time.Millisecond })
	b.start()
	r := b.end()
	if r.State != backout.RunHalted || !strings.Contains(r.Why, "nobody did it by") || !strings.Contains(r.Why, "dba-team") {
		t.Errorf("%s", lines(r))
	}
	told := said(r, backout.EntryEscalated)
	if len(told) != 2 || !strings.Contains(told[0], "head of data hears of it; needed until") || !strings.Contains(told[1], "did not do it by") {
		t.Errorf("escalations %q", told)
	}
	if _, err := b.tasks.AnswerTask(t.Context(), b.asked().Key, backout.TaskAnswer{Done: true, By: "ann", At: time.Now(), Reason: "late"}); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("an answer after the deadline: %v", err)
	}
}

func TestRun_theMachineDisagrees(t *testing.T) {
	s := sheet(filepath.Join(t.TempDir(), "live"))
	s.write(t, "42")
	b := open(t, filepath.Join(t.TempDir(), "x.db"), s, nil)
	b.start()
	b.answer(true, "done, I think")
	if r := b.end(); r.State != backout.RunHalted || !strings.Contains(r.Why, "reported as done, but ledger is 100 % at 42") {
		t.Errorf("%s", lines(r))
	}
}

func TestRun_theMachineSeesItFirst(t *testing.T) {
	s := sheet(filepath.Join(t.TempDir(), "live"))
	s.write(t, "42")
	b := open(t, filepath.Join(t.TempDir(), "x.db"), s, nil)
	b.start()
	b.asked()
	s.write(t, "41")
	if r := b.end(); r.State != backout.RunCompleted {
		t.Errorf("%s", lines(r))
	}
}

func TestRun_abortEndsTheWaiting(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "x.db"), nil, nil)
	b.start()
	b.asked()
	if err := b.Control(t.Context(), "INC-1/1", execute.Control{Kind: execute.ControlAbort, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if r := b.end(); r.State != backout.RunAborted || !strings.Contains(r.Why, "who may have begun") {
		t.Errorf("%s", lines(r))
	}
}

// childVariable makes this test's program play a backout that waits and is killed.
const childVariable = "BACKOUT_TEST_WAITS"

// TestChild is the other process of the test below.
func TestChild(t *testing.T) {
	file := os.Getenv(childVariable)
	if file == "" {
		t.Skip("only as another process")
	}
	b := open(t, file, nil, nil)
	b.start()
	for {
		r, err := b.Run(t.Context(), "INC-1/1")
		if err == nil && len(said(r, backout.EntryWaits)) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	body, err := json.Marshal(b.asked())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".asked", body, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute) // it is killed here
}

// A task survives a kill with its deadline, and an answer that came while nobody
// ran counts.
func TestRun_survivesAKill(t *testing.T) {
	for name, early := range map[string]bool{"answered while it was dead": true, "answered afterwards": false} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.db")
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			other := exec.Command(self, "-test.run=^TestChild$")
			other.Env = append(os.Environ(), childVariable+"="+file)
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			var before backout.Task
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if b, err := os.ReadFile(file + ".asked"); err == nil && json.Unmarshal(b, &before) == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the other process did not ask")
				}
			}
			if err := other.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = other.Wait() // it was killed
			if early {
				db, err := engine.Open(t.Context(), file)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := execute.NewTasks(db.DB).AnswerTask(t.Context(), before.Key, backout.TaskAnswer{Done: true, By: "ann", At: time.Now(), Reason: "by hand"}); err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			b := open(t, file, nil, nil)
			if !early {
				time.Sleep(300 * time.Millisecond)
				b.answer(true, "by hand")
			}
			r := b.end()
			after := b.asked()
			if r.State != backout.RunCompleted || len(said(r, backout.EntryWaits)) != 1 || !after.Deadline.Equal(before.Deadline) || after.Answer == nil || after.Answer.By != "ann" {
				t.Errorf("deadline %s, was %s\n%s", after.Deadline, before.Deadline, lines(r))
			}
		})
	}
}

// An orderly stop is no answer either.
func TestRun_survivesAStop(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	b := open(t, file, nil, nil)
	b.start()
	before := b.asked()
	b.close()
	b = open(t, file, nil, nil)
	time.Sleep(300 * time.Millisecond)
	b.answer(true, "by hand")
	if r := b.end(); r.State != backout.RunCompleted || !b.asked().Deadline.Equal(before.Deadline) {
		t.Errorf("%s", lines(r))
	}
}
