package notifytest

import (
	"errors"
	"testing"

	"github.com/backout-dev/backout"
)

func TestFake_conforms(t *testing.T) {
	f := &Fake{}
	Conform(t, Subject{Notifier: f, Receiver: f, Exact: true})
}

func TestFailing_failsOnDemand(t *testing.T) {
	f, no := &Fake{}, errors.New("no")
	w := Failing{f, func(m backout.Message) error {
		if m.Terminal {
			return no
		}
		return nil
	}}
	if err := w.Notify(t.Context(), Message("i", "a", backout.StateHalted)); !errors.Is(err, no) {
		t.Errorf("%v, want no", err)
	}
	if err := w.Notify(t.Context(), Message("i", "b", backout.StateDetected)); err != nil || len(f.Received()) != 1 {
		t.Errorf("%v, received %v", err, f.Received())
	}
}
