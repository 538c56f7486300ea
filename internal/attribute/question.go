package attribute

import (
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// Question is everything that [Rank] may depend on.
type Question struct {
	// World gives Now, Minute (zero = a minute), Graph, Changes, Responses and
	// Priors; the rest of it is not read.
	World backout.World
	// Residuals are what the detector keeps of each series. What a series is
	// about is read from its subject: Caller and Service is a caller's view of
	// its calls, Version is one arm of a partial rollout (arms of one service must
	// be standardised by one common baseline), Journey is a journey, none of them
	// and no Service a KPI of the whole product. Series of a single client
	// tell who is hurt by a change that named audiences met. Series that are still
	// warming are ignored.
	Residuals []backout.Residuals
	// Baselines turn differences of arms into factors for people ("6x slower");
	// without them differences are told in standard deviations.
	Baselines []backout.Baseline
	// Minutes is the length of the evidence window in model minutes; 0 = 60.
	Minutes int
	// Until ends the evidence window, because our own first effect changed the
	// picture; zero = the first of World.Responses on a component that was tried,
	// and World.Now before anything was.
	Until time.Time
	// Noticed is when the trouble was noticed, by a detector, an alert or a person;
	// zero = only the residuals say when it began.
	Noticed time.Time
	// Tried is what was taken back already in this incident.
	Tried []backout.Tried
}

// The numbers of the model. They were chosen on generated worlds
// (bench/attribution, tuning seeds) and are not fitted to any deployment. Those of
// silence, notice and what passes unseen were set by reason while looking at the
// public cases of docs/EVALUATION.md, and held against the generated worlds.
const (
	defaultMinutes = 60
	tempering      = 0.8  // η: exponent of the evidence, for witnesses are dependent
	priorShare     = 0.02 // ε: share of the answer that stays with time and prior alone
	background     = 0.03 // b: an unrelated series is ill at the same time
	ownVisible     = 0.9  // a(o,o): the origin itself shows it, unless it is silent
	seenByCallers  = 0.98 // the same, when its callers are measured as well
	badCalls       = 0.3  // a fault in a caller shows only in its calls to one healthy callee
	witness        = 0.85 // one witness of an ill service (itself, one caller) notices
	severalTargets = 0.7  // a change with several services alters each of them
	negligible     = 1e-4 // reach below this is none
	shiftSD        = 8.0  // λ: scale of the shift's half-normal prior, standard deviations
	clipZ          = 12.0 // residuals beyond this count as this
	mostErrorPhi   = 0.5  // correlation of neighbouring error counts beyond this is not believed
	capLogBF       = 60.0 // log evidence of one series beyond this is shrunk to it
	armsVisible    = 0.85 // the fault shows as a difference between treated and control
	stillborn      = 0.2  // a bad version never answers a request
	stillSilent    = 0.05 // a good one doesn't either, however long one waits
	startMinutes   = 1.5  // a good one takes this long on average to answer its first request
	elsewhere      = 0.1  // chance that what was noticed was something else
	noticeMinutes  = 5.0  // most trouble is noticed this long after its onset on average
	noticeSamples  = 2.0  // or so many samples, where that is longer
	oneByOne       = 100  // up to so many services are all supposed to have broken by themselves
	afterOnset     = 1e-6 // delay density of a change that came after the trouble
	clockSkew      = 1e-3 // the same, within one minute: clocks differ
	surgeReach     = 0.2  // a surge is more than a service can bear
	anyRise        = 0.2  // demand rises some time within the window and hurts nobody
	surgeTraffic   = 0.7  // a surge shows in the traffic of one entry
)

func (q Question) minute() time.Duration {
	if m := q.World.Minute.Std(); m > 0 {
		return m
	}
	return time.Minute
}

func (q Question) minutes() int {
	if q.Minutes > 0 {
		return q.Minutes
	}
	return defaultMinutes
}

// end is when the minute of the last sample ends, and with it the last minute of the
// evidence. Minutes lie where they lie since 1970, as samples do, however late it is:
// were they counted back from now, each look would cut the onset and the exposures anew,
// and the answer would swing with it.
func (q Question) end() time.Time {
	until, last := q.until(), time.Time{}
	for _, r := range q.Residuals {
		if r.Step <= 0 || len(r.Levels) == 0 || r.From.After(until) {
			continue
		}
		k := min(time.Duration(len(r.Levels)-1), until.Sub(r.From)/r.Step)
		if at := r.From.Add(k * r.Step); at.After(last) {
			last = at
		}
	}
	if last.IsZero() {
		return until
	}
	if past := time.Duration(last.UnixNano() % int64(q.minute())); past > 0 {
		return last.Add(q.minute() - past)
	}
	return last
}

// until ends the evidence. Once something of this incident was tried, that is when
// the first of our effects on a tried component took place.
func (q Question) until() time.Time {
	end := q.World.Now
	if !q.Until.IsZero() && q.Until.Before(end) {
		return q.Until
	}
	tried := map[backout.ComponentID]bool{}
	for _, t := range q.Tried {
		for _, c := range q.World.Changes {
			if slices.Contains(t.Changes, c.ID) {
				tried[c.Component] = true
			}
		}
	}
	begin := q.World.Now.Add(-time.Duration(q.minutes()) * q.minute())
	for _, r := range q.World.Responses {
		if tried[r.Component] && r.At.Before(end) && r.At.After(begin) {
			end = r.At
		}
	}
	return end
}
