// Package notify drains the outbox to people. Messages are written with the
// transition that they tell about, so none is lost and none is invented; this
// package only delivers them, in order, through a [Notifier] for each audience.
//
// A delivery that fails is tried again with growing patience. What ends an
// incident (a terminal message) is tried until a receiver acknowledged it; other
// news is given up after an hour, since old news misleads. What could not be
// delivered stays in the outbox and is shown as undelivered.
package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Notifier delivers one message to one audience's channel. An error means that
// nobody acknowledged it.
type Notifier interface {
	Notify(ctx context.Context, m backout.Message) error
}

// Queue is the outbox as this package needs it.
type Queue interface {
	// Due lists messages whose next try is due, oldest first, with the number of
	// tries so far.
	Due(ctx context.Context, now time.Time) ([]Due, error)
	Delivered(ctx context.Context, m backout.Message, at time.Time) error
	Failed(ctx context.Context, m backout.Message, next time.Time, why string) error
}

// Due is one message with its history.
type Due struct {
	Message backout.Message
	Tries   int
}

// Outbox delivers what is due.
type Outbox struct {
	queue    Queue
	channels map[backout.Audience]Notifier
}

// New makes an outbox.
func New(q Queue, channels map[backout.Audience]Notifier) (*Outbox, error) {
	if q == nil || len(channels) == 0 {
		return nil, errors.New("make outbox: a queue and at least one channel are needed")
	}
	return &Outbox{q, channels}, nil
}

const (
	deliveryTimeout = 10 * time.Second
	firstPatience   = time.Second
	longestPatience = 5 * time.Minute
	newsGoesStale   = time.Hour
)

// Drain delivers everything that is due now. It returns the first failure of the
// queue itself; a channel's failure is recorded and tried again.
func (o *Outbox) Drain(ctx context.Context, now time.Time) error {
	due, err := o.queue.Due(ctx, now)
	if err != nil {
		return fmt.Errorf("read outbox: %w", err)
	}
	for _, d := range due {
		if err := o.deliver(ctx, now, d); err != nil {
			return fmt.Errorf("deliver %s to %s: %w", d.Message.Key, d.Message.Audience, err)
		}
	}
	return nil
}

func (o *Outbox) deliver(ctx context.Context, now time.Time, d Due) error {
	channel, ok := o.channels[d.Message.Audience]
	if !ok {
		return o.queue.Failed(ctx, d.Message, now.Add(newsGoesStale), "no channel for "+string(d.Message.Audience))
	}
	call, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	if err := channel.Notify(call, d.Message); err != nil {
		return o.queue.Failed(ctx, d.Message, now.Add(patience(d, now)), err.Error())
	}
	return o.queue.Delivered(ctx, d.Message, now)
}

// patience doubles with each try; stale news that ends nothing is left for good.
func patience(d Due, now time.Time) time.Duration {
	if !d.Message.Terminal && now.Sub(d.Message.At) > newsGoesStale {
		return 100 * 365 * 24 * time.Hour
	}
	p := firstPatience << min(d.Tries, 20)
	return min(p, longestPatience)
}
