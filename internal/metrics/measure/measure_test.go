package measure

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
)

const second = backout.Duration(time.Second)

func TestMeasure_calls(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/text":
			fmt.Fprint(w, "fine")
		case "/away":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/slow":
			<-r.Context().Done()
		case "/large":
			fmt.Fprint(w, `"`+strings.Repeat("x", largest)+`"`)
		default:
			fmt.Fprintf(w, `{"method": %q, "token": %q, "data": {"ok": true, "rates": [0.5, 0.75]}}`, r.Method, r.Header.Get("X-Token"))
		}
	}))
	defer server.Close()
	for name, c := range map[string]struct {
		path, jsonPath string
		want           any
		fails          string
	}{
		"a part":           {"/", "{$.data.ok}", true, ""},
		"several":          {"/", "{$.data.rates[*]}", []any{.5, .75}, ""},
		"a header":         {"/", "{$.token}", "secret", ""},
		"the method":       {"/", "{.method}", "PUT", ""},
		"nothing there":    {"/", "{$.other}", nil, "other is not found"},
		"a broken path":    {"/", "{$.data", nil, "jsonPath {$.data"},
		"no JSON":          {"/text", "", nil, "expected JSON"},
		"an error status":  {"/away", "", nil, "503"},
		"no answer":        {"/slow", "", nil, "deadline exceeded"},
		"too long to read": {"/large", "", nil, "more than"},
	} {
		got, _, err := Measurer{}.Measure(t.Context(), "x", backout.AnalysisMetric{Web: &backout.WebRequest{
			Method: "PUT", URL: server.URL + c.path, JSONPath: c.jsonPath, Headers: map[string]string{"X-Token": "secret"}, Timeout: second,
		}}, time.Time{})
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q (-want +got):\n%s", name, err, c.fails, diff)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := (Measurer{}).Measure(ctx, "x", backout.AnalysisMetric{Web: &backout.WebRequest{Method: "GET", URL: server.URL, Timeout: second}}, time.Time{}); err == nil {
		t.Error("a call outlived its context")
	}
	if _, _, err := (Measurer{}).Measure(t.Context(), "x", backout.AnalysisMetric{Name: "m"}, time.Time{}); err == nil {
		t.Error("measured without a provider")
	}
}

func TestMeasure_queries(t *testing.T) {
	base, _, _ := metricstest.Prometheus(t)
	ask := func(query string) (any, error) {
		v, _, err := Measurer{}.Measure(t.Context(), "x", backout.AnalysisMetric{Prometheus: &backout.PrometheusQuery{Address: base, Query: query, Timeout: 10 * second}}, time.Unix(1_700_000_000, 0))
		return v, err
	}
	for query, want := range map[string]any{
		"vector(0.5) * 2":        []float64{1},
		"scalar(vector(7))":      7.0,
		"time()":                 1_700_000_000.0, // about the moment asked for
		"nobody_ever_wrote_this": []float64{},
	} {
		if got, err := ask(query); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", query, got, err, want)
		}
	}
	for _, wrong := range []string{"sum(", "up[5m]"} {
		if got, err := ask(wrong); err == nil {
			t.Errorf("%s: %v, want an error", wrong, got)
		}
	}
}
