package metrics

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/backout-dev/backout"
)

// Selector is the series that some expressions read, as PromQL without a range.
type Selector struct {
	Text string
	// Reach is how long before an instant the expressions look, without the lookback
	// of instant selectors.
	Reach time.Duration
	// Ahead is set when an expression may look at samples after its instant: a
	// negative offset, or a fixed time (@).
	Ahead bool
}

// Selectors lists what the expressions of signals read, each once, in the order of
// their texts. It fails with code invalid when an expression is not PromQL.
func Selectors(signals []backout.Signal, scrape, step time.Duration) ([]Selector, error) {
	found := map[string]Selector{}
	reader := parser.NewParser(parser.Options{})
	for _, e := range expressions(signals, scrape, step) {
		tree, err := reader.ParseExpr(e)
		if err != nil {
			return nil, invalid("query %q: %v", e, err)
		}
		parser.Inspect(tree, func(n parser.Node, path []parser.Node) error {
			v, ok := n.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			s := selector(v, path)
			if before, twice := found[s.Text]; twice {
				s.Reach, s.Ahead = max(s.Reach, before.Reach), s.Ahead || before.Ahead
			}
			found[s.Text] = s
			return nil
		})
	}
	out := make([]Selector, 0, len(found))
	for _, text := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[text])
	}
	return out, nil
}

// selector reads one selector; path are the nodes around it, the outermost first.
func selector(v *parser.VectorSelector, path []parser.Node) Selector {
	bare := parser.VectorSelector{Name: v.Name, LabelMatchers: v.LabelMatchers}
	s := Selector{Text: bare.String(), Reach: v.OriginalOffset, Ahead: v.OriginalOffset < 0 || v.Timestamp != nil || v.StartOrEnd != 0}
	for _, n := range path {
		switch n := n.(type) {
		case *parser.MatrixSelector:
			s.Reach += n.Range
		case *parser.SubqueryExpr:
			s.Reach += n.Range + n.OriginalOffset
			s.Ahead = s.Ahead || n.OriginalOffset < 0 || n.Timestamp != nil || n.StartOrEnd != 0
		}
	}
	s.Reach = max(s.Reach, 0)
	return s
}
