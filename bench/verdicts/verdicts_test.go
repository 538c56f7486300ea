package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/bench/dataset"
)

func scores(pairs ...float64) []scored {
	var out []scored
	for i := 0; i+1 < len(pairs); i += 2 {
		name := fmt.Sprint(i)
		out = append(out, scored{name, i / 2 % 2, true, pairs[i]}, scored{name, i / 2 % 2, false, pairs[i+1]})
	}
	return out
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("%s: %v, expected %v", what, got, want)
	}
}

func TestFigures(t *testing.T) {
	s := scores(3, 0, 2, 1, .5, 1.5)
	near(t, "F1 above 1.2", f1(s, 1.2), 2*2/(2*2.+1+1))
	near(t, "F1 of nobody", f1(s, 9), 0)
	near(t, "best F1", bestF1(s), 2*2/(2*2+1.))
	near(t, "AUC", auc(s), (3+3+1)/9.)
	near(t, "AUC of ties", auc(scores(1, 1, 1, 1)), .5)
}

// The threshold of one half is what the other is measured at, and the interval holds
// the figure.
func TestCrossed_fitsOnTheOtherHalf(t *testing.T) {
	s := scores(3, 0, 30, 20, 3, 0, 30, 20, 3, 0, 30, 20) // halves of different scales
	at := fitted(s)
	if at[0] <= 0 || at[0] >= 3 || at[1] <= 20 || at[1] >= 30 {
		t.Fatalf("thresholds %v, expected those of each half alone", at)
	}
	// At the even half's threshold all of the odd half is blamed; the other way round none.
	near(t, "crossed", crossed(s, at), (2./3+0)/2)
	var easy []float64
	rng := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		easy = append(easy, 1.5+rng.NormFloat64(), rng.NormFloat64()-1.5)
	}
	s = scores(easy...)
	f := crossed(s, fitted(s))
	ci := interval(s, bestF1)
	if f < .8 || ci[0] >= bestF1(s) || ci[1] < bestF1(s)-.05 || ci[1]-ci[0] > .2 || otherSplits(s) < .8 {
		t.Errorf("crossed %.3f, best %.3f in %v", f, bestF1(s), ci)
	}
}

func TestFit_standsInTheMiddle(t *testing.T) {
	// Any threshold in (1, 5) is right for all but one stray case at 1.1.
	s := scores(5, 1, 6, 0, 7, .5, 8, .2, 6.5, 1.1, 5.5, .3)
	if at := fit(s); at < 1.1 || at > 5 {
		t.Errorf("threshold %.2f, expected between the two", at)
	}
}

// write makes a set in the form of the public one: so many pairs, of which the guilty
// case has a shift.
func write(t *testing.T, pairs int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "kpi"), 0o755); err != nil {
		t.Fatal(err)
	}
	cases, labels := "id,change_start,change_end\n", "id,label,pair\n"
	rng := rand.New(rand.NewPCG(5, 5))
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Unix()
	for i := range 2 * pairs {
		at := 2*24*60 + 300
		cases += fmt.Sprintf("k%d,%d,%d\n", i, start+int64(at)*60+10, start+int64(at)*60+10)
		labels += fmt.Sprintf("k%d,%d,p%d\n", i, i%2, i/2)
		var kpi strings.Builder
		kpi.WriteString("timestamp,value\n")
		for m := range at + 200 {
			value := 50 + rng.NormFloat64()
			if i%2 == 1 && m > at+2 {
				value += 7
			}
			if m%97 != 5 { // some minutes are missing
				fmt.Fprintf(&kpi, "%d,%.3f\n", start+int64(m)*60, value)
			}
		}
		save(t, filepath.Join(dir, "kpi", fmt.Sprintf("k%d.csv", i)), kpi.String())
	}
	save(t, filepath.Join(dir, "cases.csv"), cases)
	save(t, filepath.Join(dir, "labels.csv"), labels)
	return dir
}

func save(t *testing.T, path, body string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadKontrast_keepsTwoHours(t *testing.T) {
	cases, err := readKontrast(write(t, 2))
	if err != nil || len(cases) != 4 {
		t.Fatalf("%v, %d cases", err, len(cases))
	}
	q := cases[1].question
	if last := q.From.Add(time.Duration(len(q.Values)-1) * q.Step); last.After(q.Ended.Add(2*time.Hour)) || last.Before(q.Ended.Add(118*time.Minute)) {
		t.Errorf("the last sample is of %s, %s after the change", last, last.Sub(q.Ended))
	}
	if !math.IsNaN(q.Values[5]) || math.IsNaN(q.Values[6]) || !cases[1].guilty || cases[0].guilty || cases[1].pair != cases[0].pair {
		t.Errorf("case %+v", cases[1].id)
	}
	before, after := cases[1].sides()
	if len(before) != 120 || len(after) > 121 {
		t.Errorf("%d samples before, %d after", len(before), len(after))
	}
}

func TestReadKontrast_refuses(t *testing.T) {
	dir := write(t, 1)
	save(t, filepath.Join(dir, "labels.csv"), "id,label,pair\nk0,0,p0\n")
	if _, err := readKontrast(dir); err == nil || !strings.Contains(err.Error(), "k1") {
		t.Errorf("a case without a label: %v", err)
	}
	save(t, filepath.Join(dir, "kpi", "k0.csv"), "timestamp,value\nnoon,3\n")
	if _, err := readKontrast(dir); err == nil || !strings.Contains(err.Error(), "noon") {
		t.Errorf("a time that is none: %v", err)
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, options{Options: dataset.Options{Set: "kontrast", Output: "json", Data: "no such folder"}}); err != nil || !strings.HasPrefix(out.String(), "skipped: ") {
		t.Errorf("%v, %q: expected it to skip", err, out.String())
	}
	if err := run(&out, options{Options: dataset.Options{Set: "other", Output: "json"}}); err == nil {
		t.Error("an unknown set: expected usage")
	}
	out.Reset()
	svg := filepath.Join(t.TempDir(), "p.svg")
	if err := run(&out, options{Options: dataset.Options{Set: "kontrast", Output: "json", Data: write(t, 8), SVG: svg}, errors: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		N         int
		F1        float64
		BestF1    float64 `json:"best_f1"`
		AUC       float64
		MedianMS  float64 `json:"median_ms"`
		Baselines map[string]standing
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.N != 16 || got.F1 < .9 || got.AUC < .9 || got.BestF1 < got.F1 || got.MedianMS <= 0 || len(got.Baselines) != len(peers) {
		t.Errorf("%+v", got)
	}
	for name, s := range got.Baselines {
		if s.AUC < .8 { // a plain shift is seen by everybody
			t.Errorf("%s: %+v", name, s)
		}
	}
	if p, err := os.ReadFile(svg); err != nil || !bytes.Contains(p, []byte("<svg")) {
		t.Errorf("picture: %v", err)
	}
}
