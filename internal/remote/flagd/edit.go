package flagd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// member is where one member of an object stands in a document: from the first
// byte of its name to the last of its value.
type member struct{ start, value, end int }

// Set replaces the value at a path of object keys, or adds it as the last
// member of its object. Every other byte stays as it was. All objects but the
// last must exist.
func Set(doc []byte, value []byte, path ...string) ([]byte, error) {
	if len(path) == 0 || !json.Valid(value) {
		return nil, errors.New("set: expected a path and a JSON value")
	}
	at, m, err := find(doc, path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("set %q: %w", path, err)
	case m != nil:
		return slices.Concat(doc[:m.value], value, doc[m.end:]), nil
	}
	name, err := json.Marshal(path[len(path)-1])
	if err != nil {
		return nil, fmt.Errorf("set %q: %w", path, err)
	}
	insert := slices.Concat(name, []byte(": "), value)
	if at.last > 0 { // after the last member, on a line of its own like it
		insert = slices.Concat([]byte(","), doc[at.open+1:at.first], insert)
		return slices.Concat(doc[:at.last], insert, doc[at.last:]), nil
	}
	return slices.Concat(doc[:at.open+1], insert, doc[at.open+1:]), nil
}

// Delete removes the member at a path together with its comma; a member that
// does not exist is no error.
func Delete(doc []byte, path ...string) ([]byte, error) {
	if len(path) == 0 {
		return nil, errors.New("delete: expected a path")
	}
	at, m, err := find(doc, path)
	if err != nil {
		return nil, fmt.Errorf("delete %q: %w", path, err)
	}
	if m == nil {
		return doc, nil
	}
	start, end := m.start, m.end
	switch {
	case m.start != at.first: // swallow the comma before
		start = bytes.LastIndexByte(doc[:m.start], ',')
	case m.end != at.last: // the first of several: swallow up to the next name
		end += bytes.IndexByte(doc[m.end:], '"')
	default:
		return slices.Concat(doc[:at.open+1], doc[at.close:]), nil
	}
	return slices.Concat(doc[:start], doc[end:]), nil
}

// object is where an object stands: its braces, its first name, its last value's end.
type object struct{ open, first, last, close int }

// find walks to the object that holds the last key of path, and to the member if
// it exists.
func find(doc []byte, path []string) (object, *member, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	for i, key := range path {
		o, m, err := scan(d, doc, key, i == len(path)-1)
		if err != nil {
			return object{}, nil, err
		}
		if i == len(path)-1 {
			return o, m, nil
		}
		if m == nil {
			return object{}, nil, fmt.Errorf("no member %q", key)
		}
	}
	return object{}, nil, nil // not reached: path is not empty
}

// scan reads an object up to the value of key; when whole is set it reads it to
// its end.
func scan(d *json.Decoder, doc []byte, key string, whole bool) (object, *member, error) {
	t, err := d.Token()
	if err != nil {
		return object{}, nil, err
	}
	if t != json.Delim('{') {
		return object{}, nil, errors.New("expected an object")
	}
	o := object{open: int(d.InputOffset()) - 1}
	var hit *member
	for d.More() {
		from := int(d.InputOffset())
		name, err := d.Token()
		if err != nil {
			return o, nil, err
		}
		start := from + bytes.IndexByte(doc[from:], '"')
		if o.first == 0 {
			o.first = start
		}
		if name == key && !whole {
			return o, &member{}, nil
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return o, nil, err
		}
		o.last = int(d.InputOffset())
		if name == key {
			hit = &member{start, o.last - len(raw), o.last}
		}
	}
	if _, err := d.Token(); err != nil {
		return o, nil, err
	}
	o.close = int(d.InputOffset()) - 1
	return o, hit, nil
}
