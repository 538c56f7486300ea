package migration

import (
	"fmt"
	"strconv"
	"strings"
)

// Verdict says whether code goes on working when statements ran under it.
type Verdict int

// The verdicts, best first; of several statements the worst counts.
const (
	Harmless Verdict = iota
	Unknown
	Breaks
)

// Effect is what a migration means for code that was written for the schema
// before it. Code is taken to name the columns that it reads and writes.
type Effect struct {
	Verdict Verdict
	Reason  string // what decided, in words; of a harmless one what was done
}

// Forth is what running the Up section means for code of the schema before.
func (m Migration) Forth() Effect { return effect(m.Up, m.Down) }

// Back is what running the Down section means for code of the schema after: what
// that code may need goes away again.
func (m Migration) Back() Effect {
	if len(m.Down) == 0 {
		return Effect{Unknown, "there is no Down section"}
	}
	return effect(m.Down, m.Up)
}

// effect judges statements; undone are those that lead back, which tell what a
// column's type was before.
func effect(done, undone []Statement) Effect {
	var worst Effect
	var words []string
	for _, s := range done {
		for _, e := range judge(s.Text, undone) {
			if e.Verdict > worst.Verdict {
				worst.Verdict, words = e.Verdict, nil
			}
			if e.Verdict == worst.Verdict {
				words = append(words, e.Reason)
			}
		}
	}
	worst.Reason = strings.Join(words, ", ")
	return worst
}

// reader walks over a statement's tokens.
type reader struct{ left []token }

func (r *reader) peek() token {
	if len(r.left) == 0 {
		return token{}
	}
	return r.left[0]
}

func (r *reader) next() token {
	t := r.peek()
	r.left = r.left[min(1, len(r.left)):]
	return t
}

// skip takes the words if they stand next, in this order.
func (r *reader) skip(words ...string) bool {
	for i, w := range words {
		if i >= len(r.left) || !r.left[i].is(w) {
			return false
		}
	}
	r.left = r.left[len(words):]
	return true
}

// name takes a name that may have a schema before it.
func (r *reader) name() string {
	n := r.next().text
	for r.skip(".") {
		n += "." + r.next().text
	}
	return n
}

func one(v Verdict, format string, args ...any) []Effect {
	return []Effect{{v, fmt.Sprintf(format, args...)}}
}

// judge says what one statement means.
func judge(text string, undone []Statement) []Effect {
	all, closed := tokens(text)
	if !closed {
		return one(Unknown, "%s can't be read", headline(text))
	}
	r := &reader{all}
	unknown := one(Unknown, "%s is not judged", headline(text))
	switch {
	case r.skip("CREATE"):
		return create(r, unknown)
	case r.skip("DROP"):
		return drop(r, unknown)
	case r.skip("ALTER", "TABLE"):
		return alter(r, undone, unknown)
	case r.skip("RENAME", "TABLE"):
		return one(Breaks, "renames table %s", r.name())
	case r.skip("COMMENT"), r.skip("ANALYZE"), r.skip("PRAGMA"), r.skip("SET"), r.skip("GRANT"):
		return one(Harmless, "%s", headline(text))
	}
	return unknown
}

func create(r *reader, unknown []Effect) []Effect {
	switch {
	case r.skip("TABLE"):
		r.skip("IF", "NOT", "EXISTS")
		return one(Harmless, "adds table %s", r.name())
	case r.skip("INDEX"):
		return one(Harmless, "adds an index")
	case r.skip("UNIQUE"):
		return one(Unknown, "a unique index refuses what code may write")
	case r.skip("VIEW"), r.skip("OR", "REPLACE", "VIEW"), r.skip("SEQUENCE"), r.skip("EXTENSION"), r.skip("SCHEMA"):
		return one(Harmless, "adds a view, sequence or the like")
	}
	return unknown
}

func drop(r *reader, unknown []Effect) []Effect {
	switch {
	case r.skip("TABLE"):
		r.skip("IF", "EXISTS")
		return one(Breaks, "drops table %s", r.name())
	case r.skip("VIEW"), r.skip("MATERIALIZED", "VIEW"):
		r.skip("IF", "EXISTS")
		return one(Breaks, "drops view %s", r.name())
	case r.skip("INDEX"):
		return one(Harmless, "drops an index")
	}
	return unknown
}

// alter judges each action of ALTER TABLE.
func alter(r *reader, undone []Statement, unknown []Effect) []Effect {
	r.skip("IF", "EXISTS")
	r.skip("ONLY")
	table := r.name()
	var out []Effect
	for _, action := range split(r.left) {
		out = append(out, change(table, &reader{action}, undone, unknown)...)
	}
	if len(out) == 0 {
		return unknown
	}
	return out
}

// split parts tokens at commas outside parentheses and drops the semicolon.
func split(all []token) [][]token {
	var out [][]token
	var part []token
	depth := 0
	for _, t := range all {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.is(";"):
			continue
		case t.is(",") && depth == 0:
			out, part = append(out, part), nil
			continue
		}
		part = append(part, t)
	}
	if len(part) > 0 {
		out = append(out, part)
	}
	return out
}

