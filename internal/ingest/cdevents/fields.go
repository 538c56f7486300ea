package cdevents

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/internal/ingest"
)

// problems collects what is wrong with an event.
type problems struct{ list []ingest.FieldError }

func (p *problems) say(field, format string, args ...any) {
	p.list = append(p.list, ingest.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// object is a JSON object whose fields are taken one by one, so that every mistake
// is named and not only the first; what is left at the end is unknown.
type object struct {
	path   string
	fields map[string]json.RawMessage
	known  []string
	p      *problems
}

// open reads an object. A raw value that is none is a mistake, and gives an object
// without fields.
func open(path string, raw json.RawMessage, p *problems) *object {
	o := &object{path: path, p: p}
	if err := json.Unmarshal(raw, &o.fields); err != nil || o.fields == nil {
		p.say(path, "expected an object")
	}
	return o
}

func (o *object) at(name string) string { return strings.TrimPrefix(o.path+"."+name, ".") }

// take gives a field's raw value, nil when it is not there.
func (o *object) take(name string) json.RawMessage {
	o.known = append(o.known, name)
	return o.fields[name]
}

// object gives a field that is an object; nil when it is not there.
func (o *object) object(name string, required bool) *object {
	raw := o.take(name)
	if raw == nil {
		if required {
			o.p.say(o.at(name), "missing: expected an object")
		}
		return nil
	}
	return open(o.at(name), raw, o.p)
}

// text gives a field that is a text, which is not empty when it is there.
func (o *object) text(name string, required bool) string {
	raw := o.take(name)
	if raw == nil {
		if required {
			o.p.say(o.at(name), "missing: expected a text")
		}
		return ""
	}
	s, _ := textOf(raw)
	if s == "" {
		o.p.say(o.at(name), "expected a text that is not empty")
	}
	return s
}

// uri gives a field that is an address, absolute or not.
func (o *object) uri(name string, required, absolute bool) string {
	s := o.text(name, required)
	if u, err := url.Parse(s); s != "" && (err != nil || absolute && u.Scheme == "") {
		o.p.say(o.at(name), "expected a URI, got %q", s)
	}
	return s
}

// moment gives a field that is a time.
func (o *object) moment(name string) time.Time {
	s := o.text(name, true)
	if s == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		o.p.say(o.at(name), "%q: expected a time such as 2006-01-02T15:04:05Z", s)
	}
	return at
}

// share gives a field in (0,1], which is 1 when it is not there.
func (o *object) share(name string) float64 {
	raw := o.take(name)
	if raw == nil {
		return 1
	}
	var x *float64
	if err := json.Unmarshal(raw, &x); err != nil || x == nil || !(*x > 0 && *x <= 1) {
		o.p.say(o.at(name), "expected a number above 0 and at most 1")
		return 1
	}
	return *x
}

// rest names the fields that nobody took.
func (o *object) rest() {
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		if !slices.Contains(o.known, name) {
			o.p.say(o.at(name), "unknown field; expected %s", strings.Join(slices.Sorted(slices.Values(o.known)), ", "))
		}
	}
}

// anyText gives a field that is a text and may be empty.
func (o *object) anyText(name string) string {
	raw := o.take(name)
	if raw == nil {
		return ""
	}
	s, ok := textOf(raw)
	if !ok {
		o.p.say(o.at(name), "expected a text")
	}
	return s
}

func textOf(raw json.RawMessage) (string, bool) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}
