package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/bench/dataset"
	"github.com/backout-dev/backout/internal/simulate"
)

// folderOf is a generated case as a recorded one, which can be written as a replay
// folder: means instead of sums, with the requests behind them.
func folderOf(c simulate.Case) recorded.Case {
	out := recorded.Case{ID: "generated", At: c.At, Noticed: c.Noticed, Step: c.Window.Step, Scrape: 1e9, Observations: c.Observations, Components: c.Graph.Components}
	needs, soft, holds := map[backout.ServiceID][]backout.ServiceID{}, map[backout.ServiceID][]backout.ServiceID{}, map[backout.ServiceID][]backout.ServiceID{}
	for _, d := range c.Graph.Dependencies {
		needs[d.From] = append(needs[d.From], d.To)
		if !d.Hard {
			soft[d.From] = append(soft[d.From], d.To)
		}
		if d.Holds {
			holds[d.From] = append(holds[d.From], d.To)
		}
	}
	for _, s := range c.Graph.Services {
		out.Services = append(out.Services, recorded.Service{ID: s.ID, Kind: s.Kind, DependsOn: needs[s.ID], Soft: soft[s.ID], Holds: holds[s.ID]})
	}
	at := map[string]int{}
	row := func(metric string, labels map[string]string) *recorded.Row {
		i, ok := at[metric]
		if !ok {
			i, at[metric] = len(out.Metrics), len(out.Metrics)
			out.Metrics = append(out.Metrics, recorded.Metric{Name: metric, Help: "generated"})
		}
		out.Metrics[i].Rows = append(out.Metrics[i].Rows, recorded.Row{Labels: labels})
		return &out.Metrics[i].Rows[len(out.Metrics[i].Rows)-1]
	}
	for _, s := range c.Window.Series {
		labels, metric := map[string]string{"service": string(s.ID.Subject.Service)}, strings.ReplaceAll(string(s.ID.Signal), "-", "_")
		if v := s.ID.Subject.Caller; v != "" {
			labels["caller"] = string(v)
		}
		if v := s.ID.Subject.Version; v != "" {
			labels["version"] = string(v)
		}
		values := row(metric, labels)
		for _, x := range s.Samples {
			if s.Kind == backout.SignalTraffic {
				values.Points = append(values.Points, recorded.Point{At: x.At, Value: x.Value})
			} else {
				values.Points = append(values.Points, recorded.Point{At: x.At, Value: x.Value / x.Total})
			}
		}
		if s.Kind != backout.SignalTraffic {
			requests := row(metric+"_requests", labels)
			for _, x := range s.Samples {
				requests.Points = append(requests.Points, recorded.Point{At: x.At, Value: x.Total})
			}
		}
	}
	for _, q := range simulate.Signals() {
		metric := strings.ReplaceAll(string(q.Name), "-", "_")
		by, requests := []string{"service"}, metric+"_requests"
		switch {
		case strings.HasPrefix(metric, "call"):
			by = append(by, "caller")
		case strings.HasPrefix(metric, "arm"):
			by = append(by, "version")
		}
		if q.Kind == backout.SignalTraffic {
			requests = ""
		}
		out.Questions = append(out.Questions, recorded.Question{Name: q.Name, Kind: q.Kind, Direction: q.Direction, Metric: metric, By: by, Requests: requests, Opens: q.Opens})
	}
	return out
}

// What is measured on generated worlds is what a replay of them says. Samples that
// were lost are read again from the minute before by a replay, so that probabilities
// differ a little.
func TestLook_isWhatAReplaySays(t *testing.T) {
	for _, of := range []struct {
		split simulate.Split
		seed  uint64
	}{{simulate.Train, 4}, {simulate.Shifted, 2}} {
		c, _ := simulate.Generate(of.split, of.seed)
		direct, err := look(c)
		if err != nil {
			t.Fatal(err)
		}
		played, err := ask(context.Background(), folderOf(c))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(direct.attribution.PNone-played.PNone) > .05 {
			t.Errorf("%s/%d: no change has %.3f directly, %.3f by a replay", of.split, of.seed, direct.attribution.PNone, played.PNone)
		}
		by := map[backout.ChangeID]float64{}
		for _, s := range direct.attribution.Suspects {
			by[s.Change] = s.P
		}
		if len(by) != len(played.Suspects) {
			t.Errorf("%s/%d: %d suspects directly, %d by a replay", of.split, of.seed, len(by), len(played.Suspects))
		}
		for _, s := range played.Suspects {
			if math.Abs(by[s.Change]-s.P) > .05 {
				t.Errorf("%s/%d: %s has %.3f directly, %.3f by a replay", of.split, of.seed, s.Change, by[s.Change], s.P)
			}
		}
	}
}

func TestRun_generatedWorlds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "picture.svg")
	measure := func(o options) map[string]any {
		t.Helper()
		var out bytes.Buffer
		o.Set, o.Output = simulator, "json"
		if err := run(&out, o); err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := measure(options{Options: dataset.Options{SVG: file}, seed: 40, cases: 6})
	for _, field := range []string{"n", "caused", "ac1", "ac1_ci", "ac3", "avg5", "mrr", "exam", "nll", "brier", "ece", "accuracy_with_none", "risk_coverage", "faults", "median_ms", "max_ms", "p_none", "baselines", "detected"} {
		if _, ok := got[field]; !ok {
			t.Errorf("the outcome has no %s", field)
		}
	}
	if baselines := got["baselines"].(map[string]any); len(baselines) != len(peers) {
		t.Errorf("%d baselines, expected %d", len(baselines), len(peers))
	}
	if svg, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(svg), "<svg ") {
		t.Errorf("picture: %v, %.20s", err, svg)
	}
	alone := measure(options{seed: 40, cases: 6, onlyPeers: true})
	if alone["p_none"] != 0.0 || alone["faults"] != nil && len(alone["faults"].(map[string]any)) > 0 {
		t.Errorf("with the peers alone something is said of ours: %v", alone)
	}
	if a, b := got["baselines"].(map[string]any)["latest"], alone["baselines"].(map[string]any)["latest"]; !equalJSON(a, b) {
		t.Errorf("latest has %v beside ours and %v alone", a, b)
	}
}

func equalJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// The worlds are as hard as they say: what trivial methods reach, with room for the
// few cases of a test. The figures of thousands are in docs/EVALUATION.md.
func TestWorlds_areAsHardAsTheyClaim(t *testing.T) {
	o, err := measureGenerated(generated{split: simulate.Train, seed: 70_000, cases: 70, onlyPeers: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, band := range map[string][2]float64{"latest": {0, .10}, "robust_scorer": {.40, .60}, "gandalf_like": {.60, .75}} {
		a := o.Baselines[name]
		if a.AC1CI[1] < band[0] || a.AC1CI[0] > band[1] {
			t.Errorf("%s is right in %.3f %v, expected %v", name, a.AC1, a.AC1CI, band)
		}
	}
}

func TestOptions_refuseWhatMakesNoSense(t *testing.T) {
	for _, o := range []options{
		{Options: dataset.Options{Set: simulator, Output: "xml"}, cases: 1}, {Options: dataset.Options{Set: simulator, Output: "text"}}, {Options: dataset.Options{Set: simulator, Output: "text", Data: "x"}, cases: 1},
		{Options: dataset.Options{Set: simulator, Output: "text"}, cases: 1, shifted: true, train: true}, {Options: dataset.Options{Set: "petshop", Output: "text"}, shifted: true},
	} {
		if err := run(&bytes.Buffer{}, o); err == nil {
			t.Errorf("%+v is measured", o)
		}
	}
}
