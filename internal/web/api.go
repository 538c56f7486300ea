package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/backout-dev/backout"
)

type incidentList struct {
	Body struct {
		Incidents []backout.Incident `json:"incidents"`
	}
}

type incidentOne struct {
	Body backout.Incident
}

type decideInput struct {
	ID   string `path:"id" doc:"the incident"`
	Verb string `path:"verb" enum:"approve,reject,pause,resume,abort,takeover,close"`
	Body struct {
		Digest string `json:"digest,omitempty" doc:"of the plan as it was shown; needed to approve and reject"`
		Reason string `json:"reason,omitempty" doc:"kept in the audit log; at least 3 characters to approve, reject, take over and close"`
		As     string `json:"as,omitempty" enum:"false-alarm,reviewed" doc:"with close: what it turned out to be"`
		Cause  string `json:"cause,omitempty" doc:"with close as reviewed: the id of the change that did it, or none; left out = nobody knows"`
		By     string `json:"by,omitempty" doc:"who decides"`
	}
}

// api describes the REST API; /openapi.json is generated from it.
func (s *Server) api() {
	cfg := huma.DefaultConfig("backout", "v1alpha1")
	cfg.DocsPath, cfg.CreateHooks = "", nil
	api := humago.New(s.mux, cfg)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		if (ctx.Method() != http.MethodGet || ctx.Operation().Path == factsPath) && !s.holdsToken(r) {
			_ = huma.WriteErr(api, ctx, http.StatusForbidden, "this needs the header Authorization: Bearer TOKEN")
			return
		}
		next(ctx)
	})
	s.factsAPI(api)
	s.recordsAPI(api)
	s.liveAPI(api)
	s.reportAPI(api)
	s.pastAPI(api)
	s.contractsAPI(api)
	s.fixAPI(api)
	s.plansAPI(api)
	s.tasksAPI(api)
	s.controlsAPI(api)
	s.doctorAPI(api)
	huma.Get(api, "/api/v1/status", func(ctx context.Context, _ *struct{}) (*struct{ Body Status }, error) {
		return &struct{ Body Status }{s.cfg.World.Status(ctx)}, nil
	})
	huma.Get(api, "/api/v1/incidents", func(ctx context.Context, _ *struct{}) (*incidentList, error) {
		all, err := s.cfg.Incidents.Incidents(ctx, 100)
		out := &incidentList{}
		out.Body.Incidents = all
		return out, apiError(err)
	})
	huma.Get(api, "/api/v1/incidents/{id}", func(ctx context.Context, in *struct {
		ID string `path:"id"`
	}) (*incidentOne, error) {
		inc, err := s.cfg.Incidents.Incident(ctx, backout.IncidentID(in.ID))
		return &incidentOne{inc}, apiError(err)
	})
	huma.Post(api, "/api/v1/incidents/{id}/{verb}", func(ctx context.Context, in *decideInput) (*incidentOne, error) {
		by := in.Body.By
		if by == "" {
			by = "api"
		}
		inc, err := s.cfg.Decisions.Decide(ctx, Decision{backout.IncidentID(in.ID), in.Verb, backout.Principal{Name: by, Role: backout.RoleApprover}, in.Body.Digest, in.Body.Reason, in.Body.As, in.Body.Cause})
		return &incidentOne{inc}, apiError(err)
	})
}

type fixInput struct {
	ID   string `path:"id" doc:"the incident"`
	Body struct {
		ETA        time.Time `json:"eta" doc:"when the fix is expected to be live everywhere"`
		Confidence float64   `json:"confidence_p" exclusiveMinimum:"0" maximum:"1" doc:"probability that it arrives by then and ends the trouble"`
		Change     string    `json:"change,omitempty" doc:"the change that it mends; left out = the trouble, whatever caused it"`
		Text       string    `json:"text,omitempty" maxLength:"500" doc:"what it is"`
		By         string    `json:"by,omitempty" doc:"who announces it"`
	}
}

// fixAPI takes announcements of forward fixes.
func (s *Server) fixAPI(api huma.API) {
	const path = "/api/v1/incidents/{id}/fix"
	huma.Put(api, path, func(ctx context.Context, in *fixInput) (*incidentOne, error) {
		fix := &backout.Fix{ETA: in.Body.ETA, Confidence: in.Body.Confidence, Change: backout.ChangeID(in.Body.Change), Text: in.Body.Text}
		inc, err := s.cfg.Decisions.Announce(ctx, backout.IncidentID(in.ID), backout.Principal{Name: cmp.Or(in.Body.By, "api"), Role: backout.RoleApprover}, fix)
		return &incidentOne{inc}, apiError(err)
	})
	huma.Delete(api, path, func(ctx context.Context, in *struct {
		ID string `path:"id"`
		By string `query:"by" doc:"who withdraws it"`
	}) (*incidentOne, error) {
		inc, err := s.cfg.Decisions.Announce(ctx, backout.IncidentID(in.ID), backout.Principal{Name: cmp.Or(in.By, "api"), Role: backout.RoleApprover}, nil)
		return &incidentOne{inc}, apiError(err)
	})
}

func apiError(err error) error {
	if err == nil {
		return nil
	}
	var e *backout.Error
	if errors.As(err, &e) {
		return huma.NewError(status(err), e.Message)
	}
	return huma.NewError(http.StatusInternalServerError, err.Error())
}
