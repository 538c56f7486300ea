package replay

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout"
)

// Settings is the content of replay.yaml. Zero values are defaults.
type Settings struct {
	Step     Span `yaml:"step"`     // between samples and ticks; 0 = 1m
	Minute   Span `yaml:"minute"`   // length of a model minute; 0 = 1m
	Scrape   Span `yaml:"scrape"`   // between samples of a series; 0 = as recorded
	Lookback Span `yaml:"lookback"` // how long a sample counts as current; 0 = two and a half scrapes
	// Warmup is how much of the beginning only teaches what is normal; 0 = 60 steps.
	// From says the same as a time; To ends the replay. Zero = begin and end of the
	// recording.
	Warmup      Span                `yaml:"warmup"`
	From        time.Time           `yaml:"from"`
	To          time.Time           `yaml:"to"`
	Environment backout.Environment `yaml:"environment"` // "" = production
	Incidents   []Known             `yaml:"incidents"`
	Reversals   []Declared          `yaml:"reversals"`
}

// Span is a duration that remembers its line.
type Span struct {
	d    time.Duration
	line int
}

// Std is the duration.
func (s Span) Std() time.Duration { return s.d }

// UnmarshalYAML reads 90s or 5m.
func (s *Span) UnmarshalYAML(n *yaml.Node) error {
	var d backout.Duration
	if err := d.UnmarshalText([]byte(n.Value)); err != nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %q: expected a duration such as 30s or 5m", n.Line, n.Value)
	}
	*s = Span{d.Std(), n.Line}
	return nil
}

// Known is what people found out about one incident: what scores are held
// against, and nothing else.
type Known struct {
	At time.Time `yaml:"at"` // when the trouble began
	// Culprits did it; none means that no change did.
	Culprits []Culprit `yaml:"culprits"`
	line     int
}

// Culprit is component=version.
type Culprit struct {
	Component backout.ComponentID
	To        backout.Version
	line      int
}

// Declared says what going back costs for a component of which a recording
// can't tell, such as a schema.
type Declared struct {
	Component backout.ComponentID `yaml:"component"`
	Loss      backout.Loss        `yaml:"loss"`
	Lost      string              `yaml:"lost"`
	Until     time.Time           `yaml:"until"` // when that stops being so; zero = no end is known
	line      int
}

// UnmarshalYAML reads component=version.
func (c *Culprit) UnmarshalYAML(n *yaml.Node) error {
	component, version, ok := strings.Cut(n.Value, "=")
	if n.Kind != yaml.ScalarNode || !ok || version == "" {
		return fmt.Errorf("line %d: culprit %q: expected component=version", n.Line, n.Value)
	}
	if _, _, _, _, err := backout.ComponentID(component).Split(); err != nil {
		return fmt.Errorf("line %d: culprit: %w", n.Line, err)
	}
	*c = Culprit{backout.ComponentID(component), backout.Version(version), n.Line}
	return nil
}

// String writes component=version.
func (c Culprit) String() string { return string(c.Component) + "=" + string(c.To) }

// UnmarshalYAML remembers the line.
func (k *Known) UnmarshalYAML(n *yaml.Node) error {
	type plain Known
	if err := strict(n, (*plain)(k), "at", "culprits"); err != nil {
		return err
	}
	k.line = n.Line
	return nil
}

// UnmarshalYAML remembers the line.
func (d *Declared) UnmarshalYAML(n *yaml.Node) error {
	type plain Declared
	if err := strict(n, (*plain)(d), "component", "loss", "lost", "until"); err != nil {
		return err
	}
	d.line = n.Line
	return nil
}

// strict decodes a mapping; the decoder forgets to be strict below a type that
// decodes itself.
func strict(n *yaml.Node, into any, known ...string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: expected a mapping with %s", n.Line, strings.Join(known, ", "))
	}
	for i := 0; i < len(n.Content); i += 2 {
		if !slices.Contains(known, n.Content[i].Value) {
			return fmt.Errorf("line %d: unknown field %q: expected one of %s", n.Content[i].Line, n.Content[i].Value, strings.Join(known, ", "))
		}
	}
	return n.Decode(into)
}

// ParseSettings reads replay.yaml. The error is [Problems].
func ParseSettings(name string, doc []byte) (Settings, error) {
	var s Settings
	d := yaml.NewDecoder(bytes.NewReader(doc))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return Settings{}, yamlProblems(name, err)
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return Settings{}, problem(name, 0, "", "expected one document")
	}
	s.From, s.To = s.From.UTC(), s.To.UTC()
	return s, s.sane(name)
}

// yamlProblems takes the lines out of the library's messages.
func yamlProblems(name string, err error) Problems {
	texts := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		texts = several.Errors
	}
	var out Problems
	for _, text := range texts {
		line := 0
		text = strings.TrimPrefix(text, "yaml: ")
		if n, scanErr := fmt.Sscanf(text, "line %d:", &line); n == 1 && scanErr == nil {
			_, text, _ = strings.Cut(text, ": ")
		}
		out = append(out, problem(name, line, "", "%s", strings.TrimSuffix(text, " in type replay.Settings"))...)
	}
	return out
}

func (s Settings) sane(name string) error {
	var out Problems
	for _, x := range []struct {
		field string
		value Span
		least time.Duration
	}{{"step", s.Step, time.Second / 4}, {"minute", s.Minute, time.Second / 4}, {"scrape", s.Scrape, time.Millisecond}, {"lookback", s.Lookback, time.Millisecond}, {"warmup", s.Warmup, time.Millisecond}} {
		switch {
		case x.value.line == 0:
		case x.value.d < x.least:
			out = append(out, problem(name, x.value.line, x.field, "%s: expected at least %s", x.value.d, x.least)...)
		case x.value.d%time.Millisecond != 0:
			out = append(out, problem(name, x.value.line, x.field, "%s: expected whole milliseconds", x.value.d)...)
		}
	}
	if s.Warmup.line != 0 && !s.From.IsZero() {
		out = append(out, problem(name, s.Warmup.line, "warmup", "from says it already: expected one of them")...)
	}
	if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To) {
		out = append(out, problem(name, 0, "to", "expected a time after from")...)
	}
	for _, k := range s.Incidents {
		if k.At.IsZero() {
			out = append(out, problem(name, k.line, "incidents", "an incident without at: expected when the trouble began")...)
		}
	}
	for _, d := range s.Reversals {
		if !slices.Contains([]backout.Loss{backout.LossNone, backout.LossSome, backout.LossOneWay}, d.Loss) {
			out = append(out, problem(name, d.line, "reversals", "loss %q: expected lossless, lossy or one_way", d.Loss)...)
		}
	}
	if len(out) > 0 {
		return out
	}
	return nil
}

// Check holds names against the catalog.
func (s Settings) Check(name string, g backout.Graph) error {
	var out Problems
	known := func(line int, field string, id backout.ComponentID) {
		if _, ok := g.Component(id); !ok {
			out = append(out, problem(name, line, field, "the catalog knows no component %s", id)...)
		}
	}
	for _, k := range s.Incidents {
		for _, c := range k.Culprits {
			known(c.line, "incidents", c.Component)
		}
	}
	for _, d := range s.Reversals {
		known(d.line, "reversals", d.Component)
	}
	if len(out) > 0 {
		return out
	}
	return nil
}

// StepOr and the like are the settings with their defaults.
func (s Settings) StepOr() time.Duration { return cmp.Or(s.Step.Std(), time.Minute) }

// MinuteOr is the length of a model minute.
func (s Settings) MinuteOr() time.Duration { return cmp.Or(s.Minute.Std(), time.Minute) }
