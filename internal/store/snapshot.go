package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// snapshotsKept is how many states of a component are kept, the newest first.
const snapshotsKept = 5

func snapshotsOf(id backout.ComponentID) string { return "snapshot/" + string(id) }

// Keep keeps a snapshot. One of the same version takes the place of the one before it:
// what it runs with may have changed since.
func (s *Store) Keep(ctx context.Context, snap backout.Snapshot) error {
	err := s.within(ctx, func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx, "snapshots"); err != nil {
			return err
		}
		var raw []byte
		all := []backout.Snapshot{}
		err := tx.QueryRowContext(ctx, "SELECT body FROM document WHERE name = $1", snapshotsOf(snap.Component)).Scan(&raw)
		if err == nil {
			err = json.Unmarshal(raw, &all)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		all = slices.DeleteFunc(all, func(o backout.Snapshot) bool { return o.Version == snap.Version })
		all = append([]backout.Snapshot{snap}, all...)
		body, err := json.Marshal(all[:min(len(all), snapshotsKept)])
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, saveDocument, snapshotsOf(snap.Component), Format, micros(time.Now()), body)
		return err
	})
	return explain(fmt.Sprintf("keep a snapshot of %s", snap.Component), err)
}

// Snapshots reads the verified states of a component, newest first; none when none was
// kept.
func (s *Store) Snapshots(ctx context.Context, id backout.ComponentID) ([]backout.Snapshot, error) {
	all := []backout.Snapshot{}
	d, err := s.Document(ctx, snapshotsOf(id))
	if backout.CodeOf(err) == backout.CodeNotFound {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(d.Body, &all)
	}
	return all, explain(fmt.Sprintf("read snapshots of %s", id), err)
}
