package app

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
)

// meters are backout's own metrics, for whoever watches the watcher. Their names are
// backout_<verb>_<noun>_<unit>, their labels are words of the glossary and names from
// the catalog, so there are never many. Counters begin anew with each start.
type meters struct {
	app      *App
	registry *prometheus.Registry
	attempts *prometheus.CounterVec // ended, by result
	effects  *prometheus.CounterVec // by outcome
	gates    *prometheus.CounterVec // by verdict
	beats    *prometheus.CounterVec // heartbeats sent, by receiver and result
	beat     *prometheus.GaugeVec   // when each receiver acknowledged last
}

// The gauges that are asked for when somebody scrapes.
var (
	loopAge     = prometheus.NewDesc("backout_run_loop_age_seconds", "Time since a loop's last turn.", []string{"loop"}, nil)
	loopBound   = prometheus.NewDesc("backout_run_loop_bound_seconds", "How long a loop's turn may take; older is stuck.", []string{"loop"}, nil)
	alive       = prometheus.NewDesc("backout_run_alive_ratio", "1 while every loop turns within its bound, else 0.", nil, nil)
	readiness   = prometheus.NewDesc("backout_run_ready_ratio", "1 while backout can decide, else 0.", nil, nil)
	learntOf    = prometheus.NewDesc("backout_detect_service_learnt_ratio", "Share of a service's series by how well they are known: a baseline, a long history of their own, a season.", []string{"service", "known"}, nil)
	pastLearnt  = prometheus.NewDesc("backout_detect_past_learnt_ratio", "Share of the metrics server's past that was learnt beside the work.", nil, nil)
	degradedNow = prometheus.NewDesc("backout_see_degraded_sources", "What can't be seen or done now, by source.", []string{"source"}, nil)
	incidentsBy = prometheus.NewDesc("backout_walk_open_incidents", "Open incidents by state.", []string{"state"}, nil)
	undelivered = prometheus.NewDesc("backout_tell_undelivered_messages", "Messages that were tried and nobody acknowledged.", []string{"audience", "channel"}, nil)
)

func newMeters(a *App) *meters {
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &meters{
		app: a, registry: prometheus.NewRegistry(),
		attempts: count("backout_execute_attempts_total", "Attempts that ended, by result.", "result"),
		effects:  count("backout_execute_effects_total", "Effects that were tried, by outcome.", "outcome"),
		gates:    count("backout_verify_gates_total", "Answers of gates, by verdict.", "verdict"),
		beats:    count("backout_send_heartbeats_total", "Heartbeats that were sent, by receiver and result.", "to", "result"),
		beat:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "backout_send_heartbeat_timestamp_seconds", Help: "When a receiver acknowledged a heartbeat last."}, []string{"to"}),
	}
	m.registry.MustRegister(m, m.attempts, m.effects, m.gates, m.beats, m.beat, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, r := range []backout.RunState{backout.RunCompleted, backout.RunStopped, backout.RunHalted, backout.RunAborted} {
		m.attempts.WithLabelValues(string(r))
	}
	for _, o := range []backout.Outcome{backout.OutcomeDone, backout.OutcomeNotDone, backout.OutcomeUnknown} {
		m.effects.WithLabelValues(string(o))
	}
	for _, v := range []backout.VerdictValue{backout.VerdictRecovered, backout.VerdictWorse, backout.VerdictInconclusive} {
		m.gates.WithLabelValues(string(v))
	}
	return m
}

func (m *meters) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: lookTimeout})
}

// count counts a journal entry as it is saved.
func (m *meters) count(e backout.Entry) {
	switch {
	case e.Kind == backout.EntryEffect && e.Outcome != "":
		m.effects.WithLabelValues(string(e.Outcome)).Inc()
	case e.Kind == backout.EntryGate && e.Verdict != "":
		m.gates.WithLabelValues(string(e.Verdict)).Inc()
	case e.Kind == backout.EntryEnded:
		if word, _, ok := strings.Cut(e.Text, ":"); ok && backout.RunState(word).Terminal() { // an end's text begins with its state
			m.attempts.WithLabelValues(word).Inc()
		}
	}
}

// Describe meets Prometheus' collector.
func (m *meters) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{loopAge, loopBound, alive, readiness, learntOf, pastLearnt, degradedNow, incidentsBy, undelivered} {
		out <- d
	}
}

// Collect meets Prometheus' collector. What the database does not tell is left out:
// no number is better than an old one.
func (m *meters) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	yes := map[bool]float64{true: 1}
	h := m.app.Health(ctx)
	gauge(alive, yes[h.Alive])
	gauge(readiness, yes[h.Ready])
	for _, l := range h.Loops {
		gauge(loopAge, h.At.Sub(l.Last).Seconds(), l.Name)
		gauge(loopBound, l.Bound.Std().Seconds(), l.Name)
	}
	m.collectLearnt(gauge)
	sources := map[string]float64{}
	for _, d := range h.Degraded {
		sources[string(d.Source)]++
	}
	for s, n := range sources {
		gauge(degradedNow, n, s)
	}
	m.collectKept(ctx, gauge)
}

// collectLearnt says how ready each service's series are to be judged.
func (m *meters) collectLearnt(gauge func(*prometheus.Desc, float64, ...string)) {
	if m.app.watch == nil {
		return // asked while starting
	}
	for _, s := range m.app.watch.Services() {
		name := string(cmp.Or(backout.ServiceID(s.Journey), s.Service))
		gauge(learntOf, s.Learnt, name, "baseline")
		gauge(learntOf, float64(s.Seasonal)/float64(s.Opening), name, "history")
		gauge(learntOf, float64(s.Seasons)/float64(s.Opening), name, "season")
	}
	gauge(pastLearnt, m.app.watch.State().PastRatio)
}

// countedMost is how many messages are counted at most.
const countedMost = 1000

// collectKept gives what only the database knows.
func (m *meters) collectKept(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) {
	open, err := m.app.store.Incidents(ctx, store.Query{Open: true})
	if err != nil {
		return
	}
	states := map[string]float64{}
	for _, inc := range open {
		states[string(inc.State)]++
	}
	for s, n := range states {
		gauge(incidentsBy, n, s)
	}
	waiting, err := m.app.store.Undelivered(ctx, time.Now().Add(-24*time.Hour), countedMost)
	if err != nil {
		return
	}
	type way struct{ audience, channel string }
	ways := map[way]float64{}
	for _, d := range waiting {
		ways[way{string(d.Message.Audience), d.Channel}]++
	}
	for w, n := range ways {
		gauge(undelivered, n, w.audience, w.channel)
	}
}
