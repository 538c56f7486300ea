package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// parse is as strict as the tests need it; app hands in ingest's.
func parse(line []byte) (backout.Observation, []Wrong) {
	var o backout.Observation
	if err := json.Unmarshal(line, &o); err != nil {
		return o, []Wrong{{"", "not JSON: " + err.Error()}}
	}
	if o.To == "" {
		return o, []Wrong{{"to", "missing"}}
	}
	return o, nil
}

var good = map[string]string{
	"catalog/shop.yaml": `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: payment}
spec: {type: service}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: payment}
spec: {kind: deployment, service: payment, environment: production, location: eu-1, instances: 3}
`,
	"signals.yaml": `apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: shop}
spec: {signals: [{name: traffic, kind: traffic, direction: up, query: up, opens: true}]}
`,
	"changes.jsonl": `{"source":"ci","native_id":"2","at":"2026-11-24T09:00:00Z","component":"deployment:payment@production/eu-1","to":"2","share_ratio":1}
{"source":"ci","native_id":"1","at":"2026-11-24T08:00:00Z","component":"deployment:payment@production/eu-1","to":"1","share_ratio":1}
`,
	"metrics.om": "up 1 1764000000\n# EOF\n",
	"replay.yaml": `step: 30s
incidents:
  - at: 2026-11-24T09:10:00Z
    culprits: ["deployment:payment@production/eu-1=2"]
reversals: [{component: deployment:payment@production/eu-1, loss: lossy, lost: carts}]
`,
}

