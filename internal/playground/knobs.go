package playground

import (
	"sync/atomic"
	"time"
)

// knobState is what flags and configuration say at one moment.
type knobState struct {
	// Factors scale the work of a service; absent = 1.
	Factors map[string]float64 `json:"factors"`
	// On holds the flags that are on, by flag and client.
	On map[string]map[string]bool `json:"on"`
	// Set holds the settings that are at their second revision.
	Set map[string]bool `json:"set"`
	// Schema is the last migration that is applied; 0 = nobody asked.
	Schema int64 `json:"schema"`
	// Begun says when each fault of the script began, by its number. Only processes of
	// instances are told.
	Begun map[int]time.Time `json:"begun,omitempty"`
}

// knobs is the state in force in one process. A state is never edited, only
// replaced.
type knobs struct{ state atomic.Pointer[knobState] }

func newKnobs() *knobs {
	k := &knobs{}
	k.state.Store(&knobState{Factors: map[string]float64{}, On: map[string]map[string]bool{}, Set: map[string]bool{}, Begun: map[int]time.Time{}})
	return k
}

func (k *knobs) factor(service string) float64 {
	if f, ok := k.state.Load().Factors[service]; ok {
		return f
	}
	return 1
}

func (k *knobs) on(flag, client string) bool { return k.state.Load().On[flag][client] }
