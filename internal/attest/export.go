package attest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/backout-dev/backout"
)

// Kind says what a line of an export is.
type Kind string

// The kinds of line.
const (
	KindIncident Kind = "incident" // begins a log; its lines follow
	KindAudit    Kind = "audit"
	KindJournal  Kind = "journal"
	KindAnchor   Kind = "anchor"
	KindEnd      Kind = "end" // the last line: without it the export was cut off
)

// Line is one line of an export. Body is the record as it is stored; one that is no
// plain JSON any more is in Text instead, byte for byte.
type Line struct {
	Kind Kind            `json:"kind"`
	Of   string          `json:"of,omitempty"` // the incident, or the attempt
	Body json.RawMessage `json:"body,omitempty"`
	Text []byte          `json:"text,omitempty"` // base64
}

func line(kind Kind, of string, stored []byte) Line {
	l := Line{Kind: kind, Of: of}
	var plain bytes.Buffer
	// Written again, Body must give the same bytes.
	if b, err := json.Marshal(json.RawMessage(stored)); err == nil && json.Compact(&plain, stored) == nil && bytes.Equal(b, stored) {
		l.Body = stored
	} else {
		l.Text = stored
	}
	return l
}

// Source reads records as they are stored.
type Source interface {
	// Recorded lists every incident that there is a record of.
	Recorded(ctx context.Context) ([]backout.IncidentID, error)
	Log(ctx context.Context, id backout.IncidentID) (Log, error)
	// AnchorLines reads the anchors from a number on, oldest first.
	AnchorLines(ctx context.Context, from int64) ([][]byte, error)
}

// Export writes all anchors and one incident's records as JSON lines, or those of
// all incidents when id is empty, so that somebody else can keep and check them.
func Export(ctx context.Context, w io.Writer, s Source, id backout.IncidentID) error {
	anchors, err := s.AnchorLines(ctx, 1)
	if err == nil {
		err = exportAnchors(w, anchors)
	}
	ids := []backout.IncidentID{id}
	if err == nil && id == "" {
		ids, err = s.Recorded(ctx)
	}
	if err != nil {
		return err
	}
	for _, id := range ids {
		l, err := s.Log(ctx, id)
		if err == nil {
			err = l.export(w)
		}
		if err != nil {
			return err
		}
	}
	return write(w, []Line{{Kind: KindEnd}})
}

// export writes a log as JSON lines.
func (l Log) export(w io.Writer) error {
	all := []Line{{Kind: KindIncident, Of: string(l.Incident)}}
	for _, b := range l.Entries {
		all = append(all, line(KindAudit, string(l.Incident), b))
	}
	for _, id := range slices.Sorted(maps.Keys(l.Journals)) {
		for _, b := range l.Journals[id] {
			all = append(all, line(KindJournal, string(id), b))
		}
	}
	return write(w, all)
}

func exportAnchors(w io.Writer, anchors [][]byte) error {
	all := []Line{}
	for _, b := range anchors {
		all = append(all, line(KindAnchor, "", b))
	}
	return write(w, all)
}

func write(w io.Writer, all []Line) error {
	enc := json.NewEncoder(w)
	for _, l := range all {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
	}
	return nil
}

// Import reads an export: first its anchors all together, then each log, one at a
// time. Anchors come before logs in an export. The error names the line.
func Import(r io.Reader, begin func(anchors [][]byte), each func(Log)) error {
	in := reader{begin: begin, each: each}
	s := bufio.NewReader(r)
	for n := 1; ; n++ {
		b, err := s.ReadBytes('\n')
		if len(bytes.TrimSpace(b)) > 0 {
			if why := in.take(b); why != nil {
				return fmt.Errorf("line %d: %w", n, why)
			}
		}
		if errors.Is(err, io.EOF) && !in.ended {
			return fmt.Errorf("line %d: the export breaks off: expected a last line of kind %q", n, KindEnd)
		}
		if errors.Is(err, io.EOF) {
			in.next()
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// reader gathers the lines of one log.
type reader struct {
	begin   func([][]byte)
	each    func(Log)
	anchors [][]byte
	log     *Log
	ended   bool
}

func (in *reader) take(b []byte) error {
	var l Line
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("expected one JSON object with kind, of and body: %w", err)
	}
	stored := []byte(l.Body)
	if l.Text != nil {
		stored = l.Text
	}
	switch {
	case in.ended:
		return fmt.Errorf("kind %q comes after the end", l.Kind)
	case l.Kind == KindEnd:
		in.ended = true
	case l.Kind == KindAnchor && in.log == nil:
		in.anchors = append(in.anchors, stored)
	case l.Kind == KindIncident:
		in.next()
		in.log = &Log{Incident: backout.IncidentID(l.Of), Journals: map[backout.AttemptID][][]byte{}}
	case l.Kind == KindAudit && in.log != nil && l.Of == string(in.log.Incident):
		in.log.Entries = append(in.log.Entries, stored)
	case l.Kind == KindJournal && in.log != nil:
		in.log.Journals[backout.AttemptID(l.Of)] = append(in.log.Journals[backout.AttemptID(l.Of)], stored)
	default:
		return fmt.Errorf("kind %q of %q is out of place: expected anchors, then for each incident its own line, its audit log and its journals", l.Kind, l.Of)
	}
	return nil
}

// next gives away what was gathered; the anchors go first.
func (in *reader) next() {
	if in.begin != nil {
		in.begin(in.anchors)
		in.begin = nil
	}
	if in.log != nil {
		in.each(*in.log)
	}
}
