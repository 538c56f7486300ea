// Package prometheus samples signals from any server with Prometheus' HTTP API:
// Prometheus itself, Thanos, Mimir, VictoriaMetrics.
//
// One instant is asked with an instant query, more with a range query, and long
// history in chunks, because servers refuse more than 11000 points a series. A
// warm-up is nothing but Sample over a long span.
//
// A server that can't be reached, answers with 5xx or 429 (too many requests) or not at
// all in time is unavailable; one that answers 401 or 403 is forbidden; a query that it refuses
// (400, 422) is invalid and concerns that query alone.
package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
)

// Config names a server and how it is asked. Only URL is required.
type Config struct {
	// URL is the base, without /api/v1 and without credentials.
	URL string
	// Username with Password or PasswordFile, or BearerToken or BearerTokenFile.
	// Files are read again when they change.
	Username, Password, PasswordFile string
	BearerToken, BearerTokenFile     string
	// CAFile holds certificates to trust beside the system's.
	CAFile string
	// Headers are sent with each request, for example X-Scope-OrgID.
	Headers map[string]string
	// Ask says how often the server scrapes and how much it is asked at a time.
	Ask metrics.Config
	// MaxAnswer is the largest answer in bytes that is read; 256 MiB when zero.
	MaxAnswer int64
}

// New makes a sampler. It calls nobody yet. It fails with code invalid when the
// configuration makes no sense; the message names the setting.
func New(c Config) (*metrics.Asker, error) {
	s, err := connect(c)
	if err != nil {
		return nil, err
	}
	return metrics.New(c.Ask, s.evaluate)
}

func connect(c Config) (server, error) {
	base, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return server{}, invalid("metrics server url: %v", err)
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return server{}, invalid("metrics server url %q: expected http://HOST or https://HOST", base.Redacted())
	case base.User != nil:
		return server{}, invalid("metrics server url %q: credentials belong in username and password", base.Redacted())
	}
	h := c.transport()
	if err := h.Validate(); err != nil {
		return server{}, invalid("metrics server credentials: %v", err)
	}
	transport, err := config.NewRoundTripperFromConfig(h, "backout")
	if err != nil {
		return server{}, invalid("metrics server credentials: %v", err)
	}
	limit := cmp.Or(c.MaxAnswer, 256<<20)
	client, err := api.NewClient(api.Config{Address: c.URL, RoundTripper: guard{transport, limit}})
	if err != nil {
		return server{}, invalid("metrics server url: %v", err)
	}
	return server{promv1.NewAPI(client)}, nil
}

func (c Config) transport() config.HTTPClientConfig {
	h := config.DefaultHTTPClientConfig
	if c.Username != "" || c.Password != "" || c.PasswordFile != "" {
		h.BasicAuth = &config.BasicAuth{Username: c.Username, Password: config.Secret(c.Password), PasswordFile: c.PasswordFile}
	}
	if c.BearerToken != "" || c.BearerTokenFile != "" {
		h.Authorization = &config.Authorization{Type: "Bearer", Credentials: config.Secret(c.BearerToken), CredentialsFile: c.BearerTokenFile}
	}
	h.TLSConfig.CAFile = c.CAFile
	if len(c.Headers) > 0 {
		h.HTTPHeaders = &config.Headers{Headers: map[string]config.Header{}}
		for name, value := range c.Headers {
			h.HTTPHeaders.Headers[name] = config.Header{Values: []string{value}}
		}
	}
	return h
}

// server evaluates expressions over the HTTP API.
type server struct{ api promv1.API }

func (s server) evaluate(ctx context.Context, expression string, r metrics.Range) ([]metrics.Row, error) {
	var v model.Value
	var err error
	if r.Points() == 1 {
		v, _, err = s.api.Query(ctx, expression, r.First)
	} else {
		v, _, err = s.api.QueryRange(ctx, expression, promv1.Range{Start: r.First, End: r.Last, Step: r.Step})
	}
	if err != nil {
		return nil, classify(err)
	}
	return rows(v)
}

func rows(v model.Value) ([]metrics.Row, error) {
	out := []metrics.Row{}
	switch v := v.(type) {
	case model.Matrix:
		for _, s := range v {
			points := make([]metrics.Point, len(s.Values))
			for i, p := range s.Values {
				points[i] = metrics.Point{At: at(p.Timestamp), Value: float64(p.Value)}
			}
			out = append(out, metrics.Row{Labels: labels(s.Metric), Points: points})
		}
	case model.Vector:
		for _, s := range v {
			out = append(out, metrics.Row{Labels: labels(s.Metric), Points: []metrics.Point{{At: at(s.Timestamp), Value: float64(s.Value)}}})
		}
	case *model.Scalar:
		out = append(out, metrics.Row{Points: []metrics.Point{{At: at(v.Timestamp), Value: float64(v.Value)}}})
	default:
		return nil, invalid("the query's answer is a %s: expected an instant vector", v.Type())
	}
	return out, nil
}

func at(t model.Time) time.Time { return t.Time().UTC() }

func labels(m model.Metric) map[string]string {
	out := make(map[string]string, len(m))
	for name, value := range m {
		out[string(name)] = string(value)
	}
	return out
}

// classify says whether a failure is the query's or the server's.
func classify(err error) error {
	if backout.CodeOf(err) == backout.CodeForbidden {
		return err
	}
	var answer *promv1.Error
	if errors.As(err, &answer) {
		switch answer.Type {
		case promv1.ErrBadData, promv1.ErrExec, promv1.ErrClient:
			return invalid("%s", answer.Msg)
		}
	}
	return &backout.Error{Code: backout.CodeUnavailable, Message: "ask metrics server", Err: err}
}

// guard bounds the answers and tells refused credentials from refused queries,
// which the API client does not.
type guard struct {
	next  http.RoundTripper
	limit int64
}

// RoundTrip meets http.RoundTripper.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		_ = resp.Body.Close()
		return nil, &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf("metrics server answers %s: look at its credentials", resp.Status)}
	}
	if resp.StatusCode == http.StatusTooManyRequests { // a matter of when it is asked, not of the query
		_ = resp.Body.Close()
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: "metrics server answers " + resp.Status}
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, g.limit)
	return resp, nil
}

func invalid(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}
