// Package notify drains the outbox to people and programs. Messages are written
// with the transition that they tell about, so none is lost and none is invented;
// this package only delivers them, through the [Notifier] of each channel.
//
// # The model in one page
//
// A message belongs to a thread: one incident and one audience. The outbox holds
// one row for each message and channel, so a channel that is away delays no other.
// Within a thread and channel messages go out in order.
//
// A delivery counts when the receiver acknowledged it. Three answers are no
// acknowledgement: a failure is tried again with growing patience; [Later] names
// the patience itself; [ErrRefused] will not change by trying. What ends an
// incident (a terminal message) is tried until somebody acknowledged it. After some
// failures or a stated time, or at once when it was refused or the receiver asks to
// wait longer, the channel's fallback is asked as well. Other news is given up when it
// was refused, or after an hour, since old news misleads. What nobody acknowledged
// stays in the outbox and is shown as undelivered.
//
// Between a receiver's acknowledgement and our note of it the program may die. Then
// the message is sent once more, with the same [backout.Message.ID], so that
// receivers can drop it; channels whose receiver can't do so remember in
// [Threads] what they have sent.
package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout"
)

// Notifier delivers one message to one channel's receiver. An error means that
// nobody acknowledged it. A thread's messages come one after the other, messages of
// different threads perhaps at once.
type Notifier interface {
	Notify(ctx context.Context, m backout.Message) error
}

// ErrRefused is wrapped by errors that trying again will not change: the receiver
// understood and said no. Mend the channel's configuration.
var ErrRefused = errors.New("refused")

// Later is the error of a receiver that asks not to be called for a while.
type Later struct {
	After time.Duration
	Err   error
}

// Error is the cause with the wait.
func (l *Later) Error() string { return fmt.Sprintf("%v; asked to wait %s", l.Err, l.After) }

// Unwrap gives the cause.
func (l *Later) Unwrap() error { return l.Err }

// Threads keeps, for channels that need it, where a thread stands at the receiver.
// What is kept survives the program.
type Threads interface {
	// Thread gives what was kept under a name; "" when nothing was.
	Thread(ctx context.Context, name string) (string, error)
	KeepThread(ctx context.Context, name string, at time.Time, body string) error
}

// Queue is the outbox as this package needs it.
type Queue interface {
	// Due lists messages whose next try is due, oldest first, none before an earlier
	// one of its thread and channel is settled.
	Due(ctx context.Context, now time.Time) ([]Due, error)
	Delivered(ctx context.Context, d Due, at time.Time, note string) error
	Failed(ctx context.Context, d Due, next time.Time, why string) error
	GiveUp(ctx context.Context, d Due, at time.Time, why string) error
}

// Due is one message for one channel with the number of tries so far.
type Due struct {
	Message backout.Message
	Channel string
	Tries   int
}

// Channel is one way to reach somebody.
type Channel struct {
	Name     string
	Notifier Notifier
	// Fallback names the channel that terminal messages go to when this one does not
	// acknowledge them; "" = none.
	Fallback string
	// SecondAfter is how old a terminal message gets at most before it goes to Fallback as
	// well; 0 = a minute.
	SecondAfter time.Duration
}

// Outbox delivers what is due. It may be drained by one goroutine at a time.
type Outbox struct {
	queue    Queue
	channels map[string]Channel
}

// New makes an outbox.
func New(q Queue, channels []Channel) (*Outbox, error) {
	if q == nil || len(channels) == 0 {
		return nil, errors.New("make outbox: a queue and at least one channel are needed")
	}
	o := &Outbox{q, map[string]Channel{}}
	for _, c := range channels {
		if _, twice := o.channels[c.Name]; twice || c.Notifier == nil {
			return nil, fmt.Errorf("make outbox: channel %q: expected a name of its own and a notifier", c.Name)
		}
		o.channels[c.Name] = c
	}
	for _, c := range channels {
		if _, ok := o.channels[c.Fallback]; c.Fallback != "" && (!ok || c.Fallback == c.Name) {
			return nil, fmt.Errorf("make outbox: channel %q: fallback %q: expected another channel's name", c.Name, c.Fallback)
		}
	}
	return o, nil
}

