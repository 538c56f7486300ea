package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	backout "github.com/backout-dev/backout"

	"github.com/backout-dev/backout/bench/dataset"
)

const groundTruth = `
spec:
  groups:
  - {id: setting-1, kind: ConfigMap, name: settings, root_cause: true}
  - {id: pay-pod-1, kind: Pod, filter: ['pay-.*']}
  - {id: pay-service-1, kind: Service, filter: 'pay\b'}
  - {id: door-1, kind: ServiceOperation}
  - {id: shop-service-1, kind: Service, filter: ['sh-op\b']}
  propagations:
  - {source: setting-1, target: pay-pod-1}
  - {source: pay-pod-1, target: pay-service-1}
  - {source: pay-service-1, target: door-1}
  - {source: door-1, target: shop-service-1}
  - {source: shop-service-1, target: web-service}
`

// write makes a set of one real and some odd scenarios.
func write(t *testing.T, truths map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range truths {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"groundtruth_v1.yaml": body, "scenario.yaml": "spec: {applications: {town: {enabled: true}, off: {enabled: false}}}"} {
			if err := os.WriteFile(filepath.Join(dir, name, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestReadITBench_foldsIntoComponents(t *testing.T) {
	got, err := readITBench(write(t, map[string]string{"scenario_1": groundTruth, "scenario_2": "spec: {propagations: []}"}))
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %d scenarios, expected one: the other went nowhere that is told", err, len(got))
	}
	want := scenario{name: "scenario_1", application: "town", roots: []backout.ServiceID{"pay"}, hit: []backout.ServiceID{"shop", "web"},
		edges: [][2]backout.ServiceID{{"pay", "shop"}, {"shop", "web"}}, told: true}
	if d := cmp.Diff(want, got[0], cmp.AllowUnexported(scenario{})); d != "" {
		t.Error(d)
	}
}

func TestReadITBench_withoutARoot(t *testing.T) {
	got, err := readITBench(write(t, map[string]string{"s": strings.ReplaceAll(groundTruth, ", root_cause: true", "")}))
	if err != nil || len(got) != 1 || len(got[0].hit) == 0 {
		t.Fatalf("%v, %+v", err, got)
	}
	body := "groups: [{id: a, kind: Service}, {id: b, kind: Service}]\npropagations: [{source: a, target: b}]"
	if got, err = readITBench(write(t, map[string]string{"s": body})); err != nil || !slices.Equal(got[0].roots, []backout.ServiceID{"a"}) {
		t.Errorf("%v, roots %v, expected where trouble comes from nowhere", err, got[0].roots)
	}
}

func made(name string, roots, hit []backout.ServiceID, edges ...[2]backout.ServiceID) scenario {
	return scenario{name: name, application: "town", roots: roots, hit: hit, edges: edges, told: true}
}

type ids = []backout.ServiceID

// What a scenario tells must not help to foretell it.
func TestLearnFrom_leavesOneOut(t *testing.T) {
	all := []scenario{
		made("1", ids{"a"}, ids{"b"}, [2]backout.ServiceID{"a", "b"}),
		made("2", ids{"a"}, ids{}, [2]backout.ServiceID{"c", "b"}),
		{name: "3", application: "elsewhere", roots: ids{"a"}, hit: ids{"z"}, edges: [][2]backout.ServiceID{{"a", "z"}}, told: true},
		made("4", ids{"x"}, ids{"a"}, [2]backout.ServiceID{"x", "a"}),
	}
	l := learnFrom(all, all[1])
	want := map[string]backout.EdgePrior{"a>b": {Followed: 1, Stayed: 1, Began: backout.Rate{Worked: 1, Tried: 1}}, "x>a": {Followed: 1, Began: backout.Rate{Worked: 1, Tried: 1}}}
	if d := cmp.Diff(want, l.priors.Edges); d != "" {
		t.Error(d)
	}
	if l.share["z"] != 0 || l.share["a"] != .5 {
		t.Errorf("shares %v: expected those of the two others of the town", l.share)
	}
	other := slices.Clone(all)
	other[1].hit, other[1].edges = ids{"q", "r"}, [][2]backout.ServiceID{{"a", "q"}, {"q", "r"}}
	a, b := measureOne(all, 1), measureOne(other, 1)
	if d := cmp.Diff(a.foretold, b.foretold); d != "" {
		t.Errorf("what is foretold depends on the answer:\n%s", d)
	}
}

func measureOne(all []scenario, i int) answer {
	_, answers := measure(all)
	return answers[i]
}

func TestLikely_largestExpectedF1(t *testing.T) {
	for _, c := range []struct {
		chances map[backout.ServiceID]float64
		want    ids
	}{
		{nil, nil},
		{map[backout.ServiceID]float64{"a": .9, "b": .5, "c": .05}, ids{"a", "b"}},
		{map[backout.ServiceID]float64{"a": .3, "b": .3, "c": .3}, ids{"a", "b", "c"}},
		{map[backout.ServiceID]float64{"a": .05, "b": .05}, nil}, // that nothing is hit is likelier
	} {
		if got := likely(c.chances); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, expected %v", c.chances, got, c.want)
		}
	}
}

func TestMeasure_oftenTakenWaysBeatReachability(t *testing.T) {
	var all []scenario
	ab, ac, cd := [2]backout.ServiceID{"a", "b"}, [2]backout.ServiceID{"a", "c"}, [2]backout.ServiceID{"c", "d"}
	for i := range 36 {
		name := fmt.Sprint(i)
		if i%6 == 0 {
			all = append(all, made(name, ids{"a"}, ids{"b", "c", "d"}, ab, ac, cd))
		} else {
			all = append(all, made(name, ids{"a"}, ids{"b"}, ab))
		}
	}
	r, _ := measure(all)
	if r.N != 36 || r.F1 <= r.ReachabilityF1+.1 || math.Abs(r.Difference-(r.F1-r.ReachabilityF1)) > 1e-12 || r.DifferenceCI[0] <= 0 {
		t.Errorf("%+v", r)
	}
	if c := r.Baselines[reachability]; c.Recall != 1 || math.Abs(c.Precision-48.0/108) > 1e-12 {
		t.Errorf("reachability %+v, expected everything found, and 48 of 108 right", c)
	}
}

func TestRun_absentAndPresent(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, options{Options: dataset.Options{Set: "itbench", Output: "json", Data: "no such folder"}}); err != nil || !strings.HasPrefix(out.String(), "skipped: ") {
		t.Errorf("%v, %q: expected it to skip", err, out.String())
	}
	if err := run(&out, options{Options: dataset.Options{Set: "other", Output: "json"}}); err == nil {
		t.Error("an unknown set: expected usage")
	}
	out.Reset()
	svg := filepath.Join(t.TempDir(), "p.svg")
	dir := write(t, map[string]string{"s1": groundTruth, "s2": groundTruth})
	if err := run(&out, options{Options: dataset.Options{Set: "itbench", Output: "json", Data: dir, SVG: svg}}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"n", "precision", "recall", "f1", "reachability_f1", "difference_ci"} {
		if _, ok := got[field]; !ok {
			t.Errorf("no %s in %s", field, out.String())
		}
	}
	if got["f1"] != 1.0 { // two of a kind foretell each other
		t.Errorf("f1 %v, expected 1", got["f1"])
	}
	if p, err := os.ReadFile(svg); err != nil || !bytes.Contains(p, []byte("<svg")) {
		t.Errorf("picture: %v", err)
	}
}
