package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

type fakeWorld struct {
	incidents []backout.Incident
	decided   []Decision
	degraded  []backout.Degradation
}

func (f *fakeWorld) Incidents(context.Context, int) ([]backout.Incident, error) {
	return f.incidents, nil
}
func (f *fakeWorld) Incident(_ context.Context, id backout.IncidentID) (backout.Incident, error) {
	for _, i := range f.incidents {
		if i.ID == id {
			return i, nil
		}
	}
	return backout.Incident{}, &backout.Error{Code: backout.CodeNotFound, Message: "no incident " + string(id)}
}
func (f *fakeWorld) Run(context.Context, backout.AttemptID) (backout.Run, error) {
	return backout.Run{}, nil
}
func (f *fakeWorld) Decide(_ context.Context, d Decision) (backout.Incident, error) {
	f.decided = append(f.decided, d)
	if d.Digest != "right" {
		return backout.Incident{}, &backout.Error{Code: backout.CodeConflict, Message: "the plan changed: look again"}
	}
	return f.incidents[0], nil
}
func (f *fakeWorld) Announce(_ context.Context, id backout.IncidentID, by backout.Principal, fix *backout.Fix) (backout.Incident, error) {
	inc, err := f.Incident(context.Background(), id)
	inc.Fix = fix
	if fix != nil {
		inc.Fix.By = by
	}
	return inc, err
}
func (f *fakeWorld) Status(context.Context) Status {
	return Status{Mode: "ask", Degraded: f.degraded, Unknown: []string{"2 changes on components that the catalog does not know: flag:<x>"}, Undelivered: []string{"INC-1 to on-call by <pager>"}}
}
func (f *fakeWorld) Graph() backout.Graph { return backout.Graph{} }
func (f *fakeWorld) Changes(context.Context) ([]backout.Change, error) {
	return []backout.Change{}, nil
}

func newTestServer(t *testing.T) (*httptest.Server, *fakeWorld) {
	t.Helper()
	w := &fakeWorld{degraded: []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", time.Unix(0, 0), "refused <x>")}, incidents: []backout.Incident{{
		ID: "INC-1", State: backout.StateWaiting, Why: `shop & <b>co</b>`, Onset: time.Unix(0, 0),
		Plan:        &backout.Plan{Digest: "right", Summary: "take back <x>", Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a", Component: "deployment:pay@p/e", From: "2", To: "1", Why: "cause", Stages: []backout.Stage{{Share: 1, Bake: backout.Duration(time.Second)}}}}}}},
		Attribution: &backout.Attribution{PNone: .1, Suspects: []backout.Suspect{{Component: "deployment:pay@p/e", To: "2", P: .9}}},
		Forecast:    &backout.Forecast{Horizon: backout.Duration(time.Minute), Hits: []backout.Hit{{Target: "a<&\"b", Kind: backout.TargetService, P: .5}}},
	}}}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Token: "secret", Step: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return srv, w
}

func do(t *testing.T, method, url, body string, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return res.StatusCode, b.String()
		}
	}
}

func TestPages_showStateAndEscape(t *testing.T) {
	srv, _ := newTestServer(t)
	for path, wants := range map[string][]string{
		"/":                {"waits for a person", "shop &amp; &lt;b&gt;co", "can&#39;t see now: metrics, for ", "since 1970-01-01 00:00:00 UTC): refused &lt;x&gt;. This means: no trouble is found and nothing is changed", "What to do: check that the metrics server answers", "catalog does not know: flag:&lt;x&gt;", "not delivered: INC-1 to on-call by &lt;pager&gt;", "No journeys are declared"},
		"/incidents/INC-1": {"pay 2 is the suspect: likely (90 %)", "take back &lt;x&gt;", "Sign in", "a&lt;&amp;&quot;b"},
		"/changes":         {"No changes yet"},
		"/openapi.json":    {"/api/v1/incidents/{id}/{verb}"},
	} {
		code, body := do(t, "GET", srv.URL+path, "", nil)
		if code != 200 {
			t.Errorf("GET %s: %d %s", path, code, body)
		}
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("GET %s misses %q", path, want)
			}
		}
	}
	if _, body := do(t, "GET", srv.URL+"/incidents/INC-1", "", map[string]string{"Cookie": "backout_token=secret"}); !strings.Contains(body, "Take over: you carry on by hand") || !strings.Contains(body, "Close as a false alarm") || strings.Contains(body, "Close as reviewed") {
		t.Errorf("the page of an open incident offers the wrong ends: %s", body)
	}
	if code, body := do(t, "GET", srv.URL+"/incidents/none", "", nil); code != 404 || !strings.Contains(body, "no incident none") {
		t.Errorf("unknown incident: %d %s", code, body)
	}
}

