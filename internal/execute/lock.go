package execute

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// lockPatch names the place at which runs began to lock what they move. Runs that an
// older program had begun go on without.
const lockPatch = "run locks"

// lock takes every component that the attempt moves, all of them or none, and waits
// while another attempt has one. It says whether the run was aborted meanwhile. The
// locks are given back in the transaction that ends the run, and by nothing else: a
// process that dies keeps them for the one that carries on.
func (x *Executor) lock(ctx context.Context, at backout.Attempt) (aborted bool) {
	pause := x.patience()
	said := ""
	for ctx.Err() == nil {
		aborted, woken := x.cleared(ctx, at.ID)
		if aborted {
			return true
		}
		why, err := x.tryLock(ctx, at)
		if err == nil && why == "" {
			return false
		}
		if err == nil && why != said {
			said = why
			x.config.Log.Warn("a run "+why, "attempt", at.ID)
			_, err = x.db.ExecContext(ctx, "UPDATE run SET why = $1 WHERE attempt = $2", why, at.ID)
		}
		if err != nil && ctx.Err() == nil {
			x.config.Log.Error("can't lock what a run moves", "attempt", at.ID, "err", err)
		}
		pause.rest(ctx, woken, x.config.MaxTick)
	}
	return false
}

// tryLock says what it has to wait for; "" when the locks are this attempt's. Everybody takes them in one order, so that no two wait for each other, and keeps none
// unless all are free.
func (x *Executor) tryLock(ctx context.Context, at backout.Attempt) (why string, err error) {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback() }()
	for _, c := range slices.Sorted(slices.Values(at.Plan.Touched())) {
		if _, err := tx.ExecContext(ctx, "INSERT INTO run_lock (component, attempt) VALUES ($1, $2) ON CONFLICT DO NOTHING", c, at.ID); err != nil {
			return "", err
		}
		var holder backout.AttemptID
		err := tx.QueryRowContext(ctx, "SELECT attempt FROM run_lock WHERE component = $1", c).Scan(&holder)
		if errors.Is(err, sql.ErrNoRows) { // given back between the two
			return fmt.Sprintf("waits until the attempt that moves %s has ended, which it just does", c), nil
		}
		if err != nil {
			return "", err
		}
		if holder != at.ID {
			return fmt.Sprintf("waits until attempt %s has ended, which moves %s", holder, c), nil
		}
	}
	return "", tx.Commit()
}
