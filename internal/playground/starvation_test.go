package playground

import (
	"context"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// deltas waits until a condition on what happens within a step holds.
func deltas(t *testing.T, c *Client, patience time.Duration, what string, holds func(old, now scraped) bool) {
	t.Helper()
	ctx, old := within(t, patience), scrape(t, c)
	for pause(ctx, 400*time.Millisecond) == nil {
		now := scrape(t, c)
		if holds(old, now) {
			return
		}
		old = now
	}
	t.Fatalf("%s: not within %s", what, patience)
}

func ratio(old, now scraped, service string) float64 {
	n := now.requests[service] - old.requests[service]
	return max(0, now.errors[service]-old.errors[service]) / max(n, 1)
}

// The bad release is only slow, and a little faulty; everything else fails by
// itself, for want of slots, and recovers by itself.
func TestShop_slowPaymentStarvesInventory(t *testing.T) {
	c := openShop(t, Config{Rate: 100, Seed: 2, Step: 100 * time.Millisecond, Spawn: spawnSelf}, true)
	ctx, payment := within(t, time.Minute), build(2, false).service("payment")
	deltas(t, c, 10*time.Second, "healthy traffic", func(old, now scraped) bool {
		return now.requests["payment"] > 20/rateDivisor && ratio(old, now, "checkout") < .05 && ratio(old, now, "inventory") < .05
	})
	move := func(to string) {
		t.Helper()
		if _, err := c.Move(ctx, payment.deployment(), ComponentMove{To: backout.Version(to)}, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	move(payment.next)
	deltas(t, c, 15*time.Second, "checkout and inventory failing", func(old, now scraped) bool {
		return ratio(old, now, "checkout") > .2 && ratio(old, now, "inventory") > .2 && ratio(old, now, "availability") > .2
	})
	for r, err := c.Report(ctx); err != nil || r.Failed == 0; r, err = c.Report(ctx) { // retries hide the first
		if pause(ctx, 100*time.Millisecond) != nil {
			t.Fatalf("no journey failed: %+v, %v", r, err)
		}
	}
	move(payment.current)
	deltas(t, c, 15*time.Second, "recovery", func(old, now scraped) bool {
		return now.requests["payment"]-old.requests["payment"] > 3/rateDivisor && ratio(old, now, "checkout") < .03 && ratio(old, now, "inventory") < .03
	})
	r, err := c.Report(ctx)
	if err != nil || r.Unsafe != 0 || r.Failed == 0 || r.Lost.Minor == 0 {
		t.Errorf("report %+v, %v", r, err)
	}
	expressOnOldPayment(t, ctx, c)
}

// Express checkout on a payment that does not offer it is the incompatible pair
// that the catalog declares.
func expressOnOldPayment(t *testing.T, ctx context.Context, c *Client) {
	t.Helper()
	if err := setFlag(c.dir, "express-checkout", "on", nil); err != nil {
		t.Fatal(err)
	}
	for pause(ctx, 50*time.Millisecond) == nil {
		if r, err := c.Report(ctx); err == nil && r.Unsafe > 0 {
			return
		}
	}
	t.Error("no unsafe request was counted")
}

func TestShop_measuredTraffic(t *testing.T) {
	c := openShop(t, Config{Rate: 100, Seed: 2}, true)
	ctx := within(t, 40*time.Second)
	var r Report
	var s scraped
	// Rare journeys reach the last services: on a slow machine that takes a while. As
	// many transactions under the race detector as without: one that failed among fifty
	// would say nothing about a share of 2 %.
	for enough := false; !enough && pause(ctx, 200*time.Millisecond) == nil; {
		var err error
		if r, err = c.Report(ctx); err != nil {
			t.Fatal(err)
		}
		s = scrape(t, c)
		took := 0
		for _, n := range s.requests {
			if n > 0 {
				took++
			}
		}
		enough = r.Transactions >= 200 && took >= 50 && s.calls["refunds>card-network"] > 0
	}
	requests, most, series := 0.0, 0, 0
	for id, n := range s.series {
		series += n
		if n > 95 {
			t.Errorf("%s has %d series", id, n)
		}
	}
	if mean := series / len(s.series); mean > 40 {
		t.Errorf("%d series an instance on average", mean)
	}
	for _, n := range s.requests {
		requests += n
		if n > 0 {
			most++
		}
	}
	if per := requests / float64(r.Transactions); per < 4 || r.Failed > r.Transactions/50 {
		t.Errorf("%.1f requests a transaction, %d of %d failed", per, r.Failed, r.Transactions)
	}
	if most < 50 || r.Services < 50 || r.P50 <= 0 || r.P95 < r.P50 {
		t.Errorf("%d services took requests; report %+v", most, r)
	}
	if s.requests["card-network"] != 0 || s.calls["payment>card-network"] == 0 || s.calls["refunds>card-network"] == 0 {
		t.Errorf("the card network must be seen by its callers only: %v", s.calls["payment>card-network"])
	}
}
