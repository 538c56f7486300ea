package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// mostNames is how many names a sentence lists.
const mostNames = 5

// Unknown says what arrived about things that the graph does not know: changes of
// unknown components, and alerts that fire about nobody or somebody unknown. Such
// facts are kept, and can't be placed.
func Unknown(g backout.Graph, changes []backout.Change, alerts []backout.Alert) []string {
	out := []string{}
	n, names := 0, []string{}
	for _, c := range changes {
		if _, ok := g.Component(c.Component); !ok {
			n, names = n+1, append(names, string(c.Component))
		}
	}
	if n > 0 {
		out = append(out, fmt.Sprintf("%s on components that the catalog does not know: %s", Plural(n, "change"), listed(names)))
	}
	n, names = 0, []string{}
	for _, a := range alerts {
		if a.State == backout.AlertFiring && !g.Knows(a.Subject) {
			n, names = n+1, append(names, about(a))
		}
	}
	if n > 0 {
		out = append(out, fmt.Sprintf("%s about what the catalog does not know: %s", Plural(n, "alert"), listed(names)))
	}
	return out
}

func about(a backout.Alert) string {
	switch s := a.Subject; {
	case s.Journey != "":
		return fmt.Sprintf("%s (journey %s)", a.Name, s.Journey)
	case s.Service != "":
		return fmt.Sprintf("%s (service %s)", a.Name, s.Service)
	}
	return a.Name + " (no service named)"
}

// listed joins names, each once, in order, and says how many are left out.
func listed(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	if n := len(names) - mostNames; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNames], ", "), n)
	}
	return strings.Join(names, ", ")
}
