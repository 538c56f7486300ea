package web

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/render/picture"
)

// view is what a page template sees.
type view struct {
	Title    string
	Status   Status
	SignedIn bool
	Data     any
}

// incidentView is the incident page's own part.
type incidentView struct {
	backout.Incident
	Headline string
	End      string // when it is expected to be over; "" where nothing waits or runs
	Entries  []backout.Entry
	Journal  []backout.Entry // without intents that have their outcome
	Suspects template.HTML
	Cascade  template.HTML
	Plan     template.HTML
	CanAct   bool
	CanTake  bool // somebody may carry on by hand
	CanClose bool
	CanAlarm bool           // it may be called a false alarm
	Waiting  []backout.Task // what people are asked to do by hand
}

func words() template.FuncMap {
	return template.FuncMap{
		"percent": render.Percent, "chance": render.Chance, "amount": render.Amount, "rate": render.Rate, "clock": render.Clock, "sideEffect": render.SideEffect, "name": render.ShortName,
		"span":    func(d backout.Duration) string { return render.Span(d.Std()) },
		"what":    render.What,
		"past":    func(inc backout.Incident) string { return render.Capital(render.Likeness(*inc.Likeness, inc.Onset)) },
		"serious": func(p float64) bool { return p >= .05 },
		"short":   func(s string) string { return s[:min(8, len(s))] },
		"mark": func(st backout.State) template.HTML {
			return mark(render.StateMark(st))
		},
		"verdict":  func(p *backout.Prepared) template.HTML { return mark(render.VerdictMark(*p)) },
		"measured": func(at time.Time) string { return render.Measured(at, time.Now()) },
		"degraded": func(d backout.Degradation) string { return render.Degraded(d, time.Now()) },
		"entry":    func(e backout.Entry) string { return render.Entry(e, render.Style{}) },
	}
}

// mark is a status as glyph, word and colour.
func mark(glyph, words string, ink render.Ink) template.HTML {
	class := [...]string{"plain", "plain", "muted", "ok", "waits", "bad", "running", "held"}[ink]
	return template.HTML(fmt.Sprintf(`<span class="mark %s">%s %s</span>`, class, glyph, template.HTMLEscapeString(words)))
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	all, err := s.cfg.Incidents.Incidents(r.Context(), 50)
	if err != nil {
		s.problem(w, r, err)
		return
	}
	s.page(w, r, "overview.html", "Overview", struct {
		Headline  string
		Incidents []backout.Incident
		Graph     backout.Graph
	}{headlineOf(all), all, s.cfg.World.Graph()})
}

func headlineOf(all []backout.Incident) string {
	for _, inc := range all {
		if !inc.State.Terminal() {
			return strings.TrimSpace(headline(inc) + " " + end(inc))
		}
	}
	return "All quiet. No open incident."
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request) {
	v, err := s.incidentView(r.Context(), backout.IncidentID(r.PathValue("id")))
	if err != nil {
		s.problem(w, r, err)
		return
	}
	s.page(w, r, "incident.html", string(v.ID), v)
}

func (s *Server) incidentView(ctx context.Context, id backout.IncidentID) (incidentView, error) {
	inc, err := s.cfg.Incidents.Incident(ctx, id)
	if err != nil {
		return incidentView{}, err
	}
	v := incidentView{Incident: inc, Headline: headline(inc), End: end(inc), CanAct: inc.State == backout.StateWaiting && inc.Plan != nil && len(inc.Plan.Waves) > 0}
	closed := inc.State == backout.StateReviewed || inc.State == backout.StateFalseAlarm
	v.CanTake = !inc.State.Terminal() && inc.TakeOver == nil
	v.CanClose, v.CanAlarm = inc.State.Terminal() && !closed, !inc.State.Running() && !closed && inc.State != backout.StateRecovered
	for _, at := range inc.Attempts {
		run, err := s.cfg.Incidents.Run(ctx, at.ID)
		if err != nil && backout.CodeOf(err) != backout.CodeNotFound {
			return v, err
		}
		v.Entries = append(v.Entries, run.Entries...)
		v.Journal = append(v.Journal, settled(run.Entries)...)
	}
	if s.cfg.Tasks != nil {
		if v.Waiting, err = s.cfg.Tasks.Waiting(ctx, id); err != nil {
			return v, err
		}
	}
	if inc.Attribution != nil {
		v.Suspects = template.HTML(picture.Suspects(*inc.Attribution).SVG())
	}
	if inc.Forecast != nil {
		v.Cascade = template.HTML(picture.Cascade(*inc.Forecast, s.cfg.World.Graph()).SVG())
	}
	if inc.Plan != nil {
		v.Plan = template.HTML(picture.Plan(*inc.Plan, v.Entries).SVG())
	}
	return v, nil
}

