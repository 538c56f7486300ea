package web

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/backout-dev/backout"
)

// Health says how backout itself is. It must answer also when everything else is stuck.
type Health interface {
	Health(ctx context.Context) backout.Health
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
