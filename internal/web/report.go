package web

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render/report"
)

// Report formats.
const (
	ReportMarkdown = "md"
	ReportHTML     = "html"
)

// Report gathers what a report about an incident says, as of now.
func (a Archive) Report(ctx context.Context, now time.Time, id backout.IncidentID, g backout.Graph) (f report.Facts, err error) {
	f = report.Facts{At: now, Graph: g}
	if f.Incident, err = a.Incidents.Incident(ctx, id); err != nil {
		return f, err
	}
	if f.Runs, err = a.runs(ctx, f.Incident); err != nil {
		return f, err
	}
	if f.Audit, err = a.Records.Audit(ctx, id); err != nil {
		return f, err
	}
	if f.Messages, err = a.Records.Messages(ctx, id); err != nil {
		return f, err
	}
	if f.Holds, err = heldBy(ctx, a.Records, now, id); err != nil {
		return f, err
	}
	f.Check, err = a.Check(ctx, id)
	return f, err
}

// WriteReport writes a report in a format.
func WriteReport(f report.Facts, format string) (text, contentType string, err error) {
	switch format {
	case ReportMarkdown:
		return report.Markdown(f), "text/markdown; charset=utf-8", nil
	case ReportHTML, "":
		text, err = report.HTML(f)
		return text, "text/html; charset=utf-8", err
	}
	return "", "", &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("report format %q: expected %s or %s", format, ReportHTML, ReportMarkdown)}
}

type reportInput struct {
	ID     backout.IncidentID `path:"id" doc:"the incident"`
	Format string             `query:"format" enum:"html,md" default:"html" doc:"one HTML file that needs nothing else, or Markdown"`
}

// reportAPI describes reports. The short path is for people and chats; both give
// the same.
func (s *Server) reportAPI(api huma.API) {
	if s.cfg.Records == nil {
		return
	}
	for _, path := range []string{"/api/v1/incidents/{id}/report", "/v1/incidents/{id}/report"} {
		huma.Get(api, path, func(ctx context.Context, in *reportInput) (*huma.StreamResponse, error) {
			f, err := Archive{s.cfg.Incidents, s.cfg.Records}.Report(ctx, time.Now().UTC(), in.ID, s.cfg.World.Graph())
			if err != nil {
				return nil, apiError(err)
			}
			text, kind, err := WriteReport(f, in.Format)
			if err != nil {
				return nil, apiError(err)
			}
			return &huma.StreamResponse{Body: func(c huma.Context) {
				c.SetHeader("Content-Type", kind)
				_, _ = io.WriteString(c.BodyWriter(), text) // the reader went away
			}}, nil
		})
	}
}

// Report asks for a report and writes it.
func (c *Client) Report(ctx context.Context, id backout.IncidentID, format string, w io.Writer) error {
	return c.download(ctx, "/api/v1/incidents/"+url.PathEscape(string(id))+"/report?format="+url.QueryEscape(format), w)
}
