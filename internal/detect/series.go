package detect

import (
	"math"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// mode is the compact form of backout.BaselineMode.
type mode uint8

const (
	warming mode = iota
	short
	seasonal
)

func (m mode) String() backout.BaselineMode {
	return [...]backout.BaselineMode{backout.ModeWarming, backout.ModeShort, backout.ModeSeasonal}[m]
}

// sides are the directions in which a series can be worse.
const (
	up = iota
	down
)

// state is everything numeric that a series knows: of fixed size, so that it
// can be written and read back bit by bit, and small, since there may be 100,000.
type state struct {
	Began, Last     int64   // Unix nanoseconds of the first and the newest sample; once a season is learnt, of its first
	Level, Scale    float64 // of residuals, transformed units; not for ratios
	Phi             float64 // upper bound in use
	C0, C1          float64 // moments of neighbouring residuals
	Requests        float64 // usual number behind a sample
	Events, Past    float64 // ratios: errors and requests seen while healthy
	Dispersion      float64 // ratios: variance over that of independent errors
	Previous        float64 // standardised residual of the newest sample, NaN after a gap
	Slow            float64 // average since the start, against which seasons are learnt
	Head, Well      int64   // entries ever written to the rings, and up to the end of the last finding
	Seen, Healthy   uint32
	Newest          float32 // number behind the newest sample
	Floor           float32 // of Phi, from the overlap of the windows
	Since           float32 // what the bets of the calm samples since the finding multiply to
	Calm, Accepted  uint16
	Mode            mode
	SeasonOn, Alarm bool
	Centred         bool // the season is
	History         past
	Levels, Novelty [ringSize]int8
}

// series is one subject of one signal.
type series struct {
	id backout.SeriesID
	*about
	group *group
	state
	own    side             // of the one direction that is worse, or of up
	other  *side            // of down, where both are worse
	warm   []observation    // until the baseline is there
	season *season          // from six hours on
	raw    *rawRing         // arms only
	alert  *backout.Finding // while it stands
}

// about is what all series of a signal have in common.
type about struct {
	kind   kind
	signal backout.SignalKind
	worse  backout.Direction
	opens  bool
}

// side is what is known of one direction in which a series can be worse.
type side struct {
	Ladder ladder
	Tail   tail
}

// side gives one of the directions that sides names.
func (s *series) side(i int) *side {
	if i == down && s.other != nil {
		return s.other
	}
	return &s.own
}

func (s *series) arm() bool { return s.id.Subject.Version != "" }

// sides are which ladders are in use.
func (s *series) sides() (first, last int) {
	switch s.worse {
	case backout.WorseUp:
		return up, up
	case backout.WorseDown:
		return down, down
	default:
		return up, down
	}
}

// evidence is the mean over the ladders in use; a mean of e-detectors is one.
func (s *series) evidence() float64 {
	w := &equally
	if s.Mode == seasonal {
		w = &mainly
	}
	if s.other == nil {
		return s.own.Ladder.mean(w)
	}
	return (s.own.Ladder.mean(w) + s.other.Ladder.mean(w)) / 2
}

// sign turns residuals so that worse is positive.
func (s *series) sign() float64 {
	if s.worse == backout.WorseDown {
		return -1
	}
	return 1
}

// standing is one sample against the baseline.
type standing struct {
	z         float64 // standardised residual, not turned
	exact     bool    // up and down hold exact tails of counts
	up, down  float64
	expected  float64 // transformed
	residual  float64 // transformed, 0 for ratios
	precision float64 // 1, less for samples with few requests behind them
	// of few events: how many are expected, and variance over that of a Poisson count
	mean, dispersion float64
}

const manyEvents = 15.0 // expected events above which a count is as good as normal

func (s *series) level(at int64) float64 {
	if s.SeasonOn {
		return s.Level + s.season.at(at)
	}
	return s.Level
}

func (s *series) standardise(o observation) standing {
	if s.kind == ratio {
		return s.standardiseRatio(o)
	}
	st := standing{expected: s.level(o.at), precision: 1}
	if s.kind == latency && o.n < s.Requests {
		st.precision = math.Sqrt(o.n / s.Requests)
	}
	st.residual = (o.x - st.expected) * st.precision
	st.z = st.residual / s.Scale
	if s.kind == count || s.kind == amount && st.expected > 0 && o.value >= 0 {
		s.fewEvents(o, &st)
	}
	st.z = math.Max(-12, math.Min(12, st.z))
	return st
}

// fewEvents replaces the normal approximation where a handful of events is
// expected and its lower tail would be far too light.
func (s *series) fewEvents(o observation, st *standing) {
	mean, dispersion := s.kind.inOwnUnit(st.expected), math.Max(s.Scale*s.Scale, 1e-6)
	if s.kind == count {
		dispersion = math.Max(dispersion, 1)
	}
	if mean >= manyEvents*dispersion || mean <= 0 {
		return
	}
	n := s.memory()
	st.exact, st.mean, st.dispersion = true, mean, dispersion
	st.up, st.down = predictive(o.value, 1, mean*n+.5*dispersion, n, dispersion)
	st.z = middleScore(st)
}

// middleScore is the normal score half way between "at least" and "more than".
func middleScore(st *standing) float64 { return normalScore((st.up + 1 - st.down) / 2) }

// leastRatio is the error ratio below which nobody is without: what is seen of
// the past counts as at least this.
const leastRatio = 5e-4

func (s *series) standardiseRatio(o observation) standing {
	d, pastN := s.Dispersion, s.Past+1
	events := math.Max(s.Events+.5*d, leastRatio*pastN)
	p := events / pastN
	st := standing{precision: 1, expected: math.Log(p / math.Max(1-p, 1e-3))}
	mean := p * o.n
	if mean >= manyEvents*d {
		sd := math.Sqrt(d * (1 + o.n/pastN) * math.Max(1-p, .05))
		st.z = (2*math.Sqrt(o.value+.375) - 2*math.Sqrt(mean+.375)) / sd
	} else {
		st.exact = true
		st.up, st.down = predictive(o.value, o.n, events, pastN, d)
		st.z = middleScore(&st)
	}
	st.z = math.Max(-12, math.Min(12, st.z))
	return st
}

// innovation removes what the residual d samples ago foretold.
func (s *series) innovation(z float64, d int) float64 {
	if math.IsNaN(s.Previous) {
		return z
	}
	phi := math.Pow(s.Phi, float64(d))
	return (z - phi*s.Previous) / math.Sqrt(1-phi*phi)
}

// Below these no p-value is believed: with a short history it
// takes two of the worst samples and a third that is bad.
const (
	leastShort = 3e-5
	leastFull  = 1e-5
)

// pValue is the chance that a healthy series gives an innovation this bad.
func (s *series) pValue(side int, w float64, st standing) (p, least float64) {
	z, exact := w, st.up
	if side == down {
		z, exact = -w, st.down
	}
	if s.Mode == seasonal {
		p, least = s.ownPast(side, z), leastFull
	} else {
		p, least = doubt(s.student(z)), leastShort
	}
	if st.exact {
		if s.Phi == 0 && s.Mode == short {
			p = doubt(exact)
		} else {
			p = math.Max(p, exact)
		}
	}
	return p, least
}

// mostNu caps the degrees of freedom, since noise isn't normal. Evidence starts
// at nothing, so the first minutes can afford a lighter tail, and need it for
// their delay; run for hours on noise like t5, only 8 keeps the promise.
func mostNu(healthy uint32) float64 {
	return 12 - 4*math.Min(1, math.Max(0, (float64(healthy)-200)/200))
}

func (s *series) student(z float64) float64 {
	n := s.memory()
	if s.kind == ratio {
		return statistics.StudentSurvival(z, mostNu(s.Healthy))
	}
	return statistics.StudentSurvival(z/math.Sqrt(1+1/n), math.Min(mostNu(s.Healthy), n-3))
}

func (s *series) ownPast(side int, z float64) float64 {
	g := &s.side(side).Tail
	rank := s.History.above(z)
	if side == down {
		rank = s.History.below(-z)
	}
	enough := ranked / float64(s.History.N)
	if z > float64(g.U) && (rank < enough || z > histogramMost-binWidth) {
		return math.Min(enough, doubtTail(math.Max(g.p(z, tailShare), 1e-9)))
	}
	return rank
}

// ranked is how many worse samples of the past make a rank that needs no law.
const ranked = 10

// doubt raises the small p-values of a short history: level, scale and correlation
// are estimates, and noise has heavier tails than any model. 1e-5 becomes 1.6e-5,
// one half 0.51; bench/detection shows that the stated run length then holds.
func doubt(p float64) float64 { return math.Pow(p, .96) }

// doubtTail raises those that a law fitted to 64 exceedances gives, which is too light by
// half where it reaches beyond them. The bulk is ranks, which need no doubt.
func doubtTail(p float64) float64 {
	return p * (1 + .5*math.Min(1, math.Log(tailShare/p)/math.Ln10))
}
