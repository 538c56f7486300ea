package coincide

import (
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout/internal/statistics"
)

// Judge says how far the series moved with the change, as a pure function. Samples
// later than two hours after the change are not looked at. It returns [ErrShort]
// where fewer than 20 other moments are known or less than 20 minutes after the change.
func Judge(q Question) (Verdict, error) {
	if q.Step <= 0 {
		return Verdict{}, ErrShort
	}
	at := q.index(q.Began)
	late := at
	if q.Ended.After(q.Began) {
		late = q.index(q.Ended)
	}
	end := min(len(q.Values), late+q.samples(after))
	if end-late < q.samples(20*time.Minute) || at < q.samples(before) {
		return Verdict{}, ErrShort
	}
	e := newExpectation(q, at, late-at)
	moments := e.placebos(at)
	if len(moments) < fewest {
		return Verdict{}, ErrShort
	}
	windows := q.windows(late - at)
	residuals := make([][]float64, len(moments)+1)
	for i, m := range moments {
		residuals[i] = e.residuals(m, m+e.post)
	}
	residuals[len(moments)] = e.residuals(at, end)
	return compare(q, e, windows, residuals)
}

// compare reads the moves of all moments, of which the last is the change.
func compare(q Question, e expectation, windows []window, residuals [][]float64) (Verdict, error) {
	n := len(residuals) - 1
	spreads := make([]float64, n+1)
	for i, r := range residuals {
		spreads[i] = statistics.Scale(r[:e.pre])
	}
	usual := usualSpread(spreads[:n], residuals[:n], e.pre)
	moves, scales := make([][]float64, n+1), make([]float64, n+1)
	for i, r := range residuals {
		scales[i] = math.Sqrt((spreads[i] + calmest*usual) * usual)
		moves[i] = movesOf(r, e.pre, windows, scales[i])
	}
	limit := limits(windows, moves[:n])
	largest := make([]float64, n)
	for i := range largest {
		largest[i], _ = most(moves[i], limit)
	}
	top, w := most(moves[n], limit)
	if w < 0 {
		return Verdict{}, ErrShort
	}
	const floor = 1e-3 // a series that never moved has no scale
	v := Verdict{Times: (top + floor) / (statistics.Quantile(largest, nineInTen) + floor), Placebos: n}
	v.Score = math.Log(v.Times)
	v.Kind, v.By = windows[w].kind(q), moves[n][w]
	v.Begins, v.Lasts = time.Duration(windows[w].from)*q.Step, time.Duration(windows[w].length)*q.Step
	if v.Kind != Spread {
		v.By *= scales[n]
	}
	return v, nil
}

// usualSpread is the median spread; where most moments have none (a series that
// hardly ever differs from one value) the mean distance from the expectation.
func usualSpread(spreads []float64, residuals [][]float64, pre int) float64 {
	if s := statistics.Median(spreads); s > 0 {
		return s
	}
	sum, n := 0.0, 1.0
	for _, r := range residuals {
		for _, x := range r[:pre] {
			if !math.IsNaN(x) {
				sum, n = sum+math.Abs(x), n+1
			}
		}
	}
	return sum/n + 1e-9
}

// limits gives for each window what nine in ten placebos stay below, but no less
// than a share of the largest such limit of its kind: a window in which nothing
// ever happened must not make a trifle infinite.
func limits(windows []window, moves [][]float64) []float64 {
	out, column := make([]float64, len(windows)), make([]float64, len(moves))
	largest := map[bool]float64{}
	for w := range windows {
		for i := range moves {
			column[i] = math.Abs(moves[i][w])
		}
		out[w] = statistics.Quantile(column, nineInTen)
		if !math.IsNaN(out[w]) {
			largest[windows[w].spread] = max(largest[windows[w].spread], out[w])
		}
	}
	for w := range out {
		out[w] += quiet*largest[windows[w].spread] + .01
	}
	return out
}

// most is the largest quotient of a move and its limit, and its window; -1 when
// no window was measured.
func most(moves, limit []float64) (float64, int) {
	top, at := -1.0, -1
	for w, m := range moves {
		if x := math.Abs(m) / limit[w]; x > top {
			top, at = x, w
		}
	}
	return max(0, top), at
}

// median is the middle of a few numbers, which it sorts. NaN counts as missing.
func median(x []float64) float64 {
	x = slices.DeleteFunc(x, math.IsNaN)
	if len(x) == 0 {
		return math.NaN()
	}
	slices.Sort(x)
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}
