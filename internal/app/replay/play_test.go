package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func play(t testing.TB, c Config) Result {
	t.Helper()
	c.Temp = t.TempDir()
	r, err := Play(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func one(t testing.TB, r Result) Answer {
	t.Helper()
	if len(r.Incidents) != 1 {
		t.Fatalf("%d incidents, expected one; %s, missing %v", len(r.Incidents), r.Ready, r.Missing)
	}
	return r.Incidents[0]
}

func TestPlay_namesTheBadReleaseAndActsOnNothing(t *testing.T) {
	temp := t.TempDir()
	r, err := Play(t.Context(), Config{Dir: incident().write(t, t.TempDir()), Temp: temp})
	if err != nil {
		t.Fatal(err)
	}
	a := one(t, r)
	if s := a.Suspects[0]; s.Component != "deployment:payment@production/eu-1" || s.To != "2.4.0" || s.P < .8 || len(s.For) == 0 {
		t.Errorf("first suspect %+v, expected payment 2.4.0 with evidence", s)
	}
	if a.State != backout.StateShadowed || len(a.Incident.Attempts) != 0 {
		t.Errorf("state %s with %d attempts, expected a shadowed incident and no attempt", a.State, len(a.Incident.Attempts))
	}
	if a.Plan == nil || a.Plan.Action != backout.ActionRollBack || !a.Plan.Safe || len(a.Plan.Steps) != 1 || a.Plan.Steps[0].To != "2.3.1" {
		t.Errorf("plan %+v, expected one safe step back to 2.3.1", a.Plan)
	} else if why := a.Plan.Ruling.Reasons; a.Plan.Ruling.Automatic || len(why) != 1 || !strings.Contains(why[0], "nothing could be compared") {
		t.Errorf("ruling %+v: at .85, with no second version and no other caller to compare, a person is asked and told that this is all", a.Plan.Ruling)
	}
	if a.Forecast == nil || len(a.Forecast.Hits) == 0 {
		t.Errorf("forecast %+v, expected hits", a.Forecast)
	}
	if k := a.Known; k == nil || k.Rank != 1 || !k.PlanRight || k.Culprits[0] != culprit {
		t.Errorf("score %+v, expected the culprit first", k)
	}
	if late := a.DetectedAt.Sub(minute(110)); late < time.Minute || late > 6*time.Minute {
		t.Errorf("detected %s after the release, expected within six minutes", late)
	}
	want := Summary{Incidents: 1, Labels: 1, WithLabel: 1, Top1: 1, Top3: 1, PlanRight: 1, RollBack: 1, MedianDelayS: r.Summary.MedianDelayS, MedianAttributionMS: r.Summary.MedianAttributionMS}
	if diff := cmp.Diff(want, r.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("%d temporary entries left behind", len(left))
	}
}

// text is all of an answer but how long it took.
func text(t *testing.T, a Answer) string {
	t.Helper()
	a.TookMS, a.Known = 0, nil
	b, err := json.MarshalIndent(struct {
		Answer
		All backout.Incident
	}{a, a.Incident}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What happened later must not show: everything after a moment is cut away, and
// what was said until then stays the same to the letter.
func TestPlay_seesNothingOfTheFuture(t *testing.T) {
	whole := incident()
	dir := whole.write(t, t.TempDir())
	zero, four := time.Duration(0), 4*time.Minute
	for name, c := range map[string]Config{
		"as live": {}, "at detection": {Until: &zero}, "four minutes later": {Until: &four},
		"in the middle of the rollout": {At: []time.Time{minute(111)}}, "given": {At: []time.Time{minute(113.4)}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Dir = dir
			before := one(t, play(t, c))
			cut := whole
			cut.until = before.DecidedAt
			c.Dir = cut.write(t, t.TempDir())
			after := one(t, play(t, c))
			if diff := cmp.Diff(text(t, before), text(t, after)); diff != "" {
				t.Errorf("with the future (-) and without (+):\n%s", diff)
			}
		})
	}
}

// Expressions that look ahead of themselves see nothing either, and neither does
// a signal that fails later.
func TestPlay_hidesTheFutureFromQueriesThatLookAhead(t *testing.T) {
	for name, query := range map[string]string{
		"negative offset": `sum by (service) (rate(request_seconds_sum[$window] offset -10m)) * $step_s`,
		"end":             `sum by (service) (rate(request_seconds_sum[$window] @ end())) * $step_s`,
		"later two of a subject": "sum by (service) (rate(requests_total[$window])) or (sum by (service, result) (rate(requests_total[$window])) and on () (vector(time()) > " +
			fmt.Sprint(minute(125).Unix()) + "))",
	} {
		t.Run(name, func(t *testing.T) {
			whole := incident()
			write := func(s shop) string {
				dir := s.write(t, t.TempDir())
				more := fmt.Sprintf("    - {name: odd, kind: traffic, direction: up, opens: true, query: '%s'}\n", query)
				if err := os.WriteFile(filepath.Join(dir, "signals.yaml"), []byte(signalsYAML+more), 0o600); err != nil {
					t.Fatal(err)
				}
				return dir
			}
			zero := time.Duration(0)
			before := play(t, Config{Dir: write(whole), Until: &zero}).Incidents[0]
			cut := whole
			cut.until = before.DecidedAt
			after := play(t, Config{Dir: write(cut), Until: &zero}).Incidents[0]
			if diff := cmp.Diff(text(t, before), text(t, after)); diff != "" {
				t.Errorf("with the future (-) and without (+):\n%s", diff)
			}
		})
	}
}

func TestPlay_namesAndOrderDontMatter(t *testing.T) {
	plain := one(t, play(t, Config{Dir: incident().write(t, t.TempDir())}))
	other := incident()
	other.shuffle = true
	other.rename = func(n string) string { return fmt.Sprintf("x%x", n) }
	other.release = func(v string) string { return "r" + v }
	renamed := one(t, play(t, Config{Dir: other.write(t, t.TempDir())}))
	if !plain.DetectedAt.Equal(renamed.DetectedAt) || !plain.DecidedAt.Equal(renamed.DecidedAt) || math.Abs(plain.PNone-renamed.PNone) > 1e-6 || len(plain.Suspects) != len(renamed.Suspects) {
		t.Fatalf("%s %s %v against %s %s %v", plain.DetectedAt, plain.DecidedAt, plain.PNone, renamed.DetectedAt, renamed.DecidedAt, renamed.PNone)
	}
	p := map[string]float64{}
	for _, s := range renamed.Suspects {
		p[string(s.Component)+"="+string(s.To)] = s.P
	}
	for _, s := range plain.Suspects {
		kind, service, env, place, _ := s.Component.Split()
		key := string(backout.NewComponentID(kind, other.rename(service), env, place)) + "=" + other.release(string(s.To))
		if got, ok := p[key]; !ok || math.Abs(got-s.P) > 1e-6 {
			t.Errorf("%s: %v, renamed %s: %v", s.Change, s.P, key, got)
		}
	}
	if renamed.Plan == nil || renamed.Plan.Action != plain.Plan.Action || len(renamed.Plan.Steps) != len(plain.Plan.Steps) {
		t.Errorf("plan %+v, renamed %+v", plain.Plan, renamed.Plan)
	}
}

func TestPlay_sameInputSameAnswer(t *testing.T) {
	dir := incident().write(t, t.TempDir())
	first, second := one(t, play(t, Config{Dir: dir})), one(t, play(t, Config{Dir: dir}))
	if diff := cmp.Diff(text(t, first), text(t, second)); diff != "" {
		t.Errorf("two replays differ:\n%s", diff)
	}
}

func TestPlay_quietTimeHasNoIncidents(t *testing.T) {
	s := incident()
	s.onset = 0
	r := play(t, Config{Dir: s.write(t, t.TempDir())})
	if len(r.Incidents) != 0 || r.Summary.Incidents != 0 || !strings.Contains(r.Ready, "16 of 16 series that may open an incident are judged") {
		t.Errorf("%d incidents, %s; expected none and warm series", len(r.Incidents), r.Ready)
	}
}

// At a given moment it answers although nothing is wrong, and without a warm-up
// the answer is that nobody knows.
func TestPlay_atAnswersAnyway(t *testing.T) {
	s := incident()
	s.onset = 0
	r := play(t, Config{Dir: s.write(t, t.TempDir()), At: []time.Time{minute(140), minute(125)}})
	if len(r.Incidents) != 2 || !r.Incidents[0].DecidedAt.Equal(minute(125)) {
		t.Fatalf("%+v, expected two answers in order of time", r.Incidents)
	}
	for _, a := range r.Incidents {
		sum := a.PNone
		for _, x := range a.Suspects {
			sum += x.P
		}
		if math.Abs(sum-1) > 1e-9 || a.PNone < .1 || a.Plan == nil || a.Plan.Action == backout.ActionRollBack {
			t.Errorf("p sums to %v, none %v, plan %+v; expected no change to be taken back in calm", sum, a.PNone, a.Plan)
		}
	}
}

func TestPlay_endsBeforeTheDecision(t *testing.T) {
	r := play(t, Config{Dir: incident().write(t, t.TempDir()), To: minute(114)})
	if a := one(t, r); a.State.Terminal() || a.Plan == nil || len(a.Suspects) == 0 {
		t.Errorf("state %s, plan %v; expected an open incident with what would have been decided", a.State, a.Plan)
	}
}

func TestPlay_missedLabel(t *testing.T) {
	s := incident()
	s.onset = 0
	dir := s.write(t, t.TempDir())
	if err := os.WriteFile(filepath.Join(dir, "replay.yaml"), []byte("incidents: [{at: 2026-11-24T09:50:00Z, culprits: []}, {at: 2026-11-20T00:00:00Z}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := play(t, Config{Dir: dir})
	if r.Summary.Labels != 1 || r.Summary.WithLabel != 0 || len(r.Missed) != 1 {
		t.Errorf("summary %+v, missed %v; expected the label inside to be missed and the one outside ignored", r.Summary, r.Missed)
	}
}

func TestPlay_refuses(t *testing.T) {
	good := incident().write(t, t.TempDir())
	short := shop{minutes: 30, scrape: 30 * time.Second, seed: 1}.write(t, t.TempDir())
	negative, zero := -time.Second, time.Duration(0)
	for name, c := range map[string]struct {
		config Config
		says   string
	}{
		"no folder":       {Config{}, "expected a folder"},
		"missing folder":  {Config{Dir: filepath.Join(good, "nowhere")}, "expected a folder with catalog/"},
		"negative until":  {Config{Dir: good, Until: &negative}, "until -1s"},
		"until and at":    {Config{Dir: good, Until: &zero, At: []time.Time{minute(120)}}, "expected one of them"},
		"after the end":   {Config{Dir: good, At: []time.Time{minute(500)}}, "its samples are from"},
		"before it":       {Config{Dir: good, To: minute(-10)}, "its samples are from"},
		"all warm-up":     {Config{Dir: short}, "leave nothing to judge"},
		"from after last": {Config{Dir: good, From: minute(400)}, "its samples are from"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Play(t.Context(), c.config)
			if backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, expected code invalid with %q", err, c.says)
			}
		})
	}
}

func TestPlay_wrongSampleNamesItsLine(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"out of order":  {"a 1 20\na 2 10\n# EOF\n", "metrics.om:2:: a: expected samples of one series in order of time"},
		"another value": {"a 1 20\na 2 20\n# EOF\n", "metrics.om:2:: a: expected samples of one series in order"},
		"cut off":       {"a 1 20\na 2", "metrics.om:2:: data does not end with # EOF; the text does not end"},
		"centuries":     {"a 1 2000000000\nb 2 1\n# EOF\n", "metrics.om:2:: b: expected all samples within fifty years"},
		"no samples":    {"# EOF\n", "it has no samples"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := incident().write(t, t.TempDir())
			if err := os.WriteFile(filepath.Join(dir, "metrics.om"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Play(t.Context(), Config{Dir: dir})
			if !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("%v, expected %q", err, c.says)
			}
			var wrong Problems
			if errors.As(err, &wrong) == (name == "no samples") {
				t.Errorf("%T, expected problems for all but an empty recording", err)
			}
		})
	}
}

func TestPlay_blocksThatAreNone(t *testing.T) {
	dir := incident().write(t, t.TempDir())
	if err := os.Remove(filepath.Join(dir, "metrics.om")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blocks", "notes"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blocks", "notes", "readme"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong Problems
	if _, err := Play(t.Context(), Config{Dir: dir}); !errors.As(err, &wrong) || wrong[0].File != "blocks" {
		t.Errorf("%v, expected a problem of blocks", err)
	}
}

func TestPlay_stopsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	temp, dir := t.TempDir(), incident().write(t, t.TempDir())
	c := Config{Dir: dir, Temp: temp, Progress: func(string) { cancel() }} // at the first decision
	if _, err := Play(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected to be canceled", err)
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("%d temporary entries left behind", len(left))
	}
}

func TestPlay_saysWhenHistoryIsTooShort(t *testing.T) {
	r := play(t, Config{Dir: incident().write(t, t.TempDir()), At: []time.Time{minute(20)}})
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "none with enough samples yet") {
		t.Errorf("notes %v, expected to be told that nothing is judged yet", r.Notes)
	}
}

func BenchmarkPlay(b *testing.B) {
	s := incident()
	s.padding = 160 // 504 series
	dir := s.write(b, b.TempDir())
	b.ResetTimer()
	for b.Loop() {
		if r := play(b, Config{Dir: dir}); len(r.Incidents) != 1 {
			b.Fatal(r.Summary)
		}
	}
}
