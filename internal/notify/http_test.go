package notify_test

import (
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

func TestLink_isOfTheIncidentOrTheOverview(t *testing.T) {
	self := backout.Message{Incident: backout.Self("production"), Facts: backout.Facts{Environment: "production"}}
	for want, got := range map[string]string{
		"":                                    notify.Link("", self),
		"https://backout.example/":            notify.Link("https://backout.example/", self),
		"https://backout.example/incidents/1": notify.Link("https://backout.example", backout.Message{Incident: "1", Facts: self.Facts}),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
