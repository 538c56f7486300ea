package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // registers DBOS' SQLite dialect
)

// ApplicationVersion is what flows are recorded under. It is constant on
// purpose: DBOS' own default is a hash of the binary, and after an upgrade it
// would leave every flow of the old binary lying. A change of a flow's shape is
// made with [Flow.Patch].
const ApplicationVersion = "backout-1"

// fileExecutor owns the flows of a database file; with one process to a file
// there is only one.
const fileExecutor = "backout"

// maxRecoveries is how many deaths a flow survives before DBOS gives it up. Its
// own default of 100 is soon reached by a run of hours on a node that restarts
// its pods all the time; a run that is given up needs a person.
const maxRecoveries = 10_000

// Config is what an engine needs. Database is required.
type Config struct {
	Database *Database
	// Executor owns the flows that are started here, until another one adopts
	// them. It must be a new one at each boot of a replica. "" = a fresh one on a
	// shared database, the one of the file on a file.
	Executor string
	// Now is this machine's clock; nil = time.Now. Where a database is shared no
	// decision rests on it.
	Now func() time.Time
	Log *slog.Logger // nil = silent
}

// FlowFunc is a durable function. Its input and output are JSON.
type FlowFunc func(f *Flow, input json.RawMessage) json.RawMessage

// Engine runs flows. Register all of them, then Launch.
type Engine struct {
	log      *slog.Logger
	database *Database
	executor string
	clock    func() time.Time
	root     dbos.Context
	data     *dbos.DataSource

	mu     sync.Mutex
	flows  map[string]FlowFunc      // guarded by mu; written before Launch only
	after  []func() error           // guarded by mu; written before Launch only
	parked map[string]park          // guarded by mu; by flow id
	ended  map[string]chan struct{} // guarded by mu; by flow id, closed when it ended here
}

// job is what DBOS stores as the input of a flow.
type job struct {
	Flow  string          `json:"flow"`
	Input json.RawMessage `json:"input"`
}