// folder writes the good files with some of them replaced; "" leaves one out.
func folder(t testing.TB, edits map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	names := map[string]string{}
	for name, text := range good {
		names[name] = text
	}
	for name, text := range edits {
		names[name] = text
	}
	for name, text := range names {
		if text == "" {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOpen_good(t *testing.T) {
	f, err := Open(folder(t, map[string]string{"notes.txt": "anything", "other.yaml": "not: read"}), parse)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Observations) != 2 || f.Observations[0].NativeID != "1" {
		t.Errorf("observations %+v, expected both by time", f.Observations)
	}
	if f.Settings.StepOr() != 30*time.Second || f.Settings.MinuteOr() != time.Minute || len(f.Settings.Incidents) != 1 || f.Settings.Incidents[0].Culprits[0].To != "2" {
		t.Errorf("settings %+v", f.Settings)
	}
	if !strings.HasSuffix(f.Metrics, MetricsFile) || f.Blocks != "" || len(f.Notes) != 0 || len(f.Catalog.Signals) != 1 {
		t.Errorf("folder %+v", f)
	}
}

func TestOpen_strangersAreNoted(t *testing.T) {
	line := `{"source":"ci","native_id":"9","at":"2026-11-24T09:00:00Z","component":"flag:x@production/eu-1","to":"on","share_ratio":1}` + "\n"
	f, err := Open(folder(t, map[string]string{"changes.jsonl": good["changes.jsonl"] + line}), parse)
	if err != nil || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "flag:x@production/eu-1") {
		t.Errorf("notes %v, %v; expected the stranger's name", f.Notes, err)
	}
}

func TestOpen_wrong(t *testing.T) {
	line := strings.SplitAfter(good["changes.jsonl"], "\n")[0]
	for name, c := range map[string]struct {
		edits map[string]string
		want  string // the first problem
	}{
		"no catalog":             {map[string]string{"catalog/shop.yaml": ""}, "catalog:0:: missing"},
		"wrong catalog":          {map[string]string{"catalog/shop.yaml": good["catalog/shop.yaml"] + "---\nx: 1\n"}, "catalog/shop.yaml:11"},
		"no signals":             {map[string]string{"signals.yaml": ""}, "signals.yaml:0:: no signals"},
		"signal of no query":     {map[string]string{"signals.yaml": strings.Replace(good["signals.yaml"], "query: up, ", "", 1)}, "signals.yaml:4:spec.signals[0]: query: expected a value"},
		"no changes":             {map[string]string{"changes.jsonl": ""}, "changes.jsonl:0:: missing"},
		"half a line":            {map[string]string{"changes.jsonl": line + line[:40]}, "changes.jsonl:2:: half a line (not JSON: unexpected end of JSON input): the file seems to be cut off"},
		"bad JSON":               {map[string]string{"changes.jsonl": line + "{]\n" + line}, "changes.jsonl:2:: not JSON"},
		"wrong field":            {map[string]string{"changes.jsonl": "\n" + strings.Replace(line, `"to":"2"`, `"to":""`, 1)}, "changes.jsonl:2:to: missing"},
		"one id for two":         {map[string]string{"changes.jsonl": line + strings.Replace(line, `"to":"2"`, `"to":"3"`, 1)}, `changes.jsonl:2:native_id: "2" of source "ci" stands above`},
		"a long line":            {map[string]string{"changes.jsonl": strings.Repeat("x", 70<<10)}, "changes.jsonl:1:: a line longer than 65536 bytes"},
		"no metrics":             {map[string]string{"metrics.om": ""}, "metrics.om:0:: missing"},
		"metrics twice":          {map[string]string{"blocks/x": "y"}, "metrics.om:0:: blocks/ is there too"},
		"unknown setting":        {map[string]string{"replay.yaml": "step: 1m\nsteps: 2m\n"}, "replay.yaml:2:: field steps not found"},
		"not YAML":               {map[string]string{"replay.yaml": "step: [\n"}, "replay.yaml:"},
		"two documents":          {map[string]string{"replay.yaml": "step: 1m\n---\nstep: 2m\n"}, "replay.yaml:0:: expected one document"},
		"step too short":         {map[string]string{"replay.yaml": "step: 1ms\n"}, "replay.yaml:1:step: 1ms: expected at least 250ms"},
		"step of microseconds":   {map[string]string{"replay.yaml": "step: 1000001us\n"}, "replay.yaml:1:step: 1.000001s: expected whole milliseconds"},
		"step is no time":        {map[string]string{"replay.yaml": "\nstep: fast\n"}, `replay.yaml:2:: "fast": expected a duration`},
		"negative warmup":        {map[string]string{"replay.yaml": "warmup: -1h\n"}, "replay.yaml:1:warmup: -1h0m0s: expected at least"},
		"warmup and from":        {map[string]string{"replay.yaml": "warmup: 1h\nfrom: 2026-11-24T08:00:00Z\n"}, "replay.yaml:1:warmup: from says it already"},
		"to before from":         {map[string]string{"replay.yaml": "from: 2026-11-24T08:00:00Z\nto: 2026-11-24T07:00:00Z\n"}, "replay.yaml:0:to: expected a time after from"},
		"culprit without =":      {map[string]string{"replay.yaml": "incidents:\n- at: 2026-11-24T08:00:00Z\n  culprits: [payment]\n"}, `replay.yaml:3:: culprit "payment": expected component=version`},
		"culprit of no form":     {map[string]string{"replay.yaml": "incidents:\n- at: 2026-11-24T08:00:00Z\n  culprits: [payment=2]\n"}, `replay.yaml:3:: culprit: component id "payment"`},
		"unknown culprit":        {map[string]string{"replay.yaml": "incidents:\n- at: 2026-11-24T08:00:00Z\n  culprits: [\"flag:x@production/eu-1=2\"]\n"}, "replay.yaml:3:incidents: the catalog knows no component flag:x@production/eu-1"},
		"unknown incident field": {map[string]string{"replay.yaml": "incidents:\n- when: 2026-11-24T08:00:00Z\n"}, `replay.yaml:2:: unknown field "when"`},
		"incident without time":  {map[string]string{"replay.yaml": "incidents:\n- culprits: []\n"}, "replay.yaml:2:incidents: an incident without at"},
		"unknown loss":           {map[string]string{"replay.yaml": "reversals:\n- {component: deployment:payment@production/eu-1, loss: some}\n"}, `replay.yaml:2:reversals: loss "some"`},
		"loss of a stranger":     {map[string]string{"replay.yaml": "reversals:\n- {component: schema:x@production/eu-1, loss: lossy}\n"}, "replay.yaml:2:reversals: the catalog knows no component"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(folder(t, c.edits), parse)
			var wrong Problems
			if !errors.As(err, &wrong) || !strings.HasPrefix(wrong[0].String(), c.want) {
				t.Errorf("%v, expected problems beginning with %q", err, c.want)
			}
		})
	}
}

// Whatever is wrong is told at once, up to a bound.
func TestOpen_allProblemsTogether(t *testing.T) {
	_, err := Open(folder(t, map[string]string{"changes.jsonl": strings.Repeat("{]\n", 100), "metrics.om": "", "replay.yaml": "x: 1\n"}), parse)
	var wrong Problems
	if !errors.As(err, &wrong) || len(wrong) != mostProblems+1+2 {
		t.Errorf("%d problems, expected %d of the changes and one each of two other files", len(wrong), mostProblems+1)
	}
}

