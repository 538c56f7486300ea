package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
)

// Health says how backout itself is. It must answer also when everything else is stuck.
type Health interface {
	Health(ctx context.Context) backout.Health
	// Diagnose says besides how ready it is to judge each service.
	Diagnose(ctx context.Context) backout.Diagnosis
}

// healthRoutes answers as Kubernetes' probes ask: /healthz, is it alive (else start
// it again); /readyz, can it decide. The body has the parts.
func (s *Server) healthRoutes() {
	if s.cfg.Health == nil {
		return
	}
	s.mux.HandleFunc("GET /healthz", s.health(func(h backout.Health) bool { return h.Alive }))
	s.mux.HandleFunc("GET /readyz", s.health(func(h backout.Health) bool { return h.Ready }))
}

func (s *Server) health(good func(backout.Health) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := s.cfg.Health.Health(r.Context())
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !good(h) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(h) // whoever asked may be gone
	}
}

const doctorPath = "/api/v1/doctor"

// doctorAPI answers what backout sees and what keeps it from more.
func (s *Server) doctorAPI(api huma.API) {
	if s.cfg.Health == nil {
		return
	}
	huma.Get(api, doctorPath, func(ctx context.Context, _ *struct{}) (*struct{ Body backout.Diagnosis }, error) {
		return &struct{ Body backout.Diagnosis }{s.cfg.Health.Diagnose(ctx)}, nil
	})
}

// Diagnose asks what backout sees and what keeps it from more.
func (c *Client) Diagnose(ctx context.Context) (backout.Diagnosis, error) {
	var out backout.Diagnosis
	return out, c.call(ctx, http.MethodGet, doctorPath, nil, &out)
}

// Health asks how backout is, as a probe does: an answer that all is not well is an
// answer.
func (c *Client) Health(ctx context.Context) (backout.Health, error) {
	var out backout.Health
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/healthz", nil)
	if err != nil {
		return out, fmt.Errorf("ask %s: %w", c.URL, err)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return out, &backout.Error{Code: backout.CodeUnavailable, Message: "no answer from " + c.URL, Err: err}
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("read health of %s: %w", c.URL, err)
	}
	return out, nil
}
