package coincide

import (
	"errors"
	"math"
	"time"
)

// ErrShort says that the series does not reach back far enough, or does not go on
// long enough after the change, to say anything. The caller should say "not
// enough history", not "no".
var ErrShort = errors.New("too few samples around the change to judge it")

// Question is one series and one change.
type Question struct {
	// Values are samples at equal steps, oldest first, in any unit; NaN is missing.
	Values []float64
	// From is the time of the first sample, Step the time between two; > 0.
	From time.Time
	Step time.Duration
	// Began and Ended are when the change began and was complete. Ended may be zero
	// for a change of one moment.
	Began, Ended time.Time
}

// Kind says what about a series moved.
type Kind string

// The kinds.
const (
	Burst  Kind = "burst"  // the level, for ten minutes at most
	Level  Kind = "level"  // the level, for longer: a shift or a ramp
	Spread Kind = "spread" // how far neighbouring samples lie apart
)

// Verdict is what became of the series.
type Verdict struct {
	// Score is the natural logarithm of Times.
	Score float64
	// Times is the move after the change as a multiple of the largest move at nine
	// in ten other moments, all windows taken together.
	Times float64
	// Kind, Begins and Lasts name the window that moved most; Begins counts from
	// Began.
	Kind          Kind
	Begins, Lasts time.Duration
	// By is how far it moved, up being positive: in the series' own unit, and for
	// Spread as the logarithm of a ratio.
	By float64
	// Placebos is the number of other moments behind it.
	Placebos int
}

// Usual is the score from which on a move is told as coinciding with the change:
// 1.9 times what nine in ten other moments reach. It was fitted on the labelled
// set that bench/verdicts measures (docs/EVALUATION.md).
const Usual = 0.63

// Coincides reports whether the move is large enough to be told as the change's.
func (v Verdict) Coincides() bool { return v.Score > Usual }

// What the judgement is frozen to.
const (
	before      = 2 * time.Hour    // residuals looked at before a moment
	after       = 2 * time.Hour    // and after it
	anchor      = 15 * time.Minute // sets the level a moment starts from
	smoothing   = 25 * time.Minute // of the days before
	mostDays    = 7                // days before that make the expectation
	apart       = 10 * time.Minute // between placebos
	mostPlacebo = 400
	fewest      = 20  // placebos, or nothing is said
	nineInTen   = .9  // share of placebos that a scale covers
	calmest     = .1  // of the usual spread, added to that of a moment
	quiet       = .3  // of the largest scale of a kind, the least scale of a window
	filled      = .7  // share of a window that must have been measured
	largestStep = 10. // steps between neighbours count no more than this, in spreads
)

// The windows: when they begin after the change, and how long they last, in minutes.
var (
	begins = [...]int{0, 1, 2, 3, 5, 7, 10, 15}
	lasts  = [...]int{3, 5, 10, 20, 40, 80}
)

// The window of the spread, in minutes. It is one and short: the expectation knows
// the daily course of the level, not of the spread, which drifts as hours pass.
const (
	spreadBegins = 6
	spreadLasts  = 20
)

const burst = 10 // minutes that a burst lasts at most

// index is the first sample taken after a time.
func (q Question) index(at time.Time) int {
	d := at.Sub(q.From)
	if d < 0 {
		return 0
	}
	return int(d/q.Step) + 1
}

// samples is how many steps a span has, at least one.
func (q Question) samples(d time.Duration) int {
	return max(1, int(math.Round(float64(d)/float64(q.Step))))
}

func (q Question) minutes(m int) int {
	return int(math.Round(float64(m) * float64(time.Minute) / float64(q.Step)))
}