func TestOpen_noFolder(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none"), parse)
	if backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), "changes.jsonl") {
		t.Errorf("%v, expected to be told what belongs there", err)
	}
}

func TestReadChanges_lastLineMayLackItsEnd(t *testing.T) {
	all, err := ReadChanges("x", strings.NewReader(strings.TrimSuffix(good["changes.jsonl"], "\n")), parse)
	if err != nil || len(all) != 2 {
		t.Errorf("%d observations, %v; expected 2", len(all), err)
	}
	all, err = ReadChanges("x", strings.NewReader(good["changes.jsonl"]+good["changes.jsonl"]), parse)
	if err != nil || len(all) != 2 {
		t.Errorf("%d observations, %v; expected what stands twice once", len(all), err)
	}
}

func TestReadMetrics_table(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string // samples, or one problem
	}{
		"samples":            {"# TYPE a counter\na_total{x=\"1\"} 2 10\na_total{x=\"1\"} 3 20.5 # {t=\"e\"} 1\n# EOF\n", []string{`a_total{x="1"} {__name__="a_total", x="1"} 10000 2`, `a_total{x="1"} {__name__="a_total", x="1"} 20500 3`}},
		"values":             {"a NaN 1\na +Inf 2\n# EOF\n", []string{`a {__name__="a"} 1000 NaN`, `a {__name__="a"} 2000 +Inf`}},
		"nothing":            {"# EOF\n", nil},
		"cut off":            {"a 1 1\nb", []string{"m:2:: expected value after metric, got \"b\" (\"EOF\") while parsing: \"b\"; the text does not end with # EOF: the file seems to be cut off"}},
		"cut off at a line":  {"a 1 1\n", []string{"m:2:: data does not end with # EOF; the text"}},
		"no time":            {"a 1 1\na 1\n# EOF\n", []string{"m:2:: a has no time: expected seconds since 1970 after the value"}},
		"time not a number":  {"a 1 NaN\n# EOF\n", []string{"m:1:: expected OpenMetrics: invalid timestamp NaN"}},
		"value not a number": {"a x 1\n# EOF\n", []string{"m:1:: expected OpenMetrics"}},
		"plain text format":  {"# a comment\na 1 1\n# EOF\n", []string{"m:1:: expected OpenMetrics"}},
		"after the end":      {"# EOF\na 1 1\n", []string{"m:1:: unexpected data after # EOF; the text"}},
		"refused":            {"a 1 1\nbad 1 2\n# EOF\n", []string{"m:2:: bad: no"}},
		"empty":              {"", []string{"m:0:: empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var got []string
			err := ReadMetrics("m", path, func(s Sample) error {
				if string(s.Key) == "bad" {
					return errors.New("no")
				}
				got = append(got, fmt.Sprintf("%s %s %d %v", s.Key, s.Series(), s.At, s.Value))
				return nil
			})
			if err != nil {
				if len(c.want) != 1 || !strings.HasPrefix(err.Error(), c.want[0]) {
					t.Errorf("%v, expected %v", err, c.want)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzReadChanges(f *testing.F) {
	f.Add([]byte(good["changes.jsonl"]))
	f.Add([]byte(good["changes.jsonl"])[:100])
	f.Add([]byte("{}\n\n[]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := ReadChanges("x", strings.NewReader(string(text)), parse)
		if err == nil && !slices.IsSortedFunc(all, func(a, b backout.Observation) int { return a.At.Compare(b.At) }) {
			t.Errorf("observations out of order: %+v", all)
		}
		if err != nil && len(all) > 0 {
			t.Errorf("%d observations beside %v", len(all), err)
		}
	})
}

func FuzzParseMetrics(f *testing.F) {
	f.Add([]byte("# TYPE a counter\na_total{x=\"1\"} 2 10\n# EOF\n"))
	f.Add([]byte("{\"a.b\",c=\"d\"} 1 1 # {x=\"y\"} 2 3\n# EOF"))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := parseMetrics("m", text, func(s Sample) error { _ = s.Series(); return nil })
		var wrong Problems
		if err != nil && (!errors.As(err, &wrong) || len(wrong) != 1) {
			t.Errorf("%v, expected one problem", err)
		}
	})
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(good["replay.yaml"]))
	f.Add([]byte("incidents: [{at: 2026-11-24T08:00:00Z, culprits: [a]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSettings("r", text)
		var wrong Problems
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("%v, expected problems", err)
		}
		if err == nil && (s.StepOr() <= 0 || s.MinuteOr() <= 0) {
			t.Errorf("step %s, minute %s", s.StepOr(), s.MinuteOr())
		}
	})
}
