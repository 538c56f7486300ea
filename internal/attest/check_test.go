package attest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.UTC)

// records is what a database and a file beside it would hold.
type records struct {
	logs    []attest.Log
	anchors [][]byte
	file    [][]byte
}

// chain writes an audit log whose second last entry seals a journal.
func chain(id backout.IncidentID, n int, word string) attest.Log {
	run := backout.Run{Attempt: backout.AttemptID(id + "/1")}
	l := attest.Log{Incident: id, Journals: map[backout.AttemptID][][]byte{}}
	for i := range 4 {
		e := backout.Entry{Seq: int64(i + 1), Attempt: run.Attempt, At: noon, Kind: backout.EntryEffect, Share: .5, Outcome: backout.OutcomeDone, Text: fmt.Sprint("deed <", i, ">")}
		b, _ := json.Marshal(e)
		run.Entries, l.Journals[run.Attempt] = append(run.Entries, e), append(l.Journals[run.Attempt], b)
	}
	seal, _ := run.Seal()
	previous := ""
	for i := range n {
		e := backout.AuditEntry{Incident: id, Seq: int64(i + 1), At: noon.Add(time.Duration(i) * time.Second), By: "ann", What: fmt.Sprint(word, " ", i), Previous: previous}
		if i >= n-2 {
			e.Journal = &seal
		}
		e, b, _ := attest.Entry(e)
		l.Entries, previous = append(l.Entries, b), e.Hash
	}
	return l
}

// anchored writes one anchor after each of several moments, over logs cut to how
// long they were then.
func anchored(logs []attest.Log, moments ...int) (out [][]byte) {
	previous := ""
	for i, n := range moments {
		a := backout.Anchor{Seq: int64(i + 1), At: noon.Add(time.Duration(i) * time.Hour), Previous: previous}
		for _, l := range logs {
			var e backout.AuditEntry
			at := min(n, len(l.Entries))
			_ = json.Unmarshal(l.Entries[at-1], &e)
			a.Heads = append(a.Heads, backout.AnchorHead{Incident: l.Incident, Seq: e.Seq, Hash: e.Hash})
		}
		a, b, _ := attest.Anchor(a)
		out, previous = append(out, b), a.Hash
	}
	return out
}

func written() records {
	r := records{logs: []attest.Log{chain("INC-1", 6, "word"), chain("INC-2", 5, "word")}}
	r.anchors = anchored(r.logs, 2, 4, 6)
	r.file = clone(r.anchors)
	return r
}

func clone(b [][]byte) [][]byte {
	out := [][]byte{}
	for _, x := range b {
		out = append(out, bytes.Clone(x))
	}
	return out
}

func (r records) check() backout.AuditCheck {
	c := attest.New(r.anchors, attest.Copy{Name: "anchors.jsonl", Anchors: r.file})
	for _, l := range r.logs {
		c.Add(l)
	}
	return c.Result(true)
}

func TestCheck_whole(t *testing.T) {
	got := written().check()
	if !got.Whole || got.Logs != 2 || got.Entries != 11 || got.Journals != 2 || got.Anchors != 3 || got.Copies != 1 || got.Anchored != 11 || len(got.Notes) != 0 {
		t.Errorf("%+v", got)
	}
}

// Whichever bit of whichever record is turned, it is found, and the record is named.
func TestCheck_everyByteCounts(t *testing.T) {
	whole := written()
	for name, pick := range map[string]func(r *records) ([][]byte, string){
		"audit":    func(r *records) ([][]byte, string) { return r.logs[0].Entries, "audit log of INC-1" },
		"journal":  func(r *records) ([][]byte, string) { return r.logs[1].Journals["INC-2/1"], "journal of INC-2/1" },
		"anchors":  func(r *records) ([][]byte, string) { return r.anchors, "anchors in the database" },
		"the file": func(r *records) ([][]byte, string) { return r.file, "anchors in anchors.jsonl" },
	} {
		lines, record := pick(&whole)
		tried := 0
		for i := range lines {
			for at := range lines[i] {
				for _, by := range []byte{1, 0x20, 0x80} { // a neighbour, the other case, no ASCII
					lines[i][at] ^= by
					got := whole.check()
					lines[i][at] ^= by
					tried++
					if got.Whole || got.Broken[0].Record != record && got.Broken[len(got.Broken)-1].Record != record || got.Broken[0].Expected == "" {
						t.Fatalf("%s: byte %d of entry %d turned by %#x: %+v", name, at, i+1, by, got)
					}
				}
			}
		}
		if tried < 1000 {
			t.Errorf("%s: only %d bytes tried", name, tried)
		}
	}
	if got := whole.check(); !got.Whole {
		t.Fatalf("the test did not put everything back: %+v", got)
	}
}

