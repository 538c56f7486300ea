// Package cdevents tells programs in the words of CDEvents (cdevents.dev, 0.6),
// sent as CloudEvents over HTTP in binary mode.
//
// One message becomes no, one or several events:
//
//	detected                     incident.detected
//	attributed                   incident.reported (its ticket is the incident's page)
//	waiting                      approval.created
//	approved or aborted by a
//	person                       approval.closed
//	recovered                    service.rolledback for each component that is
//	                             verified back, then incident.resolved
//	self_recovered, false_alarm  incident.resolved
//	every other state            the custom event dev.cdeventsx.backout-incident.STATE
//
// What was requested is never reported as done. Events about the page of an
// incident need a base URL; without one the custom event stands in. An event's id
// derives from its message's, so a repetition has the same id and chainId is the
// incident, by which a receiver joins them.
package cdevents

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// Config is what the channel needs; URL is required.
type Config struct {
	URL    string
	Source string // context.source; "" = Link, or /backout
	Link   string // base URL of the incidents' pages; "" = none
}

// Events is a notifier that sends events.
type Events struct {
	cfg    Config
	client *http.Client
}

// New checks the configuration.
func New(c Config) (*Events, error) {
	if c.URL == "" {
		return nil, errors.New("make cdevents channel: url: expected an address")
	}
	if c.Source == "" {
		c.Source = c.Link
	}
	if c.Source == "" {
		c.Source = "/backout"
	}
	return &Events{c, notify.Client()}, nil
}

// Notify sends a message's events in order. When one fails the message failed; all
// are sent again then, with the ids that they had.
func (e *Events) Notify(ctx context.Context, m backout.Message) error {
	for _, ev := range events(e.cfg, m) {
		if err := e.send(ctx, ev); err != nil {
			return fmt.Errorf("send %s: %w", ev.Context.Type, err)
		}
	}
	return nil
}

func (e *Events) send(ctx context.Context, ev Event) error {
	ce := cloudevents.New()
	ce.SetID(ev.Context.ID)
	ce.SetSource(ev.Context.Source)
	ce.SetType(ev.Context.Type)
	ce.SetSubject(ev.Subject.ID)
	ce.SetTime(ev.Context.Timestamp)
	if err := ce.SetData(cloudevents.ApplicationJSON, ev); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	req, err := cehttp.NewHTTPRequestFromEvent(ctx, e.cfg.URL, ce)
	if err != nil {
		return fmt.Errorf("write event: %w: %w", notify.WithoutURL(err), notify.ErrRefused)
	}
	res, err := e.client.Do(req)
	if err != nil {
		return notify.WithoutURL(err)
	}
	defer res.Body.Close()
	if err := notify.Answer(res, time.Now()); err != nil {
		return fmt.Errorf("receiver %w", err)
	}
	return nil
}

// Event is a CDEvent.
type Event struct {
	Context Context        `json:"context"`
	Subject Subject        `json:"subject"`
	Custom  map[string]any `json:"customData,omitempty"`
	// ContentType is of Custom.
	ContentType string `json:"customDataContentType,omitempty"`
}

// Context is who says it, when, and what kind of event it is.
type Context struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Timestamp   time.Time `json:"timestamp"`
	ChainID     string    `json:"chainId"`
}

// Subject is whom it is about.
type Subject struct {
	ID      string         `json:"id"`
	Source  string         `json:"source,omitempty"`
	Content map[string]any `json:"content"`
}

const specVersion = "0.6.0-draft"

// events writes a message as events.
func events(c Config, m backout.Message) []Event {
	page := notify.Link(c.Link, m)
	switch {
	case m.State == backout.StateDetected:
		return list(c, m, incident(m, "detected.0.3.0", nil))
	case m.State == backout.StateAttributed && page != "":
		return list(c, m, incident(m, "reported.0.3.0", map[string]any{"ticketURI": page}))
	case m.State == backout.StateWaiting && page != "":
		return list(c, m, approval(m, page, "created.0.1.0", map[string]any{"requestor": "urn:backout:service:backout"}))
	case m.State == backout.StateApproved && page != "" && m.Facts.Approval != nil:
		return list(c, m, answered(m, page))
	case m.State == backout.StateAborted && page != "" && m.Facts.Approval != nil && !m.Facts.Approval.Yes:
		return list(c, m, answered(m, page), ours(m))
	case m.State == backout.StateRecovered:
		return list(c, m, append(rolledBack(m), incident(m, "resolved.0.3.0", nil))...)
	case m.State == backout.StateSelfRecovered, m.State == backout.StateFalseAlarm:
		return list(c, m, incident(m, "resolved.0.3.0", nil))
	}
	return list(c, m, ours(m))
}

