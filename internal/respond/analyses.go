package respond

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/verify/analysis"
)

// Measurer takes one measurement of an analysis. A query is asked about a moment, which
// may have passed; a call is about now. A job takes its time: done is false until it has
// ended. id names the measurement, the same each time that it is asked for.
type Measurer interface {
	Measure(ctx context.Context, id string, m backout.AnalysisMetric, at time.Time) (result any, done bool, err error)
}

// errorRetry is how soon a metric without an interval is measured again after an error,
// as in Argo.
const errorRetry = 10 * time.Second

// mostAtOnce bounds how many measurements of one metric a question catches up with.
const mostAtOnce = 5

// Analyses runs analyses for gates. What was measured is kept in memory only: after a
// restart queries are asked again about the same moments and calls begin anew, which
// costs time and never a wrong answer; jobs are found again by their measurements' ids.
type Analyses struct {
	Known    []backout.Analysis
	Measurer Measurer

	mu   sync.Mutex
	runs map[string]*attemptRuns // by attempt; guarded by mu
}

// attemptRuns are an attempt's analyses.
type attemptRuns struct {
	asked time.Time               // for the last time
	of    map[string]*analysisRun // by wave, round and analysis
}

// keptRuns is how long the analyses of an attempt that nobody asks about are kept: a
// frozen one may wait for hours.
const keptRuns = 24 * time.Hour

// analysisRun is one run of one analysis.
type analysisRun struct {
	id    string     // the attempt's, with wave, round and analysis
	mu    sync.Mutex // guards what follows
	began time.Time
	taken [][]backout.Measurement // by metric
}

// analysed is what came of an analysis: its phase, and in words which metric says so.
type analysed struct {
	name  string
	phase backout.AnalysisPhase
	why   string
}

// ask measures what is due of the analyses named, and gives the phase of each.
func (a *Analyses) ask(ctx context.Context, names []string, q execute.Question) []analysed {
	var out []analysed
	for _, name := range names {
		out = append(out, a.one(ctx, name, q))
	}
	return out
}

func (a *Analyses) one(ctx context.Context, name string, q execute.Question) analysed {
	out := analysed{name: name, phase: backout.AnalysisError}
	for _, known := range a.Known {
		if known.Name != name {
			continue
		}
		filled, err := analysis.Fill(known, argsOf(q))
		if err != nil {
			out.why = err.Error()
			return out
		}
		run := a.run(filled, q)
		run.mu.Lock() // measuring takes time, and other attempts don't wait for it
		defer run.mu.Unlock()
		return a.step(ctx, filled, run, q)
	}
	out.why = "no such analysis is in the catalog"
	return out
}

// argsOf are the values that a gate fills in, of the first step that its round moved.
func argsOf(q execute.Question) map[string]string {
	if len(q.Moved) == 0 {
		return nil
	}
	s := q.Moved[0]
	_, rest, _ := strings.Cut(string(s.Component), "@")
	env, loc, _ := strings.Cut(rest, "/")
	return map[string]string{
		"service": string(s.Service), "component": string(s.Component), "from": string(s.From), "to": string(s.To), "environment": env, "location": loc,
	}
}

// step takes what is due and judges. A run that ended in Error or Inconclusive is told
// once and begun anew: neither says anything about the product, and either may pass.
func (a *Analyses) step(ctx context.Context, f backout.Analysis, run *analysisRun, q execute.Question) analysed {
	over := !q.Now.Before(q.Until)
	phases, why := make([]backout.AnalysisPhase, len(f.Metrics)), ""
	for i, m := range f.Metrics {
		for range mostAtOnce {
			at, due := next(m, run, i, q.Now)
			if !due || analysis.Metric(m, run.taken[i], false) != backout.AnalysisRunning {
				break
			}
			taken, done := a.measure(ctx, fmt.Sprintf("%s/%s/%d", run.id, m.Name, measured(run.taken[i])), m, at)
			if !done {
				break
			}
			run.taken[i] = append(run.taken[i], taken)
		}
		phases[i] = analysis.Metric(m, run.taken[i], over)
	}
	out := analysed{name: f.Name, phase: analysis.Whole(f, phases)}
	for i, p := range phases {
		if p == out.phase && !f.Metrics[i].DryRun {
			why = fmt.Sprintf("metric %s %s", f.Metrics[i].Name, last(run.taken[i]))
			break
		}
	}
	out.why = why
	if out.phase == backout.AnalysisError || out.phase == backout.AnalysisInconclusive {
		run.began, run.taken = q.Now, make([][]backout.Measurement, len(f.Metrics))
	}
	return out
}

