package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute"
)

var bank = backout.Component{ID: "config:bank@p/l", Service: "payment", Name: "bank"}

func TestQueried_takesValuesAsShares(t *testing.T) {
	at := time.Now()
	one := func(v backout.Version, x float64) backout.Series {
		return backout.Series{ID: backout.SeriesID{Signal: "probe", Subject: backout.Subject{Version: v}}, Samples: []backout.Sample{{At: at, Value: x}}}
	}
	a := &answering{series: []backout.Series{one("1", 3), one("2", 1), one("0", 0)}}
	q := queried{catalog.Query{Text: `sum by (release) (build_info{service="{service}"})`, VersionLabel: "release"}, a, time.Second}
	s, err := q.Look(t.Context(), bank)
	if err != nil || !cmp.Equal(s.Live.Shares, map[backout.Version]float64{"1": 0.75, "2": 0.25}) || !s.Live.Healthy {
		t.Errorf("%+v, %v", s.Live, err)
	}
	if got := a.asked[0]; got.Query != `sum by (release) (build_info{service="payment"})` || got.Labels["version"] != "release" {
		t.Errorf("asked %+v", got)
	}
	evil := bank
	evil.Service = `x"} or vector(1) #`
	if _, err := q.Look(t.Context(), evil); backout.CodeOf(err) != backout.CodeInvalid || len(a.asked) != 1 || strings.Contains(a.asked[0].Query, "vector") {
		t.Errorf("a value that is a query: %v", err)
	}
	a.missing = map[backout.SignalName]string{"probe": "no data"}
	if _, err := q.Look(t.Context(), bank); backout.CodeOf(err) != backout.CodeUnavailable || !strings.Contains(err.Error(), "no data") {
		t.Errorf("nothing measured: %v", err)
	}
	a.missing, a.series = nil, nil
	if _, err := q.Look(t.Context(), bank); backout.CodeOf(err) != backout.CodeUnavailable || !strings.Contains(err.Error(), "no series with a label release") {
		t.Errorf("no series: %v", err)
	}
}

// A secret is read at each use, is sent, and is in no error.
func TestDeclared_readsSecretsWhenTheyAreUsed(t *testing.T) {
	dir, seen := t.TempDir(), ""
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("Authorization") }))
	defer srv.Close()
	d := catalog.Actuator{
		HTTP:  &catalog.HTTPRequest{URL: backout.Template(srv.URL), Token: catalog.Reference{File: "token"}},
		Probe: catalog.Look{HTTP: &catalog.HTTPRequest{URL: backout.Template(srv.URL), Version: "body.v"}},
	}
	made, err := means{dir: dir}.declared(d)
	if err != nil {
		t.Fatal(err)
	}
	e := backout.Effect{Key: "k", Component: bank, To: "1", Share: 1}
	if out, err := made.Do(t.Context(), e); out != backout.OutcomeNotDone || err == nil || seen != "" {
		t.Errorf("without its secret: %s, %v, sent %q", out, err, seen)
	}
	for _, secret := range []string{"first", "second"} {
		if err := os.WriteFile(filepath.Join(dir, "token"), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := made.Do(t.Context(), e); out != backout.OutcomeDone || seen != "Bearer "+secret {
			t.Errorf("%s, %v, sent %q", out, err, seen)
		}
	}
	srv.Close()
	if _, err := made.Do(t.Context(), e); err == nil || strings.Contains(err.Error(), "second") {
		t.Errorf("%v", err)
	}
}

// What was written down reaches the parts: the survey says what was stated.
func TestDeclared_saysWhatWasStated(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"v": "3", "all": []string{"2", "3"}})
	}))
	defer srv.Close()
	d := catalog.Actuator{
		Command: &catalog.Command{Args: []backout.Template{"roll", "{ifVersion}"}, Timeout: backout.Duration(time.Hour)}, Within: backout.Duration(time.Minute), OnceByKey: true,
		Probe:    catalog.Look{HTTP: &catalog.HTTPRequest{URL: backout.Template(srv.URL), Version: "body.v", Versions: "body.all"}},
		Reversal: catalog.Stated{Loss: backout.LossSome, Lost: "an hour", Shares: []float64{0.5, 1}, Mixed: true, Takes: backout.Duration(time.Second), Headroom: 0.25},
	}
	made, err := means{}.declared(d)
	if err != nil {
		t.Fatal(err)
	}
	rev, err := made.Survey(t.Context(), bank, []backout.Change{{From: "1", To: "2"}, {From: "2", To: "3"}})
	if err != nil {
		t.Fatal(err)
	}
	rev.At = time.Time{}
	want := backout.Reversal{
		Component: bank.ID, Known: true, Current: "3", Shares: []float64{0.5, 1}, Mixed: true, Takes: backout.Duration(time.Second), Headroom: 0.25, CompareAndSwap: true,
		Levels: []backout.Reachable{{Level: 1, Version: "2", Loss: backout.LossSome, Lost: "an hour"}}, // 1 is not on offer any more
	}
	if diff := cmp.Diff(want, rev); diff != "" {
		t.Error(diff)
	}
	if p, ok := made.(execute.Patient); !ok || p.Patience(bank) < time.Hour+time.Minute {
		t.Errorf("it has no patience for a program of an hour")
	}
	if o, ok := made.(execute.OnceByKey); !ok || !o.OnceByKey(bank) {
		t.Errorf("it forgot that a key is taken once")
	}
}

func TestLint_triesExpressions(t *testing.T) {
	dir := t.TempDir()
	doc := "apiVersion: backout.dev/v1alpha1\nkind: Actuator\nmetadata: {name: x}\nspec: {http: {url: 'http://h/', tls: {caFile: not-here.pem}}, probe: {http: {url: 'http://h/', version: 'body.image.'}}}\n"
	if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := Lint(dir); len(problems) != 1 || !strings.HasPrefix(problems[0], "x.yaml:1: actuator x: probe: version: expected a CEL expression") {
		t.Errorf("%q", problems)
	}
}
