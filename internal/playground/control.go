package playground

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// handler is the control API.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/components/{id...}", s.getComponent)
	mux.HandleFunc("PUT /v1/components/{id...}", s.putComponent)
	mux.HandleFunc("GET /v1/targets", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.targets()) })
	mux.HandleFunc("GET /v1/report", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.report()) })
	mux.HandleFunc("GET /v1/load", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.topology.loadPlan(s.config.Rate)) })
	mux.HandleFunc("POST /v1/beats", s.postBeat)
	mux.HandleFunc("POST /v1/begin", s.postBegin)
	mux.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, struct{}{})
		s.stop()
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Path == "/v1/targets" { // service discovery brings no token, and learns only addresses
			token = s.token
		}
		if subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
			refuse(w, &backout.Error{Code: backout.CodeForbidden, Message: "the bearer token is not the one in the token file"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller went away: nobody is left to tell
}

// statuses maps codes to HTTP.
var statuses = map[backout.Code]int{
	backout.CodeInvalid: http.StatusUnprocessableEntity, backout.CodeNotFound: http.StatusNotFound,
	backout.CodeConflict: http.StatusPreconditionFailed, backout.CodeForbidden: http.StatusUnauthorized,
	backout.CodeUnavailable: http.StatusServiceUnavailable, backout.CodeInternal: http.StatusInternalServerError,
}

func refuse(w http.ResponseWriter, err error) {
	e := &backout.Error{Code: backout.CodeOf(err), Message: err.Error()}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses[e.Code])
	_ = json.NewEncoder(w).Encode(e)
}

func (s *shop) component(w http.ResponseWriter, r *http.Request) *movable {
	m := s.movables[backout.ComponentID(r.PathValue("id"))]
	if m == nil {
		refuse(w, &backout.Error{Code: backout.CodeNotFound, Message: "unknown component " + r.PathValue("id")})
	}
	return m
}

func (s *shop) getComponent(w http.ResponseWriter, r *http.Request) {
	if m := s.component(w, r); m != nil {
		replyState(w, m.State())
	}
}

func replyState(w http.ResponseWriter, st ComponentState) {
	w.Header().Set("ETag", st.ETag)
	reply(w, st)
}

func (s *shop) putComponent(w http.ResponseWriter, r *http.Request) {
	m := s.component(w, r)
	if m == nil {
		return
	}
	var mv ComponentMove
	if err := json.NewDecoder(r.Body).Decode(&mv); err != nil {
		refuse(w, &backout.Error{Code: backout.CodeInvalid, Message: "read the move", Err: err})
		return
	}
	// A move that was begun is carried through even when the caller goes away:
	// half a rollout would be worse than a late one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 20*time.Second)
	defer cancel()
	st, err := m.Apply(ctx, mv, strings.Trim(r.Header.Get("If-Match"), `"`), r.Header.Get("Idempotency-Key"))
	if err != nil {
		refuse(w, err)
		return
	}
	replyState(w, st)
}

// target is one entry of Prometheus' http_sd.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

func (s *shop) targets() []target {
	out := []target{}
	for _, m := range s.fleet.members() {
		out = append(out, target{[]string{m.address}, map[string]string{"service": m.service, "version": m.version, "location": string(m.location), "instance": m.id}})
	}
	if b, ok := s.beats.of("load"); ok {
		labels := map[string]string{"service": s.topology.load, "version": "1", "instance": s.topology.load + "-1"}
		if at := s.topology.locations; len(at) == 1 {
			labels["location"] = string(at[0]) // with several, each journey tells its own
		}
		out = append(out, target{[]string{b.Address}, labels})
	}
	return out
}

func (s *shop) postBeat(w http.ResponseWriter, r *http.Request) {
	var b beat
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		refuse(w, &backout.Error{Code: backout.CodeInvalid, Message: "read the beat", Err: err})
		return
	}
	s.beats.put(b)
	table := s.around.routes.table.Load()
	if b.Role == "load" {
		front := s.topology.named("gateway").name
		table = &routeTable{Revision: table.Revision, Services: map[string][]endpoint{front: table.Services[front]}}
	}
	knobs := *s.around.knobs.state.Load()
	if b.Role != "instances" {
		knobs.Begun = nil // nobody else need know what is bad
	}
	reply(w, answerToBeat{Routes: table, Knobs: &knobs, Begun: s.begunAt()})
}

// beginRequest tells where the director reports what it ships.
type beginRequest struct {
	ObservationsURL string `json:"observations_url"`
	Token           string `json:"token"`
}

func (s *shop) postBegin(w http.ResponseWriter, r *http.Request) {
	var b beginRequest
	err := json.NewDecoder(r.Body).Decode(&b)
	if err == nil && !strings.HasPrefix(b.ObservationsURL, "http") {
		err = errors.New("observations_url is missing, expected where observations are posted")
	}
	if err != nil {
		refuse(w, &backout.Error{Code: backout.CodeInvalid, Message: "read the request to begin", Err: err})
		return
	}
	s.begin(b)
	reply(w, struct {
		Begun time.Time `json:"begun"`
	}{s.begunAt()})
}
