package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// reports is a source of one observation a second.
type reports struct{ asked int }

func (r *reports) Observations(_ context.Context, since, until time.Time) ([]backout.Observation, error) {
	r.asked++
	out := []backout.Observation{}
	for at := since; at.Before(until); at = at.Add(time.Second) {
		out = append(out, backout.Observation{Source: "ci", NativeID: fmt.Sprint(at.Unix()), At: at})
	}
	return out, nil
}

func TestObservations_needTheTokenAndComeInParts(t *testing.T) {
	w, facts := &fakeWorld{}, &reports{}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Facts: facts, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	from := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	if _, err := (&Client{URL: srv.URL}).Observations(t.Context(), from, from.Add(time.Minute)); backout.CodeOf(err) != backout.CodeForbidden || facts.asked != 0 {
		t.Errorf("without the token: %v after %d reads, expected forbidden", err, facts.asked)
	}
	c := &Client{URL: srv.URL, Token: "secret"}
	const n = 3 * mostFacts / 2
	all, err := c.Observations(t.Context(), from, from.Add(n*time.Second))
	if err != nil || len(all) != n || facts.asked != 3 {
		t.Fatalf("%d observations in %d reads, %v; expected %d in 3", len(all), facts.asked, err, n)
	}
	for i, o := range all {
		if !o.At.Equal(from.Add(time.Duration(i) * time.Second)) {
			t.Fatalf("observation %d is of %s", i, o.At)
		}
	}
	if code, _ := do(t, "GET", srv.URL+factsPath+"?since=yesterday", "", map[string]string{"Authorization": "Bearer secret"}); code != 422 {
		t.Errorf("a wrong time: status %d, expected 422", code)
	}
}
