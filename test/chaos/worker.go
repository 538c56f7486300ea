package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/fleet"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
)

// envWorker tells a process of this binary that it is a worker, and which.
const envWorker = "BACKOUT_CHAOS_WORKER"

// Orders is what a worker is told when it begins.
type Orders struct {
	Name     string
	Database string
	Targets  string        // where they answer
	Skew     time.Duration // how far its clock is ahead
	Break    string        // a fault to be found: blindRetry or forget
}

// Command is one line from the harness to a worker.
type Command struct {
	Start   *execute.Request  `json:"start,omitempty"`
	Attempt backout.AttemptID `json:"attempt,omitempty"`
	Control *execute.Control  `json:"control,omitempty"`
}

// Word is one line from a worker to the harness.
type Word struct {
	Ready    bool              `json:"ready,omitempty"`
	Accepted backout.AttemptID `json:"accepted,omitempty"` // Start returned without an error
	Ended    backout.AttemptID `json:"ended,omitempty"`
	Entry    *backout.Entry    `json:"entry,omitempty"` // just saved in the journal
	Error    string            `json:"error,omitempty"`
}

// Faults that a worker can be given, to see that they are found.
const (
	blindRetry = "blind-retry" // sends an effect again when in doubt, without looking
	forget     = "forget"      // says that it accepted every tenth plan and does nothing
)

// How patient a worker is. No target is slower than settle, not even on a machine
// that has little time for it; else sending once more would be the right thing.
const (
	settle  = 4 * time.Second
	timeout = 4 * time.Second
	tick    = 10 * time.Millisecond
	maxTick = 250 * time.Millisecond
)

// worker is one process that carries out attempts.
type worker struct {
	Orders
	x    *execute.Executor
	mu   sync.Mutex // guards out
	out  *json.Encoder
	http *http.Client
}

// work is the main function of a worker. It ends when its input does.
func work(orders string) error {
	w := &worker{out: json.NewEncoder(os.Stdout), http: &http.Client{Timeout: timeout}}
	if err := json.Unmarshal([]byte(orders), &w.Orders); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("worker", w.Name)
	p, err := w.join(ctx, log)
	if err != nil {
		return err
	}
	rules, err := permit.Compile(backout.Policy{})
	if err != nil {
		return err
	}
	w.x, err = execute.New(ctx, execute.Config{
		Engine: p.engine, Actuators: map[string]execute.Actuator{"plain": &actuator{worker: w}, "cas": &swapper{actuator{worker: w, cas: true}}},
		Guard: &guard{worker: w, rules: rules}, Gate: gate{w}, Fence: p.fence(), Timeout: timeout, Settle: settle, Tick: tick, MaxTick: maxTick,
		Tell: func(e backout.Entry) { w.say(Word{Entry: &e}) }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := p.engine.Launch(); err != nil {
		return err
	}
	w.say(Word{Ready: true})
	go func() {
		w.listen(ctx, os.Stdin)
		cancel()
	}()
	return errors.Join(p.live(ctx, w.x), p.engine.Close(2*time.Second))
}

// part is the product's share of a worker: an engine, and a place among the
// replicas where the database is shared.
type part struct {
	engine  *engine.Engine
	replica *fleet.Replica // nil on a file
}

func (w *worker) join(ctx context.Context, log *slog.Logger) (*part, error) {
	db, err := engine.Open(ctx, w.Database)
	if err != nil {
		return nil, err
	}
	p := &part{}
	if p.engine, err = engine.New(ctx, engine.Config{Database: db, Now: w.now, Log: log}); err != nil || !db.Shared() {
		return p, err
	}
	leases, err := store.New(ctx, db.DB)
	if err != nil {
		return nil, err
	}
	p.replica, err = fleet.Join(ctx, fleet.Config{
		Leases: leases, Flows: p.engine, Log: log, Lost: func() { _ = p.engine.Close(2 * time.Second) },
	})
	return p, err
}

func (p *part) fence() execute.Fence {
	if p.replica == nil {
		return nil
	}
	return p.replica
}

// live lasts until ctx ends, or others may think this replica dead.
func (p *part) live(ctx context.Context, x *execute.Executor) error {
	if p.replica == nil {
		<-ctx.Done()
		return nil
	}
	go func() { _ = x.Hear(ctx) }()
	return p.replica.Run(ctx)
}

// now is the worker's clock, which may be wrong.
func (w *worker) now() time.Time { return time.Now().Add(w.Skew).UTC() }

func (w *worker) say(word Word) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(word)
}

func (w *worker) listen(ctx context.Context, in io.Reader) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var c Command
		if err := json.Unmarshal(line, &c); err != nil {
			w.say(Word{Error: fmt.Sprintf("read command: %v", err)})
			continue
		}
		go w.obey(ctx, c)
	}
}

