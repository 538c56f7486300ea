package playground

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPool_isFinite(t *testing.T) {
	p, ctx := newPool(2), context.Background()
	for range 2 {
		if err := p.acquire(ctx, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.acquire(ctx, time.Millisecond); !errors.Is(err, errExhausted) || p.ratio() != 1 {
		t.Errorf("a third slot of two: %v, ratio %g", err, p.ratio())
	}
	p.release()
	if err := p.acquire(ctx, 0); err != nil {
		t.Errorf("after a release: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.acquire(gone, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("with nobody left to wait: %v", err)
	}
}

func TestStockSessions_returnOnce(t *testing.T) {
	s := newStockSessions(1)
	id, err := s.reserve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.reserve(context.Background()); !errors.Is(err, errExhausted) {
		t.Errorf("a second reservation of one: %v", err)
	}
	if old := s.older(time.Now().Add(time.Second)); len(old) != 1 || old[0] != id {
		t.Errorf("old reservations %v", old)
	}
	s.release(id)
	s.release(id) // a late release after expiry must not free somebody else's session
	if s.pool.ratio() != 0 {
		t.Errorf("ratio %g after the release", s.pool.ratio())
	}
}

func TestBehaviour_leaks(t *testing.T) {
	begin := time.Unix(1000, 0)
	b := behaviour{Slow: 100, Errors: 1, RampAt: begin, RampFor: 10 * time.Second}
	mean := func(at time.Time) time.Duration {
		sum := time.Duration(0)
		for range 2000 {
			d, _ := b.felt(at).of(time.Millisecond)
			sum += d
		}
		return sum / 2000
	}
	for _, c := range []struct {
		after time.Duration
		want  float64 // ms
	}{{-time.Second, 1}, {5 * time.Second, 10}, {10 * time.Second, 100}, {time.Hour, 100}} {
		if got := float64(mean(begin.Add(c.after))) / 1e6; got < .95*c.want || got > 1.05*c.want {
			t.Errorf("after %s: %.2f ms, expected %g", c.after, got, c.want)
		}
	}
	if _, fails := b.felt(begin.Add(time.Minute)).of(time.Millisecond); !fails {
		t.Error("nothing fails although everything should")
	}
}

func TestRoutes_pickByWeight(t *testing.T) {
	r := newRoutes()
	r.table.Store(&routeTable{Services: map[string][]endpoint{"a": {{Address: "x", Weight: 1}, {Address: "y", Weight: 3}}}})
	got := map[string]int{}
	for range 4000 {
		e, _ := r.pick("a", "", "")
		got[e.Address]++
	}
	if got["y"] < 2850 || got["y"] > 3150 {
		t.Errorf("picked %v, expected one to three", got)
	}
	if e, ok := r.pick("a", "", "y"); !ok || e.Address != "x" {
		t.Errorf("avoiding y gives %v", e)
	}
	if _, ok := r.pick("b", "", ""); ok {
		t.Error("an unknown service was found")
	}
}

func TestCounts_quantiles(t *testing.T) {
	c := newCounts(time.Now())
	for i := range 1000 {
		c.count(i%10 != 0, time.Duration(i)*time.Millisecond, 7)
	}
	got := c.tallies()
	if got.Transactions != 1000 || got.Failed != 100 || got.Lost.Minor != 700 {
		t.Errorf("tallies %+v", got)
	}
	if got.P50 < 470 || got.P50 > 530 || got.P95 < 900 || got.P95 > 1000 {
		t.Errorf("p50 %g and p95 %g of 0..999 ms", got.P50, got.P95)
	}
}
