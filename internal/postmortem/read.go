// Package postmortem reads past incidents that people wrote down: CSV with a header
// line, JSON, and the structured postmortems of public clouds (Li et al., An empirical
// study of cloud incidents, ISSRE 2022).
//
// Every record becomes one [backout.Precedent] or one problem, and where anything is wrong
// nothing is given: half an import is worse than none. A problem names file, line and
// field. What is not told stays unknown; nothing is guessed from what is not there.
package postmortem

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File  string
	Line  int
	Field string
	What  string
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d:%s: %s", p.File, p.Line, p.Field, p.What) }

// Problems is everything that is wrong with a file, as an error.
type Problems []Problem

func (p Problems) Error() string {
	out := make([]string, len(p))
	for i, x := range p {
		out[i] = x.String()
	}
	return strings.Join(out, "\n")
}

// Read reads a file; its name's ending says the format. source names where the incidents
// come from and is part of their ids, so that reading a file again gives the same ids.
// notes tell what was assumed. The error is [Problems] where records are wrong.
func Read(name, source string, body []byte) (all []backout.Precedent, notes []string, err error) {
	r := reader{file: name, source: source}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	switch ext := strings.ToLower(path.Ext(name)); ext {
	case ".csv":
		r.readCSV(body)
	case ".json":
		r.readJSON(body)
	default:
		return nil, nil, fmt.Errorf("read %s: expected a file that ends in .csv or .json", name)
	}
	all = r.precedents()
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, nil, r.problems
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("read %s: it has no incidents", name)
	}
	return all, r.notes, nil
}

// record is one incident in a file: texts by field, with the line of each.
type record struct {
	line   int
	fields map[string][]string
	lines  map[string]int
}

func (r record) at(field string) int {
	if n := r.lines[field]; n > 0 {
		return n
	}
	return r.line
}

func (r record) text(field string) string {
	return strings.TrimSpace(strings.Join(r.fields[field], " "))
}

type reader struct {
	file, source string
	records      []record
	problems     Problems
	notes        []string
}

func (r *reader) wrong(line int, field, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, line, field, fmt.Sprintf(format, args...)})
}

// The fields, in the order in which help names them.
var fields = []string{"id", "title", "started", "ended", "minutes", "services", "symptoms", "cause", "mitigation", "worked", "link", "text"}

// Fields names the fields of CSV and JSON records.
func Fields() []string { return slices.Clone(fields) }

func (r *reader) readCSV(body []byte) {
	c := csv.NewReader(bytes.NewReader(body))
	c.TrimLeadingSpace = true
	head, err := c.Read()
	if err != nil {
		r.wrong(1, "header", "expected a line that names the columns, of %s", strings.Join(fields, ", "))
		return
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
		if !slices.Contains(fields, head[i]) {
			r.wrong(1, head[i], "there is no such column: expected one of %s", strings.Join(fields, ", "))
		} else if slices.Index(head, head[i]) < i {
			r.wrong(1, head[i], "this column is there twice")
		}
	}
	for len(r.problems) == 0 || r.problems[len(r.problems)-1].Line > 1 {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		var p *csv.ParseError
		if errors.As(err, &p) {
			r.wrong(p.Line, fmt.Sprintf("column %d", p.Column), "%v", p.Err)
			if !errors.Is(err, csv.ErrFieldCount) {
				return
			}
			continue
		}
		rec := record{fields: map[string][]string{}, lines: map[string]int{}}
		rec.line, _ = c.FieldPos(0)
		for i, text := range row {
			rec.lines[head[i]], _ = c.FieldPos(i)
			rec.fields[head[i]] = append(rec.fields[head[i]], separated(head[i], text)...)
		}
		r.records = append(r.records, rec)
	}
}

// separated takes lists apart, which in one cell stand with ; or | between.
func separated(field, text string) []string {
	if field != "services" && field != "symptoms" && field != "mitigation" {
		return []string{text}
	}
	var out []string
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '|' }) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (r *reader) readJSON(body []byte) {
	var syntax *json.SyntaxError
	var whole any
	if err := json.Unmarshal(body, &whole); errors.As(err, &syntax) {
		r.wrong(lineOf(body, int(syntax.Offset)), "json", "%v", err)
		return
	} else if err != nil {
		r.wrong(1, "json", "%v", err)
		return
	}
	if o, ok := whole.(map[string]any); ok && o["incidents"] != nil && len(o) <= 2 {
		i := bytes.Index(body, []byte(`"incidents"`))
		var list struct {
			Incidents json.RawMessage `json:"incidents"`
		}
		_ = json.Unmarshal(body, &list) // it is well formed
		r.elements(body, list.Incidents, i+bytes.Index(body[i:], list.Incidents))
		return
	}
	r.elements(body, body, 0)
}

// elements takes the records of an array, or of an object whose keys are their ids.
func (r *reader) elements(body, part []byte, from int) {
	d := json.NewDecoder(bytes.NewReader(part))
	open, err := d.Token()
	if err != nil || open != json.Delim('[') && open != json.Delim('{') {
		r.wrong(lineOf(body, from), "json", "expected a list of incidents, or an object with one under each id")
		return
	}
	for d.More() {
		id := ""
		if open == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return
			}
			id, _ = key.(string)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return
		}
		r.element(body, from+int(d.InputOffset())-len(raw), raw, id)
	}
}

func (r *reader) element(body []byte, at int, raw json.RawMessage, id string) {
	line := lineOf(body, at)
	var o map[string]any
	if json.Unmarshal(raw, &o) != nil || o == nil {
		r.wrong(line, "json", "expected an object for each incident")
		return
	}
	rec := record{line: line, fields: map[string][]string{}, lines: map[string]int{}}
	where := func(key string) int { return lineOf(body, at+max(0, bytes.Index(raw, []byte(`"`+key+`"`)))) }
	if _, public := o["root cause"]; public {
		rec.fields["id"] = []string{id}
		r.public(&rec, o, where)
	} else {
		if id != "" {
			rec.fields["id"] = []string{id}
		}
		r.plain(&rec, o, where)
	}
	r.records = append(r.records, rec)
}

func (r *reader) plain(rec *record, o map[string]any, where func(string) int) {
	for key, v := range o {
		field := strings.ToLower(key)
		rec.lines[field] = where(key)
		if !slices.Contains(fields, field) {
			r.wrong(where(key), key, "there is no such field: expected one of %s", strings.Join(fields, ", "))
			continue
		}
		texts, ok := textsOf(v)
		if !ok {
			r.wrong(where(key), key, "expected a text, a number, yes or no, or a list of texts")
			continue
		}
		for _, t := range texts {
			rec.fields[field] = append(rec.fields[field], separated(field, t)...)
		}
	}
}

// textsOf gives a JSON value as texts; false when it is an object.
func textsOf(v any) ([]string, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case bool:
		return []string{map[bool]string{true: "yes", false: "no"}[v]}, true
	case float64:
		return []string{strings.TrimSuffix(fmt.Sprintf("%.3f", v), ".000")}, true
	case []any:
		out := []string{}
		for _, x := range v {
			texts, ok := textsOf(x)
			if !ok {
				return nil, false
			}
			out = append(out, texts...)
		}
		return out, true
	}
	return nil, false
}

func lineOf(body []byte, at int) int {
	return 1 + bytes.Count(body[:max(0, min(at, len(body)))], []byte("\n"))
}
