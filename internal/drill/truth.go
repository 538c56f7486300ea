// Package drill scores a rehearsal: what backout decided and did, held against
// what really happened.
//
// The [Truth] is written by whoever scripted the trouble and is read here alone,
// after the run has ended; nothing on the way to a decision can see it (the
// architecture test holds this). [Score] turns a finished run into a [Result],
// the one object that `backout demo -o json` prints: times from injection,
// suspects, what was reverted and whether that was innocent, unsafe states and
// requests, the forecast beside what came true, and whether it all ended as it
// should.
package drill

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Truth is what the script did.
type Truth struct {
	Format     int       `json:"format"`
	Scenario   string    `json:"scenario"`
	Seed       uint64    `json:"seed"`
	InjectedAt time.Time `json:"injected_at"`
	// Culprits name the guilty changes as COMPONENT=VERSION; empty when none is.
	Culprits []string `json:"culprits"`
	// Components are all that the script moved.
	Components []backout.ComponentID `json:"components"`
	// Demanded are innocent components that a contract takes back along with a culprit.
	Demanded []backout.ComponentID `json:"demanded"`
	Decoys   []string              `json:"decoys"`
	// Expect is what the scenario's file says of the right endings.
	Expect Expectation `json:"expect"`
}

// ReadTruth reads the script's file. It fails when the file is missing (the
// script never came to the injection) or is not of format 1.
func ReadTruth(path string) (Truth, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Truth{}, fmt.Errorf("read truth: %w", err)
	}
	var t Truth
	if err := json.Unmarshal(b, &t); err != nil {
		return Truth{}, fmt.Errorf("read truth %s: %w", path, err)
	}
	if t.Format != 1 {
		return Truth{}, fmt.Errorf("read truth %s: format: expected 1, got %d", path, t.Format)
	}
	return t, nil
}

// guilty reports whether moving this component to this version was the fault.
func (t Truth) guilty(id backout.ComponentID, v backout.Version) bool {
	for _, c := range t.Culprits {
		comp, version, _ := strings.Cut(c, "=")
		if comp == string(id) && version == string(v) {
			return true
		}
	}
	return false
}

func (t Truth) demanded(id backout.ComponentID) bool {
	for _, d := range t.Demanded {
		if d == id {
			return true
		}
	}
	return false
}
