package backout

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// TimelineSource says in which record a line of a timeline stands.
type TimelineSource string

// The sources, in the order in which lines of one instant are told.
const (
	SourceAudit   TimelineSource = "audit"   // the audit log: what was decided, and by whom
	SourceJournal TimelineSource = "journal" // the journal of an attempt: what was done
	SourceMessage TimelineSource = "message" // the outbox: who was told, and whether it arrived
)

// TimelineEntry is one line of everything that was recorded about an incident.
type TimelineEntry struct {
	At     time.Time      `json:"at"`
	Source TimelineSource `json:"source"`
	Of     string         `json:"of"` // the entry's number; attempt and number; or audience and channel
	By     string         `json:"by,omitempty"`
	Text   string         `json:"text"`
	// Entry is the journal's own form, so that marks can be drawn.
	Entry *Entry `json:"entry,omitempty"`
}

// Timeline puts what was recorded about an incident into one order of time. A
// message stands where it was written, not where it arrived.
func Timeline(audit []AuditEntry, runs []Run, sent []Delivery) []TimelineEntry {
	out := []TimelineEntry{}
	for _, e := range audit {
		out = append(out, TimelineEntry{At: e.At, Source: SourceAudit, Of: fmt.Sprintf("entry %d", e.Seq), By: e.By, Text: e.What})
	}
	for _, r := range runs {
		for _, e := range r.Entries {
			out = append(out, TimelineEntry{At: e.At, Source: SourceJournal, Of: fmt.Sprintf("attempt %s entry %d", e.Attempt.Number(), e.Seq), Text: e.Text, Entry: &e})
		}
	}
	for _, d := range sent {
		out = append(out, TimelineEntry{At: d.Message.At, Source: SourceMessage, Of: fmt.Sprintf("%s by %s", d.Message.Audience, d.Channel), Text: d.Message.Text + d.fate()})
	}
	order := []TimelineSource{SourceAudit, SourceJournal, SourceMessage}
	slices.SortStableFunc(out, func(a, b TimelineEntry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(slices.Index(order, a.Source), slices.Index(order, b.Source)))
	})
	return out
}

// fate says what became of a message, where it is not the plain way.
func (d Delivery) fate() string {
	switch {
	case !d.At.IsZero() && d.Note != "":
		return " [acknowledged: " + d.Note + "]"
	case !d.At.IsZero():
		return ""
	case d.GivenUp:
		return " [not delivered: " + d.Note + "]"
	case d.Tries > 0:
		return " [not delivered yet: " + d.Note + "]"
	}
	return " [not sent yet]"
}
