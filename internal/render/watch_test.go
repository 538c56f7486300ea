package render

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

var update = flag.Bool("update", false, "write the golden frames anew")

// watched is a run of two waves at its second one.
func watched() Frame {
	at := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)
	min := func(n float64) time.Time { return at.Add(time.Duration(n * float64(time.Minute))) }
	bake := backout.Duration(time.Minute)
	euro := func(n int64) backout.Money { return backout.Money{Minor: n * 100, Currency: "EUR"} }
	p := backout.Plan{
		Summary: "Take back flag express-checkout, then payment", Takes: backout.Duration(7 * time.Minute), Digest: "7c1f02ab9e2a",
		Waves: []backout.Wave{
			{Steps: []backout.Step{{ID: "a", Component: "flag:express-checkout@production/eu-1", Kind: backout.KindFlag, From: "on", To: "off", Stages: []backout.Stage{{Share: 1, Bake: bake}}}}},
			{Steps: []backout.Step{
				{ID: "b", Component: "deployment:payment@production/eu-1", Kind: backout.KindDeployment, From: "2.14.0", To: "2.13.2", Stages: []backout.Stage{{Share: .5, Bake: bake}, {Share: 1, Bake: bake}}},
				{ID: "c", Component: "deployment:fraud@production/eu-1", Kind: backout.KindDeployment, From: "5.2.1", To: "5.2.0", Stages: []backout.Stage{{Share: .5, Bake: bake}, {Share: 1, Bake: bake}}},
			}},
			{Steps: []backout.Step{{ID: "d", Component: "deployment:orders@production/eu-1", Kind: backout.KindDeployment, From: "5.2.1", To: "5.2.0", Stages: []backout.Stage{{Share: 1, Bake: bake}}}}},
		},
	}
	inc := backout.Incident{
		ID: "INC-142", State: backout.StateExecuting, Why: p.Summary, Onset: min(2), OpenedAt: min(3), UpdatedAt: min(6), Plan: &p,
		Attribution: &backout.Attribution{PNone: .05, Suspects: []backout.Suspect{{Component: "deployment:payment@production/eu-1", To: "2.14.0", P: .87,
			For: []backout.Evidence{{Text: "errors began 28 s after it"}}}}},
		Forecast: &backout.Forecast{CostNow: backout.MoneyRange{P10: euro(1300), P50: euro(1700), P90: euro(2300)}},
		Attempts: []backout.Attempt{{ID: "INC-142/1", Plan: p, StartedAt: min(6)}},
	}
	e := func(n float64, kind backout.EntryKind, step string, stage int, share float64, out backout.Outcome, text string) backout.Entry {
		return backout.Entry{At: min(n), Kind: kind, Step: step, Stage: stage, Share: share, Outcome: out, Text: text}
	}
	run := backout.Run{Attempt: "INC-142/1", State: backout.RunActive, Entries: []backout.Entry{
		e(6, backout.EntryStarted, "", 0, 0, "", "carries out 4 steps in 3 waves"),
		e(6, backout.EntryIntent, "a", 0, 1, "", "bringing"), e(6.2, backout.EntryEffect, "a", 0, 1, backout.OutcomeDone, "off"),
		e(7.3, backout.EntryGate, "", 0, 0, "", "gate passed: not worse: 3 signals, 40 samples"),
		e(7.3, backout.EntryIntent, "b", 0, .5, "", "bringing"), e(7.3, backout.EntryIntent, "c", 0, .5, "", "bringing"),
		e(8.5, backout.EntryEffect, "b", 0, .5, backout.OutcomeDone, "half"), e(8.5, backout.EntryEffect, "c", 0, .5, backout.OutcomeUnknown, "no answer within 30 s"),
	}}
	for i := range run.Entries {
		run.Entries[i].Seq, run.Entries[i].Attempt = int64(i+1), run.Attempt
	}
	return Frame{
		Now: min(9.1), AsOf: min(9.1), Mode: "ask", Ready: "52 series known", Incident: &inc, Run: &run, Keys: true,
		Degraded: []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "queue_depth", min(3), "no answer")},
		Holds:    []backout.Hold{{Component: "flag:express-checkout@production/eu-1", BadTo: "on", Until: at.Add(24 * time.Hour), Release: "a version other than on, or a person"}},
	}
}

