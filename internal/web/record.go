package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
)

// Records reads what was written down about incidents.
type Records interface {
	attest.Source
	Audit(ctx context.Context, id backout.IncidentID) ([]backout.AuditEntry, error)
	Messages(ctx context.Context, id backout.IncidentID) ([]backout.Delivery, error)
	// Holds lists what may not be shipped at a time.
	Holds(ctx context.Context, now time.Time) ([]backout.Hold, error)
	// Review is what an incident turned out to be; not found where nobody has said it.
	Review(ctx context.Context, id backout.IncidentID) (backout.Review, error)
}

// Archive answers questions about the past, for a server and for a data folder
// that no server runs on.
type Archive struct {
	Incidents Incidents
	Records   Records
}

// Look narrows a look back.
type Look struct {
	Since   time.Time          `query:"since" doc:"incidents that were open after this time; left out = all"`
	Service backout.ServiceID  `query:"service" doc:"only those that touched this service"`
	State   backout.State      `query:"state" doc:"only those in this state"`
	Limit   int                `query:"limit" minimum:"0" maximum:"10000" doc:"how many at most; 0 = 1000"`
	ID      backout.IncidentID `query:"incident" doc:"only this one"`
}

// History lists past and present incidents, newest first.
func (a Archive) History(ctx context.Context, l Look) ([]backout.Past, error) {
	if l.Limit <= 0 {
		l.Limit = 1000
	}
	all, err := a.Incidents.Incidents(ctx, l.Limit)
	if err != nil {
		return nil, err
	}
	out := []backout.Past{}
	for _, inc := range all {
		if l.State != "" && inc.State != l.State || inc.State.Terminal() && inc.UpdatedAt.Before(l.Since) || l.ID != "" && inc.ID != l.ID {
			continue
		}
		runs, err := a.runs(ctx, inc)
		if err != nil {
			return nil, err
		}
		if p := backout.PastOf(inc, runs); l.Service == "" || slices.Contains(p.Services, l.Service) {
			out = append(out, p)
		}
	}
	return out, nil
}

// runs reads the journals of an incident's attempts; one that was never started has
// none.
func (a Archive) runs(ctx context.Context, inc backout.Incident) ([]backout.Run, error) {
	out := []backout.Run{}
	for _, at := range inc.Attempts {
		run, err := a.Incidents.Run(ctx, at.ID)
		if backout.CodeOf(err) == backout.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, run)
	}
	return out, nil
}

// Timeline is everything that was recorded about an incident, in one order.
func (a Archive) Timeline(ctx context.Context, id backout.IncidentID) ([]backout.TimelineEntry, error) {
	inc, err := a.Incidents.Incident(ctx, id)
	if err != nil {
		return nil, err
	}
	runs, err := a.runs(ctx, inc)
	if err != nil {
		return nil, err
	}
	audit, err := a.Records.Audit(ctx, id)
	if err != nil {
		return nil, err
	}
	sent, err := a.Records.Messages(ctx, id)
	return backout.Timeline(audit, runs, sent), err
}

// Check checks an incident's records against their hashes and the anchors.
func (a Archive) Check(ctx context.Context, id backout.IncidentID) (backout.AuditCheck, error) {
	anchors, err := a.Records.AnchorLines(ctx, 1)
	if err != nil {
		return backout.AuditCheck{}, err
	}
	l, err := a.Records.Log(ctx, id)
	if err != nil {
		return backout.AuditCheck{}, err
	}
	c := attest.New(anchors)
	c.Add(l)
	return c.Result(false), nil
}

// recordsAPI describes the records of incidents.
func (s *Server) recordsAPI(api huma.API) {
	if s.cfg.Records == nil {
		return
	}
	a := Archive{s.cfg.Incidents, s.cfg.Records}
	huma.Get(api, "/api/v1/history", func(ctx context.Context, in *Look) (*struct{ Body pastList }, error) {
		all, err := a.History(ctx, *in)
		return &struct{ Body pastList }{pastList{all}}, apiError(err)
	})
	huma.Get(api, "/api/v1/incidents/{id}/timeline", func(ctx context.Context, in *recordOf) (*struct{ Body timeline }, error) {
		all, err := a.Timeline(ctx, in.ID)
		return &struct{ Body timeline }{timeline{in.ID, all}}, apiError(err)
	})
	huma.Get(api, "/api/v1/incidents/{id}/audit", func(ctx context.Context, in *recordOf) (*huma.StreamResponse, error) {
		if _, err := a.Incidents.Incident(ctx, in.ID); err != nil {
			return nil, apiError(err)
		}
		return s.exported(in.ID), nil //nolint:contextcheck // the stream has the request's own context
	})
	huma.Get(api, "/api/v1/audit", func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return s.exported(""), nil //nolint:contextcheck // the stream has the request's own context
	})
}

type recordOf struct {
	ID backout.IncidentID `path:"id" doc:"the incident"`
}

type pastList struct {
	Incidents []backout.Past `json:"incidents"`
}

type timeline struct {
	Incident backout.IncidentID      `json:"incident"`
	Entries  []backout.TimelineEntry `json:"entries"`
}

// exported streams records as they are stored. An export that breaks off lacks its
// last line, so that nobody takes half of it for the whole.
func (s *Server) exported(id backout.IncidentID) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", "application/jsonl")
		if err := attest.Export(c.Context(), c.BodyWriter(), s.cfg.Records, id); err != nil {
			s.cfg.Log.Error("export audit", "err", err)
		}
	}}
}

// History asks for past and present incidents, newest first.
func (c *Client) History(ctx context.Context, l Look) ([]backout.Past, error) {
	q := url.Values{}
	for name, text := range map[string]string{"service": string(l.Service), "state": string(l.State), "incident": string(l.ID)} {
		if text != "" {
			q.Set(name, text)
		}
	}
	if !l.Since.IsZero() {
		q.Set("since", l.Since.UTC().Format(time.RFC3339Nano))
	}
	if l.Limit > 0 {
		q.Set("limit", fmt.Sprint(l.Limit))
	}
	var out pastList
	return out.Incidents, c.call(ctx, http.MethodGet, "/api/v1/history?"+q.Encode(), nil, &out)
}

// Timeline asks for everything that was recorded about an incident.
func (c *Client) Timeline(ctx context.Context, id backout.IncidentID) ([]backout.TimelineEntry, error) {
	var out timeline
	return out.Entries, c.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(string(id))+"/timeline", nil, &out)
}

// ExportAudit reads the records of one incident, or of all when id is empty, as
// JSON lines. It gives up after five minutes.
func (c *Client) ExportAudit(ctx context.Context, id backout.IncidentID, w io.Writer) error {
	path := "/api/v1/audit"
	if id != "" {
		path = "/api/v1/incidents/" + url.PathEscape(string(id)) + "/audit"
	}
	return c.download(ctx, path, w)
}

// download copies an answer that is no JSON document.
func (c *Client) download(ctx context.Context, path string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	res, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}