// obey starts an attempt and says when it has ended, or passes a person's word on.
func (w *worker) obey(ctx context.Context, c Command) {
	if c.Control != nil {
		if err := w.x.Control(ctx, c.Attempt, *c.Control); err != nil {
			w.say(Word{Error: fmt.Sprintf("control %s: %v", c.Attempt, err)})
		}
		return
	}
	id := c.Start.Attempt.ID
	if w.Break == forget && strings.HasSuffix(string(id), "3/1") {
		w.say(Word{Accepted: id})
		return
	}
	if err := w.x.Start(ctx, *c.Start); err != nil {
		w.say(Word{Error: err.Error()})
		return
	}
	w.say(Word{Accepted: id})
	for ctx.Err() == nil {
		if run, err := w.x.Wait(ctx, id); err == nil && run.State.Terminal() {
			w.say(Word{Ended: id})
			return
		}
		time.Sleep(time.Second)
	}
}

func (w *worker) get(ctx context.Context, path string, query url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Targets+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := w.call(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// call says who calls.
func (w *worker) call(req *http.Request) (*http.Response, error) {
	req.Header.Set("Worker", w.Name)
	return w.http.Do(req)
}

// swapper says that its targets compare before they move.
type swapper struct{ actuator }

func (*swapper) Swaps(backout.Component) bool { return true }

// actuator moves targets, with compare-and-swap or without.
type actuator struct {
	*worker
	cas bool
}

func (a *actuator) Survey(context.Context, backout.Component, []backout.Change) (backout.Reversal, error) {
	return backout.Reversal{}, nil // plans are drawn here, nobody asks
}

func (a *actuator) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	var r backout.Reality
	err := a.get(ctx, "/probe", url.Values{"component": {string(c.ID)}}, &r)
	return r, err
}

func (a *actuator) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	if !a.cas {
		e.IfVersion = ""
	}
	said, err := a.send(ctx, e)
	if a.Break == blindRetry && said == backout.OutcomeUnknown {
		return a.send(ctx, e)
	}
	return said, err
}

func (a *actuator) send(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Targets+"/do", bytes.NewReader(body))
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	res, err := a.call(req)
	if err != nil {
		return backout.OutcomeUnknown, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return backout.OutcomeDone, nil
	case http.StatusPreconditionFailed:
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: "it has moved meanwhile"}
	}
	return backout.OutcomeUnknown, fmt.Errorf("the target answered %s", res.Status)
}

// guard is the real one, on the world as the targets tell it at this moment.
type guard struct {
	*worker
	rules *permit.Permit
}

func (g *guard) Allow(ctx context.Context, p execute.Proposal) (execute.Permission, error) {
	return (&respond.Guard{Facts: facts{g.worker, p.Attempt.ID}, Permit: g.rules, Now: g.now}).Allow(ctx, p)
}

type facts struct {
	*worker
	attempt backout.AttemptID
}

func (f facts) World(ctx context.Context, now time.Time, _ bool) (backout.World, error) {
	var w backout.World
	err := f.get(ctx, "/world", url.Values{"plan": {string(f.attempt)}}, &w)
	w.Now = now
	return w, err
}

// gate asks the harness, which has drawn what each gate is to say.
type gate struct{ *worker }

func (g gate) Ask(ctx context.Context, q execute.Question) (execute.Answer, error) {
	var a execute.Answer
	err := g.get(ctx, "/gate", url.Values{
		"plan": {string(q.Attempt.ID)}, "wave": {strconv.Itoa(q.Wave)}, "round": {strconv.Itoa(q.Round)},
	}, &a)
	return a, err
}
