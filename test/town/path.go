package town

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/watch"
)

// Config is what a [Path] needs. Product and File are required.
type Config struct {
	Product   *Product
	File      string // of the database; a second Path on it goes on where the first stopped
	Contracts []backout.Contract
	Step      time.Duration // between samples; 0 = 15 s
	History   int           // samples that the detector begins with; 0 = 240
	// Policy is read anew for each world, as a person may change it at any time.
	Policy func() backout.Policy
	Mouth  *Mouth // who is told; nil = a new one
	Log    *slog.Logger
}

// Path is a running backout without its pages: all of its own parts are the real
// ones, wired as package app does, on a SQLite file. Its outside is a [Product].
// One goroutine calls Tick; attempts run in the engine's own.
type Path struct {
	Store     *store.Store
	Executor  *execute.Executor
	Responder *respond.Responder
	Watch     *watch.Watch
	Mouth     *Mouth

	cfg    Config
	file   *engine.Database
	engine *engine.Engine
	outbox *notify.Outbox
	report watch.Report
	next   time.Time // when to measure again
	wakes  map[backout.IncidentID]time.Time
	errs   []string
}

// minute is how long a model minute lasts in a town: fake time costs nothing.
const minute = time.Minute

// Environment is where everything in a town lives.
const Environment = backout.Environment("production")

// Open wires everything and starts what an earlier Path on the file left running.
func Open(ctx context.Context, c Config) (_ *Path, err error) {
	c.Step, c.History = cmp.Or(c.Step, 15*time.Second), cmp.Or(c.History, 240)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Mouth == nil {
		c.Mouth = &Mouth{}
	}
	p := &Path{cfg: c, Mouth: c.Mouth, wakes: map[backout.IncidentID]time.Time{}}
	if p.file, err = engine.Open(ctx, c.File); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.file.Close())
		}
	}()
	for _, open := range []func(context.Context) error{p.openSignals, p.openActing, p.openTelling} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	return p, p.engine.Launch()
}

func (p *Path) openSignals(ctx context.Context) (err error) {
	if p.Store, err = store.New(ctx, p.file.DB); err != nil {
		return err
	}
	p.Watch, err = watch.New(watch.Config{
		Sampler: p.cfg.Product, Signals: p.cfg.Product.Signals, Step: p.cfg.Step, History: p.cfg.History, Log: p.cfg.Log,
		Report: func(context.Context, watch.Report) {}, // Tick hands its report back
	})
	return err
}

func (p *Path) openActing(ctx context.Context) (err error) {
	if p.engine, err = engine.New(ctx, engine.Config{Database: p.file, Log: p.cfg.Log}); err != nil {
		return err
	}
	rules, err := permit.Compile(p.cfg.Policy())
	if err != nil {
		return err
	}
	kept := wire.Incidents{Store: p.Store}
	p.Executor, err = execute.New(ctx, execute.Config{
		Engine: p.engine, Actuators: map[string]execute.Actuator{Actuator: p.cfg.Product},
		Guard:   &respond.Guard{Facts: p, Permit: rules, Now: func() time.Time { return time.Now().UTC() }},
		Gate:    &respond.Gate{Store: kept, Signals: p.Watch, Facts: p, Minute: minute},
		Stopped: p.stopped,
		// As app sets them.
		Timeout: 30 * time.Second, Settle: max(10*time.Second, minute), Tick: p.cfg.Step / 2, MaxTick: p.cfg.Step,
		Log: p.cfg.Log,
	})
	if err != nil {
		return err
	}
	p.Responder, err = respond.New(respond.Config{
		Store: kept, Learner: wire.Learner{Store: p.Store}, Facts: p, Signals: p.Watch, Runner: wire.Runner{Executor: p.Executor}, Permit: rules, Deploys: p.Store,
		Step: p.cfg.Step, Minute: minute, Seed: 1, Log: p.cfg.Log,
	})
	return err
}

// stopped is the kill switch, as the policy of the moment has it.
func (p *Path) stopped(context.Context) (string, error) {
	if p.cfg.Policy().KillSwitch {
		return "the kill switch is on", nil
	}
	return "", nil
}

func (p *Path) openTelling(context.Context) (err error) {
	p.outbox, err = notify.New(wire.Outbox{Store: p.Store}, []notify.Channel{{Name: "console", Notifier: p.Mouth}})
	return err
}

// Close stops where it is; nothing is lost by that.
func (p *Path) Close() error {
	return errors.Join(p.engine.Close(5*time.Second), p.file.Close())
}

// Actuator is the name by which a town's components call their actuator.
const Actuator = "town"

