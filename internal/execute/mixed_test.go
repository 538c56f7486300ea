//go:build unix

package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/command"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/execute/flagd"
	"github.com/backout-dev/backout/internal/execute/http"
	"github.com/backout-dev/backout/internal/execute/manual"
)

// mixed are four components, each moved by another means, on real parts: a file in
// flagd's format, a server, a program, a person.
type mixed struct {
	dir        string
	components []backout.Component
	actuators  map[string]execute.Actuator
	tasks      *execute.Tasks

	mu   sync.Mutex
	live string   // at the server; guarded by mu
	sent []string // what reached the server; guarded by mu
}

func (m *mixed) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var in struct{ Version string }
	if r.Method == nethttp.MethodPut && json.NewDecoder(r.Body).Decode(&in) == nil {
		m.live, m.sent = in.Version, append(m.sent, r.Header.Get("Idempotency-Key"))
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"version": m.live})
}

func newMixed(t *testing.T, db *engine.Database) *mixed {
	t.Helper()
	m := &mixed{dir: t.TempDir(), live: "2", tasks: execute.NewTasks(db.DB)}
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	for name, text := range map[string]string{
		"flags.json": `{"flags": {"express": {"state": "ENABLED", "variants": {"1": true, "2": false}, "defaultVariant": "2"}}}`,
		"live":       "2",
		"roll":       "#!/bin/sh\necho \"$1\" > live\n",
		"look":       "#!/bin/sh\necho \"{\\\"version\\\": \\\"$(cat live)\\\"}\"\n",
	} {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, actuator string }{{"express", "flagd"}, {"payment", "http"}, {"batch", "command"}, {"bank", "manual"}} {
		x := component(c.name)
		x.Actuator, x.Locator = c.actuator, "flags.json#express"
		m.components = append(m.components, x)
	}
	put, err := http.NewMover(http.Config{Method: "PUT", URL: backout.Template(srv.URL) + "/{name}", Body: map[string]any{"version": "{to}"}}, http.Answers{})
	if err != nil {
		t.Fatal(err)
	}
	get, err := http.NewProber(http.Config{URL: backout.Template(srv.URL) + "/{name}"}, http.Reading{})
	if err != nil {
		t.Fatal(err)
	}
	roll, err := command.NewMover(command.Config{Args: []backout.Template{"./roll", "{to}"}, Dir: m.dir}, command.Exits{})
	if err != nil {
		t.Fatal(err)
	}
	look, err := command.NewProber(command.Config{Args: []backout.Template{"./look"}, Dir: m.dir})
	if err != nil {
		t.Fatal(err)
	}
	ask, err := manual.New(manual.Config{Tasks: m.tasks, Playbooks: []backout.Playbook{{Component: m.components[3].ID, Owner: "treasury", Text: "call the bank"}}, Tick: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	m.actuators = map[string]execute.Actuator{
		"flagd": flagd.New(flagd.Config{Dir: m.dir}), "http": &execute.Declared{Mover: put, Prober: get},
		"command": &execute.Declared{Mover: roll, Prober: look}, "manual": &execute.Declared{Mover: ask, Prober: manual.Recorded{Memory: bankAt{m.tasks}}},
	}
	return m
}

type bankAt struct{ *execute.Tasks }

func (bankAt) LastChange(_ context.Context, id backout.ComponentID) (backout.Change, bool, error) {
	return backout.Change{Component: id, From: "1", To: "2", Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: time.Now().Add(-time.Hour), Share: 1}}}}, true, nil
}

// One plan, four ways to move: the flag, then a server and a program side by side,
// then a person. When the person refuses, what went before stays and is said.
func TestRun_mixesActuators(t *testing.T) {
	for name, agrees := range map[string]bool{"done": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			db, err := engine.Open(t.Context(), place(t))
			if err != nil {
				t.Fatal(err)
			}
			e, err := engine.New(t.Context(), engine.Config{Database: db})
			if err != nil {
				t.Fatal(err)
			}
			m := newMixed(t, db)
			allow := guard(func(execute.Proposal) (execute.Permission, error) { return execute.Permission{Yes: true}, nil })
			x, err := execute.New(t.Context(), execute.Config{
				Engine: e, Actuators: m.actuators, Guard: allow, Gate: always(execute.DecisionGoOn, "fine"),
				Timeout: 5 * time.Second, Settle: 2 * time.Second, Tick: time.Millisecond, MaxTick: 10 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Launch(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := errors.Join(e.Close(5*time.Second), db.Close()); err != nil {
					t.Error(err)
				}
			})
			p := backout.Plan{Action: backout.ActionRollBack}
			for _, wave := range [][]int{{0}, {1, 2}, {3}} {
				w := backout.Wave{}
				for _, i := range wave {
					c := m.components[i]
					w.Steps = append(w.Steps, backout.Step{ID: c.Name, Component: c.ID, From: "2", To: "1"})
				}
				p.Waves = append(p.Waves, w)
			}
			if err := x.Start(t.Context(), execute.Request{Attempt: backout.Attempt{ID: "i/1", Digest: p.ExecutableDigest(), Plan: p}, Components: m.components}); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
				all, err := m.tasks.TasksOf(t.Context(), "i/1")
				if err == nil && len(all) > 0 {
					_, err = m.tasks.AnswerTask(t.Context(), all[0].Key, backout.TaskAnswer{Done: agrees, By: "ann", At: time.Now(), Reason: "the bank answered"})
					if err != nil {
						t.Fatal(err)
					}
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the person was never asked")
				}
			}
			r, err := x.Wait(t.Context(), "i/1")
			if err != nil {
				t.Fatal(err)
			}
			m.check(t, r, agrees)
		})
	}
}

func (m *mixed) check(t *testing.T, r backout.Run, agrees bool) {
	t.Helper()
	want, bank := backout.RunCompleted, backout.Version("1")
	if !agrees {
		want, bank = backout.RunHalted, "2"
	}
	if r.State != want {
		t.Errorf("%s", lines(r))
	}
	live := map[string]backout.Version{}
	for _, c := range m.components {
		reality, err := m.actuators[c.Actuator].Probe(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		live[c.Name] = reality.Live.Version()
	}
	if diff := cmp.Diff(map[string]backout.Version{"express": "1", "payment": "1", "batch": "1", "bank": bank}, live); diff != "" {
		t.Errorf("live: %s\n%s", diff, lines(r))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if diff := cmp.Diff([]string{"i/1/payment/0"}, m.sent); diff != "" {
		t.Errorf("reached the server: %s", diff)
	}
	if last := r.Entries[len(r.Entries)-1].Text; !agrees && (!strings.Contains(last, "ann said no: the bank answered") || !strings.Contains(last, "payment@production/eu 100 % at 1")) {
		t.Errorf("it ends with %q", last)
	}
}
