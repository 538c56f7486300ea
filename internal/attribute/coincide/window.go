package coincide

import "math"

// window is a stretch after a change, counted in samples from its first sample.
type window struct {
	from, length int
	spread       bool
}

func (w window) kind(q Question) Kind {
	switch {
	case w.spread:
		return Spread
	case w.length <= q.minutes(burst):
		return Burst
	}
	return Level
}

// windows are all that are looked at: after the beginning and, for a change that
// took a while, after its end. At coarse steps some of them are the same.
func (q Question) windows(rollout int) []window {
	var out []window
	known := map[window]bool{}
	add := func(from, length int, spread bool) {
		w := window{from, max(1, length), spread}
		if !known[w] && from+length <= rollout+q.samples(after) {
			known[w], out = true, append(out, w)
		}
	}
	for _, anchor := range []int{0, rollout} {
		for _, b := range begins {
			for _, l := range lasts {
				add(anchor+q.minutes(b), q.minutes(l), false)
			}
		}
		add(anchor+q.minutes(spreadBegins), q.minutes(spreadLasts), true)
	}
	return out
}

// movesOf reads every window of residuals whose moment is at pre: the mean in units
// of scale, or how much more the samples jump than before, as a logarithm. NaN where
// too little was measured.
func movesOf(r []float64, pre int, windows []window, scale float64) []float64 {
	level, spread := sumsOf(r), sumsOf(steps(r, scale))
	out := make([]float64, len(windows))
	usual := spread.mean(1, pre)
	for i, w := range windows {
		lo, hi := pre+w.from, min(len(r), pre+w.from+w.length)
		if w.spread {
			out[i] = math.Log((spread.mean(lo, hi) + .05) / (usual + .05))
		} else {
			out[i] = level.mean(lo, hi) / scale
		}
	}
	return out
}

// steps are the distances between neighbours, in units of scale and capped.
func steps(r []float64, scale float64) []float64 {
	out := make([]float64, len(r))
	out[0] = math.NaN()
	for i := 1; i < len(r); i++ {
		out[i] = math.Min(math.Abs(r[i]-r[i-1])/scale, largestStep)
		if math.IsNaN(r[i]) || math.IsNaN(r[i-1]) {
			out[i] = math.NaN()
		}
	}
	return out
}

// sums are running sums of what was measured, and how many that were.
type sums struct{ sum, n []float64 }

func sumsOf(x []float64) sums {
	s := sums{make([]float64, len(x)+1), make([]float64, len(x)+1)}
	for i, v := range x {
		s.sum[i+1], s.n[i+1] = s.sum[i], s.n[i]
		if !math.IsNaN(v) {
			s.sum[i+1], s.n[i+1] = s.sum[i]+v, s.n[i]+1
		}
	}
	return s
}

func (s sums) mean(lo, hi int) float64 {
	if lo >= hi || s.n[hi]-s.n[lo] < filled*float64(hi-lo) {
		return math.NaN()
	}
	return (s.sum[hi] - s.sum[lo]) / (s.n[hi] - s.n[lo])
}
