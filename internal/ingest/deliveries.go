package ingest

import (
	"sync"
	"time"
)

// How long a name is remembered, which is longer than a signature is valid before
// and after its time, and how many are: about 1 MB.
const (
	rememberFor = 15 * time.Minute
	rememberMax = 10_000
)

// deliveries remembers the names of messages that were taken, so that a replayed
// one has no effect even where its content would have. When too many come the
// oldest are forgotten first: native ids keep those harmless.
type deliveries struct {
	mu    sync.Mutex
	at    map[string]time.Time // guarded by mu
	order []string             // guarded by mu: a ring, oldest at next once full
	next  int                  // guarded by mu
}

func newDeliveries() *deliveries { return &deliveries{at: map[string]time.Time{}} }

func (d *deliveries) has(name string, now time.Time) bool {
	if name == "" {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.at[name]
	return ok && now.Sub(at) < rememberFor
}

func (d *deliveries) keep(name string, now time.Time) {
	if name == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.at[name]; !ok {
		if len(d.order) < rememberMax {
			d.order = append(d.order, name)
		} else {
			delete(d.at, d.order[d.next])
			d.order[d.next] = name
			d.next = (d.next + 1) % rememberMax
		}
	}
	d.at[name] = now
}