// run is the run of an analysis in a wave's round; those of earlier rounds of the attempt,
// and of attempts long over, are forgotten.
func (a *Analyses) run(f backout.Analysis, q execute.Question) *analysisRun {
	a.mu.Lock()
	defer a.mu.Unlock()
	attempt, round := string(q.Attempt.ID), fmt.Sprintf("%d/%d/", q.Wave, q.Round)
	known := a.runs[attempt]
	if known == nil {
		known = &attemptRuns{of: map[string]*analysisRun{}}
		maps.DeleteFunc(a.runs, func(_ string, r *attemptRuns) bool { return q.Now.Sub(r.asked) > keptRuns })
		if a.runs == nil {
			a.runs = map[string]*attemptRuns{}
		}
		a.runs[attempt] = known
	}
	known.asked = q.Now
	maps.DeleteFunc(known.of, func(key string, _ *analysisRun) bool { return !strings.HasPrefix(key, round) })
	key := round + f.Name
	if known.of[key] == nil {
		known.of[key] = &analysisRun{id: attempt + "/" + key, began: q.Since, taken: make([][]backout.Measurement, len(f.Metrics))}
	}
	return known.of[key]
}

// next is when a metric is to be measured next, and whether that has come.
func next(m backout.AnalysisMetric, run *analysisRun, i int, now time.Time) (time.Time, bool) {
	at := run.began.Add(m.InitialDelay.Std())
	if n := len(run.taken[i]); n > 0 {
		at = run.taken[i][n-1].At.Add(max(m.Interval.Std(), errorRetry))
		if m.Interval > 0 {
			at = run.taken[i][n-1].At.Add(m.Interval.Std())
		}
	}
	return at, !at.After(now)
}

func (a *Analyses) measure(ctx context.Context, id string, m backout.AnalysisMetric, at time.Time) (_ backout.Measurement, done bool) {
	out := backout.Measurement{At: at, Phase: backout.AnalysisError}
	result, done, err := a.Measurer.Measure(ctx, id, m, at)
	if err != nil || !done {
		if err != nil {
			out.Why = err.Error()
		}
		return out, err != nil
	}
	out.Value = fmt.Sprint(result)
	if out.Phase, err = analysis.Look(m, result); err != nil {
		out.Why = err.Error()
	}
	return out, true
}

// measured counts what was measured: an error is no measurement, and the next try is
// about the same one.
func measured(taken []backout.Measurement) (n int) {
	for _, x := range taken {
		if x.Phase != backout.AnalysisError {
			n++
		}
	}
	return n
}

func last(taken []backout.Measurement) string {
	if len(taken) == 0 {
		return "is not measured yet"
	}
	x := taken[len(taken)-1]
	if x.Phase == backout.AnalysisError {
		return "can't be measured: " + x.Why
	}
	return "measures " + x.Value
}

// analysed changes a gate's answer by what analyses say. At the end Failed halts. Until
// all are Successful the run does not end; what is Error can't be seen, and Inconclusive
// is waited for while the gate has time and left to a person after that. An early stop
// that they don't confirm is none.
func (g *Gate) analysed(ctx context.Context, q execute.Question, names []string, a execute.Answer) execute.Answer {
	if g.Analyses == nil || len(names) == 0 || a.Decision == execute.DecisionHalt || a.Decision == execute.DecisionLeave {
		return a
	}
	goesOn := a.Decision == execute.DecisionGoOn || a.Decision == execute.DecisionStop
	for _, r := range g.Analyses.ask(ctx, names, q) {
		said := fmt.Sprintf("analysis %s is %s: %s", r.name, r.phase, r.why)
		late := q.Now.Sub(q.Since) > g.minutes(gateBudget)
		switch {
		case r.phase == backout.AnalysisSuccessful:
		case !q.Last && r.phase != backout.AnalysisRunning: // no proof that the rest is not needed
			return execute.Answer{Decision: execute.DecisionGoOn, Why: said + ", so the plan goes on", Verdict: a.Verdict}
		case r.phase == backout.AnalysisFailed:
			return execute.Answer{Decision: execute.DecisionHalt, Why: said, Verdict: a.Verdict}
		case !goesOn:
		case r.phase == backout.AnalysisError:
			a = execute.Answer{Decision: execute.DecisionFreeze, Why: said, Verdict: a.Verdict}
		case late:
			a = execute.Answer{Decision: execute.DecisionFreeze, Why: said + "; a person decides", Verdict: a.Verdict}
		case a.Decision != execute.DecisionFreeze:
			a = execute.Answer{Decision: execute.DecisionWait, Why: said, Verdict: a.Verdict}
		}
	}
	return a
}
