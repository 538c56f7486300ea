package flagd

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/executetest"
	format "github.com/backout-dev/backout/internal/remote/flagd"
)

const file = `{
  "x-note": "kept",   "flags": {
    "plain":   { "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on", "x-owner": ["a"] },
    "rollout": { "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": {"fractional": [["on", 25], ["off", 75]]} },
    "beta":    { "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on"]} },
    "dead":    { "state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off" }
  }
}
`

func component(key string) backout.Component {
	return backout.Component{ID: backout.ComponentID("flag:" + key + "@production/eu-1"), Kind: backout.KindFlag, Name: key, Actuator: "flagd", Locator: "flags.json#" + key}
}

func actuator(t *testing.T) (*Actuator, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "flags.json")
	if err := os.WriteFile(path, []byte(file), 0o640); err != nil {
		t.Fatal(err)
	}
	return New(Config{Dir: dir}), path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func do(t *testing.T, a *Actuator, key, to string, share float64, audience string) {
	t.Helper()
	out, err := a.Do(t.Context(), backout.Effect{Key: "i/1/s/0", Component: component(key), To: backout.Version(to), Share: share, Audience: audience})
	if out != backout.OutcomeDone || err != nil {
		t.Fatalf("do %s %s %v %q: %s, %v", key, to, share, audience, out, err)
	}
}

func shares(t *testing.T, a *Actuator, key string) map[backout.Version]float64 {
	t.Helper()
	r, err := a.Probe(t.Context(), component(key))
	if err != nil {
		t.Fatal(err)
	}
	return r.Live.Shares
}

func TestActuator_conforms(t *testing.T) {
	for _, key := range []string{"plain", "rollout"} {
		t.Run(key, func(t *testing.T) {
			a, path := actuator(t)
			do(t, a, key, "on", 1, "")
			c, n := component(key), 0
			executetest.Conform(t, executetest.Subject{
				Actuator: a, Component: c, From: "on", To: "off",
				Stack: []backout.Change{{Component: c.ID, From: "off", To: "on"}},
				Disturb: func(t *testing.T) {
					n++
					if err := os.WriteFile(path, []byte(strings.Replace(read(t, path), "kept", fmt.Sprintf("kept %d", n), 1)), 0o640); err != nil {
						t.Fatal(err)
					}
				},
			})
		})
	}
}

// Each row is a sequence of effects and what Probe must say after each.
func TestDo_shares(t *testing.T) {
	type effect struct {
		to    string
		share float64
		want  map[backout.Version]float64
	}
	for key, effects := range map[string][]effect{
		"plain": {
			{"off", 0.34, map[backout.Version]float64{"off": 0.34, "on": 0.66}},
			{"off", 0.67, map[backout.Version]float64{"off": 0.67, "on": 0.33}},
			{"off", 0.5, map[backout.Version]float64{"off": 0.67, "on": 0.33}}, // a stage never moves back
			{"on", 0.5, map[backout.Version]float64{"off": 0.5, "on": 0.5}},
			{"off", 1, map[backout.Version]float64{"off": 1}},
			{"on", 0.1, map[backout.Version]float64{"off": 0.9, "on": 0.1}},
			{"on", 1, map[backout.Version]float64{"on": 1}},
		},
		"rollout": {
			{"off", 0.8, map[backout.Version]float64{"off": 0.95, "on": 0.05}},
			{"on", 0.2, map[backout.Version]float64{"off": 0.75, "on": 0.25}}, // both shares hash alike: 0.2 on, then off up to 0.8
			{"off", 1, map[backout.Version]float64{"off": 1}},
			{"on", 1, map[backout.Version]float64{"on": 1}},
		},
		"beta": {
			{"off", 1, map[backout.Version]float64{"off": 1}}, // it was at 0.99 because of those who can't be counted
		},
	} {
		t.Run(key, func(t *testing.T) {
			a, path := actuator(t)
			for _, e := range effects {
				do(t, a, key, e.to, e.share, "")
				if diff := cmp.Diff(e.want, shares(t, a, key), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
					t.Errorf("%s %v (-want +got):\n%s", e.to, e.share, diff)
				}
				conforms(t, read(t, path))
			}
		})
	}
}

