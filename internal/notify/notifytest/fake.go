// Package notifytest holds what every channel is tested with: the conformance
// suite, an in-memory channel, one that fails on demand, and an outbox and thread
// keeper in memory.
package notifytest

import (
	"context"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// Receipt is one message as a receiver got it.
type Receipt struct {
	// ID is what the receiver can tell a repetition by; "" when it can't.
	ID   string
	Text string
}

// Fake is a channel whose receiver is a list.
type Fake struct {
	mu       sync.Mutex
	received []Receipt // guarded by mu
	fault    error     // guarded by mu
}

// Notify keeps the message, unless the fake is broken.
func (f *Fake) Notify(ctx context.Context, m backout.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.fault != nil {
		return f.fault
	}
	f.received = append(f.received, Receipt{m.ID(), m.Text})
	return nil
}

// Received lists what was acknowledged, in order.
func (f *Fake) Received() []Receipt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Receipt{}, f.received...)
}

// Break makes the receiver answer with a fault from now on; [Fine] mends it.
func (f *Fake) Break(k Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = map[Fault]error{Away: errAway, Refusing: notify.ErrRefused, Busy: &notify.Later{After: BusyFor, Err: errAway}}[k]
}

// Failing passes messages on to a channel while Fails says nil, and fails with its
// error otherwise.
type Failing struct {
	notify.Notifier
	Fails func(m backout.Message) error
}

// Notify fails on demand.
func (f Failing) Notify(ctx context.Context, m backout.Message) error {
	if err := f.Fails(m); err != nil {
		return err
	}
	return f.Notifier.Notify(ctx, m)
}

// Threads keeps threads in memory. The zero value is ready.
type Threads struct {
	mu   sync.Mutex
	kept map[string]string // guarded by mu
	// Refuse, when set, is the error of the next KeepThread for which it is not nil.
	Refuse func(name, body string) error
}

// Thread gives what was kept.
func (t *Threads) Thread(_ context.Context, name string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept[name], nil
}

// KeepThread keeps it.
func (t *Threads) KeepThread(_ context.Context, name string, _ time.Time, body string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Refuse != nil {
		if err := t.Refuse(name, body); err != nil {
			return err
		}
	}
	if t.kept == nil {
		t.kept = map[string]string{}
	}
	t.kept[name] = body
	return nil
}
