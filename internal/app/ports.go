package app

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/web"
)

// mailbox meets respond's port for news of backout itself.
type mailbox struct {
	*store.Store
	channels map[backout.Audience][]string
}

func (m mailbox) Post(ctx context.Context, at time.Time, told []backout.News, messages []backout.Message) error {
	return m.PostNews(ctx, at, told, messages, m.channels)
}

// recorder meets ingest's port.
type recorder struct{ *store.Store }

func (r recorder) Record(ctx context.Context, obs []backout.Observation) error {
	if err := readable(obs); err != nil {
		return err
	}
	if _, err := r.Observe(ctx, obs); err != nil {
		return err
	}
	return done(ctx, r.Store, obs)
}

// snapshots keeps the detector's state as a document.
type snapshots struct {
	*store.Store
	has func(duty string) bool // whether this replica is the one to save it
}

const detectorDocument = "detector"

func (s snapshots) Save(ctx context.Context, at time.Time, state []byte) error {
	if !s.has(dutyWatch) {
		return nil
	}
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

func (r reading) Graph() backout.Graph { return r.a.facts.graph() }

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
	st := a.watch.State()
	out := web.Status{
		Unknown: []string{}, Mode: string(a.catalog.Policy.Autonomy), Degraded: a.Health(ctx).Degraded, Services: len(a.facts.graph().Services),
		Series: st.Series, Ready: st.String(), StartedAt: a.started, Minute: backout.Duration(a.cfg.Minute),
	}
	if changes, err := r.Changes(ctx); err == nil {
		out.Changes, out.Unknown = len(changes), render.Unknown(r.Graph(), changes, a.alerts.all())
		for _, c := range changes {
			if at := c.Exposure.Start(); at.After(out.LastFact) {
				out.LastFact = at
			}
		}
	} else if _, frozen := backout.Freezes(out.Degraded); !frozen { // the same trouble is said once
		out.Degraded = append(out.Degraded, backout.Degraded(backout.DegradedDatabase, "", time.Now().UTC(), err.Error()))
	}
	a.mu.Lock()
	out.MeasuredAt = a.measured
	a.mu.Unlock()
	out.Undelivered, _ = a.undelivered(ctx, time.Now().UTC())
	if w, err := a.facts.World(ctx, time.Now().UTC(), false); err == nil {
		out.Holds = w.Holds
		out.Breakers, out.Locks, err = a.controls(ctx, w)
		if err != nil {
			out.Degraded = append(out.Degraded, backout.Degraded(backout.DegradedDatabase, "deploy locks", time.Now().UTC(), err.Error()))
		}
	}
	return out
}
