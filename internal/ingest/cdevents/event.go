package cdevents

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/backout-dev/backout"
)

// parsed is a CDEvent of a kind that is taken, with its place.
type parsed struct {
	kind        string
	source, id  string // of the event
	at          time.Time
	subject     string // id of the service, flag, database or incident
	owner       string // source of the subject, or of the event
	environment backout.Environment
	location    backout.Location
	service     string // of an incident
	url         string
	artifact    artifact
	more        more
}

// more is what is said beside the standard's own fields, in customData or in the
// content of our custom events.
type more struct {
	version, from, digest string
	location, audience    string
	actor, title, attempt string
	security              string // vulnerability that it closes
	share                 float64
}

// parse reads the CDEvent in an envelope. It says what is wrong, and then gives
// nothing that may be used.
func parse(ev event.Event, kind string, where places, p *problems) parsed {
	e := parsed{kind: kind, more: more{share: 1}}
	if media := ev.DataMediaType(); media != "" && media != event.ApplicationJSON {
		p.say("datacontenttype", "%q: expected application/json", media)
		return e
	}
	whole := open("", ev.Data(), p)
	if whole.fields == nil {
		return e
	}
	e.readContext(whole, ev)
	e.readCustom(whole)
	if subject := whole.object("subject", true); subject != nil {
		e.subject = subject.text("id", true)
		e.owner = cmp.Or(subject.uri("source", false, false), e.source)
		subject.take("type") // until 0.4 of the standard it stood here
		if content := subject.object("content", true); content != nil {
			e.readContent(content)
			content.rest()
		}
		subject.rest()
	}
	whole.rest()
	if len(p.list) == 0 {
		e.place(where, p)
	}
	return e
}

// readContext reads the event's context, which must say what the envelope says.
func (e *parsed) readContext(whole *object, ev event.Event) {
	c := whole.object("context", true)
	if c == nil {
		return
	}
	c.take("version") // until 0.4 of the standard specversion had this name
	c.text("specversion", c.fields["version"] == nil)
	e.id, e.source = c.text("id", true), c.uri("source", true, false)
	kind := c.text("type", true)
	for _, same := range []struct{ name, inner, outer string }{{"id", e.id, ev.ID()}, {"source", e.source, ev.Source()}, {"type", kind, ev.Type()}} {
		if same.inner != "" && same.inner != same.outer {
			c.p.say(c.at(same.name), "%q, and the CloudEvent around it says %q: expected the same", same.inner, same.outer)
		}
	}
	e.at = c.moment("timestamp")
	c.uri("schemaUri", false, true)
	c.text("chainId", false)
	c.take("links") // who caused whom is not read
	c.rest()
}

// readCustom reads what stands under backout in customData; the rest of it belongs
// to others.
func (e *parsed) readCustom(whole *object) {
	whole.anyText("customDataContentType")
	raw := whole.take("customData")
	if _, encoded := textOf(raw); raw == nil || encoded {
		return
	}
	custom := open("customData", raw, whole.p)
	b := custom.object("backout", false)
	if b == nil {
		return
	}
	e.more = more{
		version: b.text("version", false), from: b.text("from", false), location: b.text("location", false), audience: b.text("audience", false),
		actor: b.text("actor", false), title: b.text("title", false), attempt: b.text("attempt", false), share: b.share("share_ratio"), security: b.text("security", false),
	}
	b.rest()
}

// readContent reads what each kind of event says of its subject.
func (e *parsed) readContent(c *object) {
	if env := c.object("environment", true); env != nil {
		e.environment = backout.Environment(env.text("id", true))
		env.uri("source", false, false)
		env.rest()
	}
	switch e.kind {
	case "service.deployed", "service.upgraded", "service.rolledback":
		e.artifact = artifactOf(c.text("artifactId", true))
	case "incident.detected", "incident.reported", "incident.resolved":
		e.more.title = cmp.Or(c.anyText("description"), e.more.title)
		c.text("artifactId", false)
		if s := c.object("service", false); s != nil {
			e.service = s.text("id", true)
			s.uri("source", false, false)
			s.rest()
		}
		if e.kind == "incident.reported" {
			e.url = c.uri("ticketURI", true, true)
		}
	case "backout-flag.changed":
		e.more.share, e.more.audience = c.share("share_ratio"), c.text("audience", false)
		e.readVersions(c)
	case "backout-schema.migrated":
		e.more.digest = c.text("digest", false)
		e.readVersions(c)
	}
}

