package playground

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// meters are one instance's metrics, in a registry of its own. Labels that are
// the same for the whole instance come from the scraper's target, not from here.
type meters struct {
	registry    *prometheus.Registry
	ok, failed  prometheus.Counter
	seconds     prometheus.Histogram
	calls       map[string]*callMeters
	callsTotal  *prometheus.CounterVec
	callSeconds *prometheus.SummaryVec
}

type callMeters struct {
	ok, failed prometheus.Counter
	seconds    prometheus.Observer
}

func newMeters(caller string, callees []string, pools map[string]*pool) *meters {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_requests_total", Help: "Requests answered, by result."}, []string{"result"})
	m := &meters{
		registry:    prometheus.NewRegistry(),
		ok:          requests.WithLabelValues("ok"),
		failed:      requests.WithLabelValues("error"),
		seconds:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "shop_request_seconds", Help: "Time to answer a request.", Buckets: []float64{.005, .02, .08, .3, 1, 2.5}}),
		callsTotal:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_calls_total", Help: "Calls to other services as their caller saw them."}, []string{"caller", "callee", "result"}),
		callSeconds: prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "shop_call_seconds", Help: "Time that calls took, waiting for a connection included."}, []string{"caller", "callee"}),
		calls:       map[string]*callMeters{},
	}
	m.registry.MustRegister(requests, m.seconds, m.callsTotal, m.callSeconds)
	for _, c := range callees {
		m.calls[c] = &callMeters{m.callsTotal.WithLabelValues(caller, c, "ok"), m.callsTotal.WithLabelValues(caller, c, "error"), m.callSeconds.WithLabelValues(caller, c)}
	}
	for name, p := range pools {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "shop_pool_ratio", Help: "Share of a finite pool in use.", ConstLabels: prometheus.Labels{"pool": name}}, p.ratio))
	}
	return m
}

func (m *meters) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true})
}
