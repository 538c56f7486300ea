package flagd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Definition is one file of flags, checked and compiled. It is never changed
// after Parse and safe for any number of readers.
type Definition struct {
	Flags    map[string]*Flag
	Metadata map[string]any // of the whole set: strings, numbers, booleans
}

// Flag is one flag.
type Flag struct {
	Key      string
	Enabled  bool
	Variants map[string]any // all booleans, strings, numbers (float64) or objects
	// Default is the variant served where targeting has no answer; empty when the
	// caller's own default applies.
	Default   string
	Targeting json.RawMessage // as written; nil when there is none
	Metadata  map[string]any
	rule      rule // nil when there is no targeting
}

// The JSON shape of a file. Unknown keys are allowed: the format allows them.
type fileShape struct {
	Flags      map[string]flagShape `json:"flags"`
	Evaluators map[string]any       `json:"$evaluators"`
	Metadata   map[string]any       `json:"metadata"`
}

type flagShape struct {
	State     string          `json:"state"`
	Variants  map[string]any  `json:"variants"`
	Default   *string         `json:"defaultVariant"`
	Targeting json.RawMessage `json:"targeting"`
	Metadata  map[string]any  `json:"metadata"`
}

// Parse reads a file. The error names every flag that is wrong, and why.
func Parse(doc []byte) (*Definition, error) {
	var f fileShape
	d := json.NewDecoder(bytes.NewReader(doc))
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("parse flags: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("parse flags: expected one JSON object and nothing after it")
	}
	if f.Flags == nil {
		return nil, errors.New("parse flags: expected an object under the key flags")
	}
	out := &Definition{Flags: make(map[string]*Flag, len(f.Flags)), Metadata: f.Metadata}
	errs := []error{checkMetadata("metadata", f.Metadata)}
	for _, name := range slices.Sorted(maps.Keys(f.Evaluators)) {
		c := compiler{shared: f.Evaluators, refs: []string{name}}
		if _, err := c.compile(f.Evaluators[name], 0); err != nil {
			errs = append(errs, fmt.Errorf("$evaluators.%s: %w", name, err))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Flags)) {
		fl, err := f.Flags[key].flag(key, f.Evaluators)
		if err != nil {
			errs = append(errs, fmt.Errorf("flags.%s: %w", key, err))
		}
		out.Flags[key] = fl
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("parse flags: %w", err)
	}
	return out, nil
}

func (s flagShape) flag(key string, shared map[string]any) (*Flag, error) {
	if key == "" {
		return nil, errors.New("expected a key that is not empty")
	}
	if s.State != "ENABLED" && s.State != "DISABLED" {
		return nil, fmt.Errorf("state %q: expected ENABLED or DISABLED", s.State)
	}
	if err := checkVariants(s.Variants); err != nil {
		return nil, err
	}
	f := &Flag{Key: key, Enabled: s.State == "ENABLED", Variants: s.Variants, Metadata: s.Metadata}
	if s.Default != nil {
		if _, ok := s.Variants[*s.Default]; !ok {
			return nil, fmt.Errorf("defaultVariant %q: expected one of %q", *s.Default, slices.Sorted(maps.Keys(s.Variants)))
		}
		f.Default = *s.Default
	}
	if err := f.target(s.Targeting, shared); err != nil {
		return nil, fmt.Errorf("targeting: %w", err)
	}
	return f, checkMetadata("metadata", s.Metadata)
}

func (f *Flag) target(raw json.RawMessage, shared map[string]any) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var node map[string]any
	if err := json.Unmarshal(raw, &node); err != nil {
		return fmt.Errorf("expected an object: %w", err)
	}
	if len(node) == 0 {
		return nil
	}
	c := compiler{shared: shared}
	r, err := c.compile(node, 0)
	if err != nil {
		return err
	}
	f.rule, f.Targeting = r, raw
	return nil
}

func checkVariants(variants map[string]any) error {
	if len(variants) == 0 {
		return errors.New("variants: expected at least one")
	}
	kind := ""
	for _, name := range slices.Sorted(maps.Keys(variants)) {
		k := kindOf(variants[name])
		switch {
		case name == "":
			return errors.New("variants: expected a name that is not empty")
		case k == "":
			return fmt.Errorf("variants.%s: expected a boolean, string, number or object", name)
		case kind != "" && k != kind:
			return fmt.Errorf("variants.%s is %s: expected %s like the others", name, k, kind)
		}
		kind = k
	}
	return nil
}

func kindOf(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		return "number"
	case map[string]any:
		return "object"
	}
	return ""
}

func checkMetadata(where string, m map[string]any) error {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if kind := kindOf(m[k]); kind == "" || kind == "object" {
			return fmt.Errorf("%s.%s: expected a string, number or boolean", where, k)
		}
	}
	return nil
}

// Reason says how a flag got its value.
type Reason string

// The reasons, named as OpenFeature names them.
const (
	ReasonStatic   Reason = "STATIC"          // no targeting: the default variant for everyone
	ReasonTargeted Reason = "TARGETING_MATCH" // targeting chose the variant
	ReasonDefault  Reason = "DEFAULT"         // targeting had no answer
	ReasonDisabled Reason = "DISABLED"        // switched off: the caller's default applies
)

// Resolution is the answer for one flag and one context. Variant is empty when
// the caller's own default applies.
type Resolution struct {
	Variant string
	Value   any
	Reason  Reason
}

// Errors of Evaluate.
var (
	ErrNotFound = errors.New("flag not found")         // ask for a flag that exists
	ErrVariant  = errors.New("variant does not exist") // mend the targeting in the file
)

// Evaluate answers for one flag. attributes is the evaluation context:
// targetingKey and whatever else rules ask for; now answers $flagd.timestamp.
func (d *Definition) Evaluate(key string, attributes map[string]any, now time.Time) (Resolution, error) {
	f, ok := d.Flags[key]
	if !ok {
		return Resolution{}, fmt.Errorf("evaluate %s: %w", key, ErrNotFound)
	}
	if !f.Enabled {
		return Resolution{Reason: ReasonDisabled}, nil
	}
	if f.rule == nil {
		if f.Default == "" {
			return Resolution{Reason: ReasonDefault}, nil
		}
		return Resolution{f.Default, f.Variants[f.Default], ReasonStatic}, nil
	}
	root, _ := plain(attributes).(map[string]any)
	answer := f.rule(&scope{data: root, root: root, flag: key, now: now.Unix()})
	name := ""
	switch x := answer.(type) {
	case nil:
		return Resolution{f.Default, f.Variants[f.Default], ReasonDefault}, nil
	case bool:
		name = strconv.FormatBool(x)
	default:
		name = text(x)
	}
	v, ok := f.Variants[name]
	if !ok {
		return Resolution{}, fmt.Errorf("evaluate %s: targeting answered %q: %w", key, name, ErrVariant)
	}
	return Resolution{name, v, ReasonTargeted}, nil
}
