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

// How much is kept of a component, the newest first: so many versions, and of each so many
// configurations. Content that was changed in place may be found to be bad long after it
// was taken for good, and then what was there before must not be gone.
const (
	versionsKept = 5
	configsKept  = 3
)

func snapshotsOf(id backout.ComponentID) string { return "snapshot/" + string(id) }

// Keep keeps a snapshot. One of the same version with the same configuration takes the
// place of the one before it.
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
		all = slices.DeleteFunc(all, func(o backout.Snapshot) bool { return o.Version == snap.Version && sameConfigs(o, snap) })
		body, err := json.Marshal(lastOf(append([]backout.Snapshot{snap}, all...)))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, saveDocument, snapshotsOf(snap.Component), Format, micros(time.Now()), body)
		return err
	})
	return explain(fmt.Sprintf("keep a snapshot of %s", snap.Component), err)
}

func sameConfigs(a, b backout.Snapshot) bool {
	return slices.EqualFunc(a.Configs, b.Configs, func(x, y backout.SnapshotConfig) bool {
		return x.Kind == y.Kind && x.Name == y.Name && x.Hash == y.Hash
	})
}

// lastOf drops what is more than is kept.
func lastOf(all []backout.Snapshot) []backout.Snapshot {
	configs := map[backout.Version]int{}
	return slices.DeleteFunc(all, func(o backout.Snapshot) bool {
		if n, known := configs[o.Version]; n == configsKept || !known && len(configs) == versionsKept {
			return true
		}
		configs[o.Version]++
		return false
	})
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
