package forecast

import (
	"fmt"
	"math"
	"time"

	backout "github.com/backout-dev/backout"
)

// A retry storm: callers try again what failed, so that a service gets a multiple of its
// load, of which more fails. With capacity 1, use u, failing share f and r retries a call
// is tried 1 + f + ... + f^r times on average; beyond capacity the rest fails as well,
// and the circle closes.

// tries is how often a call is tried on average.
func tries(failing float64, retries int) float64 {
	sum, term := 1.0, 1.0
	for range retries {
		term *= failing
		sum += term
	}
	return sum
}

// tips is the failing share at which retries alone fill a service that uses so much of
// its capacity; 1 where they never do: even if everything fails there is room.
func tips(used float64, retries int) float64 {
	if used*tries(1, retries) <= 1 {
		return 1
	}
	lo, hi := 0.0, 1.0
	for range 50 {
		if mid := (lo + hi) / 2; used*tries(mid, retries) >= 1 {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// stormed is the share that fails once the circle has closed: the fixed point of
// f = 1 - (1 - base)·min(1, 1/(u·tries(f))), reached from below.
func stormed(base, used float64, retries int) float64 {
	f := base
	for range 200 {
		next := 1 - (1-base)*min(1, 1/(used*tries(f, retries)))
		if math.Abs(next-f) < 1e-9 {
			break
		}
		f = next
	}
	return f
}

func (q Question) retries() int {
	if q.Retries > 0 {
		return q.Retries
	}
	return 2
}

// amplified is how severely a service suffers that loses a share of its requests, once
// its callers have tried again.
func (s *simulation) amplified(i int, severity float64) float64 {
	used, known := s.q.Saturation[s.net.ids[i]]
	if !known || used <= 0 || used > 1 {
		return severity
	}
	return stormed(severity, used, s.q.retries())
}

// warnings tells where retries push a service over its capacity: that they do, or when
// they would.
func (v view) warnings() []string {
	out := []string{}
	for _, sv := range v.q.World.Graph.Services {
		i, known := v.net.index[sv.ID]
		used, measured := v.q.Saturation[sv.ID]
		if !known || !measured || used <= 0 || used > 1 {
			continue
		}
		if text := v.storm(i, sv.ID, used); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// storm is the warning about one service; "" when there is nothing to warn of.
func (v view) storm(i int, id backout.ServiceID, used float64) string {
	n, failing := v.q.retries(), v.q.ErrorRatio[id]
	limit := tips(used, n)
	if limit >= 1 {
		return ""
	}
	head := fmt.Sprintf("retry storm: %s uses %.0f %% of its capacity", id, 100*used)
	if failing >= limit {
		return fmt.Sprintf("%s and %.0f %% of calls to it fail: with %d retries each it has tipped and would need %.0f %%", head, 100*failing, n, 100*used*tries(failing, n))
	}
	h := backout.Hit{}
	at := make([]float64, len(v.worlds))
	for k, w := range v.worlds {
		at[k] = math.Inf(1)
		if w.base[i] >= limit {
			at[k] = w.at[i]
		}
	}
	if !v.timing(&h, at) || h.P < leastStorm {
		return ""
	}
	when := fmt.Sprintf("most likely in about %.0f minutes", h.P50.Std().Minutes())
	switch {
	case v.q.minutes(h.P50.Std()) < 1:
		when = "any moment now"
	case h.P50.Std() < 2*time.Minute:
		when = fmt.Sprintf("most likely in about %.0f seconds", h.P50.Std().Seconds())
	}
	return fmt.Sprintf("%s: it tips once %.0f %% of calls to it fail and are retried %d times, %.0f %% likely, %s", head, 100*limit, n, 100*h.P, when)
}

// leastStorm is how likely a storm must be to be told.
const leastStorm = .1
