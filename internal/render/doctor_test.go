package render

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestDoctor_saysWhatItSeesAndWhatToMend(t *testing.T) {
	loop := backout.Loop{Name: "walk", Last: highNoon.Add(-time.Second), Bound: backout.Duration(time.Minute)}
	stuck := backout.Loop{Name: "look", Last: highNoon.Add(-time.Hour), Bound: backout.Duration(time.Minute)}
	well := backout.Health{At: highNoon, StartedAt: sixTo, Environment: "shop", Loops: []backout.Loop{loop}}
	for name, c := range map[string]struct {
		d    backout.Diagnosis
		mend bool
		want []string
		not  []string
	}{
		"well": {backout.Diagnosis{Health: well, PastLearnt: 1, Services: []backout.Readiness{{Service: "checkout", Opening: 3, Judged: 3, Seasonal: 2, Seasons: 1, Learnt: 1}}}, false,
			[]string{"backout in shop  running for 6 min", "✔ it is alive: 1 loop within", "✔ it can decide", "3 of 3 series", "checkout       3  ██████████ 100 %             2       1"}, []string{"!", "✖", "past"}},
		"still learning": {backout.Diagnosis{Health: well, PastLearnt: .25, Services: []backout.Readiness{{Journey: "buy", Opening: 2, Learnt: .5}}, Unmeasured: []backout.ServiceID{"mail", "cart"}}, false,
			[]string{"0 of 2 series that may open an incident are judged. 25 % of the metrics server's past is learnt.", "journey buy       2  █████░░░░░  50 %", "! nothing is measured of mail, cart"}, []string{"✖"}},
		"a loop is stuck": {backout.Diagnosis{Health: backout.Health{At: highNoon, StartedAt: sixTo, Loops: []backout.Loop{loop, stuck}}}, true,
			[]string{"✖ stuck: 1 of 2 loops", "✖ it can't decide while a loop is stuck", "not working now: loops look", "No series that may open an incident has been seen yet"}, nil},
		"blind": {backout.Diagnosis{Health: backout.Health{At: highNoon, StartedAt: sixTo, Loops: []backout.Loop{loop}, Degraded: dark}}, true,
			[]string{"✔ it is alive", "✖ it can't decide: no trouble is found", "! can't see now: metrics, for 6 min"}, nil},
		"nobody heard": {backout.Diagnosis{Health: backout.Health{At: highNoon, StartedAt: sixTo, Loops: []backout.Loop{loop}, Undelivered: []string{"INC-1 to on-call"}}}, true,
			[]string{"✔ it can decide", "! not acknowledged by anybody: INC-1 to on-call"}, nil},
	} {
		c.d.Health = c.d.Health.Judge()
		got := Doctor(c.d, Style{Width: 100})
		for _, want := range c.want {
			if !strings.Contains(strings.ReplaceAll(got, "\n  ", " "), want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, got)
			}
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: %q is in\n%s", name, not, got)
			}
		}
		if c.d.Mend() != c.mend {
			t.Errorf("%s: to be mended: %v, want %v", name, c.d.Mend(), c.mend)
		}
	}
}

func TestDoctor_showsThoseThatLackMost(t *testing.T) {
	d := backout.Diagnosis{Health: backout.Health{At: highNoon, StartedAt: sixTo}, PastLearnt: 1}
	for i := range 40 {
		d.Services = append(d.Services, backout.Readiness{Service: backout.ServiceID(rune('a' + i)), Opening: 1, Judged: 1, Learnt: 1})
	}
	d.Services = append(d.Services, backout.Readiness{Service: "behind", Opening: 1, Learnt: .5})
	got := Doctor(d, Style{})
	if lines := strings.Split(got, "\n"); len(lines) > 26 || !strings.Contains(got, "behind") || !strings.Contains(got, "and 25 more") {
		t.Errorf("%d lines:\n%s", len(lines), got)
	}
}
