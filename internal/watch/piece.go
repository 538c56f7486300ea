package watch

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Which samples of the past are asked for. Two weeks of samples each 15 s are 80,640 of a
// series, four times what a season of half-hours, a level that remembers six hours and a
// tail of some thousand samples have use for. So the middle is asked for in every second
// or fourth sample, up to one a minute; each is a sample as it was judged then, and the
// detector counts steps. Both ends are asked for in full: correlation is learnt from
// neighbours alone, and must be known before the first innovation is put into a tail and
// be the one of these days when the live detector is replaced.

// Rememberer is a [Sampler] that can be asked for the past more politely: one query at a
// time, with rests, a sample each so many steps at the multiples of every*step, and an error
// rather than a window with holes where a query fails.
type Rememberer interface {
	Remember(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration, every int) (backout.Window, error)
}

const (
	thinTo     = time.Minute // no thinner than this
	thinMost   = 4           // nor than this: more steps in a row are a hole, after which a detector forgets
	fullFirst  = 2000        // steps in full at the beginning
	fullLast   = 17280       // and at the end: twice what a tail remembers, and many times what correlation does; three days at 15 s
	pieceMost  = 2880        // samples of a series in one piece
	pieceLeast = 10          // the same when there are very many series, or nothing else is answered
	pieceAll   = 500_000     // samples of all series in one piece
	spoonful   = 20_000      // samples that are taught while others wait for the detector
	halvings   = 8           // after which a piece is as small as it gets
)

// piece is a part of the past: after from and up to to, a sample each so many steps.
type piece struct {
	from, to time.Time
	every    int
}

// nextPiece is where the past goes on.
func (w *Watch) nextPiece(p *past) piece {
	w.mu.Lock()
	live, series := w.last, w.detector.State().Series
	w.mu.Unlock()
	p.mu.Lock()
	from, at := p.from, p.at
	p.mu.Unlock()
	points := max(min(pieceMost, pieceAll/max(series, 1))>>p.patience, pieceLeast)
	every := 1
	if _, thin := w.config.Sampler.(Rememberer); thin {
		every = thinning(w.config.Step)
	}
	return cut(from, at, live, w.config.Step, points, every)
}

// cut is the piece of at most so many samples a series that begins at a moment of the
// past, which goes from its beginning to live; its middle is asked for each every steps.
func cut(began, at, live time.Time, step time.Duration, points, every int) piece {
	dense, again := began.Add(fullFirst*step), live.Add(-fullLast*step)
	c := piece{at, live, 1}
	switch {
	case at.Before(dense):
		c.to = dense
	case at.Before(again):
		c.to, c.every = again, every
	}
	if most := at.Add(time.Duration(points*c.every) * step); most.Before(c.to) {
		c.to = most
	}
	// A sample at least, or there would be no progress where the parts meet.
	if least := at.Add(time.Duration(c.every) * step); c.to.Before(least) {
		c.to = least
	}
	if live.Before(c.to) {
		c.to = live
	}
	return c
}

// thinning is how many steps lie between two samples of the middle: a power of two,
// because a detector learns the sample of 64 steps ago and must find one there.
func thinning(step time.Duration) int {
	every := 1
	for every < thinMost && 2*time.Duration(every)*step <= thinTo {
		every *= 2
	}
	return every
}

// remember asks for a piece. Signals that the live detector can't measure either are left
// out: their failing says nothing about the piece.
func (w *Watch) remember(ctx context.Context, c piece) (backout.Window, error) {
	w.mu.Lock()
	away := w.missing
	w.mu.Unlock()
	signals := slices.DeleteFunc(slices.Clone(w.config.Signals), func(s backout.Signal) bool { return away[s.Name] != "" })
	if r, ok := w.config.Sampler.(Rememberer); ok {
		return r.Remember(ctx, signals, c.from, c.to, w.config.Step, c.every)
	}
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	return w.config.Sampler.Sample(ctx, signals, c.from, c.to, w.config.Step)
}

// teach feeds a window by spoonfuls, so that nobody who looks at the detector between them
// waits long, and what is saved between them is right.
func (p *past) teach(win backout.Window) {
	points := 1
	for _, s := range win.Series {
		points = max(points, len(s.Samples))
	}
	total := max(points*len(win.Series), 1)
	share := min(1, spoonful/float64(total))
	part := max(time.Duration(share*float64(win.Now.Sub(win.From))), win.Step).Truncate(win.Step)
	rest := make([][]backout.Sample, len(win.Series))
	for i, s := range win.Series {
		rest[i] = s.Samples
	}
	for from := win.From; from.Before(win.Now); {
		some := win
		some.From, some.Now, some.Series = from, from.Add(part), slices.Clone(win.Series)
		if some.Now.After(win.Now) {
			some.Now = win.Now
		}
		for i := range some.Series {
			n := 0
			for n < len(rest[i]) && !rest[i][n].At.After(some.Now) {
				n++
			}
			some.Series[i].Samples, rest[i] = rest[i][:n], rest[i][n:]
		}
		p.mu.Lock()
		p.detector.Tick(some)
		p.at = some.Now
		p.mu.Unlock()
		from = some.Now
	}
}
