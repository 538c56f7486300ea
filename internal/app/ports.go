package app

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/web"
)

// incidents meets respond's port with the store. channels says by which channels
// each audience is told.
type incidents struct {
	*store.Store
	channels map[backout.Audience][]string
	ended    func()             // hears that an incident came to its end; nil = nobody listens
	place    func() store.Lease // of this replica in the fleet; nil = there is none
}

func (s incidents) Open(ctx context.Context, inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) (backout.Incident, bool, error) {
	return s.Store.Open(ctx, s.transition(inc, entry, messages))
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
	saved, err := s.Store.Transition(ctx, s.transition(inc, entry, messages))
	if err == nil && s.ended != nil && saved.State.Terminal() {
		s.ended()
	}
	return saved, err
}

func (s incidents) transition(inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) store.Transition {
	t := store.Transition{Incident: inc, At: entry.At, By: entry.By, What: entry.What, Messages: messages, Channels: s.channels}
	if s.place != nil {
		t.Lease = s.place()
	}
	return t
}

// mailbox meets respond's port for news of backout itself.
type mailbox struct {
	*store.Store
	channels map[backout.Audience][]string
}

func (m mailbox) Post(ctx context.Context, at time.Time, told []backout.News, messages []backout.Message) error {
	return m.PostNews(ctx, at, told, messages, m.channels)
}

// learner meets respond's port for what is kept beyond an incident.
type learner struct{ *store.Store }

func (l learner) SaveHold(ctx context.Context, h backout.Hold) error { return l.Hold(ctx, h) }

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

// queue meets notify's port with the store.
type queue struct{ *store.Store }

// most is how many messages one look at the outbox takes.
const most = 1000

func (q queue) Due(ctx context.Context, now time.Time) ([]notify.Due, error) {
	due, err := q.Store.Due(ctx, now, most)
	out := make([]notify.Due, 0, len(due))
	for _, d := range due {
		out = append(out, notify.Due{Message: d.Message, Channel: d.Channel, Tries: d.Tries})
	}
	return out, err
}

func (q queue) Delivered(ctx context.Context, d notify.Due, at time.Time, note string) error {
	return q.Store.Delivered(ctx, d.Message, d.Channel, at, note)
}

func (q queue) Failed(ctx context.Context, d notify.Due, next time.Time, why string) error {
	return q.Store.Failed(ctx, d.Message, d.Channel, next, why)
}

func (q queue) GiveUp(ctx context.Context, d notify.Due, at time.Time, why string) error {
	return q.Store.GiveUp(ctx, d.Message, d.Channel, at, why)
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
	st := a.watch.State()
	out := web.Status{
		Unknown: []string{}, Mode: string(a.catalog.Policy.Autonomy), Degraded: a.Health(ctx).Degraded, Services: len(a.catalog.Graph.Services),
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