func change(table string, r *reader, undone []Statement, unknown []Effect) []Effect {
	switch {
	case r.skip("ADD"):
		return add(table, r)
	case r.skip("DROP"):
		return take(table, r, unknown)
	case r.skip("RENAME", "TO"), r.skip("RENAME", "AS"):
		return one(Breaks, "renames table %s", table)
	case r.skip("RENAME", "CONSTRAINT"), r.skip("RENAME", "INDEX"), r.skip("RENAME", "KEY"):
		return one(Harmless, "renames a constraint or index")
	case r.skip("RENAME"):
		r.skip("COLUMN")
		return one(Breaks, "renames column %s.%s", table, r.next().text)
	case r.skip("CHANGE"):
		r.skip("COLUMN")
		if from, to := r.next().text, r.next().text; !strings.EqualFold(from, to) {
			return one(Breaks, "renames column %s.%s", table, from)
		}
	case r.skip("ALTER"):
		r.skip("COLUMN")
		return column(table, r, undone, unknown)
	}
	return unknown
}

// constraints begin what ADD and DROP do to something else than a column.
var constraints = []string{"CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE", "PARTITION"}

func add(table string, r *reader) []Effect {
	if r.peek().is(constraints...) {
		return one(Unknown, "a new constraint on %s refuses what code may write", table)
	}
	if r.skip("INDEX") || r.skip("KEY") {
		return one(Harmless, "adds an index")
	}
	r.skip("COLUMN")
	r.skip("IF", "NOT", "EXISTS")
	if r.peek().is("(") {
		return one(Unknown, "a list of columns added to %s is not judged", table)
	}
	name := r.next().text
	has := func(words ...string) bool {
		for i := range r.left {
			if (&reader{r.left[i:]}).skip(words...) {
				return true
			}
		}
		return false
	}
	filled := has("DEFAULT") || has("GENERATED") || has("AS") || has("AUTO_INCREMENT") || has("SERIAL") || has("BIGSERIAL")
	switch {
	case has("UNIQUE") || has("CHECK") || has("PRIMARY"):
		return one(Unknown, "column %s.%s comes with a constraint", table, name)
	case has("NOT", "NULL") && !filled:
		return one(Breaks, "adds column %s.%s NOT NULL without a default", table, name)
	}
	return one(Harmless, "adds column %s.%s", table, name)
}

func take(table string, r *reader, unknown []Effect) []Effect {
	switch {
	case r.peek().is("CONSTRAINT", "INDEX", "KEY", "FOREIGN", "CHECK"):
		return one(Harmless, "drops a constraint or index of %s", table)
	case r.peek().is(constraints...):
		return unknown
	}
	r.skip("COLUMN")
	r.skip("IF", "EXISTS")
	return one(Breaks, "drops column %s.%s", table, r.next().text)
}

// column judges ALTER COLUMN.
func column(table string, r *reader, undone []Statement, unknown []Effect) []Effect {
	name := r.next().text
	switch {
	case r.skip("SET", "DEFAULT"):
		return one(Harmless, "sets a default of %s.%s", table, name)
	case r.skip("SET", "NOT", "NULL"):
		return one(Unknown, "code may write no value to %s.%s", table, name)
	case r.skip("DROP", "NOT", "NULL"):
		return one(Unknown, "code may not expect that %s.%s has no value", table, name)
	case r.skip("TYPE"), r.skip("SET", "DATA", "TYPE"):
		return retype(table, name, r.left, undone)
	}
	return unknown
}

// retype judges a new type by the old one, which the way back names.
func retype(table, name string, to []token, undone []Statement) []Effect {
	for _, s := range undone {
		all, _ := tokens(s.Text)
		r := &reader{all}
		if !r.skip("ALTER", "TABLE") {
			continue
		}
		r.skip("IF", "EXISTS")
		r.skip("ONLY")
		if r.name() != table {
			continue
		}
		for _, action := range split(r.left) {
			a := &reader{action}
			if !a.skip("ALTER") {
				continue
			}
			a.skip("COLUMN")
			if a.next().text != name || !a.skip("TYPE") && !a.skip("SET", "DATA", "TYPE") {
				continue
			}
			return compare(table, name, sizeOf(a.left), sizeOf(to))
		}
	}
	return one(Unknown, "changes the type of %s.%s, and what it was is not said", table, name)
}

func compare(table, name string, was, is size) []Effect {
	switch {
	case was.family == "" || was.family != is.family:
		return one(Unknown, "changes the type of %s.%s from %s to %s", table, name, was.text, is.text)
	case is.width < was.width:
		return one(Breaks, "narrows %s.%s from %s to %s", table, name, was.text, is.text)
	}
	return one(Harmless, "widens %s.%s from %s to %s", table, name, was.text, is.text)
}

// size is how much a type holds, comparable within its family.
type size struct {
	family, text string
	width        int
}

// unbounded is the width of a text without a limit.
const unbounded = 1 << 30

// sizeOf reads a type that stands first in what follows.
func sizeOf(all []token) size {
	r := &reader{all}
	first := r.next()
	s := size{text: strings.ToLower(first.text)}
	whole := map[string]int{"smallint": 2, "int2": 2, "integer": 4, "int": 4, "int4": 4, "bigint": 8, "int8": 8}
	if w, ok := whole[s.text]; ok && !r.peek().is("UNSIGNED", "[") {
		s.family, s.width = "whole", w
		return s
	}
	if first.is("CHARACTER") && r.skip("VARYING") {
		s.text = "varchar"
	}
	switch s.text {
	case "text":
		s.family, s.width = "text", unbounded
	case "varchar":
		s.family, s.width = "text", unbounded
		if r.skip("(") {
			n, err := strconv.Atoi(r.next().text)
			if err != nil {
				return size{text: s.text}
			}
			s.width, s.text = n, fmt.Sprintf("varchar(%d)", n)
		}
	}
	return s
}
