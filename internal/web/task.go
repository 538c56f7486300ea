package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
)

// Tasks are what people are asked to do by hand.
type Tasks interface {
	// Waiting lists what an incident's run waits for.
	Waiting(ctx context.Context, id backout.IncidentID) ([]backout.Task, error)
	// Answer passes on what a person says of one of them.
	Answer(ctx context.Context, a Answer) (backout.Task, error)
}

// Answer is what one person says of a step that is done by hand.
type Answer struct {
	Incident backout.IncidentID
	Step     string
	Done     bool // false = it will not be done
	By       backout.Principal
	Reason   string
}

type taskList struct {
	Body struct {
		Tasks []backout.Task `json:"tasks"`
	}
}

type answerInput struct {
	ID   string `path:"id" doc:"the incident"`
	Step string `path:"step" doc:"the step's id in the plan"`
	Verb string `path:"verb" enum:"done,refuse" doc:"done = it was done by hand; refuse = it will not be, and the run halts"`
	Body struct {
		Reason string `json:"reason" minLength:"3" doc:"kept in the audit log"`
		By     string `json:"by,omitempty" doc:"who says so"`
	}
}

// tasksAPI lists and answers what is done by hand.
func (s *Server) tasksAPI(api huma.API) {
	if s.cfg.Tasks == nil {
		return
	}
	huma.Get(api, "/api/v1/incidents/{id}/tasks", func(ctx context.Context, in *struct {
		ID string `path:"id"`
	}) (*taskList, error) {
		all, err := s.cfg.Tasks.Waiting(ctx, backout.IncidentID(in.ID))
		out := &taskList{}
		out.Body.Tasks = all
		return out, apiError(err)
	})
	huma.Post(api, "/api/v1/incidents/{id}/tasks/{step}/{verb}", func(ctx context.Context, in *answerInput) (*struct{ Body backout.Task }, error) {
		by := backout.Principal{Name: cmp.Or(in.Body.By, "api"), Role: backout.RoleApprover}
		t, err := s.cfg.Tasks.Answer(ctx, Answer{backout.IncidentID(in.ID), in.Step, in.Verb == "done", by, in.Body.Reason})
		return &struct{ Body backout.Task }{t}, apiError(err)
	})
}

func (s *Server) answerForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	a := Answer{
		Incident: backout.IncidentID(r.PathValue("id")), Step: r.PathValue("step"), Done: r.PathValue("verb") == "done",
		By: backout.Principal{Name: "page", Role: backout.RoleApprover}, Reason: r.FormValue("reason"),
	}
	if v := r.PathValue("verb"); s.cfg.Tasks == nil || v != "done" && v != "refuse" {
		s.problem(w, r, &backout.Error{Code: backout.CodeNotFound, Message: "there is no page " + r.URL.Path})
		return
	}
	if _, err := s.cfg.Tasks.Answer(r.Context(), a); err != nil {
		s.problem(w, r, err)
		return
	}
	http.Redirect(w, r, "/incidents/"+url.PathEscape(string(a.Incident)), http.StatusSeeOther)
}

// Waiting lists what an incident's run waits for people to do.
func (c *Client) Waiting(ctx context.Context, id backout.IncidentID) ([]backout.Task, error) {
	var out struct {
		Tasks []backout.Task `json:"tasks"`
	}
	return out.Tasks, c.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(string(id))+"/tasks", nil, &out)
}

// Answer sends what a person says of a step that is done by hand.
func (c *Client) Answer(ctx context.Context, a Answer) (backout.Task, error) {
	var out backout.Task
	verb := "refuse"
	if a.Done {
		verb = "done"
	}
	path := "/api/v1/incidents/" + url.PathEscape(string(a.Incident)) + "/tasks/" + url.PathEscape(a.Step) + "/" + verb
	return out, c.call(ctx, http.MethodPost, path, map[string]string{"reason": a.Reason, "by": a.By.Name}, &out)
}
