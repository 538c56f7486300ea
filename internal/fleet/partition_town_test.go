package fleet_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/fleet"
)

// What a partition goes through: the plan, the world that it moves, what a replica sees of
// it, and the wire that parts them.

// partitionPlan has two waves with five stages.
func partitionPlan() (execute.Request, []string) {
	var r execute.Request
	var keys []string
	p := backout.Plan{Action: backout.ActionRollBack}
	for i, shares := range [][]float64{{.25, .5, 1}, {.5, 1}} {
		id := backout.NewComponentID(backout.KindDeployment, fmt.Sprint("c", i), "production", "eu")
		r.Components = append(r.Components, backout.Component{ID: id, Kind: backout.KindDeployment, Name: fmt.Sprint("c", i), Actuator: "fake"})
		s := backout.Step{ID: fmt.Sprint("s", i), Component: id, From: "2", To: "1"}
		for j, share := range shares {
			s.Stages = append(s.Stages, backout.Stage{Share: share})
			keys = append(keys, fmt.Sprintf("i/1/s%d/%d", i, j))
		}
		p.Waves = append(p.Waves, backout.Wave{Steps: []backout.Step{s}})
	}
	r.Attempt = backout.Attempt{ID: "i/1", Digest: p.ExecutableDigest(), Plan: p}
	return r, keys
}

// world is what both replicas move. It belongs to neither, and no partition reaches it.
type world struct {
	compares bool // it compares the version in the instant in which it moves

	mu      sync.Mutex // guards what follows
	share   map[backout.ComponentID]float64
	moved   map[backout.ComponentID]int
	sent    []call // what arrived, also what was refused
	applied []call
}

type call struct{ key, by string }

func (w *world) calls() (sent, applied []call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent), slices.Clone(w.applied)
}

func (w *world) apply(c call, e backout.Effect) (backout.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := e.Component.ID
	if w.compares && e.IfVersion != strconv.Itoa(w.moved[id]) {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: "it moved meanwhile"}
	}
	w.share[id] = e.Share
	w.moved[id]++
	w.applied = append(w.applied, c)
	return backout.OutcomeDone, nil
}

// side is the world as one replica sees it: its actuator, guard and gate, and, by
// fence, the last thing before an effect.
type side struct {
	*world
	name    string
	moment  string     // where it is caught, in the second stage; "" = nowhere
	part    func()     // takes its connection away
	caught  chan bool  // closed when that has happened
	goOn    chan bool  // closed when it may go on
	loses   bool       // the call in which it is caught never gets through
	stay    chan bool  // closed when its gates may pass; nil = they pass
	mu      sync.Mutex // guards what follows
	allowed int
	once    bool
}

func (s *side) reach(moment string) (caught bool) {
	s.mu.Lock()
	now := moment == s.moment && s.allowed == 2 && !s.once
	s.once = s.once || now
	s.mu.Unlock()
	if !now {
		return false
	}
	s.part()
	close(s.caught)
	if moment != atNote { // there it is the database that does not answer
		<-s.goOn
	}
	return true
}

func (s *side) Allow(context.Context, execute.Proposal) (execute.Permission, error) {
	s.mu.Lock()
	s.allowed++
	s.mu.Unlock()
	s.reach(atGuard)
	return execute.Permission{Yes: true}, nil
}

func (s *side) Ask(context.Context, execute.Question) (execute.Answer, error) {
	s.reach(atGate)
	if s.stay != nil {
		select {
		case <-s.stay:
		default:
			return execute.Answer{Decision: execute.DecisionWait}, nil
		}
	}
	return execute.Answer{Decision: execute.DecisionGoOn}, nil
}

func (s *side) Survey(context.Context, backout.Component, []backout.Change) (backout.Reversal, error) {
	return backout.Reversal{}, nil
}

func (s *side) Swaps(backout.Component) bool { return s.compares }

func (s *side) Probe(_ context.Context, c backout.Component) (backout.Reality, error) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	at := s.share[c.ID]
	return backout.Reality{
		Live: backout.Live{Shares: map[backout.Version]float64{"1": at, "2": 1 - at}, Healthy: true}, Version: strconv.Itoa(s.moved[c.ID]), At: time.Now(),
	}, nil
}

// Do hands an effect to the world. What the world has is no longer the caller's: it
// comes about though the caller gives up.
func (s *side) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	c := call{e.Key, s.name}
	s.world.mu.Lock()
	s.sent = append(s.sent, c)
	s.world.mu.Unlock()
	type answer struct {
		o   backout.Outcome
		err error
	}
	ch := make(chan answer, 1)
	go func() {
		if s.reach(atDo) && s.loses {
			return
		}
		o, err := s.apply(c, e)
		ch <- answer{o, err}
	}()
	select {
	case a := <-ch:
		return a.o, a.err
	case <-ctx.Done():
		return backout.OutcomeUnknown, ctx.Err()
	}
}

// fence is the replica's own, with the moments around it.
type fence struct {
	*fleet.Replica
	*side
}

func (f fence) Check(ctx context.Context, tx *sql.Tx) error {
	err := f.Replica.Check(ctx, tx)
	f.reach(atNote)
	return err
}

func (f fence) Held() error {
	f.reach(atHeld)
	return f.Replica.Held()
}

// wire is a replica's way to the database.
type wire struct{ *toxiproxy.Proxy }

func newWire(t *testing.T, database string) (wire, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for {
		// Below the ports that the kernel gives to callers: while nobody listens here,
		// a caller could else be connected to itself.
		p := toxiproxy.NewProxy(server, "replica", fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(15000)), u.Host)
		if err := p.Start(); err == nil {
			t.Cleanup(p.Stop)
			u.Host = p.Listen
			return wire{p}, u.String()
		} else if op := new(net.OpError); !errors.As(err, &op) {
			t.Fatal(err)
		}
	}
}

func (w wire) part(t *testing.T, how string) {
	if how == cut {
		w.Stop()
		return
	}
	for _, stream := range []string{"downstream", "upstream"} {
		if how == deaf && stream == "upstream" {
			continue
		}
		body := fmt.Sprintf(`{"name":%q,"type":"timeout","stream":%q,"attributes":{"timeout":0}}`, stream, stream)
		if _, err := w.Toxics.AddToxicJson(strings.NewReader(body)); err != nil {
			t.Error(err)
		}
	}
}

func (w wire) mend(t *testing.T, how string) {
	var err error
	if how == cut {
		err = w.Start()
	} else {
		w.Toxics.ResetToxics(context.WithoutCancel(t.Context()))
	}
	if err != nil {
		t.Error(err)
	}
}
