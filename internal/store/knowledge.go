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

// Document is one value under one name: a detector's snapshot, a baseline. What
// is in it, and what Format counts, is its writer's affair.
type Document struct {
	Name   string
	Format int
	At     time.Time
	Body   []byte
}

const saveDocument = `INSERT INTO document (name, format, at, body) VALUES ($1, $2, $3, $4)
	ON CONFLICT (name) DO UPDATE SET format = excluded.format, at = excluded.at, body = excluded.body`

// SaveDocument stores a document in place of the one with the same name.
func (s *Store) SaveDocument(ctx context.Context, d Document) error {
	_, err := s.db.ExecContext(ctx, saveDocument, d.Name, d.Format, micros(d.At), d.Body)
	return explain(fmt.Sprintf("save document %s", d.Name), err)
}

// Document reads a document; one that was never saved is not found.
func (s *Store) Document(ctx context.Context, name string) (Document, error) {
	d := Document{Name: name}
	var at int64
	err := s.db.QueryRowContext(ctx, "SELECT format, at, body FROM document WHERE name = $1", name).Scan(&d.Format, &at, &d.Body)
	if errors.Is(err, sql.ErrNoRows) {
		err = notFound("there is no document %s", name)
	}
	d.At = time.UnixMicro(at).UTC()
	return d, explain(fmt.Sprintf("read document %s", name), err)
}

// priorsDocument is the name the priors are stored under.
const priorsDocument = "priors"

// SavePriors stores what was learnt.
func (s *Store) SavePriors(ctx context.Context, p backout.Priors) error {
	p.Format = Format
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("save priors: %w", err)
	}
	return s.SaveDocument(ctx, Document{Name: priorsDocument, Format: Format, At: p.At, Body: b})
}

// Priors reads what was learnt; before anything was, the zero value.
func (s *Store) Priors(ctx context.Context) (backout.Priors, error) {
	var p backout.Priors
	d, err := s.Document(ctx, priorsDocument)
	if backout.CodeOf(err) == backout.CodeNotFound {
		return p, nil
	}
	if err == nil {
		err = checkFormat("what was learnt", d.Format)
	}
	if err == nil {
		err = json.Unmarshal(d.Body, &p)
	}
	return p, explain("read priors", err)
}

// SaveReview stores an incident's review in place of an earlier one.
func (s *Store) SaveReview(ctx context.Context, r backout.Review) error {
	body, err := encode(r)
	if err == nil {
		_, err = s.db.ExecContext(ctx, `INSERT INTO review (incident, at, body) VALUES ($1, $2, $3)
			ON CONFLICT (incident) DO UPDATE SET at = excluded.at, body = excluded.body`, r.Incident, micros(r.At), body)
	}
	return explain(fmt.Sprintf("save review of %s", r.Incident), err)
}

// Review reads one incident's review.
func (s *Store) Review(ctx context.Context, id backout.IncidentID) (backout.Review, error) {
	var r backout.Review
	err := s.db.QueryRowContext(ctx, "SELECT body FROM review WHERE incident = $1", id).Scan(&column{&r})
	if errors.Is(err, sql.ErrNoRows) {
		err = notFound("incident %s has no review", id)
	}
	return r, explain(fmt.Sprintf("read review of %s", id), err)
}

// Reviews reads the reviews since a time, oldest first.
func (s *Store) Reviews(ctx context.Context, since time.Time) ([]backout.Review, error) {
	out, err := all[backout.Review](ctx, s.db, "SELECT body FROM review WHERE at >= $1 ORDER BY at, incident", micros(since))
	return out, explain("read reviews", err)
}
