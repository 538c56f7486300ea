package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestSilent_isWhoPausedLongerThanEver(t *testing.T) {
	monday := time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)
	var obs []backout.Observation
	for day := range 12 { // a fortnight of working hours, but for the weekend
		if day == 5 || day == 6 {
			continue
		}
		for hour := range 8 {
			obs = append(obs, backout.Observation{Source: "ci", At: monday.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)})
		}
	}
	for n := range 5 {
		obs = append(obs, backout.Observation{Source: "seldom", At: monday.Add(time.Duration(n) * time.Minute)})
	}
	for n := range 20 { // a burst, all at once, has no pace
		obs = append(obs, backout.Observation{Source: "import", NativeID: string(rune('a' + n)), At: monday})
	}
	last := obs[79].At
	if got := Silent(obs, last.Add(65*time.Hour)); len(got) != 0 {
		t.Errorf("a weekend is a silence: %v", got)
	}
	got := Silent(obs, last.Add(100*time.Hour))
	if len(got) != 1 || got[0].What() != "changes from ci" || !got[0].Since.Equal(last) || !strings.Contains(got[0].Why, "65h0m0s") {
		t.Errorf("after four days: %v", got)
	}
}