// Tick does what the loops of app do at a moment: it measures when a step has
// passed, opens or joins incidents, walks those that are open and tells people.
func (p *Path) Tick(ctx context.Context) {
	now := time.Now().UTC()
	if !now.Before(p.next) {
		p.report, p.next = p.Watch.Tick(ctx, now), now.Add(p.cfg.Step)
		missing := []backout.Degradation{}
		if p.report.Why != "" {
			missing = append(missing, backout.Degraded(backout.DegradedMetrics, "", p.report.DegradedSince, p.report.Why))
		}
		if _, err := p.Responder.Observe(ctx, p.report.Now, Environment, p.report.Findings, missing); err != nil {
			p.note(fmt.Errorf("observe: %w", err))
		}
	}
	open, err := p.Store.Incidents(ctx, store.Query{Open: true})
	p.note(err)
	for _, inc := range open {
		if !now.Before(p.wakes[inc.ID]) {
			p.wakes[inc.ID], err = p.Responder.Step(ctx, now, inc.ID)
			p.note(err)
		}
	}
	p.note(p.outbox.Drain(ctx, now))
}

func (p *Path) note(err error) {
	if err != nil {
		p.errs = append(p.errs, err.Error())
	}
}

// Errors are what went wrong in Tick and was tried again.
func (p *Path) Errors() []string { return p.errs }

// World is what app's facts give: what was reported, with the actuator's answers.
func (p *Path) World(ctx context.Context, now time.Time, surveyed bool) (backout.World, error) {
	since := now.Add(-90 * minute)
	trouble, err := p.Store.Troubles(ctx, since)
	if err != nil {
		return backout.World{}, err
	}
	for _, t := range trouble { // what is open is known from before it on
		if before := t.From.Add(-90 * minute); t.To.IsZero() && before.Before(since) {
			since = before
		}
	}
	obs, err := p.Store.Observations(ctx, since)
	if err != nil {
		return backout.World{}, err
	}
	priors, err := p.Store.Priors(ctx)
	if err != nil {
		return backout.World{}, err
	}
	holds, err := p.Store.Holds(ctx, now)
	if err != nil {
		return backout.World{}, err
	}
	w := backout.World{
		Now: now, Minute: backout.Duration(minute), Graph: p.cfg.Product.Graph, Contracts: p.cfg.Contracts, Policy: p.cfg.Policy(),
		Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{}, Holds: holds, Priors: priors,
	}
	did, err := p.Executor.Effects(ctx, since)
	if err != nil {
		return backout.World{}, err
	}
	w.Changes, w.Responses = backout.Fold(backout.Recognized(obs, did, minute))
	for i, c := range w.Changes {
		if part, ok := w.Graph.Component(c.Component); ok {
			w.Changes[i].Services = []backout.ServiceID{part.Service}
		}
	}
	if surveyed {
		p.survey(ctx, &w)
	}
	w.Pairs = backout.SeenTogether(w.Graph, w.Changes, w.Live, now, 2*p.cfg.Step, trouble...)
	return w, nil
}

func (p *Path) survey(ctx context.Context, w *backout.World) {
	for _, c := range w.Graph.Components {
		if c.Actuator == "" {
			continue
		}
		if r, err := p.cfg.Product.Probe(ctx, c); err == nil {
			w.Live[c.ID] = r.Live
		}
		rev, err := p.cfg.Product.Survey(ctx, c, w.Stack(c.ID))
		if err != nil {
			rev = backout.Reversal{Component: c.ID, Why: err.Error(), At: w.Now}
		}
		w.Reversals[c.ID] = rev
	}
}

// Records is an incident's audit log with the journals that it seals, as they are stored.
func (p *Path) Records(ctx context.Context, id backout.IncidentID) (l attest.Log, err error) {
	l = attest.Log{Incident: id, Journals: map[backout.AttemptID][][]byte{}}
	if l.Entries, err = p.Store.AuditLines(ctx, id); err != nil {
		return l, err
	}
	for _, at := range attest.Sealed(l.Entries) {
		if l.Journals[at], err = execute.JournalLines(ctx, p.file.DB, at); err != nil {
			return l, err
		}
	}
	return l, nil
}

// Broken says what of an incident's records is not as it was written.
func (p *Path) Broken(ctx context.Context, id backout.IncidentID) []backout.AuditBreak {
	l, err := p.Records(ctx, id)
	if err != nil {
		return []backout.AuditBreak{{Incident: id, Why: err.Error()}}
	}
	c := attest.New(nil)
	c.Add(l)
	return c.Result(false).Broken
}

// Report tells of a change as a pipeline would, without moving anything.
func (p *Path) Report(ctx context.Context, at time.Time, c backout.ComponentID, from, to backout.Version, by string) error {
	_, err := p.Store.Observe(ctx, []backout.Observation{{
		Source: by, NativeID: fmt.Sprintf("%s %s %d", c, to, at.UnixMilli()), At: at, Component: c, From: from, To: to, Share: 1, Actor: by,
	}})
	return err
}

// Mouth is a channel that remembers whom it told what. While Away it acknowledges
// nothing.
type Mouth struct {
	mu   sync.Mutex
	away bool
	told []backout.Message
}

// Notify meets notify's port.
func (m *Mouth) Notify(_ context.Context, msg backout.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errors.New("nobody listens")
	}
	m.told = append(m.told, msg)
	return nil
}

// Away says whether the channel is away.
func (m *Mouth) Away(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// Told lists what an audience heard, in order.
func (m *Mouth) Told(a backout.Audience) []backout.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.told), func(msg backout.Message) bool { return msg.Audience != a })
}
