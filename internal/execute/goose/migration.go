package goose

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/backout-dev/backout"
)

// migration is what a file says about going back.
type migration struct {
	version int64
	file    string
	up      []string // statements
	down    []string // statements; empty when there is no way back
}

// migrations reads a folder; files are NUMBER_name.sql.
func migrations(dir string) (map[int64]migration, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	out := map[int64]migration{}
	for _, e := range entries {
		number, _, ok := strings.Cut(e.Name(), "_")
		if !ok || e.IsDir() || filepath.Ext(e.Name()) != ".sql" {
			continue
		}
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			continue
		}
		if first, taken := out[v]; taken {
			return nil, fmt.Errorf("read migrations: %s and %s have one number", first.file, e.Name())
		}
		text, err := fs.ReadFile(os.DirFS(dir), e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		m := parse(string(text))
		m.version, m.file = v, e.Name()
		out[v] = m
	}
	return out, nil
}

// parse takes the two sections apart. goose's annotations are comments that
// begin with "-- +goose"; statements end with a semicolon at the end of a line
// unless they stand between StatementBegin and StatementEnd.
func parse(text string) migration {
	var m migration
	var section *[]string
	var open strings.Builder
	block := false
	flush := func() {
		if s := strings.TrimSpace(open.String()); s != "" && section != nil {
			*section = append(*section, s)
		}
		open.Reset()
	}
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(trimmed, "--"); ok {
			switch strings.ToLower(strings.Join(strings.Fields(rest), " ")) {
			case "+goose up":
				flush()
				section = &m.up
			case "+goose down":
				flush()
				section = &m.down
			case "+goose statementbegin":
				block = true
			case "+goose statementend":
				block = false
				flush()
			}
			continue
		}
		code, _, _ := strings.Cut(trimmed, " --") // a comment after the statement
		open.WriteString(code + "\n")
		if !block && strings.HasSuffix(strings.TrimSpace(code), ";") {
			flush()
		}
	}
	flush()
	return m
}

// What additive statements look like; names may be quoted.
const name = `["\x60\[]?([\w.{}$-]+)["\x60\]]?`

// addition is a table that a migration made, or a column that it added to one.
type addition struct{ table, column string }

func (a addition) String() string {
	if a.column == "" {
		return "table " + a.table
	}
	return "column " + a.table + "." + a.column
}

// added lists what holds data that a migration made; plain is false when it does more
// than add.
func (m migration) added() (out []addition, plain bool) {
	for _, s := range m.up {
		a, ok := adds(s)
		if !ok {
			return nil, false
		}
		if a.table != "" {
			out = append(out, a)
		}
	}
	return out, true
}

// adds reads an additive statement; what an index adds is no data.
func adds(statement string) (addition, bool) {
	createTable := regexp.MustCompile(`(?is)^CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?` + name)
	addColumn := regexp.MustCompile(`(?is)^ALTER\s+TABLE\s+` + name + `\s+ADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?` + name)
	createIndex := regexp.MustCompile(`(?is)^CREATE\s+(?:UNIQUE\s+)?INDEX\s`)
	if t := createTable.FindStringSubmatch(statement); t != nil {
		return addition{table: t[1]}, true
	}
	if c := addColumn.FindStringSubmatch(statement); c != nil {
		return addition{c[1], c[2]}, true
	}
	return addition{}, createIndex.MatchString(statement)
}

// loss says what undoing one migration loses.
func (m migration) loss() (backout.Loss, string) {
	if len(m.down) == 0 {
		return backout.LossOneWay, m.file + " has no Down section"
	}
	if len(m.up) == 0 {
		return backout.LossUnknown, m.file + " has no Up section that could be judged"
	}
	lost := []string{}
	for _, s := range m.up {
		a, ok := adds(s)
		if !ok {
			return backout.LossUnknown, fmt.Sprintf("%s does more than add (%s)", m.file, headline(s))
		}
		if a.table != "" {
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

// back says what going from one version down to another loses: the worst of all
// migrations on the way.
func back(all map[int64]migration, applied []int64, to int64) (backout.Loss, string) {
	order := map[backout.Loss]int{backout.LossNone: 0, backout.LossSome: 1, backout.LossUnknown: 2, backout.LossOneWay: 3}
	worst, words := backout.LossNone, []string{}
	for _, v := range applied {
		if v <= to {
			continue
		}
		loss, lost := backout.LossOneWay, fmt.Sprintf("the file of migration %d is missing", v)
		if m, ok := all[v]; ok {
			loss, lost = m.loss()
		}
		if order[loss] > order[worst] {
			worst = loss
		}
		if lost != "" {
			words = append(words, lost)
		}
	}
	return worst, strings.Join(words, "; ")
}