func TestCheck_namesTheFirstBreak(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func(r *records)
		record string
		seq    int64
		why    string
	}{
		"dropped in the middle": {func(r *records) { r.logs[0].Entries = slices.Delete(r.logs[0].Entries, 2, 3) }, "audit log of INC-1", 3, "entry 3 is missing"},
		"swapped": {func(r *records) {
			e := r.logs[0].Entries
			e[2], e[3] = e[3], e[2]
		}, "audit log of INC-1", 3, "entry 3 is missing"},
		"tail cut":          {func(r *records) { r.logs[0].Entries = r.logs[0].Entries[:3] }, "audit log of INC-1", 4, "entries 4 to 4 are missing"},
		"log emptied":       {func(r *records) { r.logs[0].Entries = nil }, "audit log of INC-1", 1, "entry 1 is missing"},
		"incident removed":  {func(r *records) { r.logs = r.logs[1:] }, "audit log of INC-1", 1, "entries 1 to 2 are missing"},
		"logs exchanged":    {func(r *records) { r.logs[0].Entries, r.logs[1].Entries = r.logs[1].Entries, r.logs[0].Entries }, "audit log of INC-1", 1, "another incident's"},
		"written anew":      {func(r *records) { r.logs[0] = chain("INC-1", 6, "other") }, "audit log of INC-1", 2, "written anew"},
		"anew from 5 on":    {func(r *records) { r.logs[0].Entries = rewritten(r.logs[0].Entries, 4) }, "audit log of INC-1", 6, "written anew"},
		"anew with anchors": {func(r *records) { r.logs[0] = chain("INC-1", 6, "other"); r.anchors = anchored(r.logs, 2, 4, 6) }, "anchors in the database", 1, "written anew"},
		"link replaced": {func(r *records) {
			r.anchors, r.file = r.anchors[:2], r.file[:2] // no anchor has seen it yet
			var e backout.AuditEntry
			_ = json.Unmarshal(r.logs[0].Entries[5], &e)
			e.Previous = "0"
			_, r.logs[0].Entries[5], _ = attest.Entry(e)
		}, "audit log of INC-1", 6, "does not follow entry 5"},
		"anchor removed":    {func(r *records) { r.anchors = slices.Delete(r.anchors, 1, 2) }, "anchors in the database", 2, "anchor 2 is missing"},
		"last one removed":  {func(r *records) { r.anchors = r.anchors[:2] }, "anchors in the database", 3, "anchor 3 of 2026-11-24T14:00:00Z is missing"},
		"all anchors gone":  {func(r *records) { r.anchors = nil }, "anchors in the database", 1, "is missing"},
		"file: middle":      {func(r *records) { r.file = slices.Delete(r.file, 1, 2) }, "anchors in anchors.jsonl", 2, "anchor 2 is missing"},
		"file: emptied":     {func(r *records) { r.file = nil }, "anchors in anchors.jsonl", 1, "anchors 1 to 3 are missing"},
		"journal: tail":     {func(r *records) { r.logs[0].Journals["INC-1/1"] = r.logs[0].Journals["INC-1/1"][:2] }, "journal of INC-1/1", 3, "entries 3 to 4 are missing"},
		"journal: middle":   {func(r *records) { r.logs[0].Journals["INC-1/1"] = slices.Delete(r.logs[0].Journals["INC-1/1"], 1, 2) }, "journal of INC-1/1", 2, "entry 2 is missing"},
		"journal: gone":     {func(r *records) { r.logs[0].Journals = nil }, "journal of INC-1/1", 1, "entries 1 to 4 are missing"},
		"journal: invented": {func(r *records) { invent(r, backout.EntryEffect) }, "journal of INC-1/1", 5, "added after the end"},
		"journal: rewritten": {func(r *records) {
			r.logs[0].Journals["INC-1/1"][1] = bytes.Replace(r.logs[0].Journals["INC-1/1"][1], []byte("deed"), []byte("dead"), 1)
		}, "journal of INC-1/1", 1, "between 1 and 4"},
	} {
		t.Run(name, func(t *testing.T) {
			r := written()
			c.tamper(&r)
			got := r.check()
			if got.Whole || got.Broken[0].Record != c.record || got.Broken[0].Seq != c.seq || !strings.Contains(got.Broken[0].Why, c.why) || got.Broken[0].Expected == "" || got.Broken[0].Found == "" {
				t.Errorf("%+v, want %s entry %d: %s", got.Broken, c.record, c.seq, c.why)
			}
		})
	}
}

