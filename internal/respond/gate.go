package respond

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/verify"
)

// How a gate judges, in model minutes and standard deviations.
const (
	warmUp     = 1.0  // cold caches and draining queues: no proof of recovery
	gateBudget = 45.0 // a last gate that has not seen recovery by then gives up
	leastSeen  = 3    // samples that an intermediate stage needs
	// Samples of a stage are a few minutes late: scraped, gathered over a window,
	// measured. Before that nothing is missing.
	firstSamples = 4.0
	denseShare   = .75 // measured steps that make a signal provable
	enoughDense  = 3   // provable signals that are enough by themselves
	// A baseline learnt from a short history knows its own spread badly: recovery
	// then means "below two and a half of its standard deviations".
	marginShort    = 2.5
	marginSeasonal = 1.0
	harm           = 2.0
)

// Gate answers execute's question after each round: go on, wait, stop, halt or
// freeze. It judges from everything measured since the round began.
type Gate struct {
	Store   Store
	Signals Signals
	// Counted gives raw counts; nil leaves residuals alone to judge.
	Counted Counted
	// Criteria say what recovery needs; without any, all that was ill is back.
	Criteria []backout.SuccessCriteria
	Analyses *Analyses // nil = none are asked for
	// Facts tell what others changed meanwhile; nil = nobody knows.
	Facts  Facts
	Minute time.Duration
}

// Ask gives the decision of this moment.
func (g *Gate) Ask(ctx context.Context, q execute.Question) (execute.Answer, error) {
	inc, err := g.Store.Incident(ctx, incidentOf(q.Attempt.ID))
	if err != nil {
		return execute.Answer{}, fmt.Errorf("gate of %s: %w", q.Attempt.ID, err)
	}
	question := g.question(inc, q)
	question.Last = question.Last || waveDone(q)
	question.Counts = g.counts(ctx, q)
	question.Arms = uncounted(question.Arms, question.Counts)
	v := verify.Judge(question)
	if v.Value == backout.VerdictWorse || joined(inc, q.Attempt) || lingers(inc, q.Attempt, g.Minute) { // else there is nothing to leave out
		if question, err = g.withoutAnother(ctx, inc, q, question); err != nil {
			return execute.Answer{}, err
		}
		v = verify.Judge(question)
	}
	v = alertsToo(inc, question, v)
	c, _ := g.criteria(inc, q)
	out := g.answer(q, v, len(c.Objectives) > 0)
	out.Verdict = v.Value
	if q.Last || out.Decision == execute.DecisionStop { // the run could end here: what is asked for besides must hold
		out = g.analysed(ctx, q, c.Analyses, out)
	}
	return out, nil
}

// waveDone reports whether every step of the wave has reached everything: a state in
// which the run could stop for good.
func waveDone(q execute.Question) bool {
	if q.Wave >= len(q.Attempt.Plan.Waves) {
		return false
	}
	return !slices.ContainsFunc(q.Attempt.Plan.Waves[q.Wave].Steps, func(s backout.Step) bool { return len(s.Stages) > q.Round+1 })
}

// alertsToo lets the word of other monitors stand for recovery where nothing that
// we measure was ill: then there is nothing to prove, and waiting for it would be
// waiting until the budget is spent. Where something measured was ill that alone
// decides, for an alert lags behind by its own window. While backout is blind an
// alert that ended says nothing either: monitors end alerts when they go blind too.
func alertsToo(inc backout.Incident, q verify.Question, v backout.Verdict) backout.Verdict {
	only, quiet := onlyAlerts(inc)
	if !only || !q.Last || v.Blind || v.Value == backout.VerdictWorse {
		return v
	}
	for _, f := range inc.Findings {
		r := backout.VerdictReason{Series: f.ID, Value: backout.VerdictInconclusive, Target: q.Margin, Text: "still fires"}
		if !f.EndedAt.IsZero() {
			r.Value, r.Text = backout.VerdictRecovered, "is over since "+f.EndedAt.UTC().Format(time.TimeOnly)
		}
		v.Reasons = append(v.Reasons, r)
	}
	if quiet {
		v.Value = backout.VerdictRecovered
	}
	return v
}

// incidentOf takes the incident's id out of an attempt's, which is incident/number.
func incidentOf(id backout.AttemptID) backout.IncidentID {
	s, _, _ := strings.Cut(string(id), "/")
	return backout.IncidentID(s)
}

func (g *Gate) minutes(n float64) time.Duration { return time.Duration(n * float64(g.Minute)) }

