// Package fleet makes processes on one database replicas of each other: each is
// known to be alive, what a dead one was carrying out is taken over, and one that
// was only thought dead does nothing more.
//
// # The model in one page
//
// Everything rests on [store.Lease]. A [Replica] is one boot of one process under
// a name that is never used again; its place in the fleet is the lease
// "replica/<name>", which it renews several times within its time to live (TTL).
//
// Whoever owns flows and holds no such lease is dead. A survivor that sees this
// takes the dead one's lease itself, so that only one survivor does, and so that
// the dead one's epoch has passed: nothing it writes under its lease is accepted
// any more. Then the engine puts the flows up for the living ([Flows].Adopt). A
// survivor that dies in between leaves a lease that runs out, and the next one
// begins again.
//
// A replica that could not renew for half its TTL does not know whether it is
// thought dead. It cancels what it is doing ([Config].Lost), and [Replica.Run]
// ends with [ErrLost]; the program is then started anew, under a new name.
// The other half of the TTL is the time it has for this before another one acts.
// A process that was frozen and goes on finds the same: [Replica.Held] goes by the
// clock of the machine, asks nobody, and is asked right before each effect.
//
// Times of leases are the database's, so clocks of replicas may differ. Only the
// length of a second must be about the same on all of them.
//
// Duties are leases, too: what one replica should do for all (walking incidents,
// draining the outbox, pruning) is done by who holds the duty. That spares work
// and is no lock: each duty's writes are safe when two do it for a moment.
package fleet

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
)

// DefaultTTL is how long a replica that gives no sign is thought alive.
const DefaultTTL = 6 * time.Second

// ErrLost says that this process must not act any more and has to start anew.
var ErrLost = errors.New("this replica could not show in time that it is alive: others take over its work, and it has to be started anew")

// Leases is the part of [store.Store] that a replica needs.
type Leases interface {
	Acquire(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (store.Lease, bool, error)
	Renew(ctx context.Context, l store.Lease, now time.Time, ttl time.Duration) (store.Lease, error)
	Yield(ctx context.Context, l store.Lease) error
	Fence(ctx context.Context, tx *sql.Tx, l store.Lease) error
}

// Flows is the part of the engine that a replica needs.
type Flows interface {
	// Executor is the name of this process, new at each boot.
	Executor() string
	// Executors names the others that own flows which have not ended.
	Executors(ctx context.Context) ([]string, error)
	// Adopt has the flows of a dead executor resumed and says how many.
	Adopt(ctx context.Context, executor string) (int, error)
}

// Config is what a replica needs. Leases and Flows are required.
type Config struct {
	Leases Leases
	Flows  Flows
	// Duties are what one replica should do for all.
	Duties []string
	// TTL is how long a replica that gives no sign is thought alive; 0 = DefaultTTL.
	TTL time.Duration
	// Lost is called once, as soon as this replica may be thought dead: it cancels
	// what is under way. nil = nothing to cancel.
	Lost func()
	// Took is called after flows of a dead replica were put up for the living. nil =
	// nobody listens.
	Took func(dead string, flows int)
	Log  *slog.Logger // nil = silent
}

// Replica is one boot of one process of a fleet. It is safe for concurrent use.
type Replica struct {
	config Config
	name   string

	mu     sync.Mutex
	lease  store.Lease            // guarded by mu
	sign   time.Time              // guarded by mu: just before the last renewal that succeeded; by the machine's steady clock
	duties map[string]store.Lease // guarded by mu: those held
	lost   error                  // guarded by mu: why it must not act any more

	losing sync.Once // of lose
}

// place is the lease of an executor's place in the fleet.
func place(executor string) string { return "replica/" + executor }

// Join takes a place in the fleet. It must happen before the engine is launched.
func Join(ctx context.Context, c Config) (*Replica, error) {
	if c.Leases == nil || c.Flows == nil {
		return nil, errors.New("join fleet: leases and flows are required")
	}
	c.TTL = cmp.Or(c.TTL, DefaultTTL)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	r := &Replica{config: c, name: c.Flows.Executor(), duties: map[string]store.Lease{}}
	sign := time.Now()
	l, held, err := c.Leases.Acquire(ctx, place(r.name), r.name, time.Time{}, c.TTL)
	if err == nil && !held {
		err = fmt.Errorf("%s holds the place of %s already", l.Holder, r.name)
	}
	if err != nil {
		return nil, fmt.Errorf("join fleet: %w", err)
	}
	r.lease, r.sign = l, sign
	return r, nil
}

// Name is this replica's name.
func (r *Replica) Name() string { return r.name }

// TTL is how long a replica that gives no sign is thought alive.
func (r *Replica) TTL() time.Duration { return r.config.TTL }

// Lease is its place in the fleet, for what it writes to carry.
func (r *Replica) Lease() store.Lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lease
}

// Held fails when this replica may be thought dead. It asks nobody, so that it can
// be the last thing before an effect.
func (r *Replica) Held() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == nil && time.Since(r.sign) > r.config.TTL/2 {
		return fmt.Errorf("%w (no sign for %s)", ErrLost, time.Since(r.sign).Round(time.Millisecond))
	}
	return r.lost
}

