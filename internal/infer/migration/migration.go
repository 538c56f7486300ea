// Package migration reads SQL migrations with goose's Up and Down sections and
// says what running them means: for the data, when they are taken back, and for
// code that was written for the schema before.
//
// It knows the statements that schemas are changed with in PostgreSQL, MySQL and
// SQLite as far as their words tell, and it says "unknown" of everything else: a
// statement that it misjudged would let a plan do harm, one that it does not judge
// costs a person's look.
package migration

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/backout-dev/backout"
)

// Statement is one SQL statement with the line where it begins.
type Statement struct {
	Text string
	Line int
}

// Migration is one file, taken apart.
type Migration struct {
	Up, Down []Statement // Down is empty when there is no way back
}

// Read takes a migration apart. It fails with code invalid and file:line when
// there is no Up section, or a block or a quotation is not closed.
func Read(file, text string) (Migration, error) {
	wrong := func(line int, format string, args ...any) error {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))}
	}
	m, open := parse(text)
	switch {
	case open > 0:
		return m, wrong(open, "-- +goose StatementBegin without StatementEnd")
	case len(m.Up) == 0:
		return m, wrong(1, "expected a section -- +goose Up with at least one statement")
	}
	for _, section := range [][]Statement{m.Up, m.Down} {
		for _, s := range section {
			if _, closed := tokens(s.Text); !closed {
				return m, wrong(s.Line, "a quotation or comment is not closed in %q", headline(s.Text))
			}
		}
	}
	return m, nil
}

// Parse takes a migration apart as far as it can be.
func Parse(text string) Migration {
	m, _ := parse(text)
	return m
}

// parse takes the two sections apart. goose's annotations are comments that
// begin with "-- +goose"; statements end with a semicolon at the end of a line
// unless they stand between StatementBegin and StatementEnd. open is the line of a
// block that does not end, or 0.
func parse(text string) (m Migration, open int) {
	var section *[]Statement
	var statement strings.Builder
	first := 0
	flush := func() {
		if s := strings.TrimSpace(statement.String()); s != "" && section != nil {
			*section = append(*section, Statement{s, first})
		}
		statement.Reset()
		first = 0
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		trimmed := strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(trimmed, "--"); ok {
			switch strings.ToLower(strings.Join(strings.Fields(rest), " ")) {
			case "+goose up":
				flush()
				section = &m.Up
			case "+goose down":
				flush()
				section = &m.Down
			case "+goose statementbegin":
				open = n
			case "+goose statementend":
				open = 0
				flush()
			}
			continue
		}
		code, _, _ := strings.Cut(trimmed, " --") // a comment after the statement
		if first == 0 && code != "" {
			first = n
		}
		statement.WriteString(code + "\n")
		if open == 0 && strings.HasSuffix(strings.TrimSpace(code), ";") {
			flush()
		}
	}
	flush()
	return m, open
}

// What additive statements look like; names may be quoted.
const name = `["\x60\[]?([\w.{}$-]+)["\x60\]]?`

var (
	createTable = regexp.MustCompile(`(?is)^CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?` + name)
	addColumn   = regexp.MustCompile(`(?is)^ALTER\s+TABLE\s+` + name + `\s+ADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?` + name)
	createIndex = regexp.MustCompile(`(?is)^CREATE\s+(?:UNIQUE\s+)?INDEX\s`)
)

// Addition is a table that a migration made, or a column that it added to one.
type Addition struct{ Table, Column string }

// String calls it table T or column T.C.
func (a Addition) String() string {
	if a.Column == "" {
		return "table " + a.Table
	}
	return "column " + a.Table + "." + a.Column
}

// Added lists what holds data that the migration made; plain is false when it does
// more than add.
func (m Migration) Added() (out []Addition, plain bool) {
	for _, s := range m.Up {
		a, ok := adds(s)
		if !ok {
			return nil, false
		}
		if a.Table != "" {
			out = append(out, a)
		}
	}
	return out, true
}

// adds reads an additive statement; what an index adds is no data.
func adds(s Statement) (Addition, bool) {
	if t := createTable.FindStringSubmatch(s.Text); t != nil {
		return Addition{Table: t[1]}, true
	}
	if c := addColumn.FindStringSubmatch(s.Text); c != nil {
		return Addition{c[1], c[2]}, true
	}
	return Addition{}, createIndex.MatchString(s.Text)
}

// Loss says what taking the migration back loses. file is how the words call it.
func (m Migration) Loss(file string) (backout.Loss, string) {
	if len(m.Down) == 0 {
		return backout.LossOneWay, file + " has no Down section"
	}
	if len(m.Up) == 0 {
		return backout.LossUnknown, file + " has no Up section that could be judged"
	}
	lost := []string{}
	for _, s := range m.Up {
		a, ok := adds(s)
		if !ok {
			return backout.LossUnknown, fmt.Sprintf("%s does more than add (%s)", file, headline(s.Text))
		}
		if a.Table != "" {
			lost = append(lost, a.String())
		}
	}
	if len(lost) == 0 {
		return backout.LossNone, ""
	}
	return backout.LossSome, "the data in " + strings.Join(lost, ", ")
}

// headline is the beginning of a statement.
func headline(s string) string {
	w := strings.Fields(s)
	return strings.Join(w[:min(len(w), 3)], " ")
}
