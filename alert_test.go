package backout_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

func alert(id string, state backout.AlertState, start, end int) backout.Alert {
	a := backout.Alert{Source: "m", NativeID: id, Name: "HighErrors", State: state, Labels: map[string]string{}}
	if start >= 0 {
		a.StartsAt = noon.Add(time.Duration(start) * time.Minute)
	}
	if state == backout.AlertResolved {
		a.EndsAt = noon.Add(time.Duration(end) * time.Minute)
	}
	return a
}

func TestFoldAlerts_latestNewsCounts(t *testing.T) {
	firing, over := backout.AlertFiring, backout.AlertResolved
	for name, c := range map[string]struct {
		reports []backout.Alert
		want    backout.AlertState
	}{
		"it fires":                        {[]backout.Alert{alert("a", firing, 1, 0)}, firing},
		"it is over":                      {[]backout.Alert{alert("a", firing, 1, 0), alert("a", over, 1, 3)}, over},
		"the start comes after the end":   {[]backout.Alert{alert("a", over, 1, 3), alert("a", firing, 1, 0)}, over},
		"it fires again":                  {[]backout.Alert{alert("a", over, 1, 3), alert("a", firing, 5, 0)}, firing},
		"an old end comes late":           {[]backout.Alert{alert("a", firing, 5, 0), alert("a", over, 1, 3)}, firing},
		"an end that tells no start":      {[]backout.Alert{alert("a", firing, 1, 0), alert("a", over, -1, 3)}, over},
		"it ends in the moment it begins": {[]backout.Alert{alert("a", over, 1, 1), alert("a", firing, 1, 0)}, over},
	} {
		if got := backout.FoldAlerts(c.reports); len(got) != 1 || got[0].State != c.want {
			t.Errorf("%s: %+v, want one that is %s", name, got, c.want)
		}
	}
}

func TestFoldAlerts_anEndThatNamesNoService(t *testing.T) {
	start, end := alert("a", backout.AlertFiring, 1, 0), alert("a", backout.AlertResolved, -1, 3)
	start.Subject.Service = "cart"
	for _, reports := range [][]backout.Alert{{start, end}, {end, start}} {
		if got := backout.FoldAlerts(reports); len(got) != 1 || got[0].State != backout.AlertResolved || got[0].Series() != start.Series() {
			t.Errorf("%+v: want the end of the cart's alert", got)
		}
	}
}

// Late, doubled and shuffled reports, folded bit by bit as they arrive, leave the
// same alerts.
func TestFoldAlerts_orderAndDuplicatesDontMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) backout.Alert {
			start := rapid.IntRange(0, 9).Draw(t, "start")
			return alert(strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "id")), rapid.SampledFrom([]backout.AlertState{"firing", "resolved"}).Draw(t, "state"), start, start+rapid.IntRange(0, 3).Draw(t, "lasts"))
		}), 1, 12).Draw(t, "reports")
		want := latest(backout.FoldAlerts(reports))
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		mixed := append(slices.Clone(reports), reports[r.IntN(len(reports))])
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		var known []backout.Alert
		for _, a := range mixed {
			known = backout.FoldAlerts(append(known, a))
		}
		if d := cmp.Diff(want, latest(known)); d != "" {
			t.Fatalf("another order folds differently (-want +got):\n%s", d)
		}
	})
}

// latest is what must not depend on the order: an end may be told with two starts.
func latest(list []backout.Alert) []string {
	out := []string{}
	for _, a := range list {
		at := a.StartsAt
		if a.State == backout.AlertResolved {
			at = a.EndsAt
		}
		out = append(out, a.NativeID+" "+string(a.State)+" "+at.String())
	}
	return out
}
