package goose

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	presslygoose "github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Config says where databases are and how long they may take.
type Config struct {
	// Dir is what relative paths in locators are relative to; empty = the working
	// directory.
	Dir string
	// Timeout bounds one run of migrations besides the caller's deadline; 0 = 30 s.
	Timeout time.Duration
}

// Actuator moves schemas. It keeps no connection open between calls.
type Actuator struct{ config Config }

var (
	_ execute.Actuator = (*Actuator)(nil)
	_ execute.Foreseer = (*Actuator)(nil)
)

// New makes an actuator.
func New(c Config) *Actuator {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	return &Actuator{c}
}

// place is a locator taken apart.
type place struct {
	database, dir string
	digits        int
}

func invalid(f string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(f, args...)}
}

func (a *Actuator) locate(c backout.Component) (place, error) {
	wrong := invalid("%s: locator %q: expected sqlite:PATH?migrations=DIR or sqlite:PATH|DIR", c.ID, c.Locator)
	rest, ok := strings.CutPrefix(c.Locator, "sqlite:")
	if !ok {
		return place{}, wrong
	}
	p := place{digits: 4}
	if path, query, isQuery := strings.Cut(rest, "?"); isQuery {
		q, err := url.ParseQuery(query)
		if err != nil {
			return place{}, wrong
		}
		p.database, p.dir, p.digits = path, q.Get("migrations"), 1
		if d := q.Get("digits"); d != "" {
			if p.digits, err = strconv.Atoi(d); err != nil || p.digits < 1 || p.digits > 18 {
				return place{}, invalid("%s: digits %q: expected a number from 1 to 18", c.ID, d)
			}
		}
	} else {
		p.database, p.dir, _ = strings.Cut(rest, "|")
	}
	if p.database == "" || p.dir == "" {
		return place{}, wrong
	}
	for _, path := range []*string{&p.database, &p.dir} {
		if !filepath.IsAbs(*path) {
			*path = filepath.Join(a.config.Dir, *path)
		}
	}
	return p, nil
}

func (p place) version(n int64) backout.Version {
	return backout.Version(fmt.Sprintf("%0*d", p.digits, n))
}

// open opens the file, which must exist: SQLite would make an empty one.
func (p place) open(mode string) (*sql.DB, error) {
	if _, err := os.Stat(p.database); err != nil {
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: "open database", Err: err}
	}
	u := url.URL{Scheme: "file", Path: p.database, RawQuery: "mode=" + mode + "&_pragma=busy_timeout(1000)"}
	if !filepath.IsAbs(p.database) {
		u = url.URL{Scheme: "file", Opaque: p.database, RawQuery: u.RawQuery}
	}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// applied lists the applied versions, oldest first, without writing anything.
func (p place) applied(ctx context.Context) (out []int64, err error) {
	db, err := p.open("ro")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// goose deletes the row when a migration is taken back; in files that old
	// releases wrote, the newest row of a version decides.
	rows, err := db.QueryContext(ctx, "SELECT version_id FROM goose_db_version g WHERE is_applied AND version_id > 0 AND id = (SELECT max(id) FROM goose_db_version WHERE version_id = g.version_id) ORDER BY version_id")
	if err != nil {
		return nil, fmt.Errorf("read goose_db_version: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("read goose_db_version: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// newest is the last of the applied versions, 0 when there is none.
func newest(applied []int64) int64 {
	if len(applied) == 0 {
		return 0
	}
	return applied[len(applied)-1]
}

// Probe reads the version table.
func (a *Actuator) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	p, err := a.locate(c)
	if err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	all, err := p.applied(ctx)
	if err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	v, now := p.version(newest(all)), time.Now().UTC()
	return backout.Reality{Live: backout.Live{Shares: map[backout.Version]float64{v: 1}, Healthy: true, At: now}, Version: string(v), At: now}, nil
}

// Survey says for each earlier version what going back to it loses.
func (a *Actuator) Survey(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{}, At: time.Now().UTC()}
	if err := ctx.Err(); err != nil {
		return rev, fmt.Errorf("survey %s: %w", c.ID, err)
	}
	p, err := a.locate(c)
	if err == nil {
		err = p.survey(ctx, stack, &rev, nothingMore)
	}
	if err != nil {
		rev.Why = err.Error()
	}
	return rev, nil
}

// Foresee says what going back would lose once the migrations up to the stack's
// last version are applied; they must lie in the folder.
func (a *Actuator) Foresee(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{}, At: time.Now().UTC()}
	if err := ctx.Err(); err != nil {
		return rev, fmt.Errorf("foresee %s: %w", c.ID, err)
	}
	p, err := a.locate(c)
	if err == nil {
		err = p.survey(ctx, stack, &rev, upTo(stack))
	}
	if err != nil {
		rev.Why = err.Error()
	}
	return rev, nil
}