// frames are the states that a live view must show rightly.
func frames() map[string]Frame {
	waiting, ended, lost, quiet, paused := watched(), watched(), watched(), Frame{Now: watched().Now, Mode: "ask", Ready: "52 series known", Keys: true}, watched()
	w := *waiting.Incident
	w.State, w.Why, w.Attempts, w.Deadline = backout.StateWaiting, "a person must decide: not proven: payment 2.13.2 with fraud 5.2.1", nil, waiting.Now.Add(10*time.Minute)
	waiting.Incident, waiting.Run, waiting.Holds, waiting.Degraded = &w, nil, nil, nil
	d := *ended.Incident
	d.State, d.Why, d.UpdatedAt = backout.StateRecovered, "recovered: all 3 signals that were ill are back, proven; the rest of the plan is not needed", ended.Now
	d.Attempts = slices.Clone(d.Attempts)
	d.Attempts[0].EndedAt, d.Attempts[0].Result = ended.Now, backout.RunStopped
	r := *ended.Run
	r.State, r.Entries = backout.RunStopped, append(slices.Clone(r.Entries[:7]),
		backout.Entry{Seq: 8, At: ended.Now, Kind: backout.EntryEffect, Step: "c", Share: .5, Outcome: backout.OutcomeDone, Text: "half"},
		backout.Entry{Seq: 9, At: ended.Now, Kind: backout.EntryGate, Text: "gate stops the run early: recovered: all 3 signals that were ill are back, proven"})
	ended.Incident, ended.Run, ended.Now, ended.Degraded, ended.Keys = &d, &r, ended.Now.Add(time.Hour), nil, false
	lost.Lost, lost.AsOf, lost.Why = true, lost.Now.Add(-20*time.Second), true
	p := *paused.Incident
	p.Paused = true
	paused.Incident, paused.Prompt = &p, "resume INC-142: the plan goes on. Only 'yes' does it: ye"
	return map[string]Frame{"executing": watched(), "waiting": waiting, "recovered": ended, "lost": lost, "quiet": quiet, "paused": paused}
}

func TestWatch_goldenFrames(t *testing.T) {
	for name, f := range frames() {
		for kind, s := range map[string]Style{"wide": {Width: 120}, "plain": {}, "narrow": {Width: 48}, "ascii": {Width: 120, ASCII: true}} {
			lines := Watch(f, s)
			for _, l := range lines {
				if w := visible(l); w > max(s.Width, 78) || s.Width > 0 && w > s.Width {
					t.Errorf("%s %s: a line is %d wide: %s", name, kind, w, l)
				}
			}
			got, path := strings.Join(lines, "\n")+"\n", filepath.Join("testdata", "watch", name+"."+kind+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("%s %s: %v\n%s\nwant\n%s", name, kind, err, got, want)
			}
			if s.ASCII && strings.ContainsFunc(got, func(r rune) bool { return r > 127 && r != '€' }) {
				t.Errorf("%s: ascii has other symbols:\n%s", name, got)
			}
		}
	}
}

func TestWatch_coloursStayClosed(t *testing.T) {
	for _, l := range Watch(watched(), Style{Width: 40, Colour: true}) {
		if strings.Contains(l, "\x1b") && !strings.HasSuffix(l, "\x1b[0m") && strings.Count(l, "\x1b[0m")*2 != strings.Count(l, "\x1b[") {
			t.Errorf("%q leaves a colour open", l)
		}
	}
}

func TestHappenings_onlyWhatIsNew(t *testing.T) {
	f := watched()
	texts := func(before, now Frame) (out []string) {
		for _, h := range Happenings(before, now) {
			out = append(out, h.Kind+" "+h.Text)
		}
		return out
	}
	if got := texts(Frame{}, f); len(got) != len(f.Run.Entries)+2 {
		t.Errorf("the first frame says %q", got)
	}
	if got := texts(f, f); len(got) != 0 {
		t.Errorf("nothing changed, and it says %q", got)
	}
	next := f
	run := *f.Run
	run.Entries = append(slices.Clone(run.Entries), backout.Entry{Seq: 9, Text: "gate passed"})
	next.Run, next.Degraded, next.Lost, next.AsOf = &run, nil, true, f.Now
	if got := texts(f, next); !slices.Equal(got, []string{"connection reconnecting, as of 14:09:06", "journal gate passed"}) {
		t.Errorf("%q", got)
	}
	back := next
	back.Lost = false
	if got := texts(next, back); !slices.Equal(got, []string{"connection connected again"}) {
		t.Errorf("%q", got)
	}
}
