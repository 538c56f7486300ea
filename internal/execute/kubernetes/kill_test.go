//go:build kubernetes

package kubernetes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// envOrders is the file that tells a victim what to do and when to die.
const envOrders = "KUBERNETES_TEST_ORDERS"

// orders are those of a process that carries out an attempt on a real cluster and is
// killed by kill -9 in the middle.
type orders struct {
	URL, Token string
	CA         []byte
	Dir        string
	Attempt    backout.Attempt
	Components []backout.Component
	// Die after so many lines of the journal, or before or after so many writes to the
	// cluster; 0 = never.
	Entries, Before, After int
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// count dies when it was called as often as was ordered.
func count(left *int) {
	if *left--; *left == 0 {
		die()
	}
}

func obey(file string) error {
	doc, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var o orders
	if err := json.Unmarshal(doc, &o); err != nil {
		return err
	}
	config := &rest.Config{Host: o.URL, BearerToken: o.Token, TLSClientConfig: rest.TLSClientConfig{CAData: o.CA}, QPS: 200, Burst: 400, UserAgent: "backout/victim"}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPatch || r.URL.Query().Has("dryRun") {
				return next.RoundTrip(r)
			}
			count(&o.Before)
			resp, err := next.RoundTrip(r)
			count(&o.After)
			return resp, err
		})
	})
	c, err := client.NewForConfig(config)
	if err != nil {
		return err
	}
	actuator := kubernetes.New(kubernetes.Config{
		Clusters: map[string]client.Interface{"c": c}, Managers: []string{"kubetest", kubetest.Pipeline}, Tick: 50 * time.Millisecond, Patience: 30 * time.Second,
	})
	return o.carryOut(actuator)
}

func (o orders) carryOut(a execute.Actuator) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f, err := engine.Open(ctx, filepath.Join(o.Dir, "x.db"))
	if err != nil {
		return err
	}
	e, err := engine.New(ctx, engine.Config{Database: f, Executor: "one"})
	if err != nil {
		return err
	}
	x, err := execute.New(ctx, execute.Config{
		Engine: e, Actuators: map[string]execute.Actuator{"kubernetes": a}, Guard: willing{}, Gate: willing{},
		Tick: 10 * time.Millisecond, MaxTick: 50 * time.Millisecond, Settle: 300 * time.Millisecond, Tell: func(backout.Entry) { count(&o.Entries) },
	})
	if err != nil {
		return err
	}
	if err := e.Launch(); err != nil {
		return err
	}
	if _, err := x.Run(ctx, o.Attempt.ID); backout.CodeOf(err) == backout.CodeNotFound {
		if err := x.Start(ctx, execute.Request{Attempt: o.Attempt, Components: o.Components}); err != nil {
			return err
		}
	}
	r, err := x.Wait(ctx, o.Attempt.ID)
	if err != nil {
		return err
	}
	if r.State != backout.RunCompleted {
		return fmt.Errorf("the run ended %s: %+v", r.State, r.Entries)
	}
	return e.Close(time.Second)
}

// willing is a guard and a gate that agree to everything.
type willing struct{}

func (willing) Allow(context.Context, execute.Proposal) (execute.Permission, error) {
	return execute.Permission{Yes: true}, nil
}

func (willing) Ask(context.Context, execute.Question) (execute.Answer, error) {
	return execute.Answer{Decision: execute.DecisionGoOn}, nil
}

// send runs a victim; it says whether it was killed.
func (o orders) send(t *testing.T) (killed bool) {
	t.Helper()
	doc, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.Dir, "orders.json")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envOrders+"="+file)
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return false
}

// TestKilled_goesOnByKey kills the process that carries out an attempt, at its journal
// and around its writes, and lets another one go on. Each effect is written once.
func TestKilled_goesOnByKey(t *testing.T) {
	s := kubetest.Start(t)
	moments := map[string]orders{"not at all": {}}
	for n := 1; n <= 4; n++ {
		moments[fmt.Sprint("before write ", n)] = orders{Before: n}
		moments[fmt.Sprint("after write ", n)] = orders{After: n}
	}
	for _, n := range []int{1, 2, 4, 6, 9} {
		moments[fmt.Sprint("at entry ", n)] = orders{Entries: n}
	}
	for name, o := range moments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, s, "deployment", "statefulset")
			twoReleases(t, p, kubetest.Workload{Replicas: 2})
			p.statefulSet(t, kubetest.Workload{Name: "db", Image: "db:1", Replicas: 4})
			p.image(t, "statefulsets", "db", "db:2")
			p.well(t, "statefulset", "db", "2")
			web, db := p.component("deployment", "web"), p.component("statefulset", "db")
			plan := backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{
				{Steps: []backout.Step{{ID: "db", Component: db.ID, From: "2", To: "1", Stages: []backout.Stage{{Share: 0.25}, {Share: 0.5}, {Share: 1}}}}},
				{Steps: []backout.Step{{ID: "web", Component: web.ID, From: "2", To: "1", Stages: []backout.Stage{{Share: 1}}}}},
			}}
			o.URL, o.Token, o.CA, o.Dir = p.URL, p.token, p.CA, t.TempDir()
			o.Attempt, o.Components = backout.Attempt{ID: "a/1", Digest: plan.ExecutableDigest(), Plan: plan}, []backout.Component{web, db}
			if killed := o.send(t); killed != (name != "not at all") {
				t.Fatalf("the process was killed: %t", killed)
			}
			if o.Before, o.After, o.Entries = 0, 0, 0; name != "not at all" && o.send(t) {
				t.Fatal("the next process was killed")
			}
			p.images(t, "db", map[string]int{"db:1": 4})
			p.images(t, "web", map[string]int{"web:1": 2})
			want := slices.Concat(slices.Repeat([]string{"patch statefulsets " + p.ns + "/db 200"}, 3), []string{"patch deployments " + p.ns + "/web 200"})
			if got := p.writes(t); !slices.Equal(got, want) {
				t.Errorf("wrote\n%s\nwant each effect once:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
