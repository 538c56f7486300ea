package attest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
)

func (r records) Recorded(context.Context) (out []backout.IncidentID, _ error) {
	for _, l := range r.logs {
		out = append(out, l.Incident)
	}
	return out, nil
}

func (r records) Log(_ context.Context, id backout.IncidentID) (attest.Log, error) {
	for _, l := range r.logs {
		if l.Incident == id {
			return l, nil
		}
	}
	return attest.Log{}, errors.New("no such log")
}

func (r records) AnchorLines(context.Context, int64) ([][]byte, error) { return r.anchors, nil }

// What is exported reads back byte for byte, damaged records too.
func TestExport_roundTrip(t *testing.T) {
	r := written()
	r.logs[0].Entries[1][7] ^= 0x80
	r.logs[0].Entries[2] = bytes.Replace(r.logs[0].Entries[2], []byte(`:`), []byte(`: `), 1)
	r.logs[1].Journals["INC-2/1"][0] = []byte(`{"text":"<b>"}`) // JSON writers would escape it
	var b bytes.Buffer
	if err := attest.Export(t.Context(), &b, r, ""); err != nil {
		t.Fatal(err)
	}
	var anchors [][]byte
	n := 0
	if err := attest.Import(&b, func(a [][]byte) { anchors = a }, func(l attest.Log) {
		want := r.logs[n]
		n++
		if l.Incident != want.Incident || !slices.EqualFunc(l.Entries, want.Entries, bytes.Equal) {
			t.Errorf("log %d: %q, want %q", n, l.Entries, want.Entries)
		}
		for id, lines := range want.Journals {
			if !slices.EqualFunc(l.Journals[id], lines, bytes.Equal) {
				t.Errorf("journal %s: %q, want %q", id, l.Journals[id], lines)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if n != 2 || !slices.EqualFunc(anchors, r.anchors, bytes.Equal) {
		t.Errorf("%d logs, anchors %q", n, anchors)
	}
}

func TestImport_namesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"{\"kind\":\"incident\",\"of\":\"a\"}\nnonsense":                            "line 2: expected one JSON object",
		"{\"kind\":\"audit\",\"of\":\"a\",\"body\":{}}":                             "line 1: kind \"audit\" of \"a\" is out of place",
		"{\"kind\":\"incident\",\"of\":\"a\"}\n\n{\"kind\":\"anchor\",\"body\":{}}": "line 3: kind \"anchor\"",
		"{\"kind\":\"incident\",\"of\":\"a\"}\n":                                    "line 2: the export breaks off",
	} {
		if err := attest.Import(strings.NewReader(text), func([][]byte) {}, func(attest.Log) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
