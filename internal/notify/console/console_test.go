package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify/notifytest"
)

// screen reads back the lines that were written.
type screen struct{ bytes.Buffer }

func (s *screen) Received() []notifytest.Receipt {
	out := []notifytest.Receipt{}
	for line := range strings.Lines(s.String()) {
		out = append(out, notifytest.Receipt{Text: line})
	}
	return out
}

func (s *screen) Break(notifytest.Fault) {}

func TestConsole_conforms(t *testing.T) {
	s := &screen{}
	notifytest.Conform(t, notifytest.Subject{Notifier: New(s), Receiver: s, Repeats: true, Faultless: true, Exact: true})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no terminal") }

func TestConsole_aStreamThatRefusesHasNotAcknowledged(t *testing.T) {
	if err := New(broken{}).Notify(t.Context(), notifytest.Message("i", "k", backout.StateDetected)); err == nil {
		t.Error("acknowledged by a broken stream")
	}
}