func TestFix_announcedAndWithdrawn(t *testing.T) {
	srv, _ := newTestServer(t)
	url, auth := srv.URL+"/api/v1/incidents/INC-1/fix", map[string]string{"Authorization": "Bearer secret", "Content-Type": "application/json"}
	good := `{"eta":"2026-01-02T12:20:00Z","confidence_p":0.7,"text":"hot fix","by":"ana"}`
	if code, body := do(t, "PUT", url, good, auth); code != 200 || !strings.Contains(body, `"name":"ana"`) || !strings.Contains(body, `"confidence_p":0.7`) {
		t.Errorf("announced: %d %s", code, body)
	}
	for name, c := range map[string]struct {
		body string
		auth map[string]string
		want int
	}{
		"no token":      {good, nil, 403},
		"no confidence": {`{"eta":"2026-01-02T12:20:00Z","confidence_p":0}`, auth, 422},
		"no time":       {`{"eta":"soon","confidence_p":0.5}`, auth, 422},
		"unknown field": {`{"eta":"2026-01-02T12:20:00Z","confidence_p":0.5,"x":1}`, auth, 422},
	} {
		if code, body := do(t, "PUT", url, c.body, c.auth); code != c.want {
			t.Errorf("%s: %d %s, want %d", name, code, body, c.want)
		}
	}
	if code, body := do(t, "DELETE", url+"?by=ana", "", auth); code != 200 || strings.Contains(body, `"fix"`) {
		t.Errorf("withdrawn: %d %s", code, body)
	}
}

func TestWrites_needTokenAndSameOrigin(t *testing.T) {
	srv, w := newTestServer(t)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	with := func(extra map[string]string, more ...string) map[string]string {
		m := map[string]string{}
		for k, v := range extra {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	cases := map[string]struct {
		path, body string
		header     map[string]string
		want, made int
	}{
		"no token":         {"/incidents/INC-1/approve", "digest=right&reason=because", form, 403, 0},
		"wrong token":      {"/incidents/INC-1/approve", "digest=right&reason=because", with(form, "Authorization", "Bearer no"), 403, 0},
		"other origin":     {"/incidents/INC-1/approve", "digest=right&reason=because", with(form, "Authorization", "Bearer secret", "Sec-Fetch-Site", "cross-site"), 403, 0},
		"foreign Origin":   {"/incidents/INC-1/approve", "digest=right", with(form, "Cookie", "backout_token=secret", "Origin", "http://evil.example"), 403, 0},
		"cookie":           {"/incidents/INC-1/approve", "digest=right&reason=because", with(form, "Cookie", "backout_token=secret", "Sec-Fetch-Site", "same-origin"), 303, 1},
		"stale digest":     {"/incidents/INC-1/approve", "digest=old&reason=because", with(form, "Cookie", "backout_token=secret"), 409, 1},
		"api no token":     {"/api/v1/incidents/INC-1/approve", `{"digest":"right"}`, nil, 403, 0},
		"api token":        {"/api/v1/incidents/INC-1/approve", `{"digest":"right"}`, map[string]string{"Authorization": "Bearer secret", "Content-Type": "application/json"}, 200, 1},
		"take over":        {"/incidents/INC-1/takeover", "digest=right&reason=because", with(form, "Cookie", "backout_token=secret"), 303, 1},
		"close":            {"/incidents/INC-1/close", "digest=right&reason=because&as=reviewed&cause=none", with(form, "Cookie", "backout_token=secret"), 303, 1},
		"api close":        {"/api/v1/incidents/INC-1/close", `{"digest":"right","as":"false-alarm"}`, map[string]string{"Authorization": "Bearer secret", "Content-Type": "application/json"}, 200, 1},
		"api closes badly": {"/api/v1/incidents/INC-1/close", `{"as":"whatever"}`, map[string]string{"Authorization": "Bearer secret", "Content-Type": "application/json"}, 422, 0},
		"api unknown verb": {"/api/v1/incidents/INC-1/explode", `{}`, map[string]string{"Authorization": "Bearer secret", "Content-Type": "application/json"}, 422, 0},
	}
	for name, c := range cases {
		w.decided = nil
		if code, body := do(t, "POST", srv.URL+c.path, c.body, c.header); code != c.want || len(w.decided) != c.made {
			t.Errorf("%s: status %d, %d decisions; want %d, %d: %s", name, code, len(w.decided), c.want, c.made, body)
		}
		if d := w.decided; name == "close" && (d[0].Verb != "close" || d[0].As != "reviewed" || d[0].Cause != "none" || d[0].Reason != "because") || name == "api close" && d[0].As != "false-alarm" {
			t.Errorf("%s: decided %+v", name, d)
		}
	}
}

func TestCheckAddress_refusesOtherThanLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{"127.0.0.1:0": true, "localhost:80": true, "[::1]:1": true, "0.0.0.0:1": false, ":80": false, "example.com:1": false, "nonsense": false} {
		if err := CheckAddress(addr); (err == nil) != ok {
			t.Errorf("CheckAddress(%q) = %v", addr, err)
		}
	}
}
