package ingest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/backout-dev/backout"
)

// fast is how far ahead of ours a source's clock may be.
const fast = 5 * time.Minute

// longest is how long a text of a report may be, in bytes.
const longest = 1024

// kinds are the component kinds that can be reported.
var kinds = []backout.ComponentKind{
	backout.KindDeployment, backout.KindConfig, backout.KindFlag,
	backout.KindSchema, backout.KindTraffic, backout.KindInfrastructure,
}

// Check says what is wrong with an observation that arrives now; nothing when it
// can be recorded.
func Check(o backout.Observation, now time.Time) []FieldError {
	var out []FieldError
	say := func(field, format string, args ...any) {
		out = append(out, FieldError{field, fmt.Sprintf(format, args...)})
	}
	for _, f := range []struct {
		name, value string
		required    bool
	}{
		{"source", o.Source, true},
		{"native_id", o.NativeID, true},
		{"to", string(o.To), true},
		{"component", string(o.Component), true},
		{"from", string(o.From), false},
		{"digest", o.Digest, false},
		{"audience", o.Audience, false},
		{"actor", o.Actor, false},
		{"title", o.Title, false},
		{"security", o.Security, false},
		{"attempt", string(o.Attempt), false},
	} {
		if problem := text(f.value, f.required); problem != "" {
			say(f.name, "%s", problem)
		}
	}
	for i, name := range o.Instances {
		if problem := text(name, true); problem != "" {
			say(fmt.Sprintf("instances[%d]", i), "%s", problem)
		}
	}
	if o.Component != "" {
		if problem := component(o.Component); problem != "" {
			say("component", "%s", problem)
		}
	}
	if o.From != "" && o.From == o.To {
		say("from", "%q is also the version it changed to: expected two versions, or no from when it is not known", o.From)
	}
	switch {
	case o.At.IsZero():
		say("at", "missing: expected when it happened, such as 2006-01-02T15:04:05Z")
	case o.At.After(now.Add(fast)):
		say("at", "%s is more than %s ahead of our clock (%s)", o.At.UTC().Format(time.RFC3339), fast, now.UTC().Format(time.RFC3339))
	}
	if !(o.Share > 0 && o.Share <= 1) { // NaN is wrong too
		say("share_ratio", "%v: expected more than 0 and at most 1", o.Share)
	}
	return append(out, checkFiles(o)...)
}

// mostFiles is how many attachments one observation may carry.
const mostFiles = 8

// attachments are the kinds that can be handed in.
var attachments = []backout.AttachmentKind{backout.AttachmentOpenAPI, backout.AttachmentProto, backout.AttachmentDescriptors, backout.AttachmentMigration}

// checkFiles says what is wrong with what comes along with an observation, short of
// reading it.
func checkFiles(o backout.Observation) []FieldError {
	var out []FieldError
	say := func(field, format string, args ...any) {
		out = append(out, FieldError{field, fmt.Sprintf(format, args...)})
	}
	if len(o.Attachments) > mostFiles {
		say("attachments", "%d of them: expected at most %d", len(o.Attachments), mostFiles)
	}
	for i, a := range o.Attachments {
		at := fmt.Sprintf("attachments[%d]", i)
		if problem := text(a.Name, true); problem != "" {
			say(at+".name", "%s", problem)
		}
		if !slices.Contains(attachments, a.Kind) {
			say(at+".kind", "unknown kind %q: expected one of %v", a.Kind, attachments)
		}
		if len(a.Body) == 0 || len(a.Body) > backout.MaxAttachment {
			say(at+".body", "%d bytes: expected 1 to %d", len(a.Body), backout.MaxAttachment)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(o.BuiltAgainst)) {
		if problem := component(id); problem != "" {
			say("built_against", "%s", problem)
		}
		if problem := text(string(o.BuiltAgainst[id]), true); problem != "" {
			say(fmt.Sprintf("built_against[%s]", id), "%s", problem)
		}
	}
	return out
}

func component(id backout.ComponentID) string {
	kind, _, _, _, err := id.Split()
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(kinds, kind) {
		return fmt.Sprintf("unknown kind %q: expected one of %v", kind, kinds)
	}
	return ""
}

func text(s string, required bool) string {
	switch {
	case required && strings.TrimSpace(s) == "":
		return "missing: expected a text"
	case len(s) > longest:
		return fmt.Sprintf("%d bytes long: expected at most %d", len(s), longest)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "expected a text without control characters"
	}
	return ""
}

// line makes one line of at most 300 bytes out of a text that people write in
// several.
func line(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	const most = 300
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