// answer says what follows from a verdict; stated is set where criteria say what recovery
// needs.
func (g *Gate) answer(q execute.Question, v backout.Verdict, stated bool) execute.Answer {
	switch {
	case v.Blind && q.Now.Sub(q.Since) < g.minutes(firstSamples):
		return execute.Answer{Decision: execute.DecisionWait, Why: "the first samples since the stage began are not in yet"}
	case v.Blind:
		return execute.Answer{Decision: execute.DecisionFreeze, Why: "the signals can't be seen: nothing is decided until they can"}
	case v.Value == backout.VerdictWorse:
		return execute.Answer{Decision: execute.DecisionHalt, Why: "it got worse: " + worst(v)}
	case v.Value == backout.VerdictRecovered && q.Last:
		return execute.Answer{Decision: execute.DecisionGoOn, Why: recovered(v)}
	case v.Value == backout.VerdictRecovered:
		return execute.Answer{Decision: execute.DecisionStop, Why: recovered(v) + "; not needed any more: " + dropped(q)}
	case q.Last && q.Now.Sub(q.Since) > g.minutes(gateBudget):
		return g.spent(q, v, stated)
	case q.Last:
		return execute.Answer{Decision: execute.DecisionWait, Why: open(v)}
	case q.Now.Before(q.Until):
		return execute.Answer{Decision: execute.DecisionWait, Why: "baking"}
	case longest(v) < leastSeen && q.Now.Sub(q.Since) < g.minutes(gateBudget):
		return execute.Answer{Decision: execute.DecisionWait, Why: "too few samples since the stage began"}
	}
	return execute.Answer{Decision: execute.DecisionGoOn, Why: "not worse: " + seen(v)}
}

// dropped names the steps of the waves that an early stop leaves out.
func dropped(q execute.Question) string {
	var names []string
	for _, w := range q.Attempt.Plan.Waves[min(q.Wave+1, len(q.Attempt.Plan.Waves)):] {
		for _, s := range w.Steps {
			names = append(names, fmt.Sprintf("%s %s to %s", s.Component, s.From, s.To))
		}
	}
	return strings.Join(names, ", ")
}

// question gathers what verify needs: the ill signals of the incident are primary;
// what was healthy and is not expected to be hit must not become worse; arms of
// the services moved compare old and new version side by side.
func (g *Gate) question(inc backout.Incident, q execute.Question) verify.Question {
	began := q.Since // before the first effect of all: how ill it was
	if at := q.Attempt.StartedAt; !at.IsZero() && at.Before(began) {
		began = at
	}
	from := began.Add(-g.minutes(8))
	out := verify.Question{Since: q.Since, Now: q.Now, Began: q.Attempt.StartedAt, WarmUp: g.minutes(warmUp), Last: q.Last, Margin: marginSeasonal, Harm: harm}
	ill, expected := illOf(inc), expectedOf(inc)
	criteria, _ := g.criteria(inc, q)
	versions := movedOf(q)
	arms := map[backout.SeriesID][2]*backout.Residuals{}
	for _, r := range g.Signals.Residuals(from, q.Now) {
		sub := r.ID.Subject
		switch {
		case sub.Version != "":
			if s, ok := versions[sub.Service]; ok {
				addArm(arms, r, s)
			}
		case ill[r.ID] || listed(criteria, r.ID):
			out.Primary = append(out.Primary, r)
			if r.Mode == backout.ModeShort {
				out.Margin = marginShort
			}
		case sub.Caller == "" && sub.Service != "" && !expected[string(sub.Service)] && (r.Kind == backout.SignalErrors):
			out.Watched = append(out.Watched, r)
		}
	}
	out.Primary = provable(out.Primary)
	weigh(&out, criteria, ill)
	for _, pair := range arms {
		if pair[0] != nil && pair[1] != nil {
			out.Arms = append(out.Arms, verify.Arm{Treated: *pair[0], Control: *pair[1], Share: shareOf(versions[pair[0].ID.Subject.Service], q.Round)})
		}
	}
	return out
}

// provable leaves out signals that are measured too seldom to prove anything in
// useful time, as long as enough others are left: a journey that somebody travels
// in every third step would hold up the verdict of all the rest. They stay among
// the findings and open another incident should they not come back.
func provable(primary []backout.Residuals) []backout.Residuals {
	var dense []backout.Residuals
	for _, r := range primary {
		n := 0
		for _, x := range r.Levels {
			if !math.IsNaN(x) {
				n++
			}
		}
		if float64(n) >= denseShare*float64(len(r.Levels)) {
			dense = append(dense, r)
		}
	}
	if len(dense) < enoughDense {
		return primary
	}
	return dense
}

