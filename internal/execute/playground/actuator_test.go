package playground

import (
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/executetest"
)

const id = backout.ComponentID("deployment:payment@production/eu-1")

// shop follows the control API: compare-and-swap, idempotency, whole instances.
type shop struct {
	mu       sync.Mutex // guards all below
	etag     int
	now      backout.Version
	old      backout.Version
	share    float64 // of now; the rest is at old
	answers  map[string][]byte
	moves    int
	lose     bool // act, then drop the connection
	failWith int
	seen     move
}

func (s *shop) document() document {
	live := map[backout.Version]float64{s.now: s.share}
	if s.share < 1 {
		live[s.old] = 1 - s.share
	}
	return document{id, backout.Live{Shares: live, Healthy: true, At: time.Unix(1, 0).UTC()}, strconv.Itoa(s.etag), []backout.Version{"2.13.2", "2.14.0"}, 3}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(status int, message string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(backout.Error{Message: message})
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer secret":
		fail(http.StatusUnauthorized, "token")
	case s.failWith != 0:
		fail(s.failWith, "told to fail")
	case r.URL.EscapedPath() != "/v1/components/deployment:payment@production%2Feu-1":
		fail(http.StatusNotFound, "unknown component")
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(s.document())
	default:
		s.put(w, r, fail)
	}
}

func (s *shop) put(w http.ResponseWriter, r *http.Request, fail func(int, string)) {
	key := r.Header.Get("Idempotency-Key")
	if first, ok := s.answers[key]; ok {
		_, _ = w.Write(first)
		return
	}
	if m := r.Header.Get("If-Match"); m != "" && m != strconv.Itoa(s.etag) {
		fail(http.StatusPreconditionFailed, "stale")
		return
	}
	var m move
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || !slices.Contains(s.document().Versions, m.To) {
		fail(http.StatusUnprocessableEntity, "no such version")
		return
	}
	if m.To != s.now {
		s.old, s.now = s.now, m.To
	}
	s.share = math.Ceil(m.Share*3-1e-9) / 3
	s.seen, s.moves = m, s.moves+1
	s.etag++
	if s.lose {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.Close()
		}
		return
	}
	s.answers[key], _ = json.Marshal(s.document())
	_, _ = w.Write(s.answers[key])
}

func start(t *testing.T) (*Actuator, *shop, backout.Component) {
	t.Helper()
	s := &shop{etag: 17, now: "2.14.0", old: "2.13.2", share: 1, answers: map[string][]byte{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	a, err := New(Config{URL: srv.URL + "/", Token: "secret", Client: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return a, s, backout.Component{ID: id, Kind: backout.KindDeployment, Name: "payment", Actuator: "playground", Instances: 3}
}

func TestActuator_conforms(t *testing.T) {
	a, s, c := start(t)
	executetest.Conform(t, executetest.Subject{
		Actuator: a, Component: c, From: "2.14.0", To: "2.13.2",
		Stack: []backout.Change{{Component: id, From: "2.13.2", To: "2.14.0"}},
		Disturb: func(*testing.T) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.etag++
		},
	})
}

func TestDo_sendsShareAttemptAndKey(t *testing.T) {
	a, s, c := start(t)
	e := backout.Effect{Key: "INC-1/1/s1/0", Attempt: "INC-1/1", Component: c, To: "2.13.2", Share: 1.0 / 3, IfVersion: "17"}
	for range 2 { // the same key again is the same effect
		if out, err := a.Do(t.Context(), e); out != backout.OutcomeDone || err != nil {
			t.Fatalf("%s, %v", out, err)
		}
	}
	if diff := cmp.Diff(move{"2.13.2", 1.0 / 3, "INC-1/1"}, s.seen); diff != "" || s.moves != 1 {
		t.Errorf("%d moves (-want +got):\n%s", s.moves, diff)
	}
}

func TestDo_outcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		shop   func(*shop)
		effect func(*backout.Effect)
		want   backout.Outcome
		code   backout.Code
	}{
		"stale":           {nil, func(e *backout.Effect) { e.IfVersion = "16" }, backout.OutcomeNotDone, backout.CodeConflict},
		"no such version": {nil, func(e *backout.Effect) { e.To = "9" }, backout.OutcomeNotDone, backout.CodeInvalid},
		"no such one":     {nil, func(e *backout.Effect) { e.Component.ID = "config:x@p/l" }, backout.OutcomeNotDone, backout.CodeNotFound},
		"audience":        {nil, func(e *backout.Effect) { e.Audience = "acme" }, backout.OutcomeNotDone, backout.CodeInvalid},
		"token":           {func(s *shop) { s.failWith = 401 }, nil, backout.OutcomeNotDone, backout.CodeForbidden},
		"broken":          {func(s *shop) { s.failWith = 500 }, nil, backout.OutcomeUnknown, backout.CodeUnavailable},
		"lost answer":     {func(s *shop) { s.lose = true }, nil, backout.OutcomeUnknown, backout.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			a, s, c := start(t)
			e := backout.Effect{Key: "i/1/s/0", Component: c, To: "2.13.2", Share: 1, IfVersion: "17"}
			if tc.shop != nil {
				tc.shop(s)
			}
			if tc.effect != nil {
				tc.effect(&e)
			}
			out, err := a.Do(t.Context(), e)
			if out != tc.want || backout.CodeOf(err) != tc.code {
				t.Errorf("%s, %v; want %s, %s", out, err, tc.want, tc.code)
			}
		})
	}
}

func TestDo_nobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{URL: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.Do(t.Context(), backout.Effect{Component: backout.Component{ID: id}, To: "1", Share: 1})
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeUnavailable {
		t.Errorf("%s, %v", out, err)
	}
}

func TestSurvey_stagesAndGaps(t *testing.T) {
	a, s, c := start(t)
	rev, err := a.Survey(t.Context(), c, []backout.Change{{From: "2.12.0", To: "2.13.2"}, {From: "2.13.2", To: "2.14.0"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{1.0 / 3, 1}, rev.Shares); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
	// 2.12.0 is not on offer any more, and 2.13.2 was never seen everywhere.
	if diff := cmp.Diff([]backout.Reachable{{Level: 1, Version: "2.13.2", Loss: backout.LossNone}}, rev.Levels); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	s.mu.Lock()
	s.failWith = 503
	s.mu.Unlock()
	if rev, err = a.Survey(t.Context(), c, nil); err != nil || rev.Known || !strings.Contains(rev.Why, "503") {
		t.Errorf("shop away: %+v, %v", rev, err)
	}
	if rev, err = a.Survey(t.Context(), backout.Component{ID: "flag:f@p/l"}, nil); err != nil || rev.Known || rev.Why == "" {
		t.Errorf("flag: %+v, %v", rev, err)
	}
}

func TestNew_refusesWhatIsNoURL(t *testing.T) {
	if _, err := New(Config{URL: "127.0.0.1:80"}); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("got %v", err)
	}
}