const (
	deliveryTimeout = 10 * time.Second
	firstPatience   = time.Second
	longestPatience = 5 * time.Minute
	newsGoesStale   = time.Hour
	// A terminal message goes to the second channel after so many failures, or sooner when
	// it would be older than this at the next try.
	secondTries = 6
	secondAfter = time.Minute
)

// Drain delivers everything that is due now, channels side by side. A channel that
// fails is left alone until the next drain, so that one drain takes no longer than
// one timeout of each. It returns the first failure of the queue itself; a
// channel's failure is recorded and tried again.
func (o *Outbox) Drain(ctx context.Context, now time.Time) error {
	away := map[string]bool{}
	for {
		due, err := o.queue.Due(ctx, now)
		if err != nil {
			return fmt.Errorf("read outbox: %w", err)
		}
		work := map[string][]Due{}
		for _, d := range due {
			if !away[d.Channel] {
				work[d.Channel] = append(work[d.Channel], d)
			}
		}
		if len(work) == 0 {
			return nil
		}
		failed := make(chan string, len(work))
		var g errgroup.Group
		for name, ds := range work {
			g.Go(func() error { return o.send(ctx, now, name, ds, failed) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		close(failed)
		for name := range failed {
			away[name] = true
		}
	}
}

// send delivers one channel's messages in order until one fails.
func (o *Outbox) send(ctx context.Context, now time.Time, name string, ds []Due, failed chan<- string) error {
	for _, d := range ds {
		ok, err := o.deliver(ctx, now, d)
		if err != nil {
			return fmt.Errorf("deliver %s to %s by %s: %w", d.Message.Key, d.Message.Audience, name, err)
		}
		if !ok {
			failed <- name
			return nil
		}
	}
	return nil
}

// deliver tries one message and records what came of it. ok is false when the
// channel did not acknowledge it and may not do so for others either.
func (o *Outbox) deliver(ctx context.Context, now time.Time, d Due) (ok bool, err error) {
	if !d.Message.Terminal && now.Sub(d.Message.At) > newsGoesStale {
		return true, o.queue.GiveUp(ctx, d, now, fmt.Sprintf("older than %s", newsGoesStale))
	}
	why := o.try(ctx, d.Channel, d.Message)
	if ctx.Err() != nil {
		return false, ctx.Err() // we are stopping: this says nothing about the receiver
	}
	if why == nil {
		return true, o.queue.Delivered(ctx, d, now, "")
	}
	refused := errors.Is(why, ErrRefused)
	next := now.Add(patience(d, why))
	second, within := o.channels[d.Channel].Fallback, cmp.Or(o.channels[d.Channel].SecondAfter, secondAfter)
	if d.Message.Terminal && second != "" && (refused || d.Tries+1 >= secondTries || next.Sub(d.Message.At) > within) {
		also := o.try(ctx, second, d.Message)
		if also == nil {
			return false, o.queue.Delivered(ctx, d, now, fmt.Sprintf("delivered by %s, since %s: %v", second, d.Channel, why))
		}
		why = fmt.Errorf("%w; %s: %w", why, second, also)
	}
	if refused && !d.Message.Terminal {
		return true, o.queue.GiveUp(ctx, d, now, why.Error())
	}
	return false, o.queue.Failed(ctx, d, next, why.Error())
}

func (o *Outbox) try(ctx context.Context, name string, m backout.Message) error {
	c, ok := o.channels[name]
	if !ok {
		return fmt.Errorf("no channel %q is configured", name)
	}
	call, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	return c.Notifier.Notify(call, m)
}

// patience doubles with each try, unless the receiver named a longer one.
func patience(d Due, why error) time.Duration {
	p := min(firstPatience<<min(d.Tries, 20), longestPatience)
	var later *Later
	if errors.As(why, &later) {
		p = max(p, min(later.After, newsGoesStale))
	}
	return p
}
