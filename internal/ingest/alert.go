package ingest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// MaxAlerts is how many alerts one report may carry.
const MaxAlerts = 1000

// maxLabels is how many labels an alert may have.
const maxLabels = 64

// CheckAlert says what is wrong with an alert that arrives now; nothing when it
// can be taken. Its fields are named as in [backout.Alert]: an adapter names them
// as its sender does.
func CheckAlert(a backout.Alert, now time.Time) []FieldError {
	var out []FieldError
	say := func(field, format string, args ...any) {
		out = append(out, FieldError{field, fmt.Sprintf(format, args...)})
	}
	for _, f := range []struct {
		name, value string
		required    bool
	}{
		{"source", a.Source, true},
		{"native_id", a.NativeID, true},
		{"name", a.Name, true},
		{"environment", string(a.Environment), false},
		{"service", string(a.Subject.Service), false},
		{"journey", string(a.Subject.Journey), false},
		{"location", string(a.Subject.Location), false},
		{"client", a.Subject.Client, false},
		{"severity", a.Severity, false},
		{"url", a.URL, false},
	} {
		if problem := text(f.value, f.required); problem != "" {
			say(f.name, "%s", problem)
		}
	}
	if len(a.Labels) > maxLabels {
		say("labels", "%d of them: expected at most %d", len(a.Labels), maxLabels)
	}
	for k, v := range a.Labels {
		if len(k)+len(v) > longest {
			say("labels."+k[:min(len(k), 64)], "%d bytes long: expected at most %d", len(k)+len(v), longest)
		}
	}
	out = append(out, checkTimes(a, now)...)
	slices.SortStableFunc(out, func(a, b FieldError) int { return cmp.Compare(a.Field, b.Field) })
	return out
}

func checkTimes(a backout.Alert, now time.Time) []FieldError {
	var out []FieldError
	ahead := func(field string, at time.Time) {
		if at.After(now.Add(fast)) {
			out = append(out, FieldError{field, fmt.Sprintf("%s is more than %s ahead of our clock (%s)", at.UTC().Format(time.RFC3339), fast, now.UTC().Format(time.RFC3339))})
		}
	}
	switch a.State {
	case backout.AlertFiring:
		if a.StartsAt.IsZero() {
			out = append(out, FieldError{"starts_at", "missing: expected when it began, such as 2006-01-02T15:04:05Z"})
		}
		ahead("starts_at", a.StartsAt)
	case backout.AlertResolved:
		switch {
		case a.EndsAt.IsZero():
			out = append(out, FieldError{"ends_at", "missing: expected when it ended, such as 2006-01-02T15:04:05Z"})
		case a.EndsAt.Before(a.StartsAt):
			out = append(out, FieldError{"ends_at", fmt.Sprintf("%s is before it began", a.EndsAt.UTC().Format(time.RFC3339))})
		}
		ahead("ends_at", a.EndsAt)
	default:
		out = append(out, FieldError{"state", fmt.Sprintf("%q: expected firing or resolved", a.State)})
	}
	return out
}

// ClampAlert takes times that are ahead of ours for a fast clock, and gives an
// alert the form in which it is kept: times in UTC, none that its state does not
// have, no text that is only shown longer than a line.
func ClampAlert(a backout.Alert, now time.Time) backout.Alert {
	clamp := func(at time.Time) time.Time {
		if at.After(now) {
			at = now
		}
		return at.UTC()
	}
	a.StartsAt, a.EndsAt = clamp(a.StartsAt), clamp(a.EndsAt)
	if a.State == backout.AlertFiring {
		a.EndsAt = time.Time{}
	}
	a.Title = line(a.Title)
	if a.Labels == nil {
		a.Labels = map[string]string{}
	}
	return a
}
