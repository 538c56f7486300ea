package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
)

// Facts reads what sources reported, from a time (inclusive) to another
// (exclusive), oldest first.
type Facts interface {
	Observations(ctx context.Context, since, until time.Time) ([]backout.Observation, error)
}

// factsPath is the one thing that is read with the token only: it names people.
const factsPath = "/api/v1/observations"

// mostFacts bounds one answer.
const mostFacts = 20_000

type factsInput struct {
	Since time.Time `query:"since" required:"true" doc:"from this time on"`
	Until time.Time `query:"until" required:"true" doc:"and before this one"`
}

type factsList struct {
	Body struct {
		Observations []backout.Observation `json:"observations"`
	}
}

// factsAPI describes reading observations.
func (s *Server) factsAPI(api huma.API) {
	if s.cfg.Facts == nil {
		return
	}
	huma.Get(api, factsPath, func(ctx context.Context, in *factsInput) (*factsList, error) {
		all, err := s.cfg.Facts.Observations(ctx, in.Since, in.Until)
		if err == nil && len(all) > mostFacts {
			return nil, huma.NewError(http.StatusRequestEntityTooLarge, fmt.Sprintf("%d observations: ask for a shorter time, at most %d are given at once", len(all), mostFacts))
		}
		out := &factsList{}
		out.Body.Observations = all
		return out, apiError(err)
	})
}

// Observations asks for what was reported from a time (inclusive) to another
// (exclusive). It asks again for shorter times when there is too much for one
// answer.
func (c *Client) Observations(ctx context.Context, since, until time.Time) ([]backout.Observation, error) {
	var out struct {
		Observations []backout.Observation `json:"observations"`
	}
	q := url.Values{"since": {since.UTC().Format(time.RFC3339Nano)}, "until": {until.UTC().Format(time.RFC3339Nano)}}
	err := c.call(ctx, http.MethodGet, factsPath+"?"+q.Encode(), nil, &out)
	if half := until.Sub(since) / 2; backout.CodeOf(err) == codeTooMuch && half > time.Millisecond {
		first, err := c.Observations(ctx, since, since.Add(half))
		if err != nil {
			return nil, err
		}
		rest, err := c.Observations(ctx, since.Add(half), until)
		return append(first, rest...), err
	}
	return out.Observations, err
}

// codeTooMuch is how the client tells an answer that would be too long; it never
// leaves this package.
const codeTooMuch backout.Code = "too_much"
