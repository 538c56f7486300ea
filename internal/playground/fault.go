package playground

import (
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
	// Number is the fault's place in the script; [knobState.Begun] says under it when
	// it began.
	Number int `json:"number"`

	component backout.ComponentID // whose shipment begins it; "" = at does
	at        float64             // steps after the beginning, when no shipment does
	// In steps, until a shop knows how long one is.
	delay, ramp, lasts float64
}

// concerns says whether an instance can be hurt at all; the rest is asked for each
// request.
func (f fault) concerns(top *topology, s *service, version string, at backout.Location) bool {
	if f.Location != "" && f.Location != at {
		return false
	}
	if f.WayBack == (f.Version == version) && f.Version != "" {
		return false
	}
	return f.Service == s.name || f.Service == top.store && s.writes()
}

// felt is what the fault does to one operation of an instance.
func (f fault) felt(in *instance, o *op, client string, now time.Time) (felt, bool) {
	k := in.around.knobs.state.Load()
	begun, ok := k.Begun[f.Number]
	if !ok || f.WayBack && in.started.Before(begun) || f.Client != "" && f.Client != client {
		return felt{}, false
	}
	if f.Service != in.service.name && !o.effect.writes() {
		return felt{}, false
	}
	if f.Flag != "" && !k.On[f.Flag][client] || f.Setting != "" && !k.Set[f.Setting] || f.Schema > k.Schema {
		return felt{}, false
	}
	acts := f.Acts
	acts.RampAt = begun.Add(f.Delay)
	if f.Lasts > 0 {
		acts.EndAt = acts.RampAt.Add(f.Lasts)
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
