package web

import (
	"context"
	"encoding/json"
	"net/http"

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
