package catalog

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"go.yaml.in/yaml/v3"
)

// cursor stands at one value of one document and knows its name.
type cursor struct {
	*loader
	file  string
	node  *yaml.Node
	field string
}

// wrong reports what was expected here.
func (c cursor) wrong(format string, args ...any) {
	c.problems = append(c.problems, Problem{c.file, c.node.Line, c.field, fmt.Sprintf(format, args...)})
}

// fields reads a mapping; a key that is not listed is a problem, and so is one
// that stands twice.
func (c cursor) fields(known map[string]func(cursor)) {
	seen := map[string]bool{}
	c.each(func(name string, v cursor) {
		read, ok := known[name]
		switch {
		case seen[name]:
			v.wrong("stands twice: expected once")
		case !ok:
			v.wrong("unknown field: expected one of %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case read != nil && v.node.Tag != "!!null":
			read(v)
		}
		seen[name] = true
	})
}

// each visits the members of a mapping in order.
func (c cursor) each(visit func(name string, v cursor)) {
	if c.node.Kind != yaml.MappingNode {
		c.wrong("expected a mapping")
		return
	}
	for i := 0; i+1 < len(c.node.Content); i += 2 {
		name, v := c.node.Content[i].Value, c.node.Content[i+1]
		field := name
		if c.field != "" {
			field = c.field + "." + name
		}
		next := cursor{c.loader, c.file, v, field}
		if v.Kind == yaml.AliasNode {
			next.wrong("expected a value: aliases are not read")
			continue
		}
		visit(name, next)
	}
}

// list reads a sequence.
func (c cursor) list(visit func(cursor)) {
	if c.node.Kind != yaml.SequenceNode {
		c.wrong("expected a list")
		return
	}
	for i, n := range c.node.Content {
		next := cursor{c.loader, c.file, n, fmt.Sprintf("%s[%d]", c.field, i)}
		if n.Kind == yaml.AliasNode {
			next.wrong("expected a value: aliases are not read")
			continue
		}
		visit(next)
	}
}

// scalar is the text of a simple value.
func (c cursor) scalar() (string, bool) {
	if c.node.Kind != yaml.ScalarNode {
		c.wrong("expected a simple value")
		return "", false
	}
	return c.node.Value, true
}

// The functions below make readers that store into a variable.

func text[T ~string](into *T) func(cursor) {
	return func(c cursor) {
		if s, ok := c.scalar(); ok {
			*into = T(s)
		}
	}
}

func oneOf[T ~string](into *T, allowed ...T) func(cursor) {
	return func(c cursor) {
		s, ok := c.scalar()
		if ok && !slices.Contains(allowed, T(s)) {
			c.wrong("found %q: expected one of %s", s, join(allowed))
			return
		}
		*into = T(s)
	}
}

func join[T ~string](all []T) string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = string(all[i])
	}
	return strings.Join(out, ", ")
}

func yes(into *bool) func(cursor) {
	return func(c cursor) {
		if c.node.Tag != "!!bool" {
			c.wrong("expected true or false")
			return
		}
		*into = c.node.Value == "true" || c.node.Value == "True" || c.node.Value == "TRUE"
	}
}

func whole[T ~int](into *T, least, most int) func(cursor) {
	return func(c cursor) {
		n, err := strconv.Atoi(c.node.Value)
		if c.node.Kind != yaml.ScalarNode || err != nil || n < least || n > most {
			c.wrong("found %q: expected a whole number from %d to %d", c.node.Value, least, most)
			return
		}
		*into = T(n)
	}
}

func share(into *float64) func(cursor) {
	return func(c cursor) {
		f, err := strconv.ParseFloat(c.node.Value, 64)
		if c.node.Kind != yaml.ScalarNode || err != nil || !(f >= 0 && f <= 1) {
			c.wrong("found %q: expected a number from 0 to 1", c.node.Value)
			return
		}
		*into = f
	}
}

func span(into *backout.Duration) func(cursor) {
	return func(c cursor) {
		if c.node.Kind != yaml.ScalarNode {
			c.wrong("expected a duration such as 30s or 5m")
			return
		}
		if err := into.UnmarshalText([]byte(c.node.Value)); err != nil || *into < 0 {
			c.wrong("found %q: expected a duration such as 30s or 5m", c.node.Value)
		}
	}
}

func moment(into *time.Time) func(cursor) {
	return func(c cursor) {
		t, err := time.Parse(time.RFC3339, c.node.Value)
		if c.node.Kind != yaml.ScalarNode || err != nil {
			c.wrong("found %q: expected a time such as 2026-11-27T00:00:00Z", c.node.Value)
			return
		}
		*into = t.UTC()
	}
}

// money reads "120.00 EUR" and holds the whole catalog to one currency.
func money(into *backout.Money) func(cursor) {
	return func(c cursor) {
		s, ok := c.scalar()
		if !ok {
			return
		}
		m, ok := parseMoney(s)
		if !ok {
			c.wrong("found %q: expected an amount with a currency such as 120.00 EUR", s)
			return
		}
		if c.currency == "" {
			c.currency = m.Currency
		}
		if m.Currency != c.currency {
			c.wrong("found %s: expected %s, the catalog's one currency", m.Currency, c.currency)
			return
		}
		*into = m
	}
}

func parseMoney(s string) (backout.Money, bool) {
	m := regexp.MustCompile(`^(\d{1,14})(?:\.(\d{1,2}))? ([A-Z]{3})$`).FindStringSubmatch(s)
	if m == nil {
		return backout.Money{}, false
	}
	major, err := strconv.ParseInt(m[1], 10, 64)
	minor, errMinor := strconv.ParseInt((m[2] + "00")[:2], 10, 64)
	if err != nil || errMinor != nil || major > math.MaxInt64/1000 {
		return backout.Money{}, false
	}
	return backout.Money{Minor: major*100 + minor, Currency: m[3]}, true
}
