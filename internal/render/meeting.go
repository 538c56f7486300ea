package render

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/backout-dev/backout"
)

// Meetings says in one line what a plan's meetings of versions rest on, by source,
// best first, with the least confidence of each; "" when there are none.
func Meetings(all []backout.Meeting) string {
	var parts []string
	for _, s := range []backout.ContractSource{backout.ContractDeclared, backout.ContractSpec, backout.ContractMigration, backout.ContractObserved, backout.ContractSkew} {
		n, least := 0, 1.0
		for _, g := range all {
			if g.Source == s {
				n, least = n+1, min(least, g.Confidence)
			}
		}
		switch {
		case n == 0:
		case s == backout.ContractDeclared:
			parts = append(parts, fmt.Sprintf("%d %s", n, s.Words()))
		default:
			parts = append(parts, fmt.Sprintf("%d %s (at least %.0f %% sure)", n, s.Words(), 100*least))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s of versions meet: %s", Plural(len(all), "pair"), strings.Join(parts, ", "))
}

// sourced names a contract with where it is from, once.
func sourced(contract string, s backout.ContractSource) string {
	if strings.HasPrefix(contract, s.Words()) {
		return contract
	}
	return fmt.Sprintf("%s (%s)", contract, cmp.Or(string(s), "assumed"))
}
