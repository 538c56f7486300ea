package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

func TestIncidentPage_saysWhatStandsInTheWayAndWhatGoingBackDoes(t *testing.T) {
	srv, w := newTestServer(t)
	plan := w.incidents[0].Plan
	plan.Waves[0].Steps[0].SideEffects = []backout.SideEffect{{Words: "caches start cold", Priced: true, Cost: backout.Money{Minor: 6000, Currency: "EUR"}}}
	plan.Impossible = []backout.Impossibility{{
		Component: "deployment:fraud@p/e", To: "5", P: .2, Why: "neither <first>",
		Waits:   []backout.Wait{{First: "deployment:pay@p/e", Then: "deployment:fraud@p/e", Contract: "K0", Words: "these"}},
		Cells:   []backout.Cell{{A: "deployment:fraud@p/e", B: "deployment:pay@p/e", AVersion: "5", BVersion: "2", Now: true}, {AVersion: "4", BVersion: "2", Contract: "K1", Words: "those"}},
		WaysOut: []backout.WayOut{{Words: "ship another pay"}},
	}}
	code, page := do(t, http.MethodGet, srv.URL+"/incidents/INC-1", "", nil)
	for _, want := range []string{
		"by itself: caches start cold (about €60)", "What keeps fraud 5 (20 %) from going back", "neither &lt;first&gt;", "pay must go back before fraud: contract K0 forbids these",
		"<td>5</td><td>2</td><td>what runs now</td>", "<td>4</td><td>2</td><td>not allowed by contract K1: those</td>", "<li>ship another pay</li>",
	} {
		if code != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("status %d, missing %q", code, want)
		}
	}
}
