package notifytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// Fault is a way in which a receiver fails.
type Fault int

// The faults.
const (
	Fine     Fault = iota
	Away           // fails, and may be back
	Refusing       // understands and says no
	Busy           // asks to wait BusyFor
)

// BusyFor is how long a busy receiver asks to wait.
const BusyFor = 7 * time.Second

var errAway = errors.New("nobody there")

// Receiver is the other end of a channel under test.
type Receiver interface {
	Received() []Receipt
	Break(Fault)
}

// Subject is a channel under test.
type Subject struct {
	Notifier notify.Notifier
	Receiver Receiver
	// Repeats is set when the receiver can't tell repetitions apart (a terminal).
	Repeats bool
	// Faultless is set when the receiver has no answers to fail with.
	Faultless bool
	// Exact is false when the receiver gets other words than Message.Text.
	Exact bool
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Message makes a message of an incident with facts to send.
func Message(incident, key string, s backout.State) backout.Message {
	return backout.Message{
		Incident: backout.IncidentID(incident), Audience: backout.AudienceMachines, Key: key, At: noon, State: s, Terminal: s.Terminal(), Text: incident + " is " + string(s),
		Facts: backout.Facts{
			Environment: "production", Onset: noon.Add(-time.Minute), Why: "payment fails", Services: []backout.ServiceID{"payment"}, Digest: "ab12", Deadline: noon.Add(time.Hour),
			TakenBack: []backout.TakenBack{},
		},
	}
}

// Conform checks what the outbox relies on: a message that was acknowledged is
// there, in order and with its words whole; the same message again has the same
// id; a failure is an error of the right kind and leaves nothing; what was not
// acknowledged can be sent again.
func Conform(t *testing.T, s Subject) {
	t.Helper()
	t.Run("every state arrives in order", s.order)
	t.Run("words arrive whole", s.words)
	t.Run("the same message has the same id", s.twice)
	t.Run("no time left is no acknowledgement", s.noTime)
	if !s.Faultless {
		t.Run("failures are of the right kind", s.faults)
	}
}

func (s Subject) send(t *testing.T, m backout.Message) []Receipt {
	t.Helper()
	before := len(s.Receiver.Received())
	if err := s.Notifier.Notify(t.Context(), m); err != nil {
		t.Fatalf("notify %s: %v", m.Key, err)
	}
	return s.Receiver.Received()[before:]
}

func (s Subject) order(t *testing.T) {
	for _, a := range backout.Audiences() {
		for i, st := range []backout.State{backout.StateDetected, backout.StateAttributed, backout.StateWaiting, backout.StateExecuting, backout.StateFrozen, backout.StateHalted} {
			m := Message("INC-order", fmt.Sprintf("%s/%d", st, i), st)
			m.Audience = a
			got := s.send(t, m)
			if len(got) == 0 || s.Exact && !slices.ContainsFunc(got, func(r Receipt) bool { return strings.Contains(r.Text, m.Text) }) {
				t.Errorf("%s to %s: received %+v, want %q", st, a, got, m.Text)
			}
		}
	}
}

func (s Subject) words(t *testing.T) {
	for i, text := range []string{"a < b && c > d", `"quoted" \ 'single' <@U123> <!channel> &amp;`, "✔ ähnlich 日本", strings.Repeat("long words ", 600)} {
		m := Message(fmt.Sprintf("INC-words-%d", i), "detected/0", backout.StateDetected)
		m.Text = text
		got := s.send(t, m)
		if len(got) == 0 || s.Exact && !strings.Contains(got[len(got)-1].Text, text[:min(len(text), 2000)]) {
			t.Errorf("received %.200q, want %.60q", got, text)
		}
	}
}

func (s Subject) twice(t *testing.T) {
	m := Message("INC-twice", "recovered/1", backout.StateRecovered)
	first := s.send(t, m)
	again := s.send(t, m)
	if s.Repeats {
		return
	}
	for _, r := range again {
		if r.ID == "" || !slices.ContainsFunc(first, func(f Receipt) bool { return f.ID == r.ID }) {
			t.Errorf("sent again it has the id %q, at first %+v", r.ID, first)
		}
	}
	m.Key = "recovered/2"
	for _, r := range s.send(t, m) {
		if slices.ContainsFunc(first, func(f Receipt) bool { return f.ID == r.ID }) {
			t.Errorf("another message has the id %q as well", r.ID)
		}
	}
}

func (s Subject) noTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := len(s.Receiver.Received())
	if err := s.Notifier.Notify(ctx, Message("INC-late", "detected/0", backout.StateDetected)); err == nil {
		t.Error("acknowledged without time")
	}
	if got := s.Receiver.Received()[before:]; len(got) > 0 {
		t.Errorf("received %+v", got)
	}
}

func (s Subject) faults(t *testing.T) {
	defer s.Receiver.Break(Fine)
	for i, f := range []Fault{Away, Refusing, Busy} {
		m := Message(fmt.Sprintf("INC-fault-%d", i), "detected/0", backout.StateDetected)
		s.Receiver.Break(f)
		err := s.Notifier.Notify(t.Context(), m)
		var later *notify.Later
		switch {
		case err == nil:
			t.Errorf("fault %d was taken for an acknowledgement", f)
		case errors.Is(err, notify.ErrRefused) != (f == Refusing):
			t.Errorf("fault %d: %v, refused for good: %t", f, err, f != Refusing)
		case errors.As(err, &later) != (f == Busy), f == Busy && later.After != BusyFor:
			t.Errorf("fault %d: %v, want the wait that was asked for when busy, and only then", f, err)
		}
		s.Receiver.Break(Fine)
		if got := s.send(t, m); len(got) == 0 {
			t.Errorf("after fault %d the message can't be sent again", f)
		}
	}
}
