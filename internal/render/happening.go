package render

import (
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Happening is one thing that changed between two frames.
type Happening struct {
	At       time.Time          `json:"at"`
	Incident backout.IncidentID `json:"incident,omitempty"`
	Kind     string             `json:"kind"` // state, journal, degraded or connection
	State    backout.State      `json:"state,omitempty"`
	Entry    *backout.Entry     `json:"entry,omitempty"`
	Text     string             `json:"text"`
}

// Happenings lists what is new in a frame, oldest first; everything, when before is
// the zero frame.
func Happenings(before, f Frame) []Happening {
	out := []Happening{}
	if f.Lost != before.Lost {
		text := "connected again"
		if f.Lost {
			text = "reconnecting, as of " + Clock(f.AsOf)
		}
		out = append(out, Happening{At: f.Now, Kind: "connection", Text: text})
	}
	was, is := degradedNames(before.Degraded), degradedNames(f.Degraded)
	if more := without(is, was); len(more) > 0 {
		out = append(out, Happening{At: f.Now, Kind: "degraded", Text: strings.Join(few(more), "; ")})
	}
	if less := without(was, is); len(less) > 0 && !f.Lost {
		out = append(out, Happening{At: f.Now, Kind: "degraded", Text: "no longer: " + strings.Join(few(less), "; ")})
	}
	inc := f.Incident
	if inc == nil {
		return out
	}
	same := before.Incident != nil && before.Incident.ID == inc.ID
	known := int64(0)
	if f.Run != nil {
		if same && before.Run != nil && before.Run.Attempt == f.Run.Attempt && len(before.Run.Entries) > 0 {
			known = before.Run.Entries[len(before.Run.Entries)-1].Seq
		}
		for _, e := range f.Run.Entries {
			if e.Seq > known {
				out = append(out, Happening{At: e.At, Incident: inc.ID, Kind: "journal", Entry: &e, Text: e.Text})
			}
		}
	}
	if !same || before.Incident.State != inc.State || before.Incident.Why != inc.Why || before.Incident.Paused != inc.Paused {
		text := string(inc.State) + ": " + inc.Why
		if inc.Paused {
			text = "paused; " + text
		}
		out = append(out, Happening{At: inc.UpdatedAt, Incident: inc.ID, Kind: "state", State: inc.State, Text: text})
	}
	return out
}

// without lists what is in a and not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
