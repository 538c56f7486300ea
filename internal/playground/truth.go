package playground

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout"
)

// truth is what only the director knows; the scorer reads it after the run.
type truth struct {
	Format   int    `json:"format"`
	Scenario string `json:"scenario"`
	Seed     uint64 `json:"seed"`
	// InjectedAt is when the bad release first took requests, or when the provider
	// began to degrade.
	InjectedAt time.Time             `json:"injected_at"`
	Culprits   []string              `json:"culprits"`   // COMPONENT_ID=VERSION
	Components []backout.ComponentID `json:"components"` // all that the script moves
	Demanded   []backout.ComponentID `json:"demanded"`   // must go back with them
	Decoys     []backout.ComponentID `json:"decoys"`
	Expect     expectation           `json:"expect"`
}

// expectation is how the run should end.
type expectation struct {
	Outcomes []string              `json:"outcomes"`
	Reverted []string              `json:"reverted"` // COMPONENT_ID=VERSION that must go back
	Demanded []backout.ComponentID `json:"demanded"` // may go back along with them
	// Innocents are how many other components may go back.
	Innocents int    `json:"innocents"`
	Audience  string `json:"audience,omitempty"` // reverted flags go off for this client and nobody else
	Detected  bool   `json:"detected"`
	Asked     *bool  `json:"asked,omitempty"`
}

func newTruth(s script, seed uint64) truth {
	t := truth{Format: 1, Scenario: s.scenario, Seed: seed, Culprits: []string{}, Components: []backout.ComponentID{}, Demanded: s.demanded, Decoys: s.decoys, Expect: s.expect}
	for _, sh := range s.shipments {
		t.Components = append(t.Components, sh.component)
		if s.guilty(sh.component) {
			t.Culprits = append(t.Culprits, string(sh.component)+"="+string(sh.to))
		}
	}
	return t
}

func (d *director) writeTruth() {
	raw, err := json.MarshalIndent(d.truth, "", "  ")
	if err == nil {
		err = writeAtomic(filepath.Join(d.shop.config.Dir, "truth.json"), append(raw, '\n'), 0o600)
	}
	if err != nil {
		d.log.Error("truth not written", "err", err)
	}
}
