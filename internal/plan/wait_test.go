package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// twoSuspects blames payment with p and search with q.
func twoSuspects(p, q float64) *town {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	search := w.part(backout.KindDeployment, "search", 15*time.Minute, "5.0.0", "5.1.0")
	w.suspect(payment, "2.14.0", p)
	w.suspect(search, "5.1.0", q)
	return w
}

func weigh(t *testing.T, w *town, before backout.Attribution) backout.Timing {
	t.Helper()
	w.req.Attribution.PNone = 1
	for _, s := range w.req.Attribution.Suspects {
		w.req.Attribution.PNone -= s.P
	}
	got, err := Weigh(w.req, before)
	if err != nil {
		t.Fatal(err)
	}
	if got.Gain.Minor < 0 || got.Price.Minor < 0 || got.Changes < 0 || got.Changes > 1 || got.Wait != (got.Gain.Minor > got.Price.Minor) || got.Words == "" {
		t.Errorf("%+v: want amounts of 0 or more, a probability, and waiting where it gains more than it costs", got)
	}
	return got
}

// Where the answer is nearly sure, another minute brings next to nothing.
func TestWeigh_nearlySureIsSoon(t *testing.T) {
	unsure := weigh(t, twoSuspects(.75, .15), backout.Attribution{})
	for _, p := range []float64{.9, .95, .99} {
		got := weigh(t, twoSuspects(p, (1-p)*.6), backout.Attribution{})
		if got.Wait || got.Gain.Minor >= unsure.Gain.Minor {
			t.Errorf("at %.2f: %s; want to act, and less worth in waiting than at 0.75 (%s)", p, got.Words, unsure.Gain)
		}
	}
}

// Dear minutes make the price of a minute, and the price of what is lost in vain
// what can be saved by looking.
func TestWeigh_dearMinutesAgainstDearMistakes(t *testing.T) {
	w := twoSuspects(.55, .4)
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{P50: eur(1000)}, backout.MoneyRange{P50: eur(1000)}
	dear := weigh(t, w, backout.Attribution{})
	if dear.Wait {
		t.Errorf("1000 EUR a minute: %s; want to act", dear.Words)
	}
	r := w.req.World.Reversals[id(backout.KindDeployment, "payment")]
	r.Levels[0].Loss, r.Levels[0].Lost = backout.LossSome, "the orders of an hour"
	if lossy := weigh(t, w, backout.Attribution{}); lossy.Gain.Minor <= dear.Gain.Minor {
		t.Errorf("a mistake that loses data: %s; want more worth in waiting than %s", lossy.Words, dear.Gain)
	}
}

// When the probabilities stood still lately, the next minute is expected to tell
// little; when they jumped, much.
func TestWeigh_learnsHowMuchAMinuteTells(t *testing.T) {
	at := func(p float64, ago time.Duration) backout.Attribution {
		w := twoSuspects(p, .15)
		w.req.Attribution.At, w.req.Attribution.PNone = noon.Add(-ago), .85-p
		return w.req.Attribution
	}
	still, jumped := at(.75, time.Minute), at(.1, time.Minute)
	w := twoSuspects(.75, .15)
	w.req.Attribution.At = noon
	w.req.Attribution.PNone = .1
	if a, b := learning(still, w.req.Attribution, time.Minute), learning(jumped, w.req.Attribution, time.Minute); a >= usualNats || b <= usualNats {
		t.Errorf("learning %.2f standing still and %.2f after a jump, want below and above %.2f", a, b, usualNats)
	}
	if a, b := weigh(t, w, still), weigh(t, w, jumped); a.Gain.Minor >= b.Gain.Minor {
		t.Errorf("a minute is worth %s standing still and %s after a jump", a.Gain, b.Gain)
	}
}

// A dear way back that hardly pays is no reason to look longer where looking tells
// nothing new.
func TestWeigh_aDearPlanIsNoGain(t *testing.T) {
	w := twoSuspects(.999, 0)
	w.req.World.Reversals[id(backout.KindDeployment, "payment")].Levels[0].Loss = backout.LossSome
	for rate := int64(50); rate <= 600; rate += 10 {
		w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{P50: eur(rate)}, backout.MoneyRange{P50: eur(rate)}
		if got := weigh(t, w, backout.Attribution{}); got.Gain.Minor > eur(rate).Minor/10 {
			t.Errorf("%d EUR a minute: %s; want no gain where nothing is open", rate, got.Words)
		}
	}
}

// Where nothing pays, putting it off costs nothing.
func TestWeigh_nothingToPutOff(t *testing.T) {
	w := twoSuspects(.02, .02)
	if got := weigh(t, w, backout.Attribution{}); got.Price.Minor != 0 {
		t.Errorf("%s: want a minute for nothing", got.Words)
	}
	w.req.Attribution.Suspects[0].P = 2
	if _, err := Weigh(w.req, backout.Attribution{}); backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), "probability") {
		t.Errorf("probability 2: %v", err)
	}
}

// What no suspicion can reach decides nothing about waiting.
func TestWeigh_looksAtWhatIsConcerned(t *testing.T) {
	w := twoSuspects(.6, .25)
	payment := id(backout.KindDeployment, "payment")
	checkout := w.part(backout.KindDeployment, "checkout", 10*time.Minute, "7.0.0", "7.1.0")
	flag := w.part(backout.KindFlag, "wallet", 5*time.Minute, "off", "on")
	w.needs("C-api", checkout, "7.1.0", payment, "2.14.0")
	w.needs("C-flag", flag, "on", checkout, "7.1.0")
	before := weigh(t, w, backout.Attribution{})
	for k := range 30 {
		w.part(backout.KindDeployment, fmt.Sprintf("other-%d", k), 30*time.Minute, "1", "2")
	}
	if got := concerned(w.req); len(got) != 4 {
		t.Errorf("%d changes are concerned, want payment, search, checkout and the flag", len(got))
	}
	if after := weigh(t, w, backout.Attribution{}); after != before {
		t.Errorf("with strangers %+v, without %+v", after, before)
	}
}

func BenchmarkWeigh(b *testing.B) {
	for _, n := range []int{50, 1000} {
		b.Run(fmt.Sprintf("components=%d", n), func(b *testing.B) {
			w := randomTown(7, n)
			for b.Loop() {
				if _, err := Weigh(w.req, backout.Attribution{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
