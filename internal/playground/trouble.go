package playground

import (
	"sync/atomic"
	"time"

	"github.com/backout-dev/backout"
)

// fault is one trouble of a scenario, drawn: whom it hurts, when and how. It
// travels to processes of instances through a pipe and never into a file.
type fault struct {
	Service string `json:"service"` // a datastore = whoever writes to it
	// What narrows it; empty = does not.
	Version  string           `json:"version,omitempty"` // instances at this release
	WayBack  bool             `json:"way_back"`          // instead: at others, started since it began
	Location backout.Location `json:"location,omitempty"`
	Client   string           `json:"client,omitempty"`
	Flag     string           `json:"flag,omitempty"`    // requests for which it is on
	Setting  string           `json:"setting,omitempty"` // while it is at its second revision
	Schema   int64            `json:"schema,omitempty"`  // while this migration is applied

	Acts  behaviour     `json:"acts"` // without times
	Delay time.Duration `json:"delay_ns"`
	Lasts time.Duration `json:"lasts_ns"` // 0 = for ever
	// Begun is when it began, for a process that starts later; zero = not yet.
	Begun time.Time `json:"begun,omitzero"`

	component backout.ComponentID // whose shipment begins it; "" = at does
	at        float64             // steps after the beginning, when no shipment does
	// In steps, until a shop knows how long one is.
	delay, ramp, lasts float64
}

// trouble is a fault in a running shop.
type trouble struct {
	fault
	begun atomic.Pointer[time.Time]
}

func newTrouble(f fault) *trouble {
	t := &trouble{fault: f}
	if !f.Begun.IsZero() {
		t.begin(f.Begun)
	}
	return t
}

func (t *trouble) begin(at time.Time) { t.begun.Store(&at) }

// now is the fault for a process that starts at this moment.
func (t *trouble) now() fault {
	f := t.fault
	if at := t.begun.Load(); at != nil {
		f.Begun = *at
	}
	return f
}

// concerns says whether an instance can be hurt at all; the rest is asked for each
// request.
func (t *trouble) concerns(top *topology, s *service, version string, at backout.Location) bool {
	if t.Location != "" && t.Location != at {
		return false
	}
	if t.WayBack == (t.Version == version) && t.Version != "" {
		return false
	}
	return t.Service == s.name || t.Service == top.store && s.writes()
}

// felt is what the trouble does to one operation of an instance.
func (t *trouble) felt(in *instance, o *op, client string, now time.Time) (felt, bool) {
	begun := t.begun.Load()
	if begun == nil || t.WayBack && in.started.Before(*begun) || t.Client != "" && t.Client != client {
		return felt{}, false
	}
	if t.Service != in.service.name && !o.effect.writes() {
		return felt{}, false
	}
	k := in.around.knobs.state.Load()
	if t.Flag != "" && !k.On[t.Flag][client] || t.Setting != "" && !k.Set[t.Setting] || t.Schema > k.Schema {
		return felt{}, false
	}
	acts := t.Acts
	acts.RampAt = begun.Add(t.Delay)
	if t.Lasts > 0 {
		acts.EndAt = acts.RampAt.Add(t.Lasts)
	}
	return acts.felt(now), true
}

// binding is a contract that a scenario adds: the consumer's release asks for what
// only this release of the provider answers.
type binding struct {
	Consumer        string `json:"consumer"`
	ConsumerVersion string `json:"consumer_version"`
	Provider        string `json:"provider"`
	ProviderVersion string `json:"provider_version"`
	reason          string
}

func (e effect) writes() bool { return e == release || e == writeOrder || e == writeLedger }

func (s *service) writes() bool {
	for _, o := range s.ops {
		if o.effect.writes() {
			return true
		}
	}
	return false
}
