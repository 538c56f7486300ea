package cdevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	cloudhttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

const (
	mediaOne   = event.ApplicationCloudEventsJSON
	mediaBatch = event.ApplicationCloudEventsBatchJSON
)

// facts are what one request says.
type facts struct {
	observations     []backout.Observation
	alerts           []backout.Alert
	ignored, clamped int
}

// read takes a request apart; wrong is everything that is wrong with it.
func read(d ingest.Delivery, where places) (out facts, wrong ingest.Mistakes) {
	events, batch, err := unwrap(d)
	if err != nil {
		return out, ingest.Mistakes{{Field: "", Message: "expected a CloudEvent: " + strings.Join(strings.Fields(err.Error()), " ")}}
	}
	if n := len(events); n == 0 || n > ingest.MaxReport {
		return out, ingest.Mistakes{{Field: "", Message: fmt.Sprintf("%d events: expected 1 to %d", n, ingest.MaxReport)}}
	}
	for i, ev := range events {
		at := ""
		if batch {
			at = fmt.Sprintf("[%d].", i)
		}
		p := &problems{}
		out.take(ev, d.At, where, p)
		for _, f := range p.list {
			wrong = append(wrong, ingest.FieldError{Field: strings.TrimSuffix(at+f.Field, "."), Message: f.Message})
		}
	}
	return out, wrong
}

// unwrap reads the envelopes.
func unwrap(d ingest.Delivery) (list []event.Event, batch bool, err error) {
	r := &http.Request{Header: d.Header, Body: io.NopCloser(bytes.NewReader(d.Body))}
	if media, _, _ := mime.ParseMediaType(d.Header.Get("Content-Type")); media == mediaBatch {
		list, err = cloudhttp.NewEventsFromHTTPRequest(r)
		return list, true, err
	}
	one, err := cloudhttp.NewEventFromHTTPRequest(r)
	if err != nil {
		return nil, false, err
	}
	return []event.Event{*one}, false, nil
}

// take adds what one event says.
func (f *facts) take(ev event.Event, now time.Time, where places, p *problems) {
	if err := ev.Validate(); err != nil {
		var fields event.ValidationError
		errors.As(err, &fields)
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			p.say(name, "%v", fields[name])
		}
		return
	}
	kind, ours := kindOf(ev.Type())
	if !ours {
		p.say("type", "%q: expected a CDEvent, such as dev.cdevents.service.deployed.0.3.0", ev.Type())
		return
	}
	if !taken[kind] || echo(ev) {
		f.ignored++
		return
	}
	e := parse(ev, kind, where, p)
	if len(p.list) > 0 {
		return
	}
	if strings.HasPrefix(kind, "incident.") {
		f.alert(e, now, p)
		return
	}
	f.change(e, now, p)
}

// echo reports whether an event is one of our own, come back over a broker: what we
// said of an incident must not open another, nor what we took back be somebody's
// change. Ours are chained by their incident, which customData names as well.
func echo(ev event.Event) bool {
	var said struct {
		Context struct {
			ChainID string `json:"chainId"`
		} `json:"context"`
		Custom struct {
			Incident, State, Message string
		} `json:"customData"`
	}
	if err := json.Unmarshal(ev.Data(), &said); err != nil {
		return false // somebody else's custom data may be anything
	}
	c := said.Custom
	return c.Incident != "" && c.Incident == said.Context.ChainID && c.State != "" && c.Message != ""
}

// change adds an event's observation.
func (f *facts) change(e parsed, now time.Time, p *problems) {
	o := e.observation()
	for _, wrong := range ingest.Check(o, now) {
		p.say(e.field(wrong.Field), "%s", wrong.Message)
	}
	o, ahead := ingest.Clamp(o, now)
	if ahead {
		f.clamped++
	}
	f.observations = append(f.observations, o)
}

// alert adds an event's alert.
func (f *facts) alert(e parsed, now time.Time, p *problems) {
	a := e.alert()
	for _, wrong := range ingest.CheckAlert(a, now) {
		p.say(e.field(wrong.Field), "%s", wrong.Message)
	}
	if a.StartsAt.After(now) || a.EndsAt.After(now) {
		f.clamped++
	}
	f.alerts = append(f.alerts, ingest.ClampAlert(a, now))
}

// taken lists the kinds of event that say something here.
var taken = map[string]bool{
	"service.deployed": true, "service.upgraded": true, "service.rolledback": true, "service.removed": true,
	"incident.detected": true, "incident.reported": true, "incident.resolved": true,
	"backout-flag.changed": true, "backout-schema.migrated": true,
}

// kindOf takes subject and predicate out of a type such as
// dev.cdevents.service.deployed.0.3.0; ours says that it is a CDEvent.
func kindOf(name string) (kind string, ours bool) {
	for prefix, custom := range map[string]bool{"dev.cdevents.": false, "dev.cdeventsx.": true} {
		rest, ok := strings.CutPrefix(name, prefix)
		parts := strings.Split(rest, ".")
		if !ok || len(parts) < 5 || slices.Contains(parts, "") {
			continue
		}
		kind = parts[0] + "." + parts[1]
		if taken[kind] && strings.HasPrefix(kind, "backout-") != custom {
			return "", true // a custom event does not become a standard one by its name
		}
		return kind, true
	}
	return "", false
}
