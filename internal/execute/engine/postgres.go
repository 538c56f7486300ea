package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// What a replica of ours asks of PostgreSQL for each of its connections.
const (
	// ConnectTimeout bounds one attempt to connect.
	ConnectTimeout = 5 * time.Second
	// idleInTransaction is how long a transaction may do nothing. A replica that
	// was frozen inside one would else hold its rows' locks until it goes on.
	idleInTransaction = 3 * time.Second
	// connections of one replica; the parameter pool_max_conns in the address
	// says otherwise.
	connections = 16
)

// openPostgres connects to a server and asks it once. Pool and handle are one
// set of connections, shared by the engine and by everybody else's SQL.
func openPostgres(ctx context.Context, address string) (*Database, error) {
	u, err := url.Parse(address)
	if err != nil {
		// The error of Parse shows the address with its password.
		return nil, errors.New("open database: the address can't be read: expected postgres://user:password@host:port/name")
	}
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", u.Redacted(), err)
	}
	if !u.Query().Has("pool_max_conns") {
		c.MaxConns = connections
	}
	c.ConnConfig.ConnectTimeout = ConnectTimeout
	c.ConnConfig.RuntimeParams["application_name"] = "backout"
	c.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(idleInTransaction.Milliseconds())
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", u.Redacted(), explain(err))
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open database %s: %w", u.Redacted(), explain(err))
	}
	return &Database{Name: u.Redacted(), DB: stdlib.OpenDBFromPool(pool), pool: pool}, nil
}

// Bounds of waiting for other replicas.
const (
	lockTimeout = 2 * time.Minute
	lockPause   = 100 * time.Millisecond
	// lockIdle is after how long without a sign the server takes a lock away from
	// a replica that is frozen in it.
	lockIdle = 6 * time.Second
)

// Alone does fn while no other replica has the lock of that name, for what
// PostgreSQL can't do twice at a time: creating tables.
func (d *Database) Alone(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	unlock, err := d.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	return fn(ctx)
}

// Lock waits until no other replica has the lock of that name. It asks again and
// again and does not wait in the lock itself, since a session that waits holds up
// CREATE INDEX CONCURRENTLY of the one it waits for. A file has one process, so
// there is nothing to lock. A process that is frozen for long loses the lock: it
// saves work and turns, and is no fence.
func (d *Database) Lock(ctx context.Context, name string) (unlock func(), err error) {
	if d.pool == nil {
		return func() {}, nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte("backout " + name)) // never fails
	key := int64(h.Sum64())                   //nolint:gosec // any 64 bits will do
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, explain(err)
	}
	if err := tryLock(ctx, conn, key, name); err != nil {
		// Whatever state its session is in, it is not used again.
		_ = conn.Conn().Close(context.WithoutCancel(ctx))
		conn.Release()
		return nil, explain(err)
	}
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for held.Err() == nil {
			select {
			case <-held.Done():
			case <-time.After(lockIdle / 6):
				sign, cancel := context.WithTimeout(context.WithoutCancel(ctx), ConnectTimeout)
				_ = conn.Ping(sign) // a lost session shows at the unlock
				cancel()
			}
		}
	}()
	return func() {
		release()
		<-done
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), ConnectTimeout)
		defer cancel()
		if _, err := conn.Exec(end, fmt.Sprintf("SELECT pg_advisory_unlock(%d); RESET idle_session_timeout", key)); err != nil {
			_ = conn.Conn().Close(end) // ends the session, and the lock with it
		}
		conn.Release()
	}, nil
}

func tryLock(ctx context.Context, conn *pgxpool.Conn, key int64, name string) error {
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET idle_session_timeout = %d", lockIdle.Milliseconds())); err != nil {
		return err
	}
	for deadline := time.Now().Add(lockTimeout); ; {
		var mine bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&mine); err != nil || mine {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another replica has been busy with %s for %s: see what it waits for", name, lockTimeout)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// bootID names one boot of one replica. It is never used again: what an earlier
// boot left behind is taken over like anybody else's.
func bootID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "replica"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}

// PostgreSQL's error classes and codes that a person can do something about.
var postgresRemedies = map[string]string{
	"28":    "the server refuses the user or password; check them in the address",
	"3D000": "there is no such database on the server; create it: CREATE DATABASE name",
	"42501": "the user lacks a right; it must be allowed to create schemas and tables in the database",
	"53100": "the server's disk is full; free some space",
	"53300": "the server has no connection left; raise max_connections, or lower pool_max_conns in the address",
	"57P03": "the server is starting or stopping; try again",
}

// madeMeanwhile reports whether something could not be created because somebody else
// did in the same moment: a duplicate in the server's own catalogue, or an object that
// was not there when it was looked for.
func madeMeanwhile(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "23505": // unique violation
		return e.SchemaName == "pg_catalog" || strings.HasPrefix(e.ConstraintName, "pg_")
	case "42P06", "42P07", "42710", "XX000": // duplicate schema, table, object; "tuple concurrently updated"
		return true
	}
	return false
}

func explainPostgres(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && len(e.Code) == 5 {
		for _, code := range []string{e.Code, e.Code[:2]} {
			if r, ok := postgresRemedies[code]; ok {
				return fmt.Errorf("%s: %w", r, err)
			}
		}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("the server can't be reached; check host and port in the address, and that it runs: %w", err)
	}
	return err
}
