package recorded_test

import (
	"context"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/internal/app/replay"
)

func readRollouts(t *testing.T, dir string, after time.Duration) recorded.Case {
	t.Helper()
	cases, err := recorded.ReadChangeRCA(dir, after)
	if err != nil || len(cases) != 1 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	return cases[0]
}

func TestReadChangeRCA_knowsWhatAnOperatorKnew(t *testing.T) {
	c := readRollouts(t, rollouts(t, 240, 1), 4*time.Minute)
	cut := time.Unix(noticed+240, 0).UTC()
	if c.At.Before(cut.Add(-time.Minute)) || c.At.After(cut.Add(c.Step)) {
		t.Errorf("asked at %s, expected the first tick that knows all up to %s", c.At, cut)
	}
	for _, m := range c.Metrics {
		for _, r := range m.Rows {
			if last := r.Points[len(r.Points)-1].At; last.After(cut) {
				t.Errorf("%s%v was measured at %s, after %s", m.Name, r.Labels, last, cut)
			}
		}
	}
	type told struct {
		component backout.ComponentID
		at        int64
		share     float64
	}
	var got []told
	for _, o := range c.Observations {
		got = append(got, told{o.Component, o.At.Unix() - noticed, math.Round(100*o.Share) / 100})
	}
	want := []told{
		{"deployment:cart@production/global", -200, .33}, {"deployment:cart@production/global", -135, .33},
		{"deployment:stock@production/global", -190, .33}, {"deployment:stock@production/global", -125, .33},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(told{})); d != "" {
		t.Errorf("changes (-want +got), without those after the notice and stages after the cut-off:\n%s", d)
	}
}

func rows(c recorded.Case, metric string) []recorded.Row {
	i := slices.IndexFunc(c.Metrics, func(m recorded.Metric) bool { return m.Name == metric })
	return c.Metrics[i].Rows
}

func TestReadChangeRCA_takesPodsForWhatTheyAre(t *testing.T) {
	c := readRollouts(t, rollouts(t, 240, 1), 4*time.Minute)
	last := map[string]int64{}
	for _, r := range rows(c, "pod_failed_ratio") {
		last[r.Labels["pod"]+" "+r.Labels["service"]] = r.Points[len(r.Points)-1].At.Unix() - noticed
		if r.Labels["pod"] == "stock-v1-b" && len(r.Points) != 24 {
			t.Errorf("stock-v1-b has %d minutes, expected 24 of 25: in one it had no requests", len(r.Points))
		}
	}
	want := map[string]int64{"cart-v1-b cart": 240, "cart-v1-c cart": 240, "cart-v2-d cart": 240, "cart-v1-a cart": -240, "stock-v1-a stock": -240, "stock-v1-b stock": 240, "stock-v2-c stock": 240}
	if d := cmp.Diff(want, last); d != "" {
		t.Errorf("last minute of each serving pod (-want +got); a replaced one ends where its stage began:\n%s", d)
	}
}

func TestReadChangeRCA_futureChangesNothing(t *testing.T) {
	for _, after := range []time.Duration{0, 4 * time.Minute} {
		a := readRollouts(t, rollouts(t, int(after.Seconds()), 1), after)
		b := readRollouts(t, rollouts(t, int(after.Seconds()), 2), after)
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("asked after %s, another future gives another case:\n%s", after, d)
		}
	}
}

