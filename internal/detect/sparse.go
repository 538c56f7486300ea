package detect

import "math"

// Where a handful of events is expected a p-value is coarse: three quiet minutes in
// a row are nothing when two orders a minute are usual, and twenty are a lot. There
// the bets are likelihood ratios instead: the events at five times the expected
// rate against the expected rate, both with the rate known only as well as the past
// tells it (a gamma posterior, so that the counts are negative binomial). Each has mean one
// while healthy, exactly so for Poisson counts; counts that vary more are divided by
// their dispersion first.
var (
	more  = [powers]float64{1.25, 1.5, 2, 3, 5}
	fewer = [powers]float64{.8, .65, .5, .3, .1}
)

// mostCountBet bounds what one sample may say, as leastFull does for p-values: a
// bet cut down has a mean below one.
const mostCountBet = 3000

// sparse gives the bets of x events, all counts divided by the dispersion, when
// events were seen in past steps. Counts that resemble their neighbours, above all
// those of windows that overlap, are worth 1/runs of a bet each: the geometric mean
// of bets that would each be valid alone is below their arithmetic mean.
func sparse(ratios *[powers]float64, x, events, past, runs float64) (e [powers]float64) {
	for i, r := range ratios {
		l := x*math.Log(r) + (x+events)*math.Log((past+1)/(past+r))
		e[i] = math.Min(math.Exp(l/runs), mostCountBet)
	}
	return e
}

// counted gives the bets of a sample of few events.
func (s *series) counted(side int, o observation, st standing) [powers]float64 {
	ratios := &more
	if side == down {
		ratios = &fewer
	}
	n := s.memory()
	runs := (1 + s.Phi) / (1 - s.Phi)
	return sparse(ratios, o.value/st.dispersion, (st.mean*n+.5*st.dispersion)/st.dispersion, n, runs)
}

// promising reports whether a sample is to be judged by its count. A short history
// is not: it has not seen a day, and orders are fewer every night.
func (s *series) promising(st standing) bool {
	return st.exact && s.kind != ratio && s.Mode == seasonal
}
