package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// TakeLock takes a component's deploy lock for whoever deploys, if it is free, has run
// out or is the same owner's, who gets another token. An attempt's lock is nobody
// else's. taken says whether it worked; if not, the lock given back, without its token,
// is the one that is held.
func (s *Store) TakeLock(ctx context.Context, l backout.DeployLock) (held backout.DeployLock, taken bool, err error) {
	body, err := encode(l)
	if err != nil {
		return l, false, err
	}
	err = s.within(ctx, func(tx *sql.Tx) error {
		// The row itself is the lock: whoever comes at the same time waits here.
		res, err := tx.ExecContext(ctx, `INSERT INTO deploy_lock (component, owner, token, attempt, to_version, taken_at, expires_at, body)
			VALUES ($1, $2, $3, '', $4, $5, $6, $7)
			ON CONFLICT (component) DO UPDATE SET owner = excluded.owner, token = excluded.token, attempt = '', to_version = excluded.to_version,
				taken_at = excluded.taken_at, expires_at = excluded.expires_at, body = excluded.body
			WHERE deploy_lock.expires_at <= excluded.taken_at OR (deploy_lock.attempt = '' AND deploy_lock.owner = excluded.owner)`,
			l.Component, l.Owner, l.Token, l.To, micros(l.At), micros(l.Until), body)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if held, taken = l, n == 1; err != nil || taken {
			return err
		}
		held, err = readLock(ctx, tx, l.Component)
		held.Token = ""
		return err
	})
	return held, taken && err == nil, explain(fmt.Sprintf("lock %s", l.Component), err)
}

// RenewLock keeps a lock until a later time. One that an attempt has taken over, or
// somebody else took after it ran out, is a conflict that says who has it; one that was
// released is not found.
func (s *Store) RenewLock(ctx context.Context, id backout.ComponentID, token string, until time.Time) (l backout.DeployLock, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE deploy_lock SET expires_at = $1 WHERE component = $2 AND token = $3 AND attempt = ''", micros(until), id, token)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		l, err = readLock(ctx, tx, id)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return notFound("nobody holds a deploy lock of %s: it was released, by its owner or when the deployment was seen done", id)
		case err != nil || n == 1:
			return err
		case l.Attempt != "":
			return conflict("the deploy lock of %s was taken over by %s at %s: backout takes something back there. Stop this deployment, and deploy again once that has ended", id, l.Attempt, l.At.UTC().Format(time.RFC3339))
		}
		return conflict("the deploy lock of %s is held by %s until %s, not by this token", id, l.Owner, l.Until.UTC().Format(time.RFC3339))
	})
	return l, explain(fmt.Sprintf("renew deploy lock of %s", id), err)
}

// EndLock gives a lock back. One that is lost or gone already is no error.
func (s *Store) EndLock(ctx context.Context, id backout.ComponentID, token string) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM deploy_lock WHERE component = $1 AND token = $2 AND attempt = ''", id, token)
	return explain(fmt.Sprintf("release deploy lock of %s", id), err)
}

// Deployed ends the lock of whoever was deploying a version that was seen live
// everywhere at a time.
func (s *Store) Deployed(ctx context.Context, id backout.ComponentID, to backout.Version, at time.Time) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM deploy_lock WHERE component = $1 AND to_version = $2 AND attempt = '' AND taken_at <= $3",
		id, to, micros(at.Add(clockSkew)))
	return explain(fmt.Sprintf("release deploy lock of %s", id), err)
}

// clockSkew is how far a source's clock may be behind ours.
const clockSkew = time.Minute

// TakeOver takes the locks of components for an attempt, whoever has them, says who lost
// theirs and notes it in the incident's audit log. Taking over once more changes nothing
// but the time they run out.
func (s *Store) TakeOver(ctx context.Context, at backout.AttemptID, components []backout.ComponentID, now, until time.Time) (lost []backout.DeployLock, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		lost = nil
		for _, id := range components {
			old, err := readLock(ctx, tx, id)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			l := backout.DeployLock{Component: id, Owner: "backout", Attempt: at, At: now, Until: until}
			switch {
			case old.Attempt == at:
				l.At, l.TakenFrom = old.At, old.TakenFrom
			case old.Holds(now) && old.Attempt == "":
				l.TakenFrom = old.Owner
				incident, _, _ := strings.Cut(string(at), "/")
				what := fmt.Sprintf("%s took over the deploy lock of %s on %s", at, old.Owner, id)
				if err := s.note(ctx, tx, backout.IncidentID(incident), now, "backout", what); err != nil {
					return err
				}
			}
			if l.TakenFrom != "" {
				lost = append(lost, l)
			}
			body, err := encode(l)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO deploy_lock (component, owner, token, attempt, to_version, taken_at, expires_at, body)
				VALUES ($1, $2, '', $3, '', $4, $5, $6)
				ON CONFLICT (component) DO UPDATE SET owner = excluded.owner, token = '', attempt = excluded.attempt, to_version = '',
					taken_at = excluded.taken_at, expires_at = excluded.expires_at, body = excluded.body`,
				id, l.Owner, at, micros(l.At), micros(until), body); err != nil {
				return err
			}
		}
		return nil
	})
	return lost, explain(fmt.Sprintf("take over deploy locks for %s", at), err)
}

// KeepLocks lets an attempt's locks run out later.
func (s *Store) KeepLocks(ctx context.Context, at backout.AttemptID, until time.Time) error {
	_, err := s.db.ExecContext(ctx, "UPDATE deploy_lock SET expires_at = $1 WHERE attempt = $2", micros(until), at)
	return explain(fmt.Sprintf("keep deploy locks of %s", at), err)
}

// FreeLocks ends an attempt's locks. The rows stay, so that who lost one is told to
// whom, until somebody else takes it.
func (s *Store) FreeLocks(ctx context.Context, at backout.AttemptID) error {
	_, err := s.db.ExecContext(ctx, "UPDATE deploy_lock SET expires_at = 0 WHERE attempt = $1", at)
	return explain(fmt.Sprintf("free deploy locks of %s", at), err)
}

// Locks reads the deploy locks that are held at a time, without their tokens.
func (s *Store) Locks(ctx context.Context, now time.Time) ([]backout.DeployLock, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT body, expires_at FROM deploy_lock WHERE expires_at > $1 ORDER BY component", micros(now))
	if err != nil {
		return nil, explain("read deploy locks", err)
	}
	defer rows.Close()
	out := []backout.DeployLock{}
	for rows.Next() {
		l, err := scanLock(rows)
		if err != nil {
			return nil, explain("read deploy locks", err)
		}
		l.Token = ""
		out = append(out, l)
	}
	return out, explain("read deploy locks", rows.Err())
}

func readLock(ctx context.Context, tx *sql.Tx, id backout.ComponentID) (backout.DeployLock, error) {
	return scanLock(tx.QueryRowContext(ctx, "SELECT body, expires_at FROM deploy_lock WHERE component = $1", id))
}

// scanLock reads a lock; when it runs out is the column's to say.
func scanLock(row interface{ Scan(...any) error }) (l backout.DeployLock, err error) {
	var body string
	var until int64
	if err := row.Scan(&body, &until); err != nil {
		return l, err
	}
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		return l, fmt.Errorf("decode deploy lock: %w", err)
	}
	l.Until = time.Time{}
	if until > 0 {
		l.Until = time.UnixMicro(until).UTC()
	}
	return l, nil
}
