package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing to mend in one file.
type Problem struct {
	File     string `json:"file"`
	Line     int    `json:"line"`  // 1 is the first; 0 when the whole file is meant
	Field    string `json:"field"` // spec.dependsOn[2]; empty when the document is meant
	Expected string `json:"expected"`
}

// String writes the problem as file:line:field: what was expected.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%s: %s", p.File, p.Line, p.Field, p.Expected)
}

// Problems is everything that is wrong with a catalog, in order of file and
// line. Mend the files; nothing of the catalog may be used meanwhile.
type Problems []Problem

// Error writes one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, strings.Compare(a.Field, b.Field))
	})
	return p
}