func nothingMore([]int64, map[int64]file) ([]int64, error) { return nil, nil }

// upTo lists the migrations between what is applied and a stack's last version.
func upTo(stack []backout.Change) func([]int64, map[int64]file) ([]int64, error) {
	return func(applied []int64, all map[int64]file) ([]int64, error) {
		to, err := strconv.ParseInt(string(stack[len(stack)-1].To), 10, 64)
		if err != nil {
			return nil, invalid("version %q: expected a migration's number", stack[len(stack)-1].To)
		}
		if _, ok := all[to]; !ok {
			return nil, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("the folder of migrations has no migration %d: nobody can say what undoing it loses", to)}
		}
		out := []int64{}
		for v := range all {
			if v > newest(applied) && v <= to {
				out = append(out, v)
			}
		}
		slices.Sort(out)
		return out, nil
	}
}

func (p place) survey(ctx context.Context, stack []backout.Change, rev *backout.Reversal, more func([]int64, map[int64]file) ([]int64, error)) error {
	applied, err := p.applied(ctx)
	if err != nil {
		return err
	}
	all, err := migrations(p.dir)
	if err != nil {
		return err
	}
	ahead, err := more(applied, all)
	if err != nil {
		return err
	}
	applied = append(applied, ahead...)
	rev.Known, rev.Current, rev.Shares, rev.Takes = true, p.version(newest(applied)), []float64{1}, backout.Duration(time.Second)
	for l := range stack {
		v := execute.Behind(stack, l)
		to, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || to != 0 && !slices.Contains(applied, to) {
			continue // not a migration that is applied: nothing to go back to
		}
		loss, lost := back(all, applied, to)
		rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: v, Loss: loss, Lost: lost, Rows: p.rows(ctx, all, applied, to), Verified: execute.Lived(stack, l)})
	}
	return nil
}

// Do migrates to a version. It refuses to go over a migration that has no Down.
func (a *Actuator) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	out, err := a.do(ctx, e)
	if err != nil {
		return out, fmt.Errorf("migrate %s to %s: %w", e.Component.ID, e.To, err)
	}
	return out, nil
}

func (a *Actuator) do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	p, err := a.locate(e.Component)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	to, err := strconv.ParseInt(string(e.To), 10, 64)
	if err != nil || to < 0 {
		return backout.OutcomeNotDone, invalid("version %q: expected a migration's number", e.To)
	}
	if e.Share != 1 || e.Audience != "" {
		return backout.OutcomeNotDone, invalid("a schema moves whole, not by share %v or audience %q", e.Share, e.Audience)
	}
	applied, err := p.applied(ctx)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	now := newest(applied)
	if now == to {
		return backout.OutcomeDone, nil
	}
	if e.IfVersion != "" && e.IfVersion != string(p.version(now)) {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("the schema is at %s, not %s", p.version(now), e.IfVersion)}
	}
	if err := p.passable(applied, to); err != nil {
		return backout.OutcomeNotDone, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	if err := p.migrate(ctx, now, to); err != nil {
		return p.after(ctx, now, to, err)
	}
	return p.after(ctx, now, to, nil)
}

// passable refuses a way that goose would go without undoing anything.
func (p place) passable(applied []int64, to int64) error {
	all, err := migrations(p.dir)
	if err != nil {
		return err
	}
	if _, ok := all[to]; !ok && to != 0 {
		return &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("%s has no migration %d", p.dir, to)}
	}
	if loss, lost := back(all, applied, to); loss == backout.LossOneWay {
		return &backout.Error{Code: backout.CodeForbidden, Message: "there is no way back: " + lost}
	}
	return nil
}

func (p place) migrate(ctx context.Context, now, to int64) (err error) {
	db, err := p.open("rw")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	g, err := presslygoose.NewProvider(presslygoose.DialectSQLite3, db, os.DirFS(p.dir), presslygoose.WithDisableGlobalRegistry(true), presslygoose.WithLogger(presslygoose.NopLogger()))
	if err != nil {
		return err
	}
	if to < now {
		_, err = g.DownTo(ctx, to)
	} else {
		_, err = g.UpTo(ctx, to)
	}
	return err
}

// after looks at what became of a run of migrations; each of them is a
// transaction, so a run that failed may have gone a part of the way.
func (p place) after(ctx context.Context, was, to int64, failed error) (backout.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	applied, err := p.applied(ctx)
	switch now := newest(applied); {
	case err != nil:
		return backout.OutcomeUnknown, errors.Join(failed, err)
	case now == to && failed == nil:
		return backout.OutcomeDone, nil
	case now == was && failed != nil:
		return backout.OutcomeNotDone, failed
	default:
		return backout.OutcomeUnknown, errors.Join(failed, fmt.Errorf("the schema stopped at %s", p.version(now)))
	}
}
