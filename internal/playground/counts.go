package playground

import (
	"math"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// counts tally transactions since a moment. Latencies go into buckets that grow
// by a twentieth, so a quantile is right within five per cent.
type counts struct {
	since  time.Time
	mu     sync.Mutex // guards what follows
	total  int64
	failed int64
	lost   int64
	took   [latencyBuckets]int64
}

const (
	latencyBuckets = 240
	latencyLeast   = .1 // ms
	latencyGrowth  = 1.05
)

func newCounts(since time.Time) *counts { return &counts{since: since} }

func (c *counts) count(ok bool, took time.Duration, worth int64) {
	ms := float64(took) / float64(time.Millisecond)
	i := int(math.Log(max(ms, latencyLeast)/latencyLeast) / math.Log(latencyGrowth))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	if !ok {
		c.failed++
		c.lost += worth
	}
	c.took[min(i, latencyBuckets-1)]++
}

func (c *counts) tallies() *Tallies {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &Tallies{Since: c.since, Transactions: c.total, Failed: c.failed, P50: c.quantile(.5), P95: c.quantile(.95), Lost: backout.Money{Minor: c.lost, Currency: currency}}
	if m := time.Since(c.since).Minutes(); m > 0 {
		t.PerMinute = float64(c.total) / m
	}
	return t
}

// quantile is in milliseconds.
func (c *counts) quantile(q float64) float64 {
	left := q * float64(c.total)
	for i, n := range c.took {
		if left -= float64(n); left <= 0 && n > 0 {
			return latencyLeast * math.Pow(latencyGrowth, float64(i)+.5)
		}
	}
	return 0
}
