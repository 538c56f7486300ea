package permit

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// What was shipped long after everything ill had begun is for a person; a few minutes
// are an estimate's error, one later finding is enough, and what a contract demands is
// nobody's suspect.
func TestWhole_whatBeganLongBeforeTheChange(t *testing.T) {
	for name, c := range map[string]struct {
		onsets   []time.Duration // before the change
		demanded bool
		minute   backout.Duration
		want     bool // automatic
	}{
		"three hours before":                {onsets: []time.Duration{3 * time.Hour}},
		"ten minutes before":                {onsets: []time.Duration{10 * time.Minute}, want: true},
		"one before and one after":          {onsets: []time.Duration{3 * time.Hour, -time.Minute}, want: true},
		"nothing found":                     {want: true},
		"a demanded step":                   {onsets: []time.Duration{3 * time.Hour}, demanded: true, want: true},
		"five seconds where time runs fast": {onsets: []time.Duration{5 * time.Second}, minute: backout.Duration(time.Second), want: true},
		"a minute where time runs fast":     {onsets: []time.Duration{time.Minute}, minute: backout.Duration(time.Second)},
	} {
		s := good()
		shipped := s.world.Now.Add(-2 * time.Minute)
		s.world.Minute = c.minute
		s.world.Changes = []backout.Change{{ID: "c1", Component: payment, Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: shipped, Share: 1}}}}}
		for _, d := range c.onsets {
			s.incident.Findings = append(s.incident.Findings, backout.Finding{Opens: true, Onset: shipped.Add(-d)})
		}
		if c.demanded {
			s.step(0).Demanded, s.step(1).Demanded = true, false
			s.step(1).P = .9
		}
		r := s.rule(t)
		if r.Automatic != c.want || !c.want && !strings.Contains(strings.Join(r.Reasons, " "), "long before") {
			t.Errorf("%s: automatic %t: %q", name, r.Automatic, r.Reasons)
		}
	}
}