// New prepares an engine on a database and creates the tables it needs.
func New(ctx context.Context, c Config) (*Engine, error) {
	if c.Database == nil {
		return nil, errors.New("new engine: no database given")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Executor == "" {
		c.Executor = fileExecutor
		if c.Database.Shared() {
			c.Executor = bootID()
		}
	}
	for _, name := range []string{"DBOS__APPVERSION", "DBOS__VMID"} {
		if os.Getenv(name) != "" {
			return nil, fmt.Errorf("new engine: environment variable %s is set and would orphan running flows; unset it", name)
		}
	}
	e := &Engine{
		log: c.Log, database: c.Database, executor: c.Executor, clock: c.Now,
		flows: map[string]FlowFunc{}, parked: map[string]park{}, ended: map[string]chan struct{}{},
	}
	if err := e.openAlone(ctx); err != nil {
		return nil, fmt.Errorf("new engine on %s: %w", c.Database.Name, explain(err))
	}
	dbos.RegisterWorkflow(e.root, e.run, dbos.WithWorkflowName("flow"), dbos.WithMaxRecoveryAttempts(maxRecoveries))
	return e, nil
}

// openAlone prepares the tables while nobody else does. A replica that was killed
// while it did loses the lock at once, yet the server ends what it was told to do, and
// the next one may meet the table in the moment in which it comes to be.
func (e *Engine) openAlone(ctx context.Context) error {
	for try := 1; ; try++ {
		err := e.database.Alone(ctx, "engine", e.open)
		if err == nil || try == mostOpens || !madeMeanwhile(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(openPause):
		}
	}
}

// How often tables are tried to be prepared, and the pause between.
const (
	mostOpens = 5
	openPause = 300 * time.Millisecond
)

// open lets DBOS prepare its tables.
func (e *Engine) open(ctx context.Context) (err error) {
	c := dbos.Config{
		AppName:                  "backout",
		ApplicationVersion:       ApplicationVersion,
		ExecutorID:               e.executor,
		Logger:                   slog.New(quiet{e.log.Handler()}),
		SchedulerPollingInterval: time.Hour, // no schedules here
	}
	if d := e.database; d.Shared() {
		c.SystemDBPool = d.pool
	} else {
		c.SQLiteSystemDB = d.DB
	}
	if e.root, err = dbos.NewContext(context.WithoutCancel(ctx), c); err != nil {
		return err
	}
	// The same handle again: DBOS then keeps its record in our transaction.
	if e.database.Shared() {
		e.data, err = dbos.NewDataSource(e.root, e.database.pool)
	} else {
		e.data, err = dbos.NewDataSource(e.root, e.database.DB)
	}
	return err
}

// Register names a flow. It must happen before Launch, with the same names at
// every start of the process: a recorded flow is found again by its name.
func (e *Engine) Register(name string, f FlowFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flows[name] = f
}

// AfterLaunch has fn called when Launch is about to return, and after each Adopt,
// to start what a former process meant to start and did not.
func (e *Engine) AfterLaunch(fn func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.after = append(e.after, fn)
}

// Launch begins to run, and resumes by itself every flow that had not ended and was
// this executor's; on a file, everybody's.
func (e *Engine) Launch() error {
	if err := dbos.Launch(e.root); err != nil {
		return fmt.Errorf("launch engine: %w", explain(err))
	}
	if e.database.Shared() {
		return e.launched()
	}
	return e.adoptAll()
}

// launched calls what waits for the launch.
func (e *Engine) launched() error {
	e.mu.Lock()
	after := e.after
	e.mu.Unlock()
	for _, fn := range after {
		if err := fn(); err != nil {
			return fmt.Errorf("launch engine: %w", err)
		}
	}
	return nil
}

// Close stops all flows where they are and closes the database handle. A step
// under way gets its context cancelled and up to timeout to return. Flows are
// not ended by this; the next Launch resumes them.
func (e *Engine) Close(timeout time.Duration) error {
	if err := dbos.Shutdown(e.root, timeout); err != nil {
		return fmt.Errorf("close engine: %w", err)
	}
	return nil
}

// Start begins the flow registered under name, with an id of the caller's
// choice. When the id was started before, whatever became of it, nothing happens.
func (e *Engine) Start(name, id string, input any) error {
	b, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("start flow %s: encode its input: %w", id, err)
	}
	e.mu.Lock()
	_, known := e.flows[name]
	e.mu.Unlock()
	if !known {
		return fmt.Errorf("start flow %s: no flow is registered as %q", id, name)
	}
	if _, err := dbos.RunWorkflow(e.root, e.run, job{Flow: name, Input: b}, dbos.WithWorkflowID(id)); err != nil {
		return fmt.Errorf("start flow %s: %w", id, explain(err))
	}
	return nil
}

// run is the one workflow DBOS knows; it looks up which flow is meant.
func (e *Engine) run(ctx dbos.Context, j job) (out json.RawMessage, err error) {
	id, err := dbos.GetWorkflowID(ctx)
	if err != nil {
		return nil, err
	}
	f := &Flow{ID: id, ctx: ctx, engine: e}
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, f.wait(r)
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.parked, id)
		closeOnce(e.endedLocked(id))
	}()
	e.mu.Lock()
	fn := e.flows[j.Flow]
	e.unparkLocked(id)
	e.mu.Unlock()
	if fn == nil {
		panic(fmt.Errorf("no flow is registered as %q in this version", j.Flow))
	}
	return fn(f, j.Input), nil
}

func (e *Engine) endedLocked(id string) chan struct{} {
	ch, ok := e.ended[id]
	if !ok {
		ch = make(chan struct{})
		e.ended[id] = ch
	}
	return ch
}

func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}

// DB is the handle the engine shares with other tables of the same database.
func (e *Engine) DB() *sql.DB { return e.database.DB }

// Database is where the engine keeps its progress.
func (e *Engine) Database() *Database { return e.database }

// Executor is whose flows this engine runs.
func (e *Engine) Executor() string { return e.executor }
