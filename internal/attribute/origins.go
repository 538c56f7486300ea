package attribute

import (
	"cmp"
	"slices"

	backout "github.com/backout-dev/backout"
)

// origins tells what it would be if no change did it, likeliest first, and how
// likely that is altogether. Services that look quiet, and are less likely than the
// average one, are told together: there may be many, and each says nothing.
func (t *trial) origins(p []float64, onset int) (none float64, out []backout.Origin) {
	out = []backout.Origin{}
	at := map[backout.Origin]int{}
	quiet := map[int]bool{}
	own, average := 0, 0.0
	for i := range t.causes {
		c := &t.causes[i]
		if c.change != nil {
			continue
		}
		none += p[i]
		key := backout.Origin{Kind: c.kind, Service: c.service}
		if _, ok := at[key]; !ok {
			at[key] = len(out)
			quiet[len(out)] = c.quiet
			out = append(out, backout.Origin{Kind: c.kind, Service: c.service, Text: t.originText(c, onset)})
			own += one(c.kind == backout.OriginSpontaneous && c.service != "")
		}
		out[at[key]].P += p[i]
		if c.kind == backout.OriginSpontaneous && c.service != "" {
			average += p[i]
		}
	}
	average /= float64(max(1, own))
	out = foldOrigins(out, func(i int) bool { return quiet[i] && out[i].P < average })
	slices.SortStableFunc(out, func(a, b backout.Origin) int {
		return cmp.Or(cmp.Compare(b.P, a.P), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Service, b.Service))
	})
	return none, out
}

// foldOrigins makes one origin of those that are chosen.
func foldOrigins(in []backout.Origin, chosen func(i int) bool) []backout.Origin {
	out, n, p := []backout.Origin{}, 0, 0.0
	for i, o := range in {
		if chosen(i) {
			n, p = n+1, p+o.P
			continue
		}
		out = append(out, o)
	}
	if n > 0 {
		out = append(out, backout.Origin{Kind: backout.OriginSpontaneous, P: p, Text: restText(n)})
	}
	return out
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
