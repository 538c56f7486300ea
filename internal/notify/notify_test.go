package notify

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

type memoryQueue struct {
	due       []Due
	delivered []string
	next      map[string]time.Time
}

func (q *memoryQueue) Due(context.Context, time.Time) ([]Due, error) { return q.due, nil }
func (q *memoryQueue) Delivered(_ context.Context, m backout.Message, _ time.Time) error {
	q.delivered = append(q.delivered, m.Key)
	return nil
}
func (q *memoryQueue) Failed(_ context.Context, m backout.Message, next time.Time, _ string) error {
	q.next[m.Key] = next
	return nil
}

type refusing struct{ keys map[string]bool }

func (r refusing) Notify(_ context.Context, m backout.Message) error {
	if r.keys[m.Key] {
		return errors.New("nobody there")
	}
	return nil
}

func TestDrain_deliversAndRetries(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	message := func(key string, age time.Duration, terminal bool) backout.Message {
		return backout.Message{Key: key, Audience: backout.AudienceOnCall, At: now.Add(-age), Terminal: terminal}
	}
	q := &memoryQueue{next: map[string]time.Time{}, due: []Due{
		{message("fine", 0, false), 0}, {message("refused", 0, false), 2}, {message("stale", 2*time.Hour, false), 9}, {message("end", 2*time.Hour, true), 30},
		{Message: backout.Message{Key: "nobody", Audience: "unheard-of"}},
	}}
	o, err := New(q, map[backout.Audience]Notifier{backout.AudienceOnCall: refusing{map[string]bool{"refused": true, "stale": true, "end": true}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Drain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if len(q.delivered) != 1 || q.delivered[0] != "fine" {
		t.Errorf("delivered %v, want fine alone", q.delivered)
	}
	for key, want := range map[string]time.Duration{"refused": 4 * time.Second, "end": longestPatience, "nobody": newsGoesStale} {
		if got := q.next[key].Sub(now); got != want {
			t.Errorf("%s is tried again after %s, want %s", key, got, want)
		}
	}
	if q.next["stale"].Sub(now) < 1000*time.Hour {
		t.Error("stale news is tried again; it would mislead")
	}
}