// What Probe says must be what clients get.
func TestProbe_agreesWithEvaluation(t *testing.T) {
	a, path := actuator(t)
	do(t, a, "rollout", "off", 0.4, "")
	d, err := format.Parse([]byte(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	const n = 20000
	off := 0.0
	for i := range n {
		res, err := d.Evaluate("rollout", map[string]any{"targetingKey": fmt.Sprintf("user-%d", i)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if res.Variant == "off" {
			off++
		}
	}
	if want := shares(t, a, "rollout")["off"]; math.Abs(off/n-want) > 0.02 {
		t.Errorf("clients: %.3f off, probe says %.3f", off/n, want)
	}
}

func TestDo_oneAudience(t *testing.T) {
	a, path := actuator(t)
	do(t, a, "rollout", "off", 1, "acme")
	do(t, a, "rollout", "off", 1, "globex")
	r, err := a.Probe(t.Context(), component("rollout"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Audiences["acme"].Shares["off"] != 1 || r.Audiences["globex"].Shares["off"] != 1 {
		t.Errorf("audiences %+v: want both off", r.Audiences)
	}
	if diff := cmp.Diff(map[backout.Version]float64{"on": 0.25, "off": 0.75}, r.Live.Shares, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	d, err := format.Parse([]byte(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	res, err := d.Evaluate("rollout", map[string]any{"client": "acme", "targetingKey": "u"}, time.Now())
	if err != nil || res.Variant != "off" {
		t.Errorf("acme by its client attribute: %+v, %v", res, err)
	}
	conforms(t, read(t, path))
}

func TestDo_undoIsTheStart(t *testing.T) {
	a, path := actuator(t)
	do(t, a, "plain", "off", 0.3, "")
	do(t, a, "plain", "off", 1, "")
	do(t, a, "plain", "on", 0.3, "")
	do(t, a, "plain", "on", 1, "")
	if diff := cmp.Diff(file, read(t, path)); diff != "" {
		t.Errorf("the file differs (-want +got):\n%s", diff)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v: want 0640", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestDo_refuses(t *testing.T) {
	a, path := actuator(t)
	for name, tc := range map[string]struct {
		change func(*backout.Effect)
		code   backout.Code
	}{
		"variant": {func(e *backout.Effect) { e.To = "maybe" }, backout.CodeInvalid},
		"share":   {func(e *backout.Effect) { e.Share = 0 }, backout.CodeInvalid},
		"locator": {func(e *backout.Effect) { e.Component.Locator = "flags.json" }, backout.CodeInvalid},
		"flag":    {func(e *backout.Effect) { e.Component.Locator = "flags.json#nobody" }, backout.CodeNotFound},
		"file":    {func(e *backout.Effect) { e.Component.Locator = "none.json#plain" }, backout.CodeUnavailable},
		"dead":    {func(e *backout.Effect) { e.Component = component("dead") }, backout.CodeInvalid},
		"stale":   {func(e *backout.Effect) { e.IfVersion = "older" }, backout.CodeConflict},
	} {
		e := backout.Effect{Component: component("plain"), To: "off", Share: 1}
		tc.change(&e)
		out, err := a.Do(t.Context(), e)
		if out != backout.OutcomeNotDone || backout.CodeOf(err) != tc.code {
			t.Errorf("%s: %s, %v; want %s, %s", name, out, err, backout.OutcomeNotDone, tc.code)
		}
	}
	if read(t, path) != file {
		t.Error("a refused effect changed the file")
	}
}

// Two writers with the same picture: one wins, the other learns it.
func TestDo_concurrentWritersDontLoseEachOther(t *testing.T) {
	a, _ := actuator(t)
	r, err := a.Probe(t.Context(), component("plain"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[backout.Outcome]int{}
	for _, key := range []string{"plain", "rollout"} {
		wg.Go(func() {
			out, _ := a.Do(context.Background(), backout.Effect{Component: component(key), To: "off", Share: 1, IfVersion: r.Version})
			mu.Lock()
			defer mu.Unlock()
			got[out]++
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[backout.Outcome]int{backout.OutcomeDone: 1, backout.OutcomeNotDone: 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSurvey_whatItCantKnow(t *testing.T) {
	a, _ := actuator(t)
	rev, err := a.Survey(t.Context(), component("dead"), nil)
	if err != nil || rev.Known || !strings.Contains(rev.Why, "disabled") {
		t.Errorf("%+v, %v", rev, err)
	}
}

// conforms holds what we write to the published schema, where it is at hand.
func conforms(t *testing.T, doc string) {
	t.Helper()
	dir := os.Getenv("BACKOUT_CONTRACTS")
	if dir == "" {
		t.Log("not held to the schema: set BACKOUT_CONTRACTS to a folder with flagd/flags.json and flagd/targeting.json")
		return
	}
	c := jsonschema.NewCompiler()
	for _, name := range []string{"flags.json", "targeting.json"} {
		b, err := jsonschema.UnmarshalJSON(strings.NewReader(read(t, filepath.Join(dir, "flagd", name))))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("https://flagd.dev/schema/v0/"+name, b); err != nil {
			t.Fatal(err)
		}
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MustCompile("https://flagd.dev/schema/v0/flags.json").Validate(v); err != nil {
		t.Errorf("%v\n%s", err, doc)
	}
}
