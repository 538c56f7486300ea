package playground

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// Report is how the shop has done.
type Report struct {
	Services  int `json:"services"`
	Instances int `json:"instances"`
	// Tallies since the beginning of the scenario, or since the start while it is
	// calm; SinceStart are those of the whole run.
	Tallies
	SinceStart Tallies `json:"since_start"`
	// CPU is the share of one core that all processes of the playground use.
	CPU     float64 `json:"cpu_ratio"`
	CPUShop float64 `json:"cpu_shop_ratio"`
	CPULoad float64 `json:"cpu_load_ratio"`
	// Unsafe counts requests that crossed an incompatible pair of versions.
	Unsafe int64 `json:"unsafe_requests"`
	// Begun is when the calm ended; zero = not yet.
	Begun time.Time `json:"begun"`
	// Through is when the script had shipped all it had to ship; zero = not yet.
	Through time.Time `json:"through,omitzero"`
}

func (s *shop) report() Report {
	r := Report{Services: len(s.topology.services), Instances: len(s.fleet.members()), CPUShop: s.cpu.ratio(), Unsafe: s.around.unsafe.Load(), Begun: s.begunAt()}
	if at := s.through.Load(); at != nil {
		r.Through = *at
	}
	r.SinceStart.Since, r.Since = s.started, s.started
	r.CPU = r.CPUShop
	for _, b := range s.beats.all() {
		if time.Since(b.heard) < 2*time.Second {
			r.CPU += b.CPU
		}
		r.Unsafe += b.Unsafe
		if b.Role == "load" {
			r.CPULoad = b.CPU
		}
		if b.Start != nil {
			r.SinceStart, r.Tallies = *b.Start, *b.Start
		}
		if b.Begin != nil {
			r.Tallies = *b.Begin
		}
	}
	if r.Lost.Currency == "" {
		r.Lost = backout.Money{Currency: currency}
	}
	return r
}

// beatBook keeps the last beat of each process.
type beatBook struct {
	mu   sync.Mutex // guards last
	last map[string]beat
}

func newBeatBook() *beatBook { return &beatBook{last: map[string]beat{}} }

func (b *beatBook) put(v beat) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v.heard = time.Now()
	b.last[v.Role+"/"+v.ID] = v
}

func (b *beatBook) all() []beat {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.last))
}

// of gives the last beat of a process with a role.
func (b *beatBook) of(role string) (beat, bool) {
	for _, v := range b.all() {
		if v.Role == role {
			return v, true
		}
	}
	return beat{}, false
}
