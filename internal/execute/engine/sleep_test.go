package engine

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

// TestSleep_fakeTime sleeps for many minutes of fake time. The database is opened and
// closed inside the bubble, as synctest demands.
func TestSleep_fakeTime(t *testing.T) {
	path := onFile(t)
	synctest.Test(t, func(t *testing.T) {
		var first, second time.Time
		e := open(t, path, map[string]FlowFunc{
			"nap": func(f *Flow, in json.RawMessage) json.RawMessage {
				first = f.Now()
				if !f.Patch("sleeps longer") {
					t.Error("a new flow takes the old way")
				}
				f.Sleep(20 * time.Minute)
				second = f.Now()
				return nil
			},
		})
		if err := e.Start("nap", "n", nil); err != nil {
			t.Fatal(err)
		}
		if s, err := e.Wait(t.Context(), "n"); err != nil || s != StateEnded {
			t.Fatalf("%s %v", s, err)
		}
		if d := second.Sub(first); d < 20*time.Minute || d > 20*time.Minute+time.Minute {
			t.Errorf("slept %s", d)
		}
	})
}
