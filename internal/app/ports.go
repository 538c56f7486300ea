package app

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/web"
)

// incidents meets respond's port with the store.
type incidents struct{ *store.Store }

func (s incidents) Open(ctx context.Context, inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) (backout.Incident, bool, error) {
	return s.Store.Open(ctx, transition(inc, entry, messages))
}

func (s incidents) Latest(ctx context.Context, key string) (backout.Incident, bool, error) {
	newest, err := s.Incidents(ctx, store.Query{Limit: 10})
	for _, in := range newest {
		if in.Key == key {
			return in, true, err
		}
	}
	return backout.Incident{}, false, err
}

func (s incidents) Transition(ctx context.Context, inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) (backout.Incident, error) {
	return s.Store.Transition(ctx, transition(inc, entry, messages))
}

func transition(inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) store.Transition {
	return store.Transition{Incident: inc, At: entry.At, By: entry.By, What: entry.What, Messages: messages}
}

// learner meets respond's port for what is kept beyond an incident.
type learner struct{ *store.Store }

func (l learner) SaveHold(ctx context.Context, h backout.Hold) error { return l.Hold(ctx, h) }

// recorder meets ingest's port.
type recorder struct{ *store.Store }

func (r recorder) Record(ctx context.Context, obs []backout.Observation) error {
	_, err := r.Observe(ctx, obs)
	return err
}

// snapshots keeps the detector's state as a document.
type snapshots struct{ *store.Store }

const detectorDocument = "detector"

func (s snapshots) Save(ctx context.Context, at time.Time, state []byte) error {
	return s.SaveDocument(ctx, store.Document{Name: detectorDocument, At: at, Body: state})
}

func (s snapshots) Load(ctx context.Context) ([]byte, time.Time, error) {
	d, err := s.Document(ctx, detectorDocument)
	if backout.CodeOf(err) == backout.CodeNotFound {
		return nil, time.Time{}, nil
	}
	return d.Body, d.At, err
}

// reading is what the pages and the API read.
type reading struct{ a *App }

func (r reading) Incidents(ctx context.Context, limit int) ([]backout.Incident, error) {
	return r.a.store.Incidents(ctx, store.Query{Limit: limit})
}

func (r reading) Incident(ctx context.Context, id backout.IncidentID) (backout.Incident, error) {
	return r.a.store.Incident(ctx, id)
}

func (r reading) Run(ctx context.Context, id backout.AttemptID) (backout.Run, error) {
	return r.a.executor.Run(ctx, id)
}

func (r reading) Graph() backout.Graph { return r.a.catalog.Graph }

func (r reading) Changes(ctx context.Context) ([]backout.Change, error) {
	w, err := r.a.facts.World(ctx, time.Now().UTC(), false)
	return w.Changes, err
}

func (r reading) Observations(ctx context.Context, since, until time.Time) ([]backout.Observation, error) {
	all, err := r.a.store.Observations(ctx, since)
	return slices.DeleteFunc(all, func(o backout.Observation) bool { return !o.At.Before(until) }), err
}

func (r reading) Status(ctx context.Context) web.Status {
	a := r.a
	a.mu.Lock()
	missing := append([]string{}, a.missing...)
	a.mu.Unlock()
	st := a.watch.State()
	out := web.Status{
		Mode: string(a.catalog.Policy.Autonomy), Degraded: append(missing, a.facts.blind()...), Services: len(a.catalog.Graph.Services),
		Series: st.Series, Ready: st.String(), StartedAt: a.started,
	}
	if changes, err := r.Changes(ctx); err == nil {
		out.Changes = len(changes)
		for _, c := range changes {
			if at := c.Exposure.Start(); at.After(out.LastFact) {
				out.LastFact = at
			}
		}
	} else {
		out.Degraded = append(out.Degraded, "changes: "+err.Error())
	}
	return out
}
