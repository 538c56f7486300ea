package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
)

// Contracts tells what is known of components and what is missing.
type Contracts interface {
	Knowing(ctx context.Context) (backout.Knowing, error)
}

const contractsPath = "/api/v1/contracts"

// contractsAPI describes reading what is known.
func (s *Server) contractsAPI(api huma.API) {
	if s.cfg.Contracts == nil {
		return
	}
	huma.Get(api, contractsPath, func(ctx context.Context, _ *struct{}) (*struct{ Body backout.Knowing }, error) {
		k, err := s.cfg.Contracts.Knowing(ctx)
		return &struct{ Body backout.Knowing }{k}, apiError(err)
	})
}

// Knowing asks what is known of components and what is missing.
func (c *Client) Knowing(ctx context.Context) (backout.Knowing, error) {
	var k backout.Knowing
	return k, c.call(ctx, http.MethodGet, contractsPath, nil, &k)
}
