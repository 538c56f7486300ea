package deployment_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/ingest/deployment"
)

// board answers as it is told and remembers what it was asked.
type board struct {
	answer backout.DeployAnswer
	err    error
	asked  []backout.Deployment
	span   time.Duration
}

func (b *board) Check(_ context.Context, d backout.Deployment) (backout.DeployAnswer, error) {
	b.asked = append(b.asked, d)
	return b.answer, b.err
}

func (b *board) Renew(_ context.Context, id backout.ComponentID, _ string, span time.Duration) (backout.DeployLock, error) {
	b.span = span
	return backout.DeployLock{Component: id}, b.err
}

func (b *board) Release(context.Context, backout.ComponentID, string) error { return b.err }

func post(t *testing.T, b *board, path, token, body string) (int, string) {
	t.Helper()
	door, err := ingest.NewDoor(ingest.DoorConfig{Tokens: []string{"token"}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := deployment.New(b, door)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	all[path].ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const cart = "deployment:cart@production/eu-1"

func TestHandlers(t *testing.T) {
	held := backout.DeployAnswer{Reasons: []string{"ann holds it"}, Release: []string{"ask ann"}}
	yes := backout.DeployAnswer{Allowed: true}
	lost := &backout.Error{Code: backout.CodeConflict, Message: "the deploy lock was taken over by INC-1/1"}
	gone := &backout.Error{Code: backout.CodeNotFound, Message: "nobody holds it"}
	away := &backout.Error{Code: backout.CodeUnavailable, Message: "the disk is full"}
	flagger := `{"name":"cart","namespace":"shop","phase":"Progressing","checksum":"85d557f47b","metadata":{"component":"` + cart + `","version":"2","digest":"sha256:aa","more":"x"}}`
	for name, c := range map[string]struct {
		b          board
		path, body string
		code       int
		says       string
	}{
		"allowed":                   {board{answer: yes}, deployment.CheckPath, `{"component":"` + cart + `","to":"2"}`, 200, `"allowed":true`},
		"held":                      {board{answer: held}, deployment.CheckPath, `{"component":"` + cart + `","to":"2"}`, 200, `"allowed":false`},
		"no component":              {board{answer: yes}, deployment.CheckPath, `{"to":"2"}`, 400, `"field":"component"`},
		"no version":                {board{answer: yes}, deployment.CheckPath, `{"component":"` + cart + `"}`, 400, `"field":"to"`},
		"a lock for nobody":         {board{answer: yes}, deployment.CheckPath, `{"component":"` + cart + `","to":"2","lock":"30m"}`, 400, `"field":"owner"`},
		"a lock for a week":         {board{answer: yes}, deployment.CheckPath, `{"component":"` + cart + `","to":"2","lock":"168h","owner":"ci"}`, 400, `"field":"lock"`},
		"a digest that is misspelt": {board{answer: yes}, deployment.CheckPath, `{"component":"` + cart + `","to":"2","digset":"sha256:aa"}`, 400, `digset`},
		"two at once":               {board{answer: yes}, deployment.CheckPath, `{"component":"` + cart + `","to":"2"}{}`, 400, "nothing behind it"},
		"not in the catalog":        {board{err: gone}, deployment.CheckPath, `{"component":"` + cart + `","to":"2"}`, 404, "nobody holds it"},
		"it can't be read":          {board{err: away}, deployment.CheckPath, `{"component":"` + cart + `","to":"2"}`, 503, "again later"},
		"renewed":                   {board{}, deployment.RenewPath, `{"component":"` + cart + `","token":"a","for":"30m"}`, 200, cart},
		"renewed, but lost":         {board{err: lost}, deployment.RenewPath, `{"component":"` + cart + `","token":"a","for":"30m"}`, 409, "taken over by INC-1/1"},
		"renewed, but gone":         {board{err: gone}, deployment.RenewPath, `{"component":"` + cart + `","token":"a","for":"30m"}`, 404, "nobody holds it"},
		"renewed for no time":       {board{}, deployment.RenewPath, `{"component":"` + cart + `","token":"a"}`, 400, `"field":"for"`},
		"renewed without a token":   {board{}, deployment.RenewPath, `{"component":"` + cart + `","for":"30m"}`, 400, `"field":"token"`},
		"released":                  {board{}, deployment.ReleasePath, `{"component":"` + cart + `","token":"a"}`, 200, "{}"},
		"Flagger may go on":         {board{answer: yes}, deployment.FlaggerPath, flagger, 200, `"allowed":true`},
		"Flagger must halt":         {board{answer: held}, deployment.FlaggerPath, flagger, 403, "ann holds it"},
		"Flagger names nothing":     {board{answer: yes}, deployment.FlaggerPath, `{"name":"cart","metadata":{}}`, 400, `"field":"metadata.component"`},
	} {
		code, said := post(t, &c.b, c.path, "token", c.body)
		if code != c.code || !strings.Contains(said, c.says) || !json.Valid([]byte(said)) {
			t.Errorf("%s: answer %d %s, want %d %s", name, code, said, c.code, c.says)
		}
		if c.code == 400 && len(c.b.asked) > 0 {
			t.Errorf("%s: it was asked all the same", name)
		}
	}
	b := board{answer: yes}
	if code, _ := post(t, &b, deployment.CheckPath, "another", `{"component":"`+cart+`","to":"2"}`); code != 401 || len(b.asked) > 0 {
		t.Errorf("without our token: answer %d", code)
	}
	post(t, &b, deployment.FlaggerPath, "token", flagger)
	want := backout.Deployment{Component: cart, To: "2", Digest: "sha256:aa", Owner: "flagger shop/cart"}
	if len(b.asked) != 1 || b.asked[0] != want {
		t.Errorf("Flagger's question became %+v, want %+v", b.asked, want)
	}
}