func addArm(arms map[backout.SeriesID][2]*backout.Residuals, r backout.Residuals, s backout.Step) {
	key := r.ID
	key.Subject.Version = ""
	pair := arms[key]
	switch r.ID.Subject.Version {
	case s.To:
		pair[0] = &r
	case s.From:
		pair[1] = &r
	}
	arms[key] = pair
}

// shareOf is how much of a step is moved after a round.
func shareOf(s backout.Step, round int) float64 {
	if round < len(s.Stages) {
		return s.Stages[round].Share
	}
	return 1
}

func illOf(inc backout.Incident) map[backout.SeriesID]bool {
	out := map[backout.SeriesID]bool{}
	for _, f := range inc.Findings {
		if f.Opens {
			out[f.ID] = true
		}
	}
	return out
}

// expectedOf names what trouble reaches anyway: it says nothing about our action.
func expectedOf(inc backout.Incident) map[string]bool {
	out := map[string]bool{}
	for _, f := range inc.Findings {
		switch s := f.ID.Subject; {
		case s.Journey != "":
			out[string(s.Journey)] = true
		case s.Service != "":
			out[string(s.Service)] = true
		}
	}
	for _, fc := range []*backout.Forecast{inc.FirstForecast, inc.Forecast} {
		if fc == nil {
			continue
		}
		for _, h := range fc.Hits {
			out[h.Target] = true
		}
	}
	return out
}

// wentAway reports whether everything that was ill is back without our doing: before
// anything was done, or after an attempt that ended without recovery.
func (r *Responder) wentAway(_ context.Context, now time.Time, inc backout.Incident) (bool, string, error) {
	since := latelySince(inc)
	if now.Sub(since) < r.minutes(4) {
		return false, "", nil
	}
	g := Gate{Signals: r.cfg.Signals, Minute: r.cfg.Minute}
	question := g.question(inc, execute.Question{Since: since, Now: now, Last: true})
	v := alertsToo(inc, question, verify.Judge(question))
	why := "all signals are back before anything was done"
	if how := spent(inc); how != "" {
		why = "all signals are back" + how
	}
	return v.Value == backout.VerdictRecovered, why, nil
}

// latelySince is since when nothing of ours has been under way: the incident's opening,
// or the end of its last attempt.
func latelySince(inc backout.Incident) time.Time {
	since := inc.OpenedAt
	for _, a := range inc.Attempts {
		if a.EndedAt.After(since) {
			since = a.EndedAt
		}
	}
	return since
}

func worst(v backout.Verdict) string {
	best := backout.VerdictReason{LogEWorse: -1}
	for _, r := range v.Reasons {
		if r.LogEWorse > best.LogEWorse {
			best = r
		}
	}
	return who(best) + " " + best.Text
}

func open(v backout.Verdict) string {
	for _, r := range v.Reasons {
		if r.Value == backout.VerdictInconclusive && r.Target != 0 {
			return "not proven yet: " + who(r) + " " + r.Text
		}
	}
	return "nothing is proven yet"
}

func seen(v backout.Verdict) string {
	n := 0
	for _, r := range v.Reasons {
		n += r.Samples
	}
	return fmt.Sprintf("%d signals, %d samples", len(v.Reasons), n)
}

// longest is the number of samples of the signal that has most: sparse signals
// don't hold up a stage that only must not be worse.
func longest(v backout.Verdict) int {
	n := 0
	for _, r := range v.Reasons {
		n = max(n, r.Samples)
	}
	return n
}

func recovered(v backout.Verdict) string {
	n, proven := 0, 0
	for _, r := range v.Reasons {
		if r.Value == backout.VerdictRecovered {
			n++
			proven += min(r.Samples, 1)
		}
	}
	if proven == 0 {
		return fmt.Sprintf("recovered: all %d alerts are over, and nothing that is measured was ill", n)
	}
	if v.Score < 1-1e-9 {
		return fmt.Sprintf("recovered: %d signals with %.0f %% of the weight are back, proven; %s", n, 100*v.Score, open(v))
	}
	return fmt.Sprintf("recovered: all %d signals that were ill are back, proven", n)
}

func who(r backout.VerdictReason) string {
	s := r.Series.Subject
	return strings.TrimSpace(strings.Join(strings.Fields(string(s.Service)+" "+string(s.Journey)+" "+string(r.Series.Signal)), " "))
}
