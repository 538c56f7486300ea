package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Report is what one request carried.
type Report struct {
	Observations []backout.Observation
	// Clamped counts the observations whose time was ahead of the arrival and was
	// set to it.
	Clamped int
}

// MaxReport is how many observations one report may carry.
const MaxReport = 1000

// Read takes a report apart: a JSON object that is one observation, or an array
// of them. Unknown fields are refused. A missing share_ratio is 1. It gives
// either the report or everything that is wrong with it. now is the time of
// arrival.
func Read(body []byte, now time.Time) (Report, []FieldError) {
	raw, array, problem := split(body)
	if problem != "" {
		return Report{}, []FieldError{{"", problem}}
	}
	var out Report
	var problems []FieldError
	for i, r := range raw {
		at := ""
		if array {
			at = fmt.Sprintf("[%d].", i)
		}
		o, wrong := one(r)
		if len(wrong) == 0 {
			wrong = Check(o, now)
		}
		for _, p := range wrong {
			problems = append(problems, FieldError{strings.TrimSuffix(at+p.Field, "."), p.Message})
		}
		o, ahead := Clamp(o, now)
		if ahead {
			out.Clamped++
		}
		out.Observations = append(out.Observations, o)
	}
	if len(problems) > 0 {
		return Report{}, problems
	}
	return out, nil
}

// Clamp takes a time ahead of ours for a fast clock; ahead says that it was.
func Clamp(o backout.Observation, now time.Time) (_ backout.Observation, ahead bool) {
	if ahead = o.At.After(now); ahead {
		o.At = now
	}
	o.At = o.At.UTC()
	return o, ahead
}

// split finds the observations in the body without looking into them.
func split(body []byte) (list []json.RawMessage, array bool, problem string) {
	d := json.NewDecoder(bytes.NewReader(body))
	var whole json.RawMessage
	if err := d.Decode(&whole); err != nil {
		return nil, false, fmt.Sprintf("not JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false, "expected one JSON value, found more after it"
	}
	switch whole[0] {
	case '{':
		return []json.RawMessage{whole}, false, ""
	case '[':
		if err := json.Unmarshal(whole, &list); err != nil {
			return nil, true, fmt.Sprintf("not JSON: %v", err)
		}
		switch {
		case len(list) == 0:
			return nil, true, "expected at least one observation"
		case len(list) > MaxReport:
			return nil, true, fmt.Sprintf("%d observations: expected at most %d at a time", len(list), MaxReport)
		}
		return list, true, ""
	}
	return nil, false, "expected an observation or an array of observations"
}

// one decodes an observation field by field, because the decoder alone would
// stop at the first mistake.
func one(raw json.RawMessage) (backout.Observation, []FieldError) {
	o := backout.Observation{Share: 1}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return o, []FieldError{{"", "expected an observation"}}
	}
	known := fieldNames()
	var problems []FieldError
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		kind, ok := known[name]
		if !ok {
			problems = append(problems, FieldError{name, "unknown field; expected " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")})
			continue
		}
		field, err := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		if err == nil {
			err = json.Unmarshal(field, &o)
		}
		if err != nil {
			problems = append(problems, FieldError{name, "expected " + kind})
		}
	}
	return o, problems
}

// fieldNames gives each field of an observation with what it expects, read from
// the type itself so that the two can't part.
func fieldNames() map[string]string {
	out := map[string]string{}
	for f := range reflect.TypeFor[backout.Observation]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Type == reflect.TypeFor[time.Time]():
			out[name] = "a time such as 2006-01-02T15:04:05Z"
		case f.Type.Kind() == reflect.Float64:
			out[name] = "a number"
		case f.Type.Kind() == reflect.Bool:
			out[name] = "true or false"
		case f.Type == reflect.TypeFor[[]backout.Attachment]():
			out[name] = "an array of attachments, each with kind, name and body (base64)"
		case f.Type.Kind() == reflect.Map:
			out[name] = "an object of components and versions"
		case f.Type.Kind() == reflect.Slice:
			out[name] = "an array of texts"
		default:
			out[name] = "a text"
		}
	}
	return out
}