func TestReadChangeRCA_namesTheBrokenFile(t *testing.T) {
	dir := rollouts(t, 0, 1)
	if err := os.WriteFile(filepath.Join(dir, "cases/case-1/dependency.csv"), []byte("Source,Target\nweb\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := recorded.ReadChangeRCA(dir, 0); err == nil || !strings.Contains(err.Error(), "dependency.csv:2") {
		t.Errorf("got %v, expected file and line", err)
	}
}

func TestWrite_keepsTheLabelToItself(t *testing.T) {
	c := readRollouts(t, rollouts(t, 240, 1), 4*time.Minute)
	dir := t.TempDir()
	if err := c.Write(dir); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "secret-label") || strings.Contains(string(b), "culprit") || strings.Contains(string(b), c.ID) {
			t.Errorf("%s tells the label", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ask replays a case.
func ask(t *testing.T, c recorded.Case) replay.Answer {
	t.Helper()
	dir := t.TempDir()
	if err := c.Write(dir); err != nil {
		t.Fatal(err)
	}
	r, err := replay.Play(context.Background(), replay.Config{Dir: dir, At: []time.Time{c.At}, Temp: t.TempDir()})
	if err != nil || len(r.Incidents) != 1 {
		t.Fatalf("%d answers, %v", len(r.Incidents), err)
	}
	if len(r.Missing) > 0 {
		t.Fatalf("signals without data: %v", r.Missing)
	}
	return r.Incidents[0]
}

func TestWrite_replayFindsTheCulprit(t *testing.T) {
	a := ask(t, readRollouts(t, rollouts(t, 240, 1), 4*time.Minute))
	if len(a.Suspects) != 2 || a.Suspects[0].Component != "deployment:cart@production/global" || a.Suspects[0].P < .8 {
		t.Errorf("suspects %+v, expected cart's release first of two", a.Suspects)
	}
}

func TestWrite_namesAndOrderDontMatter(t *testing.T) {
	cases := []recorded.Case{readRollouts(t, rollouts(t, 240, 1), 4*time.Minute)}
	if root := os.Getenv("BACKOUT_PUBLIC_DATA"); root != "" {
		public, err := recorded.ReadChangeRCA(filepath.Join(root, "changerca"), 0)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, public...)
	}
	for _, c := range cases {
		staysUnderOtherNames(t, c)
	}
}

func staysUnderOtherNames(t *testing.T, c recorded.Case) {
	t.Helper()
	plain := ask(t, c)
	for seed := range uint64(3) {
		d, back := disguise(c, seed)
		got := map[string]float64{}
		for _, s := range ask(t, d).Suspects {
			_, name, _, _, _ := s.Component.Split()
			got[back[name]] = s.P
		}
		for _, s := range plain.Suspects {
			_, name, _, _, _ := s.Component.Split()
			if math.Abs(got[name]-s.P) > 1e-9 {
				t.Errorf("%s, seed %d: %s has %.6f under another name, %.6f under its own", c.ID, seed, name, got[name], s.P)
			}
		}
	}
}

func TestReadPetShop_movesTheCalmPartBeforeTheIssue(t *testing.T) {
	cases, err := recorded.ReadPetShop(pets(t), -1)
	if err != nil || len(cases) != 2 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	c := cases[0]
	r := rows(c, "node_latency_seconds")[0]
	if len(r.Points) != 125 || r.Points[120].At.Sub(r.Points[119].At) != 2*time.Hour {
		t.Errorf("%d points, the issue's first %s after the calm part's last; expected 125 and two hours", len(r.Points), r.Points[120].At.Sub(r.Points[119].At))
	}
	if c.Truth != (recorded.Truth{Service: "search--node", Target: "site", Change: true}) || cases[1].Truth.Change {
		t.Errorf("truths %+v, %+v: a request overload is no change", c.Truth, cases[1].Truth)
	}
	if len(c.Observations) > 0 {
		t.Errorf("the injected change is the label, but the case tells it: %v", c.Observations)
	}
	a := ask(t, c)
	best := slices.IndexFunc(a.Origins, func(o backout.Origin) bool { return o.Service != "" })
	if a.Origins[best].Service != "search--node" {
		t.Errorf("origins %+v, expected search--node first", a.Origins)
	}
	if a.Plan != nil && len(a.Plan.Steps) > 0 {
		t.Errorf("nothing changed, but %s is proposed", a.Plan.Summary)
	}
}

func TestReadPetShop_cutsOff(t *testing.T) {
	cases, err := recorded.ReadPetShop(pets(t), 4*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range cases[0].Metrics {
		for _, r := range m.Rows {
			if end := r.Points[len(r.Points)-1].At.Unix(); end != 1_680_000_600 {
				t.Errorf("%s%v ends at %d, expected the last before four minutes after the complaint", m.Name, r.Labels, end)
			}
		}
	}
}
