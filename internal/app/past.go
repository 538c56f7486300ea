package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/store"
)

// Import keeps past incidents that somebody else wrote down. The next answer
// compares with them.
func (a *App) Import(ctx context.Context, all []backout.Precedent) (backout.Kept, error) {
	return a.store.SavePrecedents(ctx, all)
}

// ImportInto does the same in a data folder that no backout runs on; the folder is made
// if it is not there.
func ImportInto(ctx context.Context, data string, all []backout.Precedent) (backout.Kept, error) {
	db, err := engine.Open(ctx, filepath.Join(data, "backout.db"))
	if errors.Is(err, engine.ErrInUse) {
		return backout.Kept{}, fmt.Errorf("import into --data %s: a backout runs on it, so give --server instead: %w", data, err)
	}
	if err != nil {
		return backout.Kept{}, err
	}
	defer func() { _ = db.Close() }() // what was saved is saved
	s, err := store.New(ctx, db.DB)
	if err != nil {
		return backout.Kept{}, err
	}
	return s.SavePrecedents(ctx, all)
}
