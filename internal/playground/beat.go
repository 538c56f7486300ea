package playground

import (
	"context"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// beat is what the load and processes of instances tell the shop a few times a
// second.
type beat struct {
	Role    string   `json:"role"` // "load" or "instances"
	ID      string   `json:"id"`
	Address string   `json:"address,omitempty"` // of its /metrics
	Unsafe  int64    `json:"unsafe_requests"`
	CPU     float64  `json:"cpu_ratio"`
	Start   *Tallies `json:"start,omitempty"`
	Begin   *Tallies `json:"begin,omitempty"`

	heard time.Time
}

// answerToBeat brings what changes: routes, flags and configuration.
type answerToBeat struct {
	Routes *routeTable `json:"routes"`
	Knobs  *knobState  `json:"knobs"`
	Begun  time.Time   `json:"begun"` // zero = still calm
}

// Tallies are the load's numbers since a moment.
type Tallies struct {
	Since        time.Time     `json:"since"`
	Transactions int64         `json:"transactions"`
	Failed       int64         `json:"failed_transactions"`
	PerMinute    float64       `json:"transactions_per_minute"`
	P50          float64       `json:"latency_p50_ms"`
	P95          float64       `json:"latency_p95_ms"`
	Lost         backout.Money `json:"lost_revenue"`
}

const beatEvery = 100 * time.Millisecond

// pacemaker sends beats and puts the answers into force.
type pacemaker struct {
	control, token string
	around         *surroundings
	beat           func() beat
	heard          func(answerToBeat) // may be nil
}

func (p *pacemaker) once(ctx context.Context) error {
	var a answerToBeat
	if err := send(ctx, p.control, p.token, "POST", "/v1/beats", nil, p.beat(), &a); err != nil {
		return err
	}
	if a.Routes != nil {
		p.around.routes.table.Store(a.Routes)
	}
	if a.Knobs != nil {
		p.around.knobs.state.Store(a.Knobs)
	}
	if p.heard != nil {
		p.heard(a)
	}
	return nil
}

func (p *pacemaker) run(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = p.once(ctx) // the next beat is soon; the parent's end is watched elsewhere
		}
	}
}

// runUntilLost is run that ends when the other side has not answered for a second.
func (p *pacemaker) runUntilLost(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	heard := time.Now()
	for time.Since(heard) < time.Second {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if p.once(ctx) == nil {
				heard = time.Now()
			}
		}
	}
}

// cpuMeter measures the share of one core that this process uses.
type cpuMeter struct {
	mu   sync.Mutex
	at   time.Time
	used time.Duration
	last float64
}

func newCPUMeter() *cpuMeter { return &cpuMeter{at: time.Now(), used: cpuUsed()} }

// ratio is the share since it was last asked, over at least two seconds.
func (m *cpuMeter) ratio() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if d := now.Sub(m.at); d >= 2*time.Second || m.last == 0 && d > 100*time.Millisecond {
		used := cpuUsed()
		m.last = float64(used-m.used) / float64(d)
		m.at, m.used = now, used
	}
	return m.last
}
