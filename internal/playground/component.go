package playground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// ComponentState is what the control API says of a component.
type ComponentState struct {
	ID        backout.ComponentID `json:"id"`
	Live      backout.Live        `json:"live"`
	ETag      string              `json:"etag"` // changes with every move
	Versions  []backout.Version   `json:"versions"`
	Instances int                 `json:"instances"`
}

// ComponentMove is what the control API is asked to do with a component.
type ComponentMove struct {
	To backout.Version `json:"to"`
	// Share of the instances that shall be at To, in (0,1]; 0 = 1. Configuration
	// and splits move as a whole.
	Share   float64           `json:"share_ratio"`
	Attempt backout.AttemptID `json:"attempt,omitempty"`
}

// movable is one component behind the control API.
type movable struct {
	id       backout.ComponentID
	versions []backout.Version
	look     func() (map[backout.Version]float64, int)
	healthy  func() bool // nil = always
	move     func(ctx context.Context, to backout.Version, share float64) error

	mu      sync.Mutex // one move at a time; guards what follows
	etag    int
	answers map[string]moveAnswer // by idempotency key
	attempt backout.AttemptID     // who moved it last, when that was a plan
}

type moveAnswer struct {
	state ComponentState
	err   error
}

func (m *movable) state() ComponentState {
	shares, n := m.look()
	healthy := m.healthy == nil || m.healthy()
	return ComponentState{ID: m.id, Live: backout.Live{Shares: shares, Healthy: healthy, At: time.Now().UTC()}, ETag: strconv.Itoa(m.etag), Versions: m.versions, Instances: n}
}

// State is what runs now.
func (m *movable) State() ComponentState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state()
}

// Apply carries a move out. ifMatch and key may be empty. Its errors carry a code:
// conflict for a stale etag, invalid for a version that does not exist. The same
// key gets the first answer again.
func (m *movable) Apply(ctx context.Context, mv ComponentMove, ifMatch, key string) (ComponentState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.answers[key]; ok && key != "" {
		return a.state, a.err
	}
	err := m.apply(ctx, mv, ifMatch)
	a := moveAnswer{m.state(), err}
	if key != "" && backout.CodeOf(err) != backout.CodeInternal {
		m.answers[key] = a
	}
	return a.state, err
}

func (m *movable) apply(ctx context.Context, mv ComponentMove, ifMatch string) error {
	switch {
	case ifMatch != "" && ifMatch != strconv.Itoa(m.etag):
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("%s is at etag %d, not %s: look again", m.id, m.etag, ifMatch)}
	case !slices.Contains(m.versions, mv.To):
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("%s has no version %q, expected one of %v", m.id, mv.To, m.versions)}
	case mv.Share < 0 || mv.Share > 1:
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("share_ratio is %g, expected a number in (0,1]", mv.Share)}
	}
	m.etag++
	m.attempt = mv.Attempt
	if err := m.move(ctx, mv.To, cmp.Or(mv.Share, 1)); err != nil {
		return &backout.Error{Code: backout.CodeInternal, Message: "move " + string(m.id), Err: err}
	}
	return nil
}

// components are all that the control API can move.
// deployments too when a cluster says where they are, but then it alone moves them.
func components(t *topology, f *fleet, k *knobBoard) map[backout.ComponentID]*movable {
	out := map[backout.ComponentID]*movable{}
	add := func(m *movable) {
		m.etag, m.answers = 1, map[string]moveAnswer{}
		out[m.id] = m
	}
	for i := range t.services {
		s := &t.services[i]
		if !s.own() {
			continue
		}
		for _, at := range t.locations {
			add(&movable{id: s.deploymentAt(at), versions: []backout.Version{backout.Version(s.previous), backout.Version(s.current), backout.Version(s.next)},
				look:    func() (map[backout.Version]float64, int) { return f.shares(s.name, at) },
				healthy: func() bool { return f.healthy(f.life, s.name, at) },
				move: func(ctx context.Context, to backout.Version, share float64) error {
					if f.follows {
						return errors.New("it runs in a cluster: move it there")
					}
					return f.move(ctx, s, at, string(to), share)
				}})
		}
	}
	for _, c := range t.settings {
		add(whole(c.id(), []backout.Version{"r1", "r2"}, func(second bool) { k.set(c, second) }))
	}
	for _, s := range t.splits {
		add(whole(s.id(), []backout.Version{"split-1", "split-2"}, func(second bool) { f.setSplit(s.service, second) }))
	}
	return out
}

// whole is a component with two versions that moves at once.
func whole(id backout.ComponentID, versions []backout.Version, set func(second bool)) *movable {
	var mu sync.Mutex
	now := versions[0]
	return &movable{id: id, versions: versions,
		look: func() (map[backout.Version]float64, int) {
			mu.Lock()
			defer mu.Unlock()
			return map[backout.Version]float64{now: 1}, 1
		},
		move: func(_ context.Context, to backout.Version, _ float64) error {
			set(to == versions[1])
			mu.Lock()
			defer mu.Unlock()
			now = to
			return nil
		}}
}

func (c setting) id() backout.ComponentID {
	return backout.NewComponentID(backout.KindConfig, c.name, environment, c.at)
}

func (s split) id() backout.ComponentID {
	return backout.NewComponentID(backout.KindTraffic, s.name, environment, s.at)
}

func (f toggle) id() backout.ComponentID {
	return backout.NewComponentID(backout.KindFlag, f.name, environment, f.at)
}

func (t *topology) schemaID() backout.ComponentID {
	return backout.NewComponentID(backout.KindSchema, t.schema, environment, t.common())
}

// knobBoard owns the state of flags and configuration in the shop.
type knobBoard struct {
	knobs *knobs
	mu    sync.Mutex
}

func (k *knobBoard) edit(change func(*knobState)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.knobs.state.Load()
	s := &knobState{Factors: maps.Clone(old.Factors), On: maps.Clone(old.On), Set: maps.Clone(old.Set), Schema: old.Schema, Begun: maps.Clone(old.Begun)}
	change(s)
	k.knobs.state.Store(s)
}

// begin notes when a fault began.
func (k *knobBoard) begin(f fault, at time.Time) {
	k.edit(func(s *knobState) { s.Begun[f.Number] = at })
}

func (k *knobBoard) set(c setting, second bool) {
	k.edit(func(s *knobState) {
		delete(s.Factors, c.service)
		if s.Set[c.name] = second; second {
			s.Factors[c.service] = c.factor
		}
	})
}
