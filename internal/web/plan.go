package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
)

// Plans makes plans that leave the program and takes them back.
type Plans interface {
	Propose(ctx context.Context, id backout.IncidentID) (backout.PlanFile, error)
	Apply(ctx context.Context, d Application) (backout.Incident, error)
}

// Application is one person's wish to carry out a plan file.
type Application struct {
	Incident backout.IncidentID
	File     []byte // as it was read
	By       backout.Principal
	Reason   string
}

// Ahead says what could be undone.
type Ahead interface {
	// Prepared is what lies ready for each recent change, and as of when.
	Prepared(ctx context.Context) ([]backout.Prepared, time.Time)
	Check(ctx context.Context, q Question) (backout.ReleaseCheck, error)
}

// Question asks whether what is about to be shipped could be undone. Service names
// all its deployments in an environment and location (empty = any); Components are
// named beside it or instead, as ID=VERSION or, for Version, as ID.
type Question struct {
	Service     string   `query:"service" doc:"whose deployments are about to be shipped"`
	Version     string   `query:"version" doc:"the version to be shipped"`
	From        string   `query:"from" doc:"the version to go back to; empty = what runs now"`
	Environment string   `query:"environment" doc:"empty = any"`
	Location    string   `query:"location" doc:"empty = any"`
	Components  []string `query:"component,explode" doc:"ID=VERSION, or ID for the version above; may be given several times"`
}

// KnownChange is a recent change with what lies ready for it; nil while nobody has
// looked yet.
type KnownChange struct {
	backout.Change
	Prepared *backout.Prepared `json:"prepared,omitempty"`
}

type changeList struct {
	Body struct {
		At      time.Time     `json:"at"` // as of when it was prepared
		Changes []KnownChange `json:"changes"`
	}
}

type applyInput struct {
	ID   string `path:"id" doc:"the incident"`
	Body struct {
		File   json.RawMessage `json:"file" doc:"the plan file, as backout plan --out wrote it"`
		Reason string          `json:"reason" doc:"kept in the audit log; at least 3 characters"`
		By     string          `json:"by,omitempty" doc:"who applies it"`
	}
}

// mostPlan bounds a plan file with what is around it.
const mostPlan = 17 << 20

// plansAPI describes plans as things, and what lies prepared.
func (s *Server) plansAPI(api huma.API) {
	huma.Get(api, "/api/v1/changes", func(ctx context.Context, _ *struct{}) (*changeList, error) {
		out := &changeList{}
		var err error
		out.Body.Changes, out.Body.At, err = s.knownChanges(ctx)
		return out, apiError(err)
	})
	huma.Get(api, "/api/v1/incidents/{id}/run", s.latestRun)
	if s.cfg.Ahead != nil {
		huma.Get(api, "/api/v1/check", func(ctx context.Context, q *Question) (*struct{ Body backout.ReleaseCheck }, error) {
			c, err := s.cfg.Ahead.Check(ctx, *q)
			return &struct{ Body backout.ReleaseCheck }{c}, apiError(err)
		})
	}
	if s.cfg.Plans == nil {
		return
	}
	huma.Get(api, "/api/v1/incidents/{id}/plan", func(ctx context.Context, in *struct {
		ID string `path:"id"`
	}) (*struct{ Body backout.PlanFile }, error) {
		f, err := s.cfg.Plans.Propose(ctx, backout.IncidentID(in.ID))
		return &struct{ Body backout.PlanFile }{f}, apiError(err)
	})
	huma.Post(api, "/api/v1/incidents/{id}/plan", func(ctx context.Context, in *applyInput) (*incidentOne, error) {
		by := in.Body.By
		if by == "" {
			by = "api"
		}
		inc, err := s.cfg.Plans.Apply(ctx, Application{backout.IncidentID(in.ID), in.Body.File, backout.Principal{Name: by, Role: backout.RoleApprover}, in.Body.Reason})
		return &incidentOne{inc}, apiError(err)
	}, func(o *huma.Operation) { o.MaxBodyBytes = mostPlan })
}

