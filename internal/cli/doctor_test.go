package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/web"
)

// Which attempts have ended is the running backout's word; that it has none of a name, and
// that nobody answers, are told apart.
func TestDoctor_asksWhichAttemptsHaveEnded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/incidents/INC-1" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(backout.Incident{ID: "INC-1", Attempts: []backout.Attempt{{ID: "INC-1/1", EndedAt: time.Now()}, {ID: "INC-1/2"}}})
	}))
	ask := attemptsOf(&web.Client{URL: srv.URL})
	for id, ended := range map[backout.AttemptID]bool{"INC-1/1": true, "INC-1/2": false} {
		if a, err := ask(t.Context(), id); err != nil || a.ID != id || a.EndedAt.IsZero() == ended {
			t.Errorf("%s: %+v, %v", id, a, err)
		}
	}
	for _, id := range []backout.AttemptID{"INC-1/3", "INC-2/1", "", "/1"} {
		if _, err := ask(t.Context(), id); backout.CodeOf(err) != backout.CodeNotFound {
			t.Errorf("%q: %v, want not found", id, err)
		}
	}
	srv.Close()
	if _, err := ask(t.Context(), "INC-1/1"); backout.CodeOf(err) != backout.CodeUnavailable {
		t.Errorf("nobody answers: %v", err)
	}
}

func TestDoctor_cleansNothingWithoutACatalog(t *testing.T) {
	if code, _, errs := run("doctor", "--clean"); code == 0 || !strings.Contains(errs, "expected --catalog with it") {
		t.Errorf("%d %s", code, errs)
	}
	dir := t.TempDir()
	doc := "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: web}\nspec: {type: service, lifecycle: production, owner: x}\n"
	if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := run("doctor", "--catalog", dir); code != 0 || !strings.Contains(out, "names no cluster") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}
