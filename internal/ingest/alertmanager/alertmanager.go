// Package alertmanager receives the webhook of Prometheus' Alertmanager (version
// 4, which Grafana sends as well):
//
//	POST /v1/alerts/alertmanager
//	Authorization: Bearer TOKEN
//
//	receivers:
//	  - name: backout
//	    webhook_configs:
//	      - url: http://127.0.0.1:8470/v1/alerts/alertmanager
//	        send_resolved: true
//	        http_config: {authorization: {credentials_file: /path/to/token}}
//
// An alert says whom it is about in its labels; [Labels] names the labels. One
// whose service and journey nobody knows is taken all the same and shown, for it
// is a fact, though it opens nothing.
//
// An alert is named by its fingerprint. Alertmanager repeats itself, after hours or
// because our answer was lost, and may tell the end before the beginning: the
// newest news by the alert's own times counts.
//
// Alertmanager can't mend its message and does not repeat one that was refused. So
// what is right in it is taken, and the alerts that are wrong are named in the
// answer and in our log; a message in which nothing is right is refused.
//
// Fields that are not read here may be there or not: the format grows with each
// version, and Grafana's is larger.
package alertmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

// Path is where the handler expects to be mounted.
const Path = "/v1/alerts/alertmanager"

// Source is the source of these alerts.
const Source = "alertmanager"

// Config says where alerts go; Alerts and Door are required.
type Config struct {
	Alerts ingest.Alerts
	Door   *ingest.Door
	Labels Labels
	Log    *slog.Logger // hears of alerts that were wrong; nil discards it
}

// Labels says which labels tell whom an alert is about: of each list the first
// label that an alert has. A list that is nil has its default.
type Labels struct {
	Service     []string // service, app, job
	Journey     []string // journey
	Location    []string // location, region
	Client      []string // client
	Environment []string // environment, env
	Severity    []string // severity
}

// NewLabels reads a mapping such as {"service":"app"}, one label a part. A part
// that is not known is invalid.
func NewLabels(parts map[string]string) (Labels, error) {
	var l Labels
	into := map[string]*[]string{
		"service": &l.Service, "journey": &l.Journey, "location": &l.Location, "client": &l.Client, "environment": &l.Environment, "severity": &l.Severity,
	}
	for part, label := range parts {
		list, ok := into[part]
		if !ok || label == "" {
			return l, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("label of alerts %q=%q: expected one of %s and a label",
				part, label, strings.Join(slices.Sorted(maps.Keys(into)), ", "))}
		}
		*list = []string{label}
	}
	return l, nil
}

func (l Labels) withDefaults() Labels {
	for list, names := range map[*[]string][]string{
		&l.Service: {"service", "app", "job"}, &l.Journey: {"journey"}, &l.Location: {"location", "region"},
		&l.Client: {"client"}, &l.Environment: {"environment", "env"}, &l.Severity: {"severity"},
	} {
		if *list == nil {
			*list = names
		}
	}
	return l
}

// message is what of Alertmanager's message is read.
type message struct {
	Version         string  `json:"version"`
	Alerts          []alert `json:"alerts"`
	TruncatedAlerts uint64  `json:"truncatedAlerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

type accepted struct {
	Accepted int `json:"accepted"`
	// Truncated counts the alerts that Alertmanager left out of its message, for
	// max_alerts is set.
	Truncated uint64              `json:"truncated,omitempty"`
	Errors    []ingest.FieldError `json:"errors,omitempty"` // of the alerts that were not taken
}

// New makes a handler. It fails with code invalid when a part is missing.
func New(c Config) (http.Handler, error) {
	if c.Alerts == nil || c.Door == nil {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: "make alertmanager webhook: expected a receiver of alerts and a door"}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	labels := c.Labels.withDefaults()
	return c.Door.Handler([]string{"application/json"}, func(ctx context.Context, d ingest.Delivery) (any, error) {
		m, list, wrong := read(d.Body, d.At, labels)
		if len(list) == 0 {
			return nil, wrong
		}
		if len(wrong) > 0 {
			c.Log.WarnContext(ctx, "alerts that were not taken", "error", wrong)
		}
		if err := c.Alerts.Alert(ctx, list); err != nil {
			return nil, fmt.Errorf("take %d alerts: %w", len(list), err)
		}
		return accepted{len(list), m.TruncatedAlerts, wrong}, nil
	}), nil
}

// fields gives the fields of an alert the names they have at Alertmanager.
var fields = map[string]string{
	"native_id": "fingerprint", "name": "labels.alertname", "state": "status", "starts_at": "startsAt", "ends_at": "endsAt", "url": "generatorURL",
}

// read takes a message apart into the alerts that are right and everything that is
// wrong; it gives no alert when the message as a whole is wrong.
func read(body []byte, now time.Time, labels Labels) (m message, list []backout.Alert, wrong ingest.Mistakes) {
	if err := json.Unmarshal(body, &m); err != nil {
		return m, nil, ingest.Mistakes{{Field: "", Message: "expected an Alertmanager message: " + err.Error()}}
	}
	say := func(field, format string, args ...any) {
		wrong = append(wrong, ingest.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	if m.Version != "4" {
		say("version", "%q: expected 4", m.Version)
	}
	if n := len(m.Alerts); n == 0 || n > ingest.MaxAlerts {
		say("alerts", "%d alerts: expected 1 to %d; max_alerts of the webhook bounds them", n, ingest.MaxAlerts)
	}
	if len(wrong) > 0 {
		return m, nil, wrong
	}
	for i, a := range m.Alerts {
		out := labels.alert(a)
		problems := ingest.CheckAlert(out, now)
		for _, p := range problems {
			name, ok := fields[p.Field]
			if !ok {
				name = p.Field
			}
			say(fmt.Sprintf("alerts[%d].%s", i, name), "%s", p.Message)
		}
		if len(problems) == 0 {
			list = append(list, ingest.ClampAlert(out, now))
		}
	}
	return m, list, wrong
}

// alert reads from the labels whom an alert is about.
func (l Labels) alert(a alert) backout.Alert {
	first := func(names []string) string {
		for _, n := range names {
			if v := strings.TrimSpace(a.Labels[n]); v != "" {
				return v
			}
		}
		return ""
	}
	title := a.Annotations["summary"]
	for _, k := range []string{"title", "description", "message"} {
		if title == "" {
			title = a.Annotations[k]
		}
	}
	return backout.Alert{
		Source: Source, NativeID: a.Fingerprint, Name: a.Labels["alertname"], Environment: backout.Environment(first(l.Environment)),
		Subject: backout.Subject{
			Service: backout.ServiceID(first(l.Service)), Journey: backout.JourneyID(first(l.Journey)),
			Location: backout.Location(first(l.Location)), Client: first(l.Client),
		},
		Severity: first(l.Severity), State: backout.AlertState(a.Status), StartsAt: a.StartsAt, EndsAt: a.EndsAt,
		Labels: a.Labels, Title: title, URL: a.GeneratorURL,
	}
}
