package catalog

import (
	"errors"
	"net/http"
	"time"

	"github.com/backout-dev/backout"
)

// Watchdog says who hears that backout is alive, and pages when it does not.
type Watchdog struct {
	Every     backout.Duration   `json:"every"` // between two heartbeats; left out = a minute
	Receivers []WatchdogReceiver `json:"receivers"`
}

// WatchdogReceiver is one who hears heartbeats.
type WatchdogReceiver struct {
	Name    string       `json:"name"`
	Kind    WatchdogKind `json:"kind"`
	URL     string       `json:"url,omitempty"`
	URLFrom Reference    `json:"url_from,omitzero"`
	Method  string       `json:"method,omitempty"` // of a webhook: GET or POST
}

// WatchdogKind says which adapter a receiver of heartbeats is.
type WatchdogKind string

// The kinds of receivers of heartbeats.
const (
	WatchdogWebhook      WatchdogKind = "webhook"
	WatchdogAlertmanager WatchdogKind = "alertmanager"
)

// The pace of heartbeats.
const (
	defaultHeartbeat = time.Minute
	leastHeartbeat   = time.Second
	mostHeartbeat    = time.Hour
)

func readWatchdog(c cursor) *Watchdog {
	w := &Watchdog{Every: backout.Duration(defaultHeartbeat), Receivers: []WatchdogReceiver{}}
	names := map[string]bool{}
	c.fields(map[string]func(cursor){
		"every": func(x cursor) {
			span(&w.Every)(x)
			if w.Every.Std() < leastHeartbeat || w.Every.Std() > mostHeartbeat {
				x.wrong("found %s: expected from %s to %s", w.Every, leastHeartbeat, mostHeartbeat)
			}
		},
		"receivers": func(l cursor) {
			l.list(func(x cursor) {
				r := readReceiver(x)
				if names[r.Name] {
					x.wrong("name %q stands twice: expected a name of its own", r.Name)
				}
				names[r.Name] = true
				w.Receivers = append(w.Receivers, r)
			})
		},
	})
	if len(w.Receivers) == 0 {
		c.wrong("receivers: expected at least one: who pages when backout is silent")
	}
	return w
}

func readReceiver(x cursor) WatchdogReceiver {
	r := WatchdogReceiver{}
	x.fields(map[string]func(cursor){
		"name": text(&r.Name), "kind": oneOf(&r.Kind, WatchdogWebhook, WatchdogAlertmanager), "url": address(&r.URL), "urlFrom": reference(&r.URLFrom),
		"method": oneOf(&r.Method, http.MethodGet, http.MethodPost),
	})
	if r.Name == "" {
		x.wrong("name: expected a value")
	}
	if r.Kind == "" {
		if !x.has(x.file, x.field+".kind") {
			x.wrong("kind: expected one of webhook, alertmanager")
		}
		return r
	}
	if err := r.fits(); err != nil {
		x.wrong("%v", err)
	}
	return r
}

func (r WatchdogReceiver) fits() error {
	switch {
	case (r.URL != "") == (r.URLFrom != Reference{}):
		return errors.New("url, urlFrom: expected one of them")
	case r.Kind != WatchdogWebhook && r.Method != "":
		return errors.New("method: expected only with kind webhook")
	}
	return nil
}
