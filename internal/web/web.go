// Package web is what backout shows and accepts over HTTP: pages rendered on the
// server, the REST API with its OpenAPI description, and a stream of events that
// keeps a page live.
//
// Reading is open on the loopback address the server binds. Every write needs
// the bearer token, from the Authorization header or from the cookie that the
// sign-in form set, and must come from the same origin. The same checks stand
// before the pages' forms and the API, since both call the same [Decisions].
//
// The package decides nothing. Adapters' own handlers (the observation webhook,
// the metrics API) are mounted beside it by app.
package web

import (
	"context"
	"crypto/subtle"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

//go:embed static/* pages/*
var files embed.FS

// Incidents reads incidents and their journals.
type Incidents interface {
	Incidents(ctx context.Context, limit int) ([]backout.Incident, error)
	Incident(ctx context.Context, id backout.IncidentID) (backout.Incident, error)
	Run(ctx context.Context, id backout.AttemptID) (backout.Run, error)
}

// Decisions passes people's decisions on; errors carry a backout.Code.
type Decisions interface {
	Decide(ctx context.Context, d Decision) (backout.Incident, error)
	// Announce notes a forward fix; nil withdraws the one that was announced.
	Announce(ctx context.Context, id backout.IncidentID, by backout.Principal, fix *backout.Fix) (backout.Incident, error)
}

// Decision is one person's word about one incident.
type Decision struct {
	Incident backout.IncidentID
	Verb     string // approve, reject, pause, resume, abort, takeover or close
	By       backout.Principal
	Digest   string
	Reason   string
	As       string // with close: false-alarm or reviewed
	Cause    string // with close as reviewed: a change's id, none, or "" = nobody knows
}

// Status is what every page says at its top.
type Status struct {
	Mode     string                `json:"mode"` // shadow, ask or act
	Ready    string                `json:"ready"`
	Degraded []backout.Degradation `json:"degraded"` // what backout can't see or do now
	Unknown  []string              `json:"unknown"`  // what arrived about things that the catalog does not know
	// Undelivered names messages that nobody has acknowledged.
	Undelivered []string `json:"undelivered"`
	// Breakers, Holds and Locks say what keeps backout and pipelines from acting.
	Breakers backout.Breakers     `json:"breakers"`
	Holds    []backout.Hold       `json:"holds"`
	Locks    []backout.DeployLock `json:"locks"`
	Services int                  `json:"services"`
	Series   int                  `json:"series"`
	LastFact time.Time            `json:"last_fact"`
	Changes  int                  `json:"changes"`
	// MeasuredAt is the end of what was measured last; zero = nothing was since the start.
	MeasuredAt time.Time `json:"measured_at,omitzero"`
	// Minute is how long a model minute lasts; rates of money are by model minutes.
	Minute    backout.Duration `json:"minute"`
	StartedAt time.Time        `json:"started_at"`
}

// World gives what pages show beside incidents.
type World interface {
	Status(ctx context.Context) Status
	Graph() backout.Graph
	Changes(ctx context.Context) ([]backout.Change, error)
}

// Config is what a server needs; all fields but Facts, Records, Contracts, Plans, Ahead, Controls, Importer, Tasks, Health, Mounts and Log are required.
type Config struct {
	Incidents Incidents
	Decisions Decisions
	World     World
	Facts     Facts     // nil = observations are not given out
	Records   Records   // nil = what was written down about incidents is not given out
	Contracts Contracts // nil = what is known of components is not given out
	Plans     Plans     // nil = plans don't leave the program
	Ahead     Ahead     // nil = nothing is prepared
	Health    Health    // nil = no probes are answered
	Tasks     Tasks     // nil = nothing is done by hand
	Controls  Controls  // nil = nothing can be stopped or held from here
	Importer  Importer  // nil = no past incidents are taken in
	Token     string
	Step      time.Duration // how often live pages look for news
	Mounts    map[string]http.Handler
	Log       *slog.Logger
}

// Server answers HTTP.
type Server struct {
	cfg   Config
	pages *template.Template
	mux   *http.ServeMux
}

// New checks the configuration and builds the routes.
func New(c Config) (*Server, error) {
	if c.Incidents == nil || c.Decisions == nil || c.World == nil || c.Token == "" {
		return nil, errors.New("make web server: a port or the token is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Step <= 0 {
		c.Step = time.Second
	}
	pages, err := template.New("").Funcs(words()).ParseFS(files, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	s := &Server{cfg: c, pages: pages, mux: http.NewServeMux()}
	s.routes()
	return s, nil
}

func (s *Server) routes() {
	s.mux.Handle("GET /static/", http.FileServerFS(files))
	s.mux.HandleFunc("GET /{$}", s.overview)
	s.mux.HandleFunc("GET /incidents/{id}", s.incident)
	s.mux.HandleFunc("GET /changes", s.changes)
	s.mux.HandleFunc("GET /events", s.events)
	s.mux.HandleFunc("GET /signin", s.signInPage)
	s.mux.HandleFunc("POST /signin", s.signIn)
	s.mux.Handle("POST /controls/{verb}", s.authorized(http.HandlerFunc(s.controlForm)))
	s.mux.Handle("POST /incidents/{id}/{verb}", s.authorized(http.HandlerFunc(s.decideForm)))
	s.healthRoutes()
	s.mux.Handle("POST /incidents/{id}/tasks/{step}/{verb}", s.authorized(http.HandlerFunc(s.answerForm)))
	s.api()
	for pattern, h := range s.cfg.Mounts {
		s.mux.Handle(pattern, h)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, &backout.Error{Code: backout.CodeNotFound, Message: "there is no page " + r.URL.Path})
	})
}

// ServeHTTP adds the headers that every answer carries.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	http.NewCrossOriginProtection().Handler(s.mux).ServeHTTP(w, r)
}

const cookie = "backout_token"

// authorized lets a write pass only with the token.
func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.holdsToken(r) {
			s.problem(w, r, &backout.Error{Code: backout.CodeForbidden, Message: "this needs the token that backout printed at start: sign in first"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) holdsToken(r *http.Request) bool {
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c, err := r.Cookie(cookie); err == nil && given == "" {
		given = c.Value
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(s.cfg.Token)) == 1
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	given := r.FormValue("token")
	if subtle.ConstantTimeCompare([]byte(given), []byte(s.cfg.Token)) != 1 {
		s.problem(w, r, &backout.Error{Code: backout.CodeForbidden, Message: "that is not the token; it was printed at start and lies in the file named there"})
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: given, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// status maps a code to HTTP once.
func status(err error) int {
	switch backout.CodeOf(err) {
	case backout.CodeInvalid:
		return http.StatusBadRequest
	case backout.CodeNotFound:
		return http.StatusNotFound
	case backout.CodeConflict:
		return http.StatusConflict
	case backout.CodeForbidden:
		return http.StatusForbidden
	case backout.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// CheckAddress refuses to listen where anybody could reach an unencrypted port.
func CheckAddress(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("listen %q: expected host:port, for example 127.0.0.1:8080", addr)}
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("listen %q: only loopback addresses are served without TLS; put a TLS proxy in front and listen on 127.0.0.1", addr)}
}
