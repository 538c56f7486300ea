package web

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// chores keeps one task and what was answered.
type chores struct{ answers []Answer }

func (c *chores) Waiting(_ context.Context, id backout.IncidentID) ([]backout.Task, error) {
	if id != "INC-1" {
		return nil, &backout.Error{Code: backout.CodeNotFound, Message: "no incident"}
	}
	return []backout.Task{{Step: "ledger <1>", Component: "schema:ledger@p/l", From: "42", To: "41", Deadline: time.Unix(3600, 0),
		Playbook: backout.Playbook{Owner: "dba & co", Title: "restore", Text: "read <this>", Steps: []string{"stop it"}, Link: "https://wiki.example.com/p"}}}, nil
}

func (c *chores) Answer(_ context.Context, a Answer) (backout.Task, error) {
	if a.Step != "ledger <1>" {
		return backout.Task{}, &backout.Error{Code: backout.CodeNotFound, Message: "step waits for nobody"}
	}
	c.answers = append(c.answers, a)
	return backout.Task{Step: a.Step, Answer: &backout.TaskAnswer{Done: a.Done, By: a.By.Name}}, nil
}

func TestTasks_shownAndAnswered(t *testing.T) {
	w, c := &fakeWorld{incidents: []backout.Incident{{ID: "INC-1", State: backout.StateExecuting, Onset: time.Unix(0, 0)}}}, &chores{}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Tasks: c, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	cookie := map[string]string{"Cookie": "backout_token=secret", "Content-Type": "application/x-www-form-urlencoded"}
	_, page := do(t, "GET", srv.URL+"/incidents/INC-1", "", cookie)
	for _, want := range []string{"dba &amp; co: schema:ledger@p/l from 42 to 41, by hand, until 01:00:00", "read &lt;this&gt;", "<li>stop it</li>", `href="https://wiki.example.com/p"`, `action="/incidents/INC-1/tasks/ledger%20%3c1%3e/done"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page misses %q\n%s", want, page)
		}
	}
	if _, page := do(t, "GET", srv.URL+"/incidents/INC-1", "", nil); strings.Contains(page, "/tasks/") {
		t.Error("a form for somebody who is not signed in")
	}
	form := srv.URL + "/incidents/INC-1/tasks/ledger%20%3C1%3E/"
	for _, tc := range []struct {
		url    string
		header map[string]string
		want   int
	}{{form + "done", nil, 403}, {form + "burn", cookie, 404}, {srv.URL + "/incidents/INC-1/tasks/x/done", cookie, 404}, {form + "done", cookie, 303}} {
		if code, _ := do(t, "POST", tc.url, "reason=did+it", tc.header); code != tc.want {
			t.Errorf("POST %s: %d, want %d", tc.url, code, tc.want)
		}
	}
	cl := &Client{URL: srv.URL, Token: "secret"}
	if all, err := cl.Waiting(t.Context(), "INC-1"); err != nil || len(all) != 1 || all[0].Playbook.Owner != "dba & co" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := cl.Answer(t.Context(), Answer{Incident: "INC-1", Step: "ledger <1>", By: backout.Principal{Name: "ann"}, Reason: "the backup is broken"}); err != nil {
		t.Error(err)
	}
	if _, err := cl.Answer(t.Context(), Answer{Incident: "INC-1", Step: "ledger <1>", Reason: "no"}); err == nil {
		t.Error("an answer without a reason was taken")
	}
	if _, err := (&Client{URL: srv.URL, Token: "wrong"}).Answer(t.Context(), Answer{Incident: "INC-1", Step: "ledger <1>", Reason: "the backup"}); backout.CodeOf(err) != backout.CodeForbidden {
		t.Errorf("without the token: %v", err)
	}
	approver := func(name string) backout.Principal { return backout.Principal{Name: name, Role: backout.RoleApprover} }
	want := []Answer{{"INC-1", "ledger <1>", true, approver("page"), "did it"}, {"INC-1", "ledger <1>", false, approver("ann"), "the backup is broken"}}
	if d := cmp.Diff(want, c.answers); d != "" {
		t.Error(d)
	}
}
