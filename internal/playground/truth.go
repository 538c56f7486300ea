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
	Expected   string                `json:"expected"` // recovered or no_action
}

func newTruth(s script, seed uint64) truth {
	t := truth{Format: 1, Scenario: s.scenario, Seed: seed, Culprits: []string{}, Components: []backout.ComponentID{}, Demanded: s.demanded, Decoys: s.decoys, Expected: "no_action"}
	for _, sh := range s.shipments {
		t.Components = append(t.Components, sh.component)
		if sh.component == s.culprit {
			t.Culprits = append(t.Culprits, string(sh.component)+"="+string(sh.to))
			t.Expected = "recovered"
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
