package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// Importer keeps past incidents that somebody else wrote down.
type Importer interface {
	Import(ctx context.Context, all []backout.Precedent) (backout.Kept, error)
}

// mostImported is how large one request with past incidents may be.
const mostImported = 8 << 20

// Why gathers what "why?" is answered from.
func (a Archive) Why(ctx context.Context, id backout.IncidentID) (out render.Account, err error) {
	out.Format = 1
	if out.Incident, err = a.Incidents.Incident(ctx, id); err != nil {
		return out, err
	}
	if out.Runs, err = a.runs(ctx, out.Incident); err != nil {
		return out, err
	}
	r, err := a.Records.Review(ctx, id)
	switch {
	case backout.CodeOf(err) == backout.CodeNotFound:
		return out, nil
	case err != nil:
		return out, err
	}
	out.Review = &r
	return out, nil
}

type importInput struct {
	Body struct {
		Incidents []backout.Precedent `json:"incidents" doc:"past incidents; each with a source, and an id that begins with it"`
	}
}

// pastAPI describes the answer to "why?" and the import of past incidents.
func (s *Server) pastAPI(api huma.API) {
	if s.cfg.Records != nil {
		huma.Get(api, "/api/v1/incidents/{id}/why", func(ctx context.Context, in *recordOf) (*struct{ Body render.Account }, error) {
			a, err := Archive{s.cfg.Incidents, s.cfg.Records}.Why(ctx, in.ID)
			return &struct{ Body render.Account }{a}, apiError(err)
		})
	}
	if s.cfg.Importer == nil {
		return
	}
	huma.Post(api, "/api/v1/history/import", func(ctx context.Context, in *importInput) (*struct{ Body backout.Kept }, error) {
		if err := Importable(in.Body.Incidents); err != nil {
			return nil, apiError(err)
		}
		k, err := s.cfg.Importer.Import(ctx, in.Body.Incidents)
		return &struct{ Body backout.Kept }{k}, apiError(err)
	}, func(o *huma.Operation) { o.MaxBodyBytes = mostImported })
}

// Importable refuses what would pass for an incident of backout's own, or says what
// only backout can know.
func Importable(all []backout.Precedent) error {
	for i, p := range all {
		field := func(name, what string) error {
			return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("incidents[%d].%s: %s", i, name, what)}
		}
		switch {
		case p.Source == "":
			return field("source", "expected where it comes from")
		case !strings.HasPrefix(string(p.ID), p.Source+":") || len(p.ID) == len(p.Source)+1:
			return field("id", fmt.Sprintf("%q: expected %s: and its name there", p.ID, p.Source))
		case p.At.IsZero():
			return field("at", "expected when it began")
		case p.Outcome == backout.PrecedentVerified || p.Right != nil || p.NoveltyP != 0 || p.Said != 0:
			return field("outcome", "only backout's own gates verify, and only its own answers are judged")
		case p.Label != backout.LabelChange && p.Label != backout.LabelNone && p.Label != backout.LabelUnknown && p.Label != backout.LabelFalseAlarm:
			return field("label", fmt.Sprintf("%q: expected change, none, unknown or false_alarm", p.Label))
		}
	}
	return nil
}

// Why asks what "why?" is answered from.
func (c *Client) Why(ctx context.Context, id backout.IncidentID) (render.Account, error) {
	var out render.Account
	return out, c.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(string(id))+"/why", nil, &out)
}

// Import hands in past incidents that somebody else wrote down.
func (c *Client) Import(ctx context.Context, all []backout.Precedent) (backout.Kept, error) {
	var out backout.Kept
	return out, c.call(ctx, http.MethodPost, "/api/v1/history/import", map[string]any{"incidents": all}, &out)
}