// latestRun gives the journal of an incident's newest attempt.
func (s *Server) latestRun(ctx context.Context, in *struct {
	ID string `path:"id"`
}) (*struct{ Body backout.Run }, error) {
	inc, err := s.cfg.Incidents.Incident(ctx, backout.IncidentID(in.ID))
	if err != nil {
		return nil, apiError(err)
	}
	if len(inc.Attempts) == 0 {
		return nil, huma.NewError(http.StatusNotFound, fmt.Sprintf("incident %s has no attempt", in.ID))
	}
	run, err := s.cfg.Incidents.Run(ctx, inc.Attempts[len(inc.Attempts)-1].ID)
	return &struct{ Body backout.Run }{run}, apiError(err)
}

// knownChanges are the recent changes, newest first, with what lies ready.
func (s *Server) knownChanges(ctx context.Context) ([]KnownChange, time.Time, error) {
	all, err := s.cfg.World.Changes(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	prepared, at := map[backout.ChangeID]*backout.Prepared{}, time.Time{}
	if s.cfg.Ahead != nil {
		var list []backout.Prepared
		list, at = s.cfg.Ahead.Prepared(ctx)
		for i := range list {
			prepared[list[i].Change] = &list[i]
		}
	}
	out := []KnownChange{}
	for i := len(all) - 1; i >= 0; i-- {
		out = append(out, KnownChange{all[i], prepared[all[i].ID]})
	}
	return out, at, nil
}

// Propose asks for the way back of an open incident as a file.
func (c *Client) Propose(ctx context.Context, id backout.IncidentID) (backout.PlanFile, error) {
	var out backout.PlanFile
	return out, c.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(string(id))+"/plan", nil, &out)
}

// Apply hands a plan file back.
func (c *Client) Apply(ctx context.Context, d Application) (backout.Incident, error) {
	var out backout.Incident
	body := map[string]any{"file": json.RawMessage(d.File), "reason": d.Reason, "by": d.By.Name}
	return out, c.call(ctx, http.MethodPost, "/api/v1/incidents/"+url.PathEscape(string(d.Incident))+"/plan", body, &out)
}

// Run gives the journal of an incident's newest attempt.
func (c *Client) Run(ctx context.Context, id backout.IncidentID) (backout.Run, error) {
	var out backout.Run
	return out, c.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(string(id))+"/run", nil, &out)
}

// Changes lists the recent changes, newest first, with what lies ready for each.
func (c *Client) Changes(ctx context.Context) ([]KnownChange, error) {
	var out struct {
		Changes []KnownChange `json:"changes"`
	}
	return out.Changes, c.call(ctx, http.MethodGet, "/api/v1/changes", nil, &out)
}

// Change gives one of them. A part of its id is enough when it is only in one.
func (c *Client) Change(ctx context.Context, id string) (KnownChange, error) {
	all, err := c.Changes(ctx)
	if err != nil {
		return KnownChange{}, err
	}
	found := []KnownChange{}
	for _, k := range all {
		if string(k.ID) == id {
			return k, nil
		}
		if strings.Contains(string(k.ID), id) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return KnownChange{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("no change among the %d recent ones is called %s", len(all), id)}
	}
	names := []string{}
	for _, k := range found {
		names = append(names, string(k.ID))
	}
	return KnownChange{}, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("%d changes are called %s: expected one of %s", len(found), id, strings.Join(names, ", "))}
}

// Check asks whether what is about to be shipped could be undone.
func (c *Client) Check(ctx context.Context, q Question) (backout.ReleaseCheck, error) {
	var out backout.ReleaseCheck
	v := url.Values{"component": q.Components}
	for name, text := range map[string]string{"service": q.Service, "version": q.Version, "from": q.From, "environment": q.Environment, "location": q.Location} {
		if text != "" {
			v.Set(name, text)
		}
	}
	return out, c.call(ctx, http.MethodGet, "/api/v1/check?"+v.Encode(), nil, &out)
}
