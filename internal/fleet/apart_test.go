package fleet_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/internal/fleet"
	"github.com/backout-dev/backout/internal/store"
)

// jam is a database in which the lease of a dead replica is locked, as by one whose
// connection went silent in the middle of a transaction. Every answer takes a while.
type jam struct{ renewed int }

func (j *jam) Acquire(ctx context.Context, name, holder string, _ time.Time, _ time.Duration) (store.Lease, bool, error) {
	if strings.HasSuffix(name, "/dead") {
		<-ctx.Done()
		return store.Lease{}, false, ctx.Err()
	}
	time.Sleep(10 * time.Millisecond)
	return store.Lease{Name: name, Holder: holder}, true, nil
}

func (j *jam) Renew(_ context.Context, l store.Lease, _ time.Time, _ time.Duration) (store.Lease, error) {
	time.Sleep(10 * time.Millisecond)
	j.renewed++
	return l, nil
}

func (j *jam) Yield(context.Context, store.Lease) error          { return nil }
func (j *jam) Fence(context.Context, *sql.Tx, store.Lease) error { return nil }

func (j *jam) Executor() string                               { return "living" }
func (j *jam) Executors(context.Context) ([]string, error)    { return []string{"dead"}, nil }
func (j *jam) Adopt(_ context.Context, _ string) (int, error) { return 0, nil }

// Whoever waits in a dead one's locks to take over from it is alive, and keeps its
// duties.
func TestRun_waitingToTakeOverIsNoDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &jam{}
		r, err := fleet.Join(t.Context(), fleet.Config{Leases: j, Flows: j, Duties: []string{"walk"}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(59 * time.Second)
		if err := r.Held(); err != nil || !r.Has("walk") {
			t.Errorf("held %v, has its duty %t", err, r.Has("walk"))
		}
		if err := <-ended; err != nil || j.renewed < 50 {
			t.Errorf("ended with %v after %d signs of life", err, j.renewed)
		}
	})
}
