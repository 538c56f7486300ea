package render

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func foreseen() *backout.ETA {
	m := func(n int) backout.Duration { return backout.Duration(time.Duration(n) * time.Minute) }
	ten, thirty := m(10), m(30)
	return &backout.ETA{At: noon, P10: m(6), P50: m(9), P90: m(20), Right: .87, Any50: &ten, Any90: &thirty, Stays: []string{}, Fitted: 12,
		Parts: backout.ETAParts{Acting: m(3), Effect: m(2), Verifying: m(4)}}
}

// Never a time without how likely it is, nor without its interval.
func TestEnds_saysBoth(t *testing.T) {
	if got, want := Ends(*foreseen()), "back by about 12:09 (12:06-12:20) if the diagnosis is right (87 %)"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	e := foreseen()
	e.Stays = []string{"orders"}
	if got := Ends(*e); !strings.Contains(got, "no end in sight") || !strings.Contains(got, "orders") || strings.Contains(got, "12:") {
		t.Errorf("a backlog that does not drain: %q", got)
	}
}

func TestMessage_saysWhenItIsOver(t *testing.T) {
	for _, c := range []struct {
		audience backout.Audience
		state    backout.State
		want     string
	}{
		{backout.AudienceOnCall, backout.StateWaiting, " Back about 9 min after a yes (6-20 min) if the diagnosis is right (87 %). Plan "},
		{backout.AudienceOnCall, backout.StateExecuting, " Back by about 12:09 (12:06-12:20) if the diagnosis is right (87 %)."},
		{backout.AudienceExecutive, backout.StateExecuting, "under way, back by about 12:09 (12:06-12:20) if the diagnosis is right (87 %). No action"},
	} {
		inc, m := troubled(c.state)
		inc.ETA = foreseen()
		if got := Message(c.audience, inc, m); !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %q, expected %q in it", c.audience, c.state, got, c.want)
		}
	}
	inc, m := troubled(backout.StateRecovered)
	inc.ETA = foreseen()
	if got := Message(backout.AudienceOnCall, inc, m); strings.Contains(got, "Back ") {
		t.Errorf("it is over, and still: %q", got)
	}
}

// Who looks closely sees what it is made of, what it rests on, and the mixture.
func TestIncident_saysWhatTheEndRestsOn(t *testing.T) {
	inc, _ := troubled(backout.StateExecuting)
	inc.ETA = foreseen()
	text := Incident(inc, Style{}, noon)
	for _, want := range []string{"When it is over", "acting 3 min, showing 2 min, proving 4 min", "fitted to 12 past recoveries", "right or not: in 10 min with 50 %, in 30 min with 90 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
	inc.ETA.Any90, inc.ETA.Fitted = nil, 0
	if text := Incident(inc, Style{}, noon); !strings.Contains(text, "with 90 % no end can be foreseen") || !strings.Contains(text, "a prior: fewer than 9 past recoveries") {
		t.Errorf("unsure and unlearnt: %q", text)
	}
	if inc.ETA.Any50 = nil; !strings.Contains(Incident(inc, Style{}, noon), "right or not: no end can be foreseen") {
		t.Error("less likely right than wrong")
	}
}

func TestCascade_saysWhatIsLostAndWhatTimesRestOn(t *testing.T) {
	eur := func(n int64) backout.Money { return backout.Money{Minor: n, Currency: "EUR"} }
	f := backout.Forecast{Horizon: backout.Duration(30 * time.Minute), Hits: []backout.Hit{{Target: "cart", Kind: backout.TargetService, P: .9}},
		CostNow: backout.MoneyRange{P10: eur(100), P50: eur(200), P90: eur(300)}, Loss: backout.MoneyRange{P10: eur(500000), P50: eur(700000), P90: eur(900000)}}
	if text := Cascade(f, Style{}, 5); !strings.Contains(text, "about €7,000 until then (5,000-9,000)") || !strings.Contains(text, "a prior: fewer than 9 past hits") {
		t.Errorf("%q", text)
	}
	f.Fitted = 23
	if text := Cascade(f, Style{}, 5); !strings.Contains(text, "fitted to 23 past hits") {
		t.Errorf("%q", text)
	}
}

// Ranges are told as people do: a unit once, minutes without seconds where it is a matter of many.
func TestBetween_namesAUnitOnce(t *testing.T) {
	m := func(s int) backout.Duration { return backout.Duration(time.Duration(s) * time.Second) }
	for want, c := range map[string][2]int{"6-20 min": {360, 1200}, "40-55 s": {40, 55}, "40 s-6 min": {40, 370}, "1 min 30 s-4 min": {90, 240}, "50 min-1 h 10 min": {3010, 4190}} {
		if got := between(m(c[0]), m(c[1])); got != want {
			t.Errorf("from %d to %d s: %q, want %q", c[0], c[1], got, want)
		}
	}
	e := *foreseen()
	e.P10, e.P50, e.P90 = m(20), m(40), m(70)
	if got := Ends(e); !strings.Contains(got, ":40 (") {
		t.Errorf("%q, want seconds where less than five minutes are foreseen", got)
	}
}
