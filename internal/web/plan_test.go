package web

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// ahead is a world with changes, one of them prepared, and plans.
type ahead struct {
	fakeWorld
	applied []Application
	asked   Question
}

func (f *ahead) Changes(context.Context) ([]backout.Change, error) {
	at := backout.Exposure{Stages: []backout.ExposureStage{{At: time.Unix(0, 0), Share: 1}}}
	return []backout.Change{
		{ID: "deployment:pay@p/e=2#1", Component: "deployment:pay@p/e", To: "2", Exposure: at, Sources: []string{"ci"}},
		{ID: "flag:<x>@p/e=on#2", Component: "flag:<x>@p/e", To: "on", Exposure: at},
	}, nil
}

func (f *ahead) Prepared(context.Context) ([]backout.Prepared, time.Time) {
	return []backout.Prepared{{Change: "deployment:pay@p/e=2#1", Component: "deployment:pay@p/e", To: "2", Verdict: backout.RollbackLossy, Lost: []string{"<b>keys</b>"}, Reasons: []string{}, Advice: []string{"keep <them>"}}}, time.Unix(7, 0)
}

func (f *ahead) Check(_ context.Context, q Question) (backout.ReleaseCheck, error) {
	f.asked = q
	return backout.ReleaseCheck{Format: 1, Reversible: true}, nil
}

func (f *ahead) Propose(_ context.Context, id backout.IncidentID) (backout.PlanFile, error) {
	if id != "INC-1" {
		return backout.PlanFile{}, &backout.Error{Code: backout.CodeConflict, Message: "nothing to plan"}
	}
	return backout.PlanFile{Format: 1, Plan: backout.Plan{Summary: "back"}}, nil
}

func (f *ahead) Apply(_ context.Context, d Application) (backout.Incident, error) {
	f.applied = append(f.applied, d)
	return backout.Incident{ID: d.Incident, State: backout.StateApproved}, nil
}

func serveAhead(t *testing.T) (*ahead, *Client) {
	t.Helper()
	w := &ahead{}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Plans: w, Ahead: w, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return w, &Client{URL: srv.URL, Token: "secret"}
}

func TestChanges_showWhatIsPrepared(t *testing.T) {
	_, c := serveAhead(t)
	_, body := do(t, "GET", c.URL+"/changes", "", nil)
	for _, want := range []string{`<span class="mark waits">! can go back, with loss</span>`, "lost: &lt;b&gt;keys&lt;/b&gt;", "what to do: keep &lt;them&gt;", "? not looked at yet", "flag:&lt;x&gt;@p/e"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page misses %q:\n%s", want, body)
		}
	}
	all, err := c.Changes(t.Context())
	if err != nil || len(all) != 2 || all[0].Prepared != nil || all[1].Prepared == nil || all[1].Prepared.Verdict != backout.RollbackLossy || all[1].Sources[0] != "ci" {
		t.Errorf("%+v, %v: want the newest first, and one prepared", all, err)
	}
	for part, want := range map[string]backout.Code{"pay": "", "deployment:pay@p/e=2#1": "", "none": backout.CodeNotFound, "@p/e": backout.CodeConflict} {
		k, err := c.Change(t.Context(), part)
		if backout.CodeOf(err) != want || err == nil && k.To != "2" {
			t.Errorf("%s: %+v, %v; want code %q", part, k, err, want)
		}
	}
}

func TestPlans_leaveAndComeBack(t *testing.T) {
	w, c := serveAhead(t)
	if f, err := c.Propose(t.Context(), "INC-1"); err != nil || f.Plan.Summary != "back" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := c.Propose(t.Context(), "INC-2"); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("%v: want the conflict passed on", err)
	}
	big := `{"x":"` + strings.Repeat("a", 3<<20) + `"}`
	inc, err := c.Apply(t.Context(), Application{Incident: "INC-1", File: []byte(big), By: backout.Principal{Name: "ann"}, Reason: "because"})
	if err != nil || inc.State != backout.StateApproved || len(w.applied) != 1 || string(w.applied[0].File) != big || w.applied[0].By.Name != "ann" || w.applied[0].By.Role != backout.RoleApprover || w.applied[0].Reason != "because" {
		t.Errorf("%+v, %v: want the file as it was, with who and why", inc, err)
	}
	for name, token := range map[string]string{"none": "", "wrong": "x"} {
		if _, err := (&Client{URL: c.URL, Token: token}).Apply(t.Context(), Application{Incident: "INC-1", File: []byte("{}")}); backout.CodeOf(err) != backout.CodeForbidden || len(w.applied) != 1 {
			t.Errorf("token %s: %v", name, err)
		}
	}
}

func TestCheck_passesTheQuestionOn(t *testing.T) {
	w, c := serveAhead(t)
	q := Question{Service: "pay", Version: "3", From: "2", Environment: "p", Location: "e", Components: []string{"schema:l@p/e=4", "flag:a,b@p/e"}}
	if a, err := c.Check(t.Context(), q); err != nil || !a.Reversible {
		t.Errorf("%+v, %v", a, err)
	}
	if w.asked.Service != "pay" || w.asked.From != "2" || len(w.asked.Components) != 2 || w.asked.Components[1] != "flag:a,b@p/e" {
		t.Errorf("asked %+v, want %+v", w.asked, q)
	}
}
