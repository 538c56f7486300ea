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
