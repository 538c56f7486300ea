package replay

import (
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
	"github.com/backout-dev/backout/internal/metrics/prometheus"
	folder "github.com/backout-dev/backout/internal/replay"
)

// samplesOf reads a metrics file: series -> millisecond -> value.
func samplesOf(t *testing.T, path string) map[string]map[int64]float64 {
	t.Helper()
	out := map[string]map[int64]float64{}
	err := folder.ReadMetrics("metrics.om", path, func(s folder.Sample) error {
		name := s.Series().String()
		if out[name] == nil {
			out[name] = map[int64]float64{}
		}
		out[name][s.At] = s.Value
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// send writes a metrics file into a server.
func send(t *testing.T, base, path string, start time.Time, minutes int) {
	t.Helper()
	list := map[string]*metricstest.Series{}
	err := folder.ReadMetrics("metrics.om", path, func(s folder.Sample) error {
		l := s.Series()
		to := list[l.String()]
		if to == nil {
			to = &metricstest.Series{Labels: l.Map(), From: start, Values: make([]float64, 60*minutes+1)}
			for i := range to.Values {
				to.Values[i] = metricstest.Nothing()
			}
			list[l.String()] = to
		}
		to.Values[(s.At-start.UnixMilli())/1000] = s.Value
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		metricstest.Write(t, base+"/api/v1/write", *s)
	}
}

// described moves the signals into the catalog, where a running backout has them.
func described(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, "signals.yaml"), filepath.Join(dir, "catalog", "signals.yaml")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What a real Prometheus kept is recorded sample by sample, and replays to the
// same answer as the facts it was fed with; so does a snapshot of its database.
func TestRecord_roundTripThroughPrometheus(t *testing.T) {
	base, data, _ := metricstest.Prometheus(t, "--query.max-samples=3000") // two hours of a selector are too much for one answer
	s := incident()
	s.start = time.Now().UTC().Add(-4 * time.Hour).Truncate(time.Minute)
	source := described(t, s.write(t, t.TempDir()))
	send(t, base, filepath.Join(source, "metrics.om"), s.start, s.minutes)
	out := filepath.Join(t.TempDir(), "recorded")
	lines := 0
	c := RecordConfig{
		Prometheus: prometheus.Config{URL: base}, Catalog: filepath.Join(source, "catalog"), Changes: filepath.Join(source, "changes.jsonl"),
		Since: time.Duration(s.minutes) * time.Minute, To: s.minute(float64(s.minutes)), Out: out, Progress: func(string) { lines++ },
	}
	r, err := Record(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Series != 24 || r.Samples != 24*301 || r.Changes != 7 || len(r.Nothing) != 0 || lines == 0 {
		t.Errorf("recorded %+v with %d lines of progress, expected 24 series of 301 samples and 7 observations", r, lines)
	}
	if diff := cmp.Diff(samplesOf(t, filepath.Join(source, "metrics.om")), samplesOf(t, filepath.Join(out, "metrics.om"))); diff != "" {
		t.Errorf("samples sent (-) and recorded (+):\n%s", diff)
	}
	want := one(t, play(t, Config{Dir: source}))
	if diff := cmp.Diff(text(t, want), text(t, one(t, play(t, Config{Dir: out})))); diff != "" {
		t.Errorf("played from the facts (-) and from the recording (+):\n%s", diff)
	}
	t.Run("a second time into the same folder", func(t *testing.T) {
		if _, err := Record(t.Context(), c); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%v, expected invalid", err)
		}
	})
	t.Run("thinned", func(t *testing.T) {
		c.Out, c.Step = filepath.Join(t.TempDir(), "thin"), time.Minute
		r, err := Record(t.Context(), c)
		if err != nil || r.Samples > 24*157 || r.Samples < 24*148 {
			t.Errorf("%+v, %v; expected a sample a minute", r, err)
		}
		if a := one(t, play(t, Config{Dir: c.Out})); a.Suspects[0].Component != want.Suspects[0].Component {
			t.Errorf("first suspect %+v, expected the same", a.Suspects[0])
		}
	})
	t.Run("a copy of its data folder", func(t *testing.T) {
		if err := os.CopyFS(filepath.Join(source, "blocks"), os.DirFS(data)); err != nil {
			t.Fatal(err)
		}
		fromBlocks(t, source, want)
	})
}

// Blocks that promtool made of the text replay like the text.
func TestPlay_blocks(t *testing.T) {
	promtool := metricstest.Program(t, "prometheus", "promtool")
	source := incident().write(t, t.TempDir())
	want := one(t, play(t, Config{Dir: source}))
	if out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", filepath.Join(source, "metrics.om"), filepath.Join(source, "blocks")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	elsewhere := filepath.Join(t.TempDir(), "prometheus")
	if err := os.Rename(filepath.Join(source, "blocks"), elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(source, "blocks")); err != nil {
		t.Fatal(err)
	}
	fromBlocks(t, source, want)
}

// fromBlocks plays a folder's blocks in place of its text.
func fromBlocks(t *testing.T, source string, want Answer) {
	t.Helper()
	if err := os.Remove(filepath.Join(source, "metrics.om")); err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.EvalSymlinks(filepath.Join(source, "blocks"))
	if err != nil {
		t.Fatal(err)
	}
	before := treeOf(t, blocks)
	got := one(t, play(t, Config{Dir: source}))
	if diff := cmp.Diff(before, treeOf(t, blocks)); diff != "" {
		t.Errorf("the blocks were touched:\n%s", diff)
	}
	if !got.DetectedAt.Equal(want.DetectedAt) || got.Suspects[0].Change != want.Suspects[0].Change || math.Abs(got.Suspects[0].P-want.Suspects[0].P) > 1e-6 {
		t.Errorf("from blocks %s %+v, expected %s %+v", got.DetectedAt, got.Suspects[0], want.DetectedAt, want.Suspects[0])
	}
}

// treeOf lists files with their sizes and times.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			out[path] = info.ModTime().String() + info.Mode().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A server that is away, or wrong files, leave nothing behind.
func TestRecord_failuresLeaveNothing(t *testing.T) {
	source := described(t, incident().write(t, t.TempDir()))
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refusing.Close()
	broken := filepath.Join(t.TempDir(), "changes.jsonl")
	if err := os.WriteFile(broken, []byte("{\"source\": 7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := RecordConfig{
		Prometheus: prometheus.Config{URL: refusing.URL}, Catalog: filepath.Join(source, "catalog"), Changes: filepath.Join(source, "changes.jsonl"), Since: time.Hour, To: minute(150),
	}
	for name, c := range map[string]struct {
		edit func(*RecordConfig)
		says string
	}{
		"credentials":     {func(*RecordConfig) {}, "credentials"},
		"wrong changes":   {func(c *RecordConfig) { c.Changes = broken }, "changes.jsonl:1:source: expected a text"},
		"no changes file": {func(c *RecordConfig) { c.Changes += "x" }, "no such file"},
		"no changes":      {func(c *RecordConfig) { c.Changes = "" }, "one of them"},
		"no catalog":      {func(c *RecordConfig) { c.Catalog = t.TempDir() }, "at least one .yaml"},
		"no url":          {func(c *RecordConfig) { c.Prometheus.URL = "" }, "url"},
		"short":           {func(c *RecordConfig) { c.Since = time.Second }, "at least a minute"},
	} {
		t.Run(name, func(t *testing.T) {
			parent, bad := t.TempDir(), good
			bad.Out = filepath.Join(parent, "out")
			c.edit(&bad)
			if _, err := Record(t.Context(), bad); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, expected %q", err, c.says)
			}
			if left, _ := os.ReadDir(parent); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestSeconds_readBackAsTheSameMillisecond(t *testing.T) {
	var all strings.Builder
	first := int64(1_764_000_000_000)
	for ms := first; ms < first+5000; ms++ {
		all.WriteString("a 1 " + seconds(ms) + "\n")
	}
	path := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(path, []byte(all.String()+"# EOF\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := first
	err := folder.ReadMetrics("m", path, func(s folder.Sample) error {
		if s.At != next {
			return errors.New("another millisecond")
		}
		next++
		return nil
	})
	if err != nil || next != first+5000 {
		t.Errorf("%v at %d", err, next)
	}
}

func TestSeriesText_readsBack(t *testing.T) {
	for _, labels := range []map[string]string{
		{"__name__": "up"}, {"__name__": "a:b", "job": "x"}, {"__name__": "http.requests", "service.name": "pay\"ment\\\n"}, {"__name__": "x", "é": "ü"},
	} {
		path := filepath.Join(t.TempDir(), "m")
		if err := os.WriteFile(path, []byte(seriesText(labels)+" 1 2\n# EOF\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := folder.ReadMetrics("m", path, func(s folder.Sample) error {
			if diff := cmp.Diff(labels, s.Series().Map()); diff != "" {
				t.Errorf("written (-) and read (+):\n%s", diff)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSinceText(t *testing.T) {
	for text, want := range map[string]time.Duration{"14d": 14 * 24 * time.Hour, "1.5d": 36 * time.Hour, "36h": 36 * time.Hour, "": 0} {
		if got, err := SinceText(text); err != nil || got != want {
			t.Errorf("%q: %s, %v; expected %s", text, got, err, want)
		}
	}
	for _, text := range []string{"d", "two weeks", "14"} {
		if _, err := SinceText(text); err == nil {
			t.Errorf("%q: expected an error", text)
		}
	}
}
