package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Transition is one change of an incident, with who did it, what to write into
// the audit log, and whom to tell what.
type Transition struct {
	// Incident is the new content. Its Row is the version that was read; the
	// stored one gets the next number.
	Incident backout.Incident
	At       time.Time
	By       string
	What     string
	Messages []backout.Message
	// Channels says by which channels each audience is told; an audience that has
	// none is not told. Nil tells everybody by the one named console.
	Channels map[backout.Audience][]string
	// Lease, when its Name is set, must still be held in the same epoch: a
	// replica that was frozen meanwhile writes nothing.
	Lease Lease
}

// Open stores a new incident, or gives the one that is open under the same key.
// opened says which. Audit entry and messages are written only when it opened.
func (s *Store) Open(ctx context.Context, t Transition) (in backout.Incident, opened bool, err error) {
	in = t.Incident
	in.Row, in.Format = 1, Format
	err = s.within(ctx, func(tx *sql.Tx) error {
		if err := s.begin(ctx, tx, t); err != nil {
			return err
		}
		body, err := encode(in)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO incident (id, key, version, environment, state, is_open, opened_at, wake, body)
			VALUES ($1, $2, 1, $3, $4, 1, $5, $6, $7) ON CONFLICT DO NOTHING`,
			in.ID, in.Key, in.Environment, in.State, micros(in.OpenedAt), micros(in.Wake), body)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			opened = err == nil
			return errors.Join(err, record(ctx, tx, t))
		}
		// Into a fresh value: decoding into the caller's would write through its slices.
		var there backout.Incident
		err = tx.QueryRowContext(ctx, "SELECT body FROM incident WHERE key = $1 AND is_open = 1", in.Key).Scan(&column{&there})
		in = there
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = conflict("an incident %s exists already under another key", in.ID)
	}
	return in, opened, explain(fmt.Sprintf("open incident %s", t.Incident.ID), err)
}

// column scans a JSON column into a noun.
type column struct{ into any }

func (b *column) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return json.Unmarshal([]byte(v), b.into)
	case []byte:
		return json.Unmarshal(v, b.into)
	}
	return fmt.Errorf("decode %T: expected text, got %T", b.into, src)
}

// Transition saves an incident's new content, its audit entry and its messages
// together, if the stored row still is the version that Incident.Row names;
// otherwise nothing is saved and the error is a conflict: read again, decide
// again. It gives the incident back as stored.
func (s *Store) Transition(ctx context.Context, t Transition) (backout.Incident, error) {
	in := t.Incident
	in.Row, in.Format = in.Row+1, Format
	err := s.within(ctx, func(tx *sql.Tx) error {
		if err := s.begin(ctx, tx, t); err != nil {
			return err
		}
		body, err := encode(in)
		if err != nil {
			return err
		}
		open := 0
		if !in.State.Terminal() {
			open = 1
		}
		res, err := tx.ExecContext(ctx, `UPDATE incident SET version = $1, state = $2, is_open = $3, wake = $4, body = $5
			WHERE id = $6 AND version = $7 AND ($3 = 0 OR NOT EXISTS (
				SELECT 1 FROM incident AS other WHERE other.key = incident.key AND other.is_open = 1 AND other.id <> incident.id))`, in.Row, in.State, open, micros(in.Wake), body, in.ID, t.Incident.Row)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, missed(ctx, tx, t.Incident))
		}
		return record(ctx, tx, t)
	})
	if err != nil {
		return t.Incident, explain(fmt.Sprintf("save incident %s as %s", in.ID, in.State), err)
	}
	return in, nil
}

// missed says why an update found no row.
func missed(ctx context.Context, tx *sql.Tx, in backout.Incident) error {
	var now int64
	err := tx.QueryRowContext(ctx, "SELECT version FROM incident WHERE id = $1", in.ID).Scan(&now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return notFound("there is no incident %s", in.ID)
	case err != nil:
		return err
	case now != in.Row:
		return conflict("incident %s moved on from version %d to %d", in.ID, in.Row, now)
	}
	// Closed, it can't come back while another one is open under its key.
	var other string
	if err := tx.QueryRowContext(ctx, "SELECT id FROM incident WHERE key = $1 AND is_open = 1 AND id <> $2", in.Key, in.ID).Scan(&other); err != nil {
		return err
	}
	return conflict("incident %s is open for the same trouble", other)
}

// begin checks a transition's lease and locks what it changes: the trouble that
// the incident is about, and its audit log.
func (s *Store) begin(ctx context.Context, tx *sql.Tx, t Transition) error {
	if err := s.fence(ctx, tx, t.Lease); err != nil {
		return err
	}
	if err := s.lock(ctx, tx, "trouble "+t.Incident.Key); err != nil {
		return err
	}
	return s.lock(ctx, tx, "audit "+string(t.Incident.ID))
}

// record writes a transition's audit entry and messages.
func record(ctx context.Context, tx *sql.Tx, t Transition) error {
	if err := appendAudit(ctx, tx, backout.AuditEntry{Incident: t.Incident.ID, At: t.At, By: t.By, What: t.What, Journal: sealed(t.Incident)}); err != nil {
		return err
	}
	return post(ctx, tx, t)
}

// Incident reads one incident.
func (s *Store) Incident(ctx context.Context, id backout.IncidentID) (backout.Incident, error) {
	var in backout.Incident
	err := s.db.QueryRowContext(ctx, "SELECT body FROM incident WHERE id = $1", id).Scan(&column{&in})
	if errors.Is(err, sql.ErrNoRows) {
		err = notFound("there is no incident %s", id)
	}
	if err == nil {
		err = checkFormat(fmt.Sprintf("incident %s", id), in.Format)
	}
	return in, explain(fmt.Sprintf("read incident %s", id), err)
}

// Query selects incidents. Its zero value selects all.
type Query struct {
	Open  bool   // only those that are not in a terminal state
	Key   string // only those under this key; "" = all
	Limit int    // 0 = 1000
}

// Incidents reads incidents, newest first.
func (s *Store) Incidents(ctx context.Context, q Query) ([]backout.Incident, error) {
	if q.Limit <= 0 {
		q.Limit = 1000
	}
	where, args := "WHERE 1 = 1 ", []any{q.Limit}
	if q.Open {
		where += "AND is_open = 1 "
	}
	if q.Key != "" {
		where, args = where+"AND key = $2 ", append(args, q.Key)
	}
	out, err := all[backout.Incident](ctx, s.db, "SELECT body FROM incident "+where+"ORDER BY opened_at DESC, id LIMIT $1", args...)
	for _, in := range out {
		err = errors.Join(err, checkFormat(fmt.Sprintf("incident %s", in.ID), in.Format))
	}
	return out, explain("read incidents", err)
}

// OpenIncidents lists the ids of the incidents that are open, newest first, without
// reading their bodies.
func (s *Store) OpenIncidents(ctx context.Context) ([]backout.IncidentID, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM incident WHERE is_open = 1 ORDER BY opened_at DESC, id")
	if err != nil {
		return nil, explain("list open incidents", err)
	}
	defer func() { _ = rows.Close() }() // its error comes with Err
	out := []backout.IncidentID{}
	for rows.Next() {
		var id backout.IncidentID
		if err := rows.Scan(&id); err != nil {
			return nil, explain("list open incidents", err)
		}
		out = append(out, id)
	}
	return out, explain("list open incidents", rows.Err())
}

// trouble is the time in which an incident says that something was wrong.
type trouble struct {
	version int64
	period  backout.Period
	none    bool // a false alarm
}

// Troubles lists the times since a moment in which something was wrong: those of
// incidents, but for false alarms, from their onset on. It is asked for with every
// world, so what an incident said is kept as long as its version is the same.
func (s *Store) Troubles(ctx context.Context, since time.Time) ([]backout.Period, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, version FROM incident WHERE opened_at >= $1 OR is_open = 1 ORDER BY opened_at, id", micros(since))
	if err != nil {
		return nil, explain("read times of incidents", err)
	}
	defer func() { _ = rows.Close() }() // its error comes with Err
	var ids []backout.IncidentID
	var versions []int64
	for rows.Next() {
		var id backout.IncidentID
		var version int64
		if err := rows.Scan(&id, &version); err != nil {
			return nil, explain("read times of incidents", err)
		}
		ids, versions = append(ids, id), append(versions, version)
	}
	if err := rows.Err(); err != nil {
		return nil, explain("read times of incidents", err)
	}
	out := []backout.Period{}
	for i, id := range ids {
		t, err := s.troubleOf(ctx, id, versions[i])
		if err != nil {
			return nil, explain("read times of incidents", err)
		}
		if !t.none {
			out = append(out, t.period)
		}
	}
	return out, nil
}

// troubleOf gives what an incident of at least this version said.
func (s *Store) troubleOf(ctx context.Context, id backout.IncidentID, version int64) (trouble, error) {
	s.troubles.Lock()
	t, known := s.troubles.of[id]
	s.troubles.Unlock()
	if known && t.version >= version {
		return t, nil
	}
	found, err := all[backout.Incident](ctx, s.db, "SELECT body FROM incident WHERE id = $1", id)
	if err != nil || len(found) == 0 {
		return trouble{none: true}, err
	}
	in := found[0]
	t = trouble{version: version, period: backout.Period{From: in.OpenedAt}, none: in.State == backout.StateFalseAlarm}
	if !in.Onset.IsZero() && in.Onset.Before(in.OpenedAt) {
		t.period.From = in.Onset
	}
	if in.State.Terminal() {
		t.period.To = in.UpdatedAt
	}
	s.troubles.Lock()
	defer s.troubles.Unlock()
	if s.troubles.of == nil || len(s.troubles.of) > 1000 {
		s.troubles.of = map[backout.IncidentID]trouble{}
	}
	s.troubles.of[id] = t
	return t, nil
}

// Audit reads an incident's audit log, oldest entry first.
func (s *Store) Audit(ctx context.Context, id backout.IncidentID) ([]backout.AuditEntry, error) {
	out, err := all[backout.AuditEntry](ctx, s.db, "SELECT body FROM audit WHERE incident = $1 ORDER BY seq", id)
	return out, explain(fmt.Sprintf("read audit log of %s", id), err)
}

// Note adds an audit entry without touching the incident, for what is worth
// recording and decides nothing.
func (s *Store) Note(ctx context.Context, id backout.IncidentID, at time.Time, by, what string) error {
	err := s.within(ctx, func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx, "audit "+string(id)); err != nil {
			return err
		}
		return appendAudit(ctx, tx, backout.AuditEntry{Incident: id, At: at, By: by, What: what})
	})
	return explain(fmt.Sprintf("note in audit log of %s", id), err)
}
