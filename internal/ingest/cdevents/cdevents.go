// Package cdevents receives CDEvents (cdevents.dev), which delivery tools send as
// CloudEvents over HTTP, one at a time (structured or binary mode) or in batches:
//
//	POST /v1/cdevents
//	Authorization: Bearer TOKEN
//	Content-Type: application/cloudevents+json, application/cloudevents-batch+json,
//	              or application/json with ce- headers
//
// # What is taken
//
//	dev.cdevents.service.deployed, upgraded    a change to the artifact's version
//	dev.cdevents.service.rolledback            a change to the older version
//	dev.cdevents.service.removed               a change to the version "removed"
//	dev.cdevents.incident.detected, reported   an alert that fires
//	dev.cdevents.incident.resolved             the same alert, over
//	dev.cdeventsx.backout-flag.changed         a flag serves another variant
//	dev.cdeventsx.backout-schema.migrated      a database has another schema
//
// Other CDEvents are counted as ignored, for whoever sends, sends all of them; so
// are our own when a broker brings them back. The
// standard has no events for flags and migrations, so the last two are custom
// events of our own; the folder schema holds their JSON schemas. Their content:
//
//	flag.changed     environment, to; from, share_ratio, audience, actor, title
//	schema.migrated  environment, to; from, digest, actor, title
//
// The subject's id is the service, the flag's key or the database's name. The
// environment's id is "environment/location". Where it is the environment alone,
// the location is the one in which the catalog knows the component. The artifact
// is a purl: its version is the tag where it has one, and a digest pins it.
//
// What the standard can't say may stand under "backout" in customData: version,
// from, location, share_ratio, audience, actor, title, attempt (which marks an effect
// of our own, and is believed).
//
// # Identity
//
// context.source and context.id together name an event; sent again it is the same
// observation. The same release told by others as well folds into one change,
// because version or digest are the same (see [backout.Fold]). An incident is named
// by its subject.
//
// Either all events of a request are taken or none. Events are checked here field
// by field rather than with the published JSON schemas, so that a sender is told
// everything at once and in words; the tests hold both against each other.
package cdevents

import (
	"context"
	"fmt"
	"net/http"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

// Path is where the handler expects to be mounted.
const Path = "/v1/cdevents"

// Source is the source of these observations and alerts.
const Source = "cdevents"

// Removed is the version of a component that was removed.
const Removed backout.Version = "removed"

// Config says where facts go; Recorder, Alerts and Door are required.
type Config struct {
	Recorder ingest.Recorder
	Alerts   ingest.Alerts
	Door     *ingest.Door
	// Components that the catalog knows; they tell the location of an event that
	// names the environment alone.
	Components []backout.Component
	// Location of components that neither the event nor the catalog places;
	// global when empty.
	Location backout.Location
}

type accepted struct {
	Accepted int `json:"accepted"`
	Ignored  int `json:"ignored"` // events that are neither changes nor incidents
	Clamped  int `json:"clamped"` // events whose time was ahead of ours
}

// New makes a handler. It fails with code invalid when a part is missing.
func New(c Config) (http.Handler, error) {
	if c.Recorder == nil || c.Alerts == nil || c.Door == nil {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: "make cdevents webhook: expected a recorder, a receiver of alerts and a door"}
	}
	if c.Location == "" {
		c.Location = "global"
	}
	media := []string{mediaOne, mediaBatch, "application/json"}
	return c.Door.Handler(media, func(ctx context.Context, d ingest.Delivery) (any, error) {
		facts, wrong := read(d, places{c.Components, c.Location})
		if len(wrong) > 0 {
			return nil, wrong
		}
		if len(facts.observations) > 0 {
			if err := c.Recorder.Record(ctx, facts.observations); err != nil {
				return nil, fmt.Errorf("record %d changes: %w", len(facts.observations), err)
			}
		}
		if len(facts.alerts) > 0 {
			if err := c.Alerts.Alert(ctx, facts.alerts); err != nil {
				return nil, fmt.Errorf("take %d incidents: %w", len(facts.alerts), err)
			}
		}
		return accepted{len(facts.observations) + len(facts.alerts), facts.ignored, facts.clamped}, nil
	}), nil
}
