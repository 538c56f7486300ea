package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Place puts a person's hold in place, with its audit entry.
func (s *Store) Place(ctx context.Context, h backout.Hold, by string) error {
	body, err := encode(h)
	if err != nil {
		return err
	}
	err = s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO hold (component, owner, expires_at, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (component, owner) DO UPDATE SET expires_at = excluded.expires_at, body = excluded.body`,
			h.Component, h.Owner, micros(h.Until), body); err != nil {
			return err
		}
		return s.note(ctx, tx, backout.ControlsLog, h.At, by, fmt.Sprintf("holds %s until %s: %s", h.Component, h.Until.UTC().Format(time.RFC3339), h.Reason))
	})
	return explain(fmt.Sprintf("hold %s", h.Component), err)
}

// Lift ends the holds of a component, those of one owner or with owner "" all, and
// gives them back. Each is noted in the audit log of controls and, where an incident
// had made it, in the incident's. None is none, and no error.
func (s *Store) Lift(ctx context.Context, id backout.ComponentID, owner, by, reason string, at time.Time) (ended []backout.Hold, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		all, err := holdsOf(ctx, tx, id)
		if err != nil {
			return err
		}
		ended = slices.DeleteFunc(all, func(h backout.Hold) bool { return owner != "" && h.Owner != owner })
		for _, h := range ended {
			if _, err := tx.ExecContext(ctx, "DELETE FROM hold WHERE component = $1 AND owner = $2", id, h.Owner); err != nil {
				return err
			}
			what := fmt.Sprintf("ended the hold of %s by %s: %s", id, h.Owner, reason)
			if err := s.note(ctx, tx, backout.ControlsLog, at, by, what); err != nil {
				return err
			}
			if h.Incident != "" {
				if err := s.note(ctx, tx, h.Incident, at, by, what); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return ended, explain(fmt.Sprintf("end hold of %s", id), err)
}

// note adds an audit entry inside a transaction that has not locked the chain yet.
func (s *Store) note(ctx context.Context, tx *sql.Tx, id backout.IncidentID, at time.Time, by, what string) error {
	if err := s.lock(ctx, tx, "audit "+string(id)); err != nil {
		return err
	}
	return appendAudit(ctx, tx, backout.AuditEntry{Incident: id, At: at, By: by, What: what})
}

func holdsOf(ctx context.Context, tx *sql.Tx, id backout.ComponentID) ([]backout.Hold, error) {
	rows, err := tx.QueryContext(ctx, "SELECT body FROM hold WHERE component = $1 ORDER BY owner", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []backout.Hold{}
	for rows.Next() {
		var h backout.Hold
		if err := rows.Scan(&column{&h}); err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// Stop reads how the kill switch stands; before anybody turned it, off.
func (s *Store) Stop(ctx context.Context) (backout.Stop, error) {
	var out backout.Stop
	d, err := s.Document(ctx, stopDocument)
	if backout.CodeOf(err) == backout.CodeNotFound {
		return out, nil
	}
	if err == nil {
		err = checkFormat("the kill switch", d.Format)
	}
	if err == nil {
		err = json.Unmarshal(d.Body, &out)
	}
	return out, explain("read the kill switch", err)
}

const stopDocument = "stop"

// Turn turns the kill switch, with its audit entry. What every replica does next reads
// it afresh.
func (s *Store) Turn(ctx context.Context, to backout.Stop) error {
	body, err := encode(to)
	if err != nil {
		return err
	}
	what := "turned the kill switch off: " + to.Reason
	if to.On {
		what = "turned the kill switch on: " + to.Reason
	}
	err = s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, saveDocument, stopDocument, Format, micros(to.At), []byte(body)); err != nil {
			return err
		}
		return s.note(ctx, tx, backout.ControlsLog, to.At, to.By, what)
	})
	return explain("turn the kill switch", err)
}

// Spent lists the attempts since a time that were started without a person's yes,
// oldest first.
func (s *Store) Spent(ctx context.Context, since time.Time) ([]backout.Spent, error) {
	type attempted struct {
		Attempts []backout.Attempt `json:"attempts"`
	}
	// An incident of the day before may have tried something within this one.
	found, err := all[attempted](ctx, s.db, "SELECT body FROM incident WHERE opened_at >= $1 OR is_open = 1 ORDER BY opened_at, id", micros(since.Add(-24*time.Hour)))
	out := []backout.Spent{}
	for _, in := range found {
		for _, a := range in.Attempts {
			if a.ByItself() && a.StartedAt.After(since) {
				out = append(out, backout.Spent{Attempt: a.ID, At: a.StartedAt, Steps: len(a.Plan.Steps())})
			}
		}
	}
	return out, explain("read what was done without a person", err)
}