// rewritten changes the entries from one on and gives them hashes that fit.
func rewritten(entries [][]byte, from int) [][]byte {
	out, previous := clone(entries[:from]), ""
	for i, b := range entries {
		var e backout.AuditEntry
		_ = json.Unmarshal(b, &e)
		if i >= from {
			e.What, e.Previous = "something else", previous
			e, b, _ = attest.Entry(e)
			out = append(out, b)
		}
		previous = e.Hash
	}
	return out
}

func invent(r *records, kind backout.EntryKind) {
	b, _ := json.Marshal(backout.Entry{Seq: 5, Attempt: "INC-1/1", At: noon, Kind: kind, Text: "abort by ann"})
	r.logs[0].Journals["INC-1/1"] = append(r.logs[0].Journals["INC-1/1"], b)
}

// What honest records may look like is no break.
func TestCheck_notesAreNoBreaks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *records)
		note   string
	}{
		"a word crossed the end": {func(r *records) { invent(r, backout.EntryControl) }, "came after the end"},
		"newest not copied yet":  {func(r *records) { r.file = r.file[:2] }, "within a minute"},
		"newer than any anchor":  {func(r *records) { r.anchors, r.file = r.anchors[:2], r.file[:2] }, "3 of 11 entries came after"},
		"copy begun later":       {func(r *records) { r.file = r.file[1:] }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := written()
			c.change(&r)
			got := r.check()
			if !got.Whole || c.note != "" && (len(got.Notes) != 1 || !strings.Contains(got.Notes[0], c.note)) {
				t.Errorf("%+v, want whole with %q", got, c.note)
			}
		})
	}
}

// Any run of deeds on the records that changes what an anchor covers is found.
func TestCheck_anyTampering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, before := written(), written()
		for range rapid.IntRange(1, 4).Draw(t, "deeds") {
			l := &r.logs[rapid.IntRange(0, 1).Draw(t, "log")]
			if len(l.Entries) == 0 {
				continue
			}
			at := rapid.IntRange(0, len(l.Entries)-1).Draw(t, "at")
			switch rapid.IntRange(0, 4).Draw(t, "deed") {
			case 0:
				l.Entries = slices.Delete(l.Entries, at, at+1)
			case 1:
				to := rapid.IntRange(0, len(l.Entries)-1).Draw(t, "to")
				l.Entries[at], l.Entries[to] = l.Entries[to], l.Entries[at]
			case 2:
				l.Entries = l.Entries[:at]
			case 3:
				l.Entries = rewritten(l.Entries, at)
			case 4:
				l.Entries = slices.Insert(l.Entries, at, l.Entries[at])
			}
		}
		same := true
		for i := range r.logs {
			same = same && slices.EqualFunc(r.logs[i].Entries, before.logs[i].Entries, bytes.Equal)
		}
		if got := r.check(); got.Whole != same {
			t.Fatalf("same %v, whole %v: %+v", same, got.Whole, got.Broken)
		}
	})
}

func FuzzCheck(f *testing.F) {
	whole := written()
	f.Add(whole.logs[0].Entries[0], 0)
	f.Add([]byte(`{"seq":1}`), 3)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		r := written()
		i := int(uint(at) % uint(len(r.logs[0].Entries)))
		same := bytes.Equal(r.logs[0].Entries[i], b)
		r.logs[0].Entries[i] = b
		if got := r.check(); got.Whole != same {
			t.Errorf("%q in place of entry %d: %+v", b, i+1, got)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	l := chain("INC-1", 10_000, "a sentence about as long as those that real entries have, give or take a word or two")
	anchors := anchored([]attest.Log{l}, 10_000)
	for b.Loop() {
		c := attest.New(anchors)
		if c.Add(l); !c.Result(true).Whole {
			b.Fatal("broken")
		}
	}
}