func (e *parsed) readVersions(c *object) {
	e.more.version, e.more.from = c.text("to", true), c.text("from", false)
	e.more.security = cmp.Or(c.text("security", false), e.more.security)
	e.more.actor, e.more.title = cmp.Or(c.text("actor", false), e.more.actor), cmp.Or(c.text("title", false), e.more.title)
}

// places says where components are that an event does not place.
type places struct {
	components []backout.Component
	otherwise  backout.Location
}

// place finds environment and location.
func (e *parsed) place(where places, p *problems) {
	env, loc, both := strings.Cut(string(e.environment), "/")
	e.environment, e.location = backout.Environment(env), backout.Location(loc)
	if env == "" || both && loc == "" {
		p.say("subject.content.environment.id", "%q: expected environment/location", env+"/"+loc)
		return
	}
	if strings.Contains(e.subject, "@") {
		p.say("subject.id", "%q: expected a name without @", e.subject)
	}
	switch {
	case e.more.location != "":
		e.location = backout.Location(e.more.location)
	case !both && e.componentKind() != "":
		e.location = where.locate(e.componentKind(), e.subject, e.environment, p)
	}
}

func (w places) locate(kind backout.ComponentKind, name string, env backout.Environment, p *problems) backout.Location {
	var found []string
	for _, c := range w.components {
		if c.Kind == kind && c.Name == name && c.Environment == env {
			found = append(found, string(c.Location))
		}
	}
	switch len(found) {
	case 0:
		return w.otherwise
	case 1:
		return backout.Location(found[0])
	}
	slices.Sort(found)
	p.say("subject.content.environment.id", "%s %s is in %s: expected %s/ and one of them", kind, name, strings.Join(found, ", "), env)
	return ""
}

func (e parsed) componentKind() backout.ComponentKind {
	switch subject, _, _ := strings.Cut(e.kind, "."); subject {
	case "service":
		return backout.KindDeployment
	case "backout-flag":
		return backout.KindFlag
	case "backout-schema":
		return backout.KindSchema
	}
	return ""
}

// nativeID names an event among all events.
func (e parsed) nativeID() string { return e.source + "#" + e.id }

func (e parsed) observation() backout.Observation {
	o := backout.Observation{
		Source: Source, NativeID: e.nativeID(), At: e.at, Component: backout.NewComponentID(e.componentKind(), e.subject, e.environment, e.location),
		From: backout.Version(e.more.from), To: backout.Version(cmp.Or(e.more.version, e.artifact.version)), Digest: cmp.Or(e.artifact.digest, e.more.digest),
		Share: e.more.share, Audience: e.more.audience, Actor: e.more.actor, Title: e.more.title, Attempt: backout.AttemptID(e.more.attempt), Security: e.more.security,
	}
	switch e.kind {
	case "service.removed":
		o.To, o.Title = Removed, cmp.Or(o.Title, "removed")
	case "service.rolledback":
		o.Title = cmp.Or(o.Title, "rolled back to "+string(o.To))
	}
	return o
}

func (e parsed) alert() backout.Alert {
	a := backout.Alert{
		Source: Source, NativeID: e.owner + "#" + e.subject, Name: "incident " + e.subject, Environment: e.environment,
		Subject: backout.Subject{Service: backout.ServiceID(e.service), Location: e.location}, State: backout.AlertFiring, StartsAt: e.at,
		Labels: map[string]string{}, Title: e.more.title, URL: e.url,
	}
	if e.kind == "incident.resolved" {
		a.State, a.StartsAt, a.EndsAt = backout.AlertResolved, time.Time{}, e.at
	}
	return a
}

// field says where in the event a field of the observation or alert came from.
func (e parsed) field(name string) string {
	custom := strings.HasPrefix(e.kind, "backout-")
	switch name {
	case "at", "starts_at", "ends_at":
		return "context.timestamp"
	case "native_id", "name":
		return "subject.id"
	case "component", "environment", "location":
		return "subject.content.environment.id"
	case "service":
		return "subject.content.service.id"
	case "url":
		return "subject.content.ticketURI"
	case "to", "digest":
		if !custom {
			return "subject.content.artifactId"
		}
	}
	if custom {
		return "subject.content." + name
	}
	return fmt.Sprintf("customData.backout.%s", name)
}
