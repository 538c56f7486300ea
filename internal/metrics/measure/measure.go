// Package measure takes the measurements that an analysis asks for: an instant query of
// a Prometheus, one call of a web service, or a job in a Kubernetes cluster. It judges
// nothing.
package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/util/jsonpath"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// largest is how many bytes of an answer are read.
const largest = 1 << 20

// Measurer asks. The zero value works.
type Measurer struct {
	// Client makes the calls; nil = http.DefaultTransport, redirects followed as usual.
	Client *http.Client
	// Clusters are where jobs run, by name; nil = nowhere.
	Clusters map[string]*kubernetes.Cluster
}

// Measure gives the result of one measurement: numbers for a query, a number, text, list
// or mapping for a call. A query is asked about the moment at; a call is about now. It
// ends with ctx, and after the measurement's own timeout. An error means that nothing
// was measured. A job is begun at the first call with an id and looked at by the next
// ones; until it has ended done is false.
func (m Measurer) Measure(ctx context.Context, id string, a backout.AnalysisMetric, at time.Time) (result any, done bool, err error) {
	switch {
	case a.Prometheus != nil:
		ctx, cancel := context.WithTimeout(ctx, a.Prometheus.Timeout.Std())
		defer cancel()
		result, err = m.query(ctx, *a.Prometheus, at)
		return result, true, err
	case a.Web != nil:
		ctx, cancel := context.WithTimeout(ctx, a.Web.Timeout.Std())
		defer cancel()
		result, err = m.call(ctx, *a.Web)
		return result, true, err
	case a.Job != nil:
		return m.job(ctx, id, a)
	}
	return nil, false, fmt.Errorf("measure %s: it has no provider", a.Name)
}

// headed adds headers to each request.
type headed struct {
	headers map[string]string
	next    http.RoundTripper
}

func (h headed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for k, v := range h.headers {
		r.Header.Set(k, v)
	}
	return h.next.RoundTrip(r)
}

func (m Measurer) transport() http.RoundTripper {
	if m.Client != nil && m.Client.Transport != nil {
		return m.Client.Transport
	}
	return http.DefaultTransport
}

func (m Measurer) query(ctx context.Context, q backout.PrometheusQuery, at time.Time) (any, error) {
	client, err := api.NewClient(api.Config{Address: q.Address, RoundTripper: headed{q.Headers, m.transport()}})
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", q.Address, err)
	}
	v, _, err := promv1.NewAPI(client).Query(ctx, q.Query, at)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", q.Address, err)
	}
	switch v := v.(type) {
	case *model.Scalar:
		return float64(v.Value), nil
	case model.Vector:
		out := []float64{}
		for _, s := range v {
			out = append(out, float64(s.Value))
		}
		return out, nil
	}
	return nil, fmt.Errorf("query %s gives a %s: expected a scalar or an instant vector", q.Address, v.Type())
}

func (m Measurer) call(ctx context.Context, w backout.WebRequest) (any, error) {
	req, err := http.NewRequestWithContext(ctx, w.Method, w.URL, strings.NewReader(w.Body))
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", w.URL, err)
	}
	for k, v := range w.Headers {
		req.Header.Set(k, v)
	}
	client := m.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", w.URL, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, largest+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer of %s: %w", w.URL, err)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return nil, fmt.Errorf("call %s: answers %s, expected 2xx", w.URL, resp.Status)
	case len(body) > largest:
		return nil, fmt.Errorf("call %s: the answer has more than %d bytes", w.URL, largest)
	}
	var whole any
	if err := json.Unmarshal(body, &whole); err != nil {
		return nil, fmt.Errorf("read answer of %s: expected JSON: %w", w.URL, err)
	}
	if w.JSONPath == "" {
		return whole, nil
	}
	return part(whole, w.JSONPath)
}

// part is what a path such as {$.data.ok} finds: one value, or a list where it finds
// several.
func part(whole any, path string) (any, error) {
	p := jsonpath.New("result")
	if err := p.Parse(path); err != nil {
		return nil, fmt.Errorf("jsonPath %s: %w", path, err)
	}
	found, err := p.FindResults(whole)
	if err != nil {
		return nil, fmt.Errorf("jsonPath %s: %w", path, err)
	}
	var out []any
	for _, set := range found {
		for _, v := range set {
			out = append(out, v.Interface())
		}
	}
	switch len(out) {
	case 0:
		return nil, errors.New("jsonPath " + path + " finds nothing")
	case 1:
		return out[0], nil
	}
	return out, nil
}
