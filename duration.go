package backout

import (
	"fmt"
	"time"
)

// Duration is a span of time that reads and writes as text (90s, 2m30s) in JSON
// and YAML.
type Duration time.Duration

// Std gives the standard library's form.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the span as Go does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the span as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("duration %q: expected a number with a unit such as 30s or 5m", b)
	}
	*d = Duration(v)
	return nil
}
