package backout

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Template is text with fields in braces, such as services/{service}/{to}, for
// those who move or look at a component by means that were written down: a request,
// a command, a query. A field in two pairs of braces is that text in one pair. Who
// expands it says how a value is written at its place, so that no value is ever
// read as anything but a value.
type Template string

var templateField = regexp.MustCompile(`\{\{[a-zA-Z]+\}\}|\{[a-zA-Z]+\}`)

// Fields lists the names of the fields, in order, each as often as it stands there.
func (t Template) Fields() []string {
	var out []string
	for _, f := range templateField.FindAllString(string(t), -1) {
		if !strings.HasPrefix(f, "{{") {
			out = append(out, f[1:len(f)-1])
		}
	}
	return out
}

// Check fails when a field is none of those that there are.
func (t Template) Check(known ...string) error {
	for _, f := range t.Fields() {
		if !slices.Contains(known, f) {
			return &Error{Code: CodeInvalid, Message: fmt.Sprintf("field {%s} in %q: expected one of {%s}; write {{%s}} for the text itself", f, string(t), strings.Join(known, "}, {"), f)}
		}
	}
	return nil
}

// Expand writes the values in place of the fields, each as write says; its error
// ends it.
func (t Template) Expand(values map[string]string, write func(value string) (string, error)) (string, error) {
	var failed error
	out := templateField.ReplaceAllStringFunc(string(t), func(f string) string {
		name := strings.Trim(f, "{}")
		if strings.HasPrefix(f, "{{") {
			return "{" + name + "}"
		}
		v, ok := values[name]
		if !ok {
			failed = t.Check(slices.Sorted(maps.Keys(values))...)
			return ""
		}
		s, err := write(v)
		if err != nil && failed == nil {
			failed = fmt.Errorf("field {%s}: %w", name, err)
		}
		return s
	})
	if failed != nil {
		return "", failed
	}
	return out, nil
}

// Fields are a component's values for templates.
func (c Component) Fields() map[string]string {
	return map[string]string{
		"component": string(c.ID), "kind": string(c.Kind), "name": c.Name, "service": string(c.Service),
		"environment": string(c.Environment), "location": string(c.Location), "locator": c.Locator,
	}
}

// Fields are an effect's values for templates, its component's among them. The
// share is written as a ratio and as per cent.
func (e Effect) Fields() map[string]string {
	out := e.Component.Fields()
	maps.Copy(out, map[string]string{
		"from": string(e.From), "to": string(e.To), "share": number(e.Share), "percent": number(100 * e.Share),
		"audience": e.Audience, "key": e.Key, "attempt": string(e.Attempt), "ifVersion": e.IfVersion,
	})
	return out
}

// number writes up to nine digits behind the point, and none that say nothing.
func number(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.9f", f), "0"), ".")
}

// NumberFields names the fields whose values are numbers.
func NumberFields() []string { return []string{"share", "percent"} }
