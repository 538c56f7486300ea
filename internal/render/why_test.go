package render

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func account(none float64, words int) Account {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	long := strings.TrimSpace(strings.Repeat("some of the services it touches ", words))
	inc := backout.Incident{
		ID: "INC-1", State: backout.StateNoAction, Why: "nothing is to be taken back: " + long, Onset: at, UpdatedAt: at.Add(9 * time.Minute),
		Attribution: &backout.Attribution{PNone: none, Origins: []backout.Origin{{Kind: backout.OriginExternal, Service: "bank", P: none * .9, Text: "bank is ill and nothing of ours before it"}, {Kind: backout.OriginSurge, P: none * .1}}},
		Likeness:    &backout.Likeness{Novelty: backout.NoveltyNovel, N: 43, Needed: 19, P: .023, Nearest: []backout.Neighbour{}, Drift: 41},
		Calibration: &backout.Calibration{N: 120, Said: .9, P0: .78, P1: .88, P: .83},
	}
	for i := range 12 {
		x := backout.Suspect{Component: backout.NewComponentID(backout.KindDeployment, "service-"+string(rune('a'+i)), "p", "eu"), To: "2.0", P: (1 - none) * math.Exp2(-float64(i+1))}
		for k := range 5 {
			x.For = append(x.For, backout.Evidence{Kind: backout.EvidenceSpace, LogBF: 1 + float64(k), Text: "this is ill: " + long})
			x.Against = append(x.Against, backout.Evidence{Kind: backout.EvidenceTime, LogBF: -1 - float64(k), Text: "that is late: " + long})
		}
		inc.Attribution.Suspects = append(inc.Attribution.Suspects, x)
	}
	return Account{Format: 1, Incident: inc}
}

func TestWhy_noneOfYourChanges(t *testing.T) {
	text := Why(account(.81, 1), Style{Width: 100})
	if os.Getenv("BACKOUT_SHOW") != "" {
		t.Log("\n" + text)
	}
	for _, want := range []string{
		"None of your changes did it: likely (81 %). Likeliest instead, with 73 %: bank is ill", "no change did this", "a fact 8.5 times likelier if service-a 2.0 did it", "without the timing",
		"backout changed nothing", "nothing like this in 43 incidents (p = 0.02)", "incidents have become different", "when about 90 % was said, it was right in 83 % (78 %-88 %) of 120 incidents",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

// Whatever there is to say, it stays one screen.
func TestWhy_isOneScreen(t *testing.T) {
	for _, words := range []int{0, 1, 5, 20, 200} {
		for _, none := range []float64{.01, .4, .9} {
			a := account(none, words)
			for range 9 {
				a.Incident.Attempts = append(a.Incident.Attempts, backout.Attempt{StartedAt: a.Incident.Onset, EndedAt: a.Incident.UpdatedAt, Why: strings.Repeat("it halted ", words), Result: backout.RunHalted})
				a.Incident.Tried = append(a.Incident.Tried, backout.Tried{Result: backout.VerdictInconclusive})
			}
			for _, s := range []Style{{Width: 100}, {Width: 100, Colour: true}, {Width: 100, ASCII: true}} {
				text := Why(a, s)
				if n := strings.Count(text, "\n"); n > 40 {
					t.Errorf("%d words, none %g: %d lines\n%s", words, none, n, text)
				}
				for _, l := range strings.Split(text, "\n") {
					if visible(l) > 100 {
						t.Errorf("%d columns: %s", visible(l), l)
					}
				}
				if s.ASCII && strings.ContainsFunc(text, func(r rune) bool { return r > 127 }) {
					t.Errorf("not ASCII:\n%s", text)
				}
			}
		}
	}
}

func TestWhy_beforeAnythingWasWeighed(t *testing.T) {
	text := Why(Account{Incident: backout.Incident{ID: "INC-1", State: backout.StateDetected, Why: "payment errors"}}, Style{})
	if !strings.Contains(text, "Nobody knows yet") || !strings.Contains(text, "not compared with others") {
		t.Error(text)
	}
}

// Two suspects of whom one is ahead by where it is ill alone: without that it is even.
func TestLacking_golden(t *testing.T) {
	att := backout.Attribution{PNone: .1, Suspects: []backout.Suspect{
		{P: .8, For: []backout.Evidence{{Kind: backout.EvidenceSpace, LogBF: math.Log(16)}}},
		{P: .1, For: []backout.Evidence{{Kind: backout.EvidenceSpace, LogBF: math.Log(2)}, {Kind: backout.EvidenceTime, LogBF: 5}}},
	}}
	if got := lacking(att, 0, backout.EvidenceSpace); math.Abs(got-.05/(.05+.05+.1)) > 1e-12 {
		t.Errorf("%g, want .25", got)
	}
	if got := lacking(att, 0, backout.EvidencePrior); math.Abs(got-.8) > 1e-12 {
		t.Errorf("%g, want it unmoved", got)
	}
}

func TestTimes(t *testing.T) {
	for bf, want := range map[float64]string{math.Log(12.2): "x12", math.Log(3): "x3", -math.Log(2.5): "1/2.5", 50: "x>1000"} {
		if got := times(bf); got != want {
			t.Errorf("%g: %s, want %s", bf, got, want)
		}
	}
}

func TestNeighbour_whatHelped(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		n    backout.Neighbour
		want string
	}{
		{backout.Neighbour{Precedent: "INC-12", Service: "checkout", At: at.Add(-72 * time.Hour), Did: "taking back the flag", Outcome: backout.PrecedentVerified, Took: backout.Duration(6 * time.Minute)}, "INC-12 (checkout, 3 days earlier): taking back the flag recovered it in 6 min"},
		{backout.Neighbour{Precedent: "INC-12", At: at.Add(-time.Hour), Outcome: backout.PrecedentByItself, Took: backout.Duration(90 * time.Second)}, "INC-12 (1 h earlier): it went away by itself in 1 min 30 s"},
		{backout.Neighbour{Precedent: "INC-12", At: at.Add(-time.Hour), Outcome: backout.PrecedentUnresolved, Did: "taking back a"}, "INC-12 (1 h earlier): taking back a did not bring recovery"},
		{backout.Neighbour{Precedent: "INC-12", At: at.Add(-time.Hour), Label: backout.LabelFalseAlarm}, "INC-12 (1 h earlier): it was a false alarm"},
	} {
		if got := Neighbour(c.n, at); got != c.want {
			t.Errorf("%q\nwant %q", got, c.want)
		}
	}
}
