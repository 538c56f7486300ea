package web

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

type shelf struct{ kept []backout.Precedent }

func (s *shelf) Import(_ context.Context, all []backout.Precedent) (backout.Kept, error) {
	s.kept = append(s.kept, all...)
	return backout.Kept{New: len(all)}, nil
}

func TestImport_needsATokenAndIsChecked(t *testing.T) {
	_, w := newTestServer(t)
	kept := &shelf{}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Importer: kept, Token: "secret", Step: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	good := backout.Precedent{Format: 1, ID: "wiki:1", Source: "wiki", At: time.Unix(1, 0).UTC(), Label: backout.LabelNone, Outcome: backout.PrecedentTold, Signature: backout.Signature{Services: []backout.ServiceID{"pay"}}}
	if _, err := (&Client{URL: srv.URL}).Import(t.Context(), []backout.Precedent{good}); err == nil || len(kept.kept) != 0 {
		t.Errorf("without a token: %v, kept %d", err, len(kept.kept))
	}
	cl := &Client{URL: srv.URL, Token: "secret"}
	if k, err := cl.Import(t.Context(), []backout.Precedent{good}); err != nil || k.New != 1 || len(kept.kept) != 1 || kept.kept[0].Signature.Services[0] != "pay" {
		t.Errorf("%+v, %v, %+v", k, err, kept.kept)
	}
	yes := true
	for want, spoil := range map[string]func(*backout.Precedent){
		"source":  func(p *backout.Precedent) { p.Source = "" },
		"id":      func(p *backout.Precedent) { p.ID = "INC-1" },
		"at":      func(p *backout.Precedent) { p.At = time.Time{} },
		"outcome": func(p *backout.Precedent) { p.Outcome = backout.PrecedentVerified },
		"label":   func(p *backout.Precedent) { p.Label = "gremlins" },
		"gates":   func(p *backout.Precedent) { p.Right = &yes },
	} {
		bad := good
		spoil(&bad)
		if _, err := cl.Import(t.Context(), []backout.Precedent{good, bad}); err == nil || !strings.Contains(err.Error(), want) || len(kept.kept) != 1 {
			t.Errorf("%s: %v, kept %d", want, err, len(kept.kept))
		}
	}
}

// The page tells both answers about the end while a plan waits, and what the incident is
// like; where no plan waits there is no end to tell of.
func TestIncidentPage_tellsTheEndAndThePast(t *testing.T) {
	srv, w := newTestServer(t)
	m := func(n int) backout.Duration { return backout.Duration(time.Duration(n) * time.Minute) }
	any50, inc := m(16), &w.incidents[0]
	inc.ETA = &backout.ETA{At: time.Unix(0, 0), P10: m(9), P50: m(14), P90: m(23), Right: .88, Any50: &any50}
	inc.Likeness = &backout.Likeness{N: 34, Novelty: backout.NoveltyNovel, P: .03}
	_, page := do(t, "GET", srv.URL+"/incidents/INC-1", "", nil)
	for _, want := range []string{
		"<b>When it ends:</b> Back about 14 min after a yes (9-23 min) if the diagnosis is right (88 %); right or not: in 16 min with 50 %; with 90 % no end can be foreseen.",
		"<b>Seen before?</b> Nothing like this in 34 incidents (p = 0.03).",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	inc.State = backout.StateRecovered
	if _, page = do(t, "GET", srv.URL+"/incidents/INC-1", "", nil); strings.Contains(page, "When it ends") {
		t.Error("an incident that is over is foretold an end")
	}
}