// settled leaves out intents whose outcome follows: what was done tells what was
// meant.
func settled(entries []backout.Entry) []backout.Entry {
	var out []backout.Entry
	for i, e := range entries {
		if e.Kind != backout.EntryIntent || i == len(entries)-1 {
			out = append(out, e)
		}
	}
	return out
}

// headline answers in one sentence: who, what next, what it costs, what now.
func headline(inc backout.Incident) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Trouble since %s.", render.Clock(inc.Onset))
	if a := inc.Attribution; a != nil {
		switch {
		case len(a.Suspects) == 0 || a.PNone > a.Suspects[0].P:
			fmt.Fprintf(&b, " Most likely no change did this: %s.", render.Chance(a.PNone))
		default:
			fmt.Fprintf(&b, " %s is the suspect: %s.", render.What(a.Suspects[0].Component, a.Suspects[0].To), render.Chance(a.Suspects[0].P))
		}
	}
	if f := inc.Forecast; f != nil && f.CostNow.P90.Minor > 0 && !inc.State.Terminal() {
		fmt.Fprintf(&b, " Costs %s.", render.Rate(f.CostNow))
	}
	return b.String()
}

// end says when it is expected to be over, if the diagnosis is right and otherwise.
func end(inc backout.Incident) string {
	text := render.Expected(inc)
	if text == "" {
		return ""
	}
	if other := render.EitherWay(*inc.ETA); other != "" {
		text += "; " + other
	}
	return text + "."
}

func (s *Server) changes(w http.ResponseWriter, r *http.Request) {
	all, _, err := s.knownChanges(r.Context())
	if err != nil {
		s.problem(w, r, err)
		return
	}
	s.page(w, r, "changes.html", "Changes", all)
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, "signin.html", "Sign in", nil)
}

func (s *Server) decideForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	d := Decision{
		Incident: backout.IncidentID(r.PathValue("id")), Verb: r.PathValue("verb"), Digest: r.FormValue("digest"), Reason: r.FormValue("reason"), As: r.FormValue("as"), Cause: r.FormValue("cause"),
		By: backout.Principal{Name: "page", Role: backout.RoleApprover},
	}
	if _, err := s.cfg.Decisions.Decide(r.Context(), d); err != nil {
		s.problem(w, r, err)
		return
	}
	http.Redirect(w, r, "/incidents/"+r.PathValue("id"), http.StatusSeeOther)
}

func (s *Server) page(w http.ResponseWriter, r *http.Request, name, title string, data any) {
	v := view{Title: title, Status: s.cfg.World.Status(r.Context()), SignedIn: s.holdsToken(r), Data: data}
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, v); err != nil {
		s.cfg.Log.Error("write page", "page", name, "err", err)
		http.Error(w, "this page could not be written; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	var b bytes.Buffer
	if terr := s.pages.ExecuteTemplate(&b, "problem.html", view{Title: "That did not work", Status: s.cfg.World.Status(r.Context()), Data: err.Error()}); terr != nil {
		http.Error(w, err.Error(), status(err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status(err))
	_, _ = w.Write(b.Bytes())
}

// events tells a page when what it shows has changed: one event for each new
// version of the incident (or of the list when no id is given). It sends no
// content; the page fetches itself, so that there is one rendering only.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "this connection can't stream", http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(max(s.cfg.Step, 250*time.Millisecond))
	defer tick.Stop()
	last := ""
	for {
		if v := s.versionOf(r.Context(), backout.IncidentID(r.URL.Query().Get("incident"))); v != last {
			last = v
			fmt.Fprintf(w, "id: %s\nevent: changed\ndata: %s\n\n", v, v)
		} else {
			fmt.Fprint(w, ": still here\n\n")
		}
		flusher.Flush()
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) versionOf(ctx context.Context, id backout.IncidentID) string {
	h := fnv.New64a()
	all, err := s.cfg.Incidents.Incidents(ctx, 50)
	if err != nil {
		return "unknown"
	}
	for _, inc := range all {
		if id != "" && inc.ID != id {
			continue
		}
		fmt.Fprintf(h, "%s %d %s;", inc.ID, inc.Row, inc.State)
		if n := len(inc.Attempts); n > 0 {
			run, _ := s.cfg.Incidents.Run(ctx, inc.Attempts[n-1].ID)
			fmt.Fprintf(h, "%d", len(run.Entries))
		}
	}
	if s.cfg.Health != nil { // what can't be seen any more is news as well
		health := s.cfg.Health.Health(ctx)
		for _, d := range health.Degraded {
			fmt.Fprintf(h, "%s;", d.What())
		}
		fmt.Fprintf(h, "%q", health.Undelivered)
	}
	return fmt.Sprintf("%x", h.Sum64())
}