// Check fails when this replica is known to be thought dead; if not, nobody takes
// over from it before tx ends.
func (r *Replica) Check(ctx context.Context, tx *sql.Tx) error {
	return r.config.Leases.Fence(ctx, tx, r.Lease())
}

// Has says whether a duty is this replica's now.
func (r *Replica) Has(duty string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.duties[duty]
	return ok && r.lost == nil && time.Since(r.sign) <= r.config.TTL/2
}

// Run gives signs of life, takes over from the dead and competes for duties, until
// ctx ends; its duties are then free at once. It ends with [ErrLost] when
// others may think it dead.
func (r *Replica) Run(ctx context.Context) error {
	go r.guard(ctx)
	// Apart from the signs of life: a replica whose connection went silent in the
	// middle of a transaction keeps the locks on its lease until the server gives it
	// up, and who waits in them to take over must not be thought dead for that.
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = r.every(ctx, r.compete, r.takeOver)
	}()
	if err := r.every(ctx, r.renew); err != nil {
		r.lose(err)
		return err
	}
	return r.leave(ctx, over)
}

// every does a round of things again and again until ctx ends, or others may think
// this replica dead. What fails is tried again in the next round.
func (r *Replica) every(ctx context.Context, round ...func(context.Context) error) error {
	tick := time.NewTicker(r.config.TTL / 6)
	defer tick.Stop()
	for {
		for _, do := range round {
			r.once(ctx, do)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.Held(); err != nil {
			return err
		}
	}
}

func (r *Replica) once(ctx context.Context, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.TTL/2)
	defer cancel()
	if err := do(ctx); err != nil && ctx.Err() == nil {
		r.config.Log.Warn("fleet", "replica", r.name, "error", err)
	}
}

// guard watches the time apart from Run, which may hang in the database's answer.
func (r *Replica) guard(ctx context.Context) {
	tick := time.NewTicker(r.config.TTL / 30)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.Held(); err != nil {
			r.lose(err)
			return
		}
	}
}

// lose notes that it must not act any more and cancels what is under way, once.
func (r *Replica) lose(why error) {
	r.losing.Do(func() {
		r.mu.Lock()
		r.lost = why
		r.mu.Unlock()
		r.config.Log.Error("lost the place in the fleet", "replica", r.name, "err", why)
		if r.config.Lost != nil {
			r.config.Lost()
		}
	})
}

func (r *Replica) renew(ctx context.Context) error {
	sign := time.Now() // before it is asked, so that it never seems later than it was
	l, err := r.config.Leases.Renew(ctx, r.Lease(), time.Time{}, r.config.TTL)
	if backout.CodeOf(err) == backout.CodeConflict {
		err = fmt.Errorf("%w: %w", ErrLost, err)
		r.lose(err)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease, r.sign = l, sign
	return nil
}

// takeOver looks for flows whose owner has no place in the fleet.
func (r *Replica) takeOver(ctx context.Context) error {
	owners, err := r.config.Flows.Executors(ctx)
	for _, dead := range owners {
		_, held, aerr := r.config.Leases.Acquire(ctx, place(dead), r.name, time.Time{}, r.config.TTL)
		if aerr != nil || !held {
			err = errors.Join(err, aerr)
			continue
		}
		n, aerr := r.config.Flows.Adopt(ctx, dead)
		if aerr == nil && n > 0 {
			r.config.Log.Warn("took over from a dead replica", "replica", r.name, "dead", dead, "attempts", n)
			if r.config.Took != nil {
				r.config.Took(dead, n)
			}
		}
		err = errors.Join(err, aerr)
	}
	return err
}

// compete takes or keeps each duty that nobody else has.
func (r *Replica) compete(ctx context.Context) error {
	var all error
	for _, duty := range r.config.Duties {
		l, held, err := r.config.Leases.Acquire(ctx, "duty/"+duty, r.name, time.Time{}, r.config.TTL)
		all = errors.Join(all, err)
		r.mu.Lock()
		_, had := r.duties[duty]
		if held {
			r.duties[duty] = l
		} else {
			delete(r.duties, duty)
		}
		r.mu.Unlock()
		if held && !had {
			r.config.Log.Info("takes a duty", "replica", r.name, "duty", duty)
		}
	}
	return all
}

// leave gives the duties back, so that others need not wait. Its place it keeps: it
// may be carrying out something still, and nobody else should until that is over. It
// waits for over, the end of what takes duties, so that none is taken again.
func (r *Replica) leave(ctx context.Context, over <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.TTL/3)
	defer cancel()
	select {
	case <-over:
	case <-ctx.Done():
	}
	r.mu.Lock()
	leases := slices.Collect(maps.Values(r.duties))
	r.mu.Unlock()
	var err error
	for _, l := range leases {
		err = errors.Join(err, r.config.Leases.Yield(ctx, l))
	}
	return err
}
