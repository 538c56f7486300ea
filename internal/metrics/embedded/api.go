package embedded

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"time"

	"github.com/grafana/regexp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/route"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// maxBody bounds one request to the API; remote write sends far less.
const maxBody = 16 << 20

// api wires Prometheus' own handlers. The constructor's many arguments are
// Prometheus', one line each so that they can be read against its source.
func (m *Metrics) api() http.Handler {
	api := v1.NewAPI(
		m.engine,
		m.db,
		m.db, m.db, // appenders
		m.db, // exemplars
		func(context.Context) v1.ScrapePoolsRetriever { return m.scraper },
		func(context.Context) v1.TargetRetriever { return m.scraper },
		func(context.Context) v1.AlertmanagerRetriever { return none{} },
		func() promconfig.Config { return *m.scraped },
		map[string]string{},
		v1.GlobalURLOptions{},
		m.whileOpen,
		none{}, // administration
		m.config.Dir,
		false, // administration
		false, // search
		0,
		m.log.With("part", "api"),
		func(context.Context) v1.RulesRetriever { return none{} },
		5_000_000,                // remote read: samples
		4,                        // remote read: requests at a time
		1<<20,                    // remote read: bytes in a frame
		false,                    // agent
		regexp.MustCompile("^$"), // no foreign origins
		m.runtimeInfo,
		&v1.PrometheusVersion{Version: "backout", GoVersion: runtime.Version()},
		nil, nil, // notifications
		m.registry,
		m.registry,
		nil,  // statistics
		true, // remote write
		remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType},
		false, false, false, // OTLP
		false, // start timestamps
		m.config.Lookback,
		false, // type and unit labels
		false, // metadata
		nil,   // error codes
		nil,   // feature registry
		v1.OpenAPIOptions{},
		nil, // parser
	)
	router := route.New()
	api.Register(router.WithPrefix("/api/v1"))
	return http.MaxBytesHandler(router, maxBody)
}

// whileOpen answers 503 once the database is closed, and keeps it open while a
// request is answered.
func (m *Metrics) whileOpen(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m.mu.RLock()
		defer m.mu.RUnlock()
		if m.closed {
			http.Error(w, "the metrics database is closed", http.StatusServiceUnavailable)
			return
		}
		next(w, r)
	}
}

func (m *Metrics) runtimeInfo() (v1.RuntimeInfo, error) {
	return v1.RuntimeInfo{
		ServerTime:       time.Now().UTC(),
		GoroutineCount:   runtime.NumGoroutine(),
		GOMAXPROCS:       runtime.GOMAXPROCS(0),
		StorageRetention: m.config.Retention.String(),
	}, nil
}

// none stands where Prometheus has rules, alerts and administration.
type none struct{}

var errAbsent = errors.New("backout does not offer this")

func (none) Alertmanagers() []*url.URL                                      { return nil }
func (none) DroppedAlertmanagers() []*url.URL                               { return nil }
func (none) RuleGroups() []*rules.Group                                     { return nil }
func (none) AlertingRules() []*rules.AlertingRule                           { return nil }
func (none) CleanTombstones() error                                         { return errAbsent }
func (none) Delete(context.Context, int64, int64, ...*labels.Matcher) error { return errAbsent }
func (none) Snapshot(string, bool) error                                    { return errAbsent }
func (none) Stats(string, int) (*tsdb.Stats, error)                         { return nil, errAbsent }
func (none) WALReplayStatus() (tsdb.WALReplayStatus, error)                 { return tsdb.WALReplayStatus{}, errAbsent }
func (none) BlockMetas() ([]tsdb.BlockMeta, error)                          { return nil, errAbsent }
