package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Lease is the right to do one thing alone, until a time. Each new holder gets
// the next epoch; what it writes carries the epoch, so that a holder that slept
// past its time changes nothing any more.
type Lease struct {
	Name   string
	Holder string
	Epoch  int64
	Until  time.Time
}

// Acquire takes a lease that is free, has run out or is the holder's own, until
// now+ttl. With a zero now the database's own clock counts, which is the only one
// that replicas share. held says whether the caller has it; if not, the lease given back is
// the one somebody else holds.
func (s *Store) Acquire(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (l Lease, held bool, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx, "lease "+name); err != nil {
			return err
		}
		if l, err = readLease(ctx, tx, name); err != nil {
			return err
		}
		if now, err = s.clock(ctx, tx, now); err != nil {
			return err
		}
		own := l.Holder == holder && l.Until.After(now)
		if !own && l.Until.After(now) {
			return nil
		}
		if !own {
			l.Epoch++
		}
		l.Holder, l.Until, held = holder, now.Add(ttl).UTC().Truncate(time.Microsecond), true
		_, err := tx.ExecContext(ctx, `INSERT INTO lease (name, holder, epoch, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch, expires_at = excluded.expires_at`,
			name, holder, l.Epoch, micros(l.Until))
		return err
	})
	return l, held && err == nil, explain(fmt.Sprintf("acquire lease %s", name), err)
}

// Renew prolongs a lease until now+ttl, also one that has run out, as long as
// nobody took it; else it is a conflict. A zero now is the database's clock.
func (s *Store) Renew(ctx context.Context, l Lease, now time.Time, ttl time.Duration) (Lease, error) {
	err := s.within(ctx, func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx, "lease "+l.Name); err != nil {
			return err
		}
		if err := lost(ctx, tx, l); err != nil {
			return err
		}
		now, err := s.clock(ctx, tx, now)
		if err != nil {
			return err
		}
		l.Until = now.Add(ttl).UTC().Truncate(time.Microsecond)
		_, err = tx.ExecContext(ctx, "UPDATE lease SET expires_at = $1 WHERE name = $2", micros(l.Until), l.Name)
		return err
	})
	return l, explain(fmt.Sprintf("renew lease %s", l.Name), err)
}

// clock is the time to go by: what was said, else the database's.
func (s *Store) clock(ctx context.Context, tx *sql.Tx, said time.Time) (time.Time, error) {
	switch {
	case !said.IsZero():
		return said, nil
	case s.file: // one process, one clock
		return time.Now(), nil
	}
	var now int64
	err := tx.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&now)
	return time.UnixMicro(now), err
}

// Yield gives a lease back before its time. Yielding one that is lost already is
// no error.
func (s *Store) Yield(ctx context.Context, l Lease) error {
	_, err := s.db.ExecContext(ctx, "UPDATE lease SET expires_at = 0 WHERE name = $1 AND holder = $2 AND epoch = $3", l.Name, l.Holder, l.Epoch)
	return explain(fmt.Sprintf("yield lease %s", l.Name), err)
}

func readLease(ctx context.Context, tx *sql.Tx, name string) (Lease, error) {
	l := Lease{Name: name}
	var until int64
	err := tx.QueryRowContext(ctx, "SELECT holder, epoch, expires_at FROM lease WHERE name = $1", name).Scan(&l.Holder, &l.Epoch, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return l, nil
	}
	l.Until = time.UnixMicro(until).UTC()
	return l, err
}

// Fence refuses to go on in a transaction whose writer's lease somebody else has
// taken since: a conflict.
func (s *Store) Fence(ctx context.Context, tx *sql.Tx, l Lease) error {
	return explain("write under lease "+l.Name, s.fence(ctx, tx, l))
}

// fence refuses a write whose lease somebody else has taken since, and lets nobody
// take it before the transaction ends. That its time has run out is no reason:
// then nobody else has acted, and clocks need not agree. A write without a lease
// passes.
func (s *Store) fence(ctx context.Context, tx *sql.Tx, l Lease) error {
	if l.Name == "" {
		return nil
	}
	if err := s.lockShared(ctx, tx, "lease "+l.Name); err != nil {
		return err
	}
	return lost(ctx, tx, l)
}

// lost says who has taken a lease, if somebody has.
func lost(ctx context.Context, tx *sql.Tx, l Lease) error {
	cur, err := readLease(ctx, tx, l.Name)
	if err != nil {
		return err
	}
	if cur.Epoch != l.Epoch || cur.Holder != l.Holder {
		return conflict("the lease %s of %s was lost to %s", l.Name, l.Holder, cmp.Or(cur.Holder, "nobody: it was pruned"))
	}
	return nil
}
