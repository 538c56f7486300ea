package planfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/backout-dev/backout"
)

// Read takes a plan file apart and makes sure that it is whole: see the package's
// comment. name stands before every message. All errors have code invalid.
func Read(name string, b []byte) (backout.PlanFile, error) {
	f, err := read(b)
	if err == nil {
		err = Verify(f)
	}
	if err != nil {
		return backout.PlanFile{}, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("%s: %v", name, err)}
	}
	return f, nil
}

func read(b []byte) (backout.PlanFile, error) {
	switch {
	case len(b) > MaxBytes:
		return backout.PlanFile{}, fmt.Errorf("%d bytes: expected a plan file of at most %d", len(b), MaxBytes)
	case len(bytes.TrimSpace(b)) == 0:
		return backout.PlanFile{}, errors.New("empty: expected a plan file as `backout plan --out FILE` writes it")
	}
	if err := fields(b); err != nil {
		return backout.PlanFile{}, err
	}
	if err := format(b); err != nil {
		return backout.PlanFile{}, err
	}
	var f backout.PlanFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return backout.PlanFile{}, inWords(b, int(d.InputOffset()), err)
	}
	return f, nil
}

// format looks at the version alone, before what other versions call their fields
// is an error.
func format(b []byte) error {
	var head struct {
		Format *int `json:"format"`
	}
	err := json.Unmarshal(b, &head)
	switch {
	case err != nil:
		return inWords(b, 0, err)
	case head.Format == nil:
		return fmt.Errorf("format: missing: expected %d; is this a plan file?", backout.PlanFileFormat)
	case *head.Format != backout.PlanFileFormat:
		return fmt.Errorf("format: %d: expected %d, which is what this version of backout reads", *head.Format, backout.PlanFileFormat)
	}
	return nil
}

// depth is how deep a plan file's JSON goes at most.
const depth = 32

// fields refuses what the decoder lets pass and what could deceive a reader: a
// field that is there twice, in whatever case, and anything after the plan.
func fields(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	open := []*level{}
	for first := true; ; first = false {
		t, err := d.Token()
		switch {
		case err == io.EOF && len(open) == 0:
			return nil
		case err != nil:
			return inWords(b, int(d.InputOffset()), err)
		case !first && len(open) == 0:
			return fmt.Errorf("line %d: something follows the plan: expected the end of the file", line(b, int(d.InputOffset())))
		}
		if n := len(open); n > 0 {
			if again := open[n-1].meets(t); again != "" {
				return fmt.Errorf("line %d: %s: this field is there twice: expected it once", line(b, int(d.InputOffset())), again)
			}
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if len(open) == depth {
				return fmt.Errorf("line %d: nested deeper than %d: expected a plan file", line(b, int(d.InputOffset())), depth)
			}
			open = append(open, &level{object: t == json.Delim('{'), seen: map[string]bool{}})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

// level is one object or array being read.
type level struct {
	object bool
	value  bool // the next token is a field's value
	seen   map[string]bool
}

// meets notes a token and gives the field's name when the object has it already.
func (l *level) meets(t json.Token) string {
	if !l.object || t == json.Delim('}') || t == json.Delim(']') {
		return ""
	}
	if l.value {
		l.value = false
		return ""
	}
	l.value = true
	name, _ := t.(string)
	if key := strings.ToLower(name); !l.seen[key] {
		l.seen[key] = true
		return ""
	}
	return name
}

// inWords says where JSON went wrong and what was expected there.
func inWords(b []byte, at int, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	unknown, isUnknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("line %d: the file ends in the middle: expected a whole plan file, as `backout plan --out FILE` writes it", line(b, len(b)))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w: expected JSON", line(b, int(syntax.Offset)), err)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: %s: a JSON %s: expected %s", line(b, int(kind.Offset)), kind.Field, kind.Value, plain(kind.Type.Kind().String()))
	case isUnknown:
		return fmt.Errorf("line %d: unknown field %s: expected none but those that `backout plan --out FILE` writes", line(b, at), unknown)
	}
	return fmt.Errorf("line %d: %w", line(b, at), err)
}

// plain is a type of Go as people call it.
func plain(kind string) string {
	switch {
	case kind == "struct" || kind == "map":
		return "an object"
	case kind == "slice":
		return "a list"
	case kind == "string":
		return "text"
	case kind == "bool":
		return "true or false"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	}
	return "a number"
}

// line counts from 1.
func line(b []byte, at int) int {
	return 1 + bytes.Count(b[:max(0, min(at, len(b)))], []byte("\n"))
}
