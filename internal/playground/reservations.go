package playground

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// stockSessions are the finite sessions that inventory works with: reading stock
// takes one for a moment, a reservation keeps one until it is released or too
// old. All instances of inventory share them, as they would share a table's locks.
type stockSessions struct {
	pool *pool
	mu   sync.Mutex // guards held and last
	held map[string]time.Time
	last int
}

const (
	sessionPatience = 150 * time.Millisecond
	reservationLife = 5 * time.Second
)

func newStockSessions(size int) *stockSessions {
	return &stockSessions{pool: newPool(size), held: map[string]time.Time{}}
}

// reserve takes a session and names the reservation that keeps it.
func (s *stockSessions) reserve(ctx context.Context) (string, error) {
	if err := s.pool.acquire(ctx, sessionPatience); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	id := strconv.Itoa(s.last)
	s.held[id] = time.Now()
	return id, nil
}

// release gives a reservation's session back; a reservation that is gone already
// stays gone.
func (s *stockSessions) release(id string) {
	s.mu.Lock()
	_, ok := s.held[id]
	delete(s.held, id)
	s.mu.Unlock()
	if ok {
		s.pool.release()
	}
}

// expire releases reservations whose owner never came back, until ctx ends.
func (s *stockSessions) expire(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, id := range s.older(now.Add(-reservationLife)) {
				s.release(id)
			}
		}
	}
}

func (s *stockSessions) older(than time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for id, at := range s.held {
		if at.Before(than) {
			out = append(out, id)
		}
	}
	return out
}
