// Package spec reads the API that one version of a service serves, as OpenAPI 3
// or Protocol Buffers, and says whether consumers that were built against one
// version of it can live with another.
//
// OpenAPI is compared by oasdiff's rules: what they call an error breaks a
// consumer, and so does a response's field that went away; what they call a
// warning may. Protocol Buffers are compared by descriptor, with the rules of buf's
// WIRE category and fields that went away: see docs/decisions/0221.
//
// A comparison goes one way. That a provider adds something breaks nobody who was
// built before; seen from a consumer that was built after, the older provider
// lacks it.
package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// Difference is what stands between a consumer and a provider, in words.
type Difference struct {
	Breaks []string // what the consumer may rely on and the provider has not
	Doubts []string // what may or may not matter to it
}

// KindOf says what a file is by its name; ok is false when the name doesn't tell.
func KindOf(file string) (kind backout.AttachmentKind, ok bool) {
	at := strings.LastIndexByte(file, '.')
	if at < 0 {
		return "", false
	}
	switch strings.ToLower(file[at:]) {
	case ".yaml", ".yml", ".json":
		return backout.AttachmentOpenAPI, true
	case ".proto":
		return backout.AttachmentProto, true
	case ".pb", ".binpb", ".protoset", ".desc", ".fds":
		return backout.AttachmentDescriptors, true
	case ".sql":
		return backout.AttachmentMigration, true
	}
	return "", false
}

// Check says whether a spec can be read. The error has code invalid and names the
// file, the line where it is known, and the reason.
func Check(a backout.Attachment) error {
	_, err := compare(a, a)
	return err
}

// Compare says what consumers built against some specs of a provider's version
// meet at another version of it. Specs are paired by kind and name, or by kind
// alone where each version has one. It fails with code invalid on a spec that
// can't be read.
func Compare(built, served []backout.Attachment) (Difference, error) {
	var out Difference
	for _, a := range built {
		b, ok := partner(a, built, served)
		if !ok {
			out.Doubts = append(out.Doubts, fmt.Sprintf("no %s was recorded of the other version", a.Name))
			continue
		}
		d, err := compare(a, b)
		if err != nil {
			return Difference{}, err
		}
		out.Breaks, out.Doubts = append(out.Breaks, d.Breaks...), append(out.Doubts, d.Doubts...)
	}
	return Difference{tidy(out.Breaks), tidy(out.Doubts)}, nil
}

// tidy sorts and removes what is said twice.
func tidy(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

func partner(a backout.Attachment, built, served []backout.Attachment) (backout.Attachment, bool) {
	var of []backout.Attachment
	for _, b := range served {
		if b.Kind == a.Kind && b.Name == a.Name {
			return b, true
		}
		if b.Kind == a.Kind {
			of = append(of, b)
		}
	}
	own := 0
	for _, b := range built {
		if b.Kind == a.Kind {
			own++
		}
	}
	if own == 1 && len(of) == 1 {
		return of[0], true
	}
	return backout.Attachment{}, false
}

// compare reads two specs of one kind and compares them. A library that gives up
// on an odd document by a panic is one that can't read it.
func compare(a, b backout.Attachment) (d Difference, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = invalid(cmp.Or(a.Name, "spec"), 0, fmt.Sprintf("can't be compared: %v", r))
		}
	}()
	for _, x := range []backout.Attachment{a, b} {
		switch {
		case len(x.Body) > backout.MaxAttachment:
			return d, invalid(x.Name, 0, fmt.Sprintf("%d bytes: expected at most %d", len(x.Body), backout.MaxAttachment))
		case len(x.Body) == 0:
			return d, invalid(x.Name, 0, "is empty: expected a spec")
		}
	}
	switch a.Kind {
	case backout.AttachmentOpenAPI:
		return openAPI(a, b)
	case backout.AttachmentProto, backout.AttachmentDescriptors:
		return protocol(a, b)
	}
	return d, invalid(a.Name, 0, fmt.Sprintf("kind %q: expected openapi, proto or descriptors", a.Kind))
}

// invalid is an error about a place in a file; line 0 is not known.
func invalid(file string, line int, reason string) error {
	if line > 0 {
		file = fmt.Sprintf("%s:%d", file, line)
	}
	return &backout.Error{Code: backout.CodeInvalid, Message: file + ": " + reason}
}
