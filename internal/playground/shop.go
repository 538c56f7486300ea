package playground

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/backout-dev/backout"
)

// shop is everything that RunShop runs.
type shop struct {
	config   Config
	script   script
	faults   []fault
	topology *topology
	around   *surroundings
	store    *store
	fleet    *fleet
	board    *knobBoard
	movables map[backout.ComponentID]*movable
	director *director
	beats    *beatBook
	cpu      *cpuMeter
	token    string
	started  time.Time
	stop     context.CancelFunc
	life     context.Context
	once     sync.Once
	begun    atomic.Pointer[time.Time]
	through  atomic.Pointer[time.Time]
}

// Ready is what ready.json tells.
type Ready struct {
	// Control is the base URL of the control API.
	Control string `json:"control"`
	// Targets is the URL of Prometheus' http_sd.
	Targets string `json:"targets"`
	PID     int    `json:"pid"`
	// Step is the model minute.
	Step backout.Duration `json:"step"`
	// Namespaces are where the shop's workloads are, by location; empty = in no cluster.
	Namespaces map[backout.Location]string `json:"namespaces,omitempty"`
}

// RunShop hosts the shop until ctx ends, the control API says stop, or the parent
// process is gone. ready.json appears in c.Dir when everything answers.
func RunShop(ctx context.Context, c Config) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	ctx, cancel := withParent(ctx, c.ParentPID)
	defer cancel()
	t := build(c.Seed, c.Blind)
	t.spread(c.told.Locations)
	s := &shop{config: c, script: draw(t, c.told, c.Seed), topology: t, beats: newBeatBook(), cpu: newCPUMeter(), started: time.Now(), stop: cancel, life: ctx}
	if err := s.prepare(ctx); err != nil {
		return fmt.Errorf("run shop: %w", err)
	}
	defer s.store.close()
	defer s.fleet.stopAll()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("run shop: %w", err)
	}
	s.fleet.spec = hostSpec{Seed: c.Seed, Blind: c.Blind, Rate: c.Rate, Control: "http://" + l.Addr().String(), Token: s.token}
	server := &http.Server{Handler: s.handler(), BaseContext: func(net.Listener) context.Context { return ctx }}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	defer closeSoon(server)
	if err := s.fleet.startAll(ctx); err != nil {
		return fmt.Errorf("run shop: %w", err)
	}
	if c.Pods != nil {
		if err := s.runPods(ctx); err != nil {
			return fmt.Errorf("run shop: %w", err)
		}
	}
	if err := s.announce(s.fleet.spec.Control); err != nil {
		return fmt.Errorf("run shop: %w", err)
	}
	c.Log.Info("shop is open", "services", len(s.topology.services), "instances", len(s.fleet.members()), "control", s.fleet.spec.Control)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("run shop: %w", err)
	}
}

// closeSoon lets answers that are being written reach those who asked: whoever said that
// the shop must stop is one of them.
func closeSoon(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}

// prepare makes files and values; nothing listens yet.
func (s *shop) prepare(ctx context.Context) error {
	c, t := s.config, s.topology
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	for _, old := range []string{"ready.json", "truth.json", "shop.db", "shop.db-wal", "shop.db-shm", "migrations"} {
		if err := os.RemoveAll(filepath.Join(c.Dir, old)); err != nil { // of an earlier run
			return err
		}
	}
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	s.token = hex.EncodeToString(key)
	if err := writeAtomic(filepath.Join(c.Dir, "token"), []byte(s.token), 0o600); err != nil {
		return err
	}
	if err := writeFlags(c.Dir, t.toggles); err != nil {
		return err
	}
	s.around = &surroundings{topology: t, routes: newRoutes(), knobs: newKnobs(), unsafe: &atomic.Int64{}, rate: c.Rate, bindings: s.script.bindings, sessions: map[backout.Location]*stockSessions{}}
	for _, at := range t.locations {
		own := newStockSessions(max(4, int(sessionsAt200*c.Rate/200)/len(t.locations)))
		s.around.sessions[at] = own
		go own.expire(ctx)
	}
	st, err := openStore(ctx, c.Dir, t.tables, s.around.unsafe)
	if err != nil {
		return err
	}
	s.store, s.around.store, s.board = st, st, &knobBoard{knobs: s.around.knobs}
	if err := s.openFlags(ctx); err != nil {
		return err
	}
	s.fleet = newFleet(ctx, s.around)
	s.fleet.spawn, s.fleet.follows = c.Spawn, c.Pods != nil
	s.movables = components(t, s.fleet, s.board)
	sc := s.script
	s.timeFaults(ctx)
	s.director = &director{script: sc, shop: s, log: c.Log, reports: make(chan backout.Observation, 100), etags: map[backout.ComponentID]string{}, skipped: map[backout.ComponentID]bool{}, truth: newTruth(sc, c.Seed)}
	s.fleet.acts = s.actsOf
	return writeCatalog(filepath.Join(c.Dir, "catalog"), t, sc, c)
}

