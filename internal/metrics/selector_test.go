package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func TestSelectors_table(t *testing.T) {
	for query, want := range map[string][]Selector{
		`up`: {{"up", 0, false}},
		`sum by (job) (rate(x_total{job=~"a.*"}[$window])) * $step_s / sum(y)`: {{`x_total{job=~"a.*"}`, 75 * time.Second, false}, {"y", 0, false}},
		`rate(x[5m] offset 1w) - rate(x[1m])`:                                  {{"x", 7*24*time.Hour + 5*time.Minute, false}},
		`max_over_time(rate(x[5m])[1h:1m] offset 1d)`:                          {{"x", 25*time.Hour + 5*time.Minute, false}},
		`x offset -5m`:       {{"x", 0, true}},
		`x @ end()`:          {{"x", 0, true}},
		`x @ 17`:             {{"x", 0, true}},
		`sum(x[1m:10s]) + 1`: nil,
		`vector(1)`:          {},
		`{__name__="a.b"}`:   {{`{__name__="a.b"}`, 0, false}},
	} {
		got, err := Selectors([]backout.Signal{{Query: query}, {Query: query}}, 15*time.Second, time.Minute)
		if want == nil {
			if backout.CodeOf(err) != backout.CodeInvalid {
				t.Errorf("%s: %v, %v; expected invalid", query, got, err)
			}
			continue
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", query, err, diff)
		}
	}
}
