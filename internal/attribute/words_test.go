package attribute

import (
	"fmt"
	"math"
	"strings"

	backout "github.com/backout-dev/backout"
)

var nan = math.NaN()

// describe writes an attribution down for people who read a failed test.
func describe(a backout.Attribution) string {
	var b strings.Builder
	for _, s := range a.Suspects {
		fmt.Fprintf(&b, "%.3f %s\n", s.P, s.Change)
		for _, e := range s.For {
			fmt.Fprintf(&b, "    + %5.2f %s\n", e.LogBF, e.Text)
		}
		for _, e := range s.Against {
			fmt.Fprintf(&b, "    - %5.2f %s\n", e.LogBF, e.Text)
		}
	}
	fmt.Fprintf(&b, "%.3f no change\n", a.PNone)
	for _, o := range a.Origins {
		fmt.Fprintf(&b, "    %.3f %s %s: %s\n", o.P, o.Kind, o.Service, o.Text)
	}
	return b.String()
}