// timeFaults turns the script's steps into durations.
func (s *shop) timeFaults(ctx context.Context) {
	for i, f := range s.script.faults {
		f.Number, f.Delay, f.Lasts, f.Acts.RampFor = i, s.steps(f.delay), s.steps(f.lasts), s.steps(f.ramp)
		s.faults = append(s.faults, f)
	}
	if slices.ContainsFunc(s.faults, func(f fault) bool { return f.Schema > 0 }) {
		go s.watchSchema(ctx)
	}
}

// sessionsAt200 is how many stock sessions inventory has at 200 transactions a
// second: ample for healthy payments, too few for slow ones.
const sessionsAt200 = 22

func (s *shop) openFlags(ctx context.Context) error {
	if s.config.Flags == nil {
		return nil
	}
	p, err := s.config.Flags(flagPath(s.config.Dir))
	if err != nil {
		return fmt.Errorf("open flags: %w", err)
	}
	if h, ok := p.(openfeature.StateHandler); ok {
		if err := h.Init(openfeature.EvaluationContext{}); err != nil {
			return fmt.Errorf("open flags: %w", err)
		}
		context.AfterFunc(ctx, h.Shutdown)
	}
	if f, ok := p.(interface{ Run(context.Context) error }); ok {
		go func() {
			if err := f.Run(ctx); err != nil {
				s.config.Log.Error("flags are no longer followed", "err", err)
			}
		}()
	}
	go watchFlags(ctx, p, s.topology, s.board)
	return nil
}

// actsOf gives how a copy behaves: as the table says but for small differences of
// new releases, and for the faults that concern it. Those of a release begin
// when its first instance does. A culprit's copies run in a process of their own.
func (s *shop) actsOf(c *crew, version string, now time.Time) (behaviour, []fault, bool) {
	id := c.service.deploymentAt(c.location)
	isNew := version == c.service.next
	first := false
	if isNew {
		shares, _ := s.fleet.shares(c.service.name, c.location)
		first = shares[backout.Version(version)] == 0
	}
	var acts behaviour
	if isNew {
		acts.Factor = s.script.factors[id]
	}
	var faults []fault
	for _, f := range s.faults {
		if first && f.component == id {
			s.board.begin(f, now)
		}
		if f.concerns(s.topology, c.service, version, c.location) {
			faults = append(faults, f)
		}
	}
	return acts, faults, isNew && s.script.guilty(id)
}

// watchSchema looks which migration is applied, a few times a second, until ctx
// ends: others may take one back.
func (s *shop) watchSchema(ctx context.Context) {
	for pause(ctx, 2*beatEvery) == nil {
		v, err := s.store.schemaVersion(ctx)
		if err != nil {
			continue // busy, or closing: what was seen last holds
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err == nil && n != s.board.knobs.state.Load().Schema {
			s.board.edit(func(k *knobState) { k.Schema = n })
		}
	}
}

func (s *shop) steps(n float64) time.Duration {
	return time.Duration(n * float64(s.config.Step))
}

func (s *shop) announce(control string) error {
	r := Ready{Control: control, Targets: control + "/v1/targets", PID: os.Getpid(), Step: backout.Duration(s.config.Step), Namespaces: map[backout.Location]string{}}
	for _, at := range s.topology.locations {
		if s.config.Pods != nil {
			r.Namespaces[at] = s.topology.namespace(at)
		}
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeAtomic(filepath.Join(s.config.Dir, "ready.json"), append(raw, '\n'), 0o644)
}

// begin ends the calm; asked again it does nothing.
func (s *shop) begin(to beginRequest) {
	s.once.Do(func() {
		now := time.Now().UTC()
		s.begun.Store(&now)
		go s.director.post(s.life, to)
		go s.director.direct(s.life, now)
	})
}

// begunAt is when the calm ended; zero = it has not.
func (s *shop) begunAt() time.Time {
	if t := s.begun.Load(); t != nil {
		return *t
	}
	return time.Time{}
}