// list fills in what all events of a message share.
func list(c Config, m backout.Message, all ...Event) []Event {
	for i := range all {
		e := &all[i]
		e.Context.SpecVersion, e.Context.Source, e.Context.Timestamp, e.Context.ChainID = specVersion, c.Source, m.At.UTC(), string(m.Incident)
		e.Context.ID = fmt.Sprintf("%s-%d", m.ID(), i+1)
		e.Subject.Source = c.Source
		if e.Custom == nil {
			e.Custom = map[string]any{}
		}
		e.Custom["incident"], e.Custom["state"], e.Custom["message"] = m.Incident, m.State, m.ID()
		e.ContentType = cloudevents.ApplicationJSON
	}
	return all
}

func environment(m backout.Message) map[string]any {
	id := string(m.Facts.Environment)
	if id == "" {
		id = "unknown"
	}
	return map[string]any{"id": id}
}

func incident(m backout.Message, kind string, more map[string]any) Event {
	content := map[string]any{"description": m.Text, "environment": environment(m)}
	if len(m.Facts.Services) > 0 {
		content["service"] = map[string]any{"id": m.Facts.Services[0]}
	}
	for k, v := range more {
		content[k] = v
	}
	return Event{Context: Context{Type: "dev.cdevents.incident." + kind}, Subject: Subject{ID: string(m.Incident), Content: content}}
}

// rolledBack says which components are back. CDEvents knows services and
// artifacts; what kind of component it was, and how much of it, is custom data.
func rolledBack(m backout.Message) []Event {
	out := []Event{}
	for _, b := range m.Facts.TakenBack {
		id := string(b.Service)
		if id == "" {
			id = string(b.Component)
		}
		out = append(out, Event{
			Context: Context{Type: "dev.cdevents.service.rolledback.0.3.0"},
			Subject: Subject{ID: id, Content: map[string]any{"environment": environment(m), "artifactId": artifact(b)}},
			Custom:  map[string]any{"component": b.Component, "kind": b.Kind, "from": b.From, "to": b.To, "share_ratio": b.Share},
		})
	}
	return out
}

// artifact names what runs now, as a package URL of the generic type.
func artifact(b backout.TakenBack) string {
	name := string(b.Component)
	if i := strings.IndexByte(name, '@'); i > 0 {
		name = name[:i]
	}
	escape := strings.NewReplacer("%", "%25", " ", "%20", "@", "%40", ":", "%3A", "/", "%2F", "?", "%3F", "#", "%23")
	return "pkg:generic/" + escape.Replace(name) + "@" + escape.Replace(string(b.To))
}

// approval is about one plan: its digest is the subject.
func approval(m backout.Message, page, kind string, more map[string]any) Event {
	content := map[string]any{"approvalDetailsUrl": page, "resourceTargetUrl": page}
	for k, v := range more {
		content[k] = v
	}
	return Event{
		Context: Context{Type: "dev.cdevents.approval." + kind},
		Subject: Subject{ID: string(m.Incident) + "/" + m.Facts.Digest, Content: content},
		Custom:  map[string]any{"digest": m.Facts.Digest, "deadline": m.Facts.Deadline},
	}
}

func answered(m backout.Message, page string) Event {
	word := "rejected"
	if m.Facts.Approval.Yes {
		word = "approved"
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r) {
			return r
		}
		return '-'
	}, m.Facts.Approval.By.Name)
	e := approval(m, page, "closed.0.1.0", map[string]any{"responder": "urn:backout:user:" + name, "decision": word, "status": word})
	e.Subject.ID = string(m.Incident) + "/" + m.Facts.Approval.Digest
	e.Custom = map[string]any{"digest": m.Facts.Approval.Digest, "reason": m.Facts.Approval.Reason}
	return e
}

// ours is the custom event for states that CDEvents has no word for.
func ours(m backout.Message) Event {
	predicate := strings.ReplaceAll(string(m.State), "_", "")
	if predicate == "" {
		predicate = "tested"
	}
	kind := "incident." + predicate
	if m.OfItself() {
		kind = "service.told"
	}
	return Event{
		Context: Context{Type: "dev.cdeventsx.backout-" + kind + ".0.1.0"},
		Subject: Subject{ID: string(m.Incident), Content: map[string]any{"description": m.Text, "environment": environment(m), "terminal": m.Terminal}},
		Custom:  map[string]any{"facts": m.Facts},
	}
}
