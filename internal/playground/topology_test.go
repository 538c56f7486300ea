package playground

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func TestTopology_isWhole(t *testing.T) {
	for _, blind := range []bool{false, true} {
		top := build(7, blind)
		own, externals := 0, map[string]int{}
		for i := range top.services {
			s := &top.services[i]
			if s.own() {
				own++
				if s.instances < 2 || s.instances > 3 {
					t.Errorf("%s has %d instances, expected 2 or 3", s.name, s.instances)
				}
			}
			checkCalls(t, top, s, externals)
		}
		if own < 50 {
			t.Errorf("%d services, expected at least 50", own)
		}
		if len(externals) < 3 || externals[top.outward["card-network"]] < 3 {
			t.Errorf("external providers and their callers: %v, expected three, one with three callers", externals)
		}
		checkReleases(t, top)
	}
}

func checkCalls(t *testing.T, top *topology, s *service, externals map[string]int) {
	t.Helper()
	for _, o := range s.ops {
		for _, c := range o.calls {
			to := top.service(c.to)
			if to == nil || to.op(c.op) == nil || c.flagOp != "" && to.op(c.flagOp) == nil {
				t.Fatalf("%s.%s calls %s.%s (%s), which does not exist", s.name, o.name, c.to, c.op, c.flagOp)
			}
			if c.flag != "" && !slices.ContainsFunc(top.toggles, func(f toggle) bool { return f.name == c.flag }) {
				t.Errorf("%s.%s asks flag %s, which does not exist", s.name, o.name, c.flag)
			}
		}
	}
	for _, e := range top.edges(s) {
		if to := top.service(e.to); to.external() {
			externals[e.to]++
		}
	}
}

func checkReleases(t *testing.T, top *topology) {
	t.Helper()
	for _, s := range top.services {
		v := s.versions()
		if !slices.IsSortedFunc(v, func(a, b string) int { return backout.CompareVersions(backout.Version(a), backout.Version(b)) }) || v[0] == v[1] || v[1] == v[2] {
			t.Errorf("%s has releases %v, expected three in rising order", s.name, v)
		}
	}
}

func TestTopology_everyJourneyIsServed(t *testing.T) {
	top := build(1, false)
	shares, services := 0.0, 0.0
	for _, tr := range top.loadPlan(200).Trips {
		shares += tr.Share
		seen := map[string]bool{}
		for _, r := range tr.Requests {
			for _, s := range top.critical("gateway", r) {
				seen[s] = true
			}
			if top.service("gateway").op(r) == nil {
				t.Errorf("journey %s of %s asks for %q", tr.Journey, tr.Client, r)
			}
		}
		services += tr.Share * float64(len(seen))
	}
	if shares < .999 || shares > 1.001 {
		t.Errorf("shares of trips add up to %g", shares)
	}
	if services < 4 {
		t.Errorf("a transaction needs %.1f services on average, expected at least 4", services)
	}
	if got := top.edges(top.service("checkout")); !slices.Contains(got, edge{to: "inventory", holds: true}) {
		t.Errorf("checkout's callees are %v, expected one that hands out reservations", got)
	}
}

func TestBuild_followsTheSeed(t *testing.T) {
	same := func(a, b *topology) string {
		return cmp.Diff(a.services, b.services, cmp.AllowUnexported(service{}, op{}, call{}))
	}
	if d := same(build(5, true), build(5, true)); d != "" {
		t.Errorf("the same seed gives another topology:\n%s", d)
	}
	if same(build(5, true), build(6, true)) == "" || same(build(5, false), build(6, false)) == "" {
		t.Error("another seed gives the same topology")
	}
}

// tableNames are all the words that a blind run must not show.
func tableNames() []string {
	t := table()
	var out []string
	for _, s := range t.services {
		out = append(out, s.name, s.system, s.owner)
		for _, o := range s.ops {
			if strings.Contains(o.name, "-") {
				out = append(out, o.name)
			}
		}
	}
	for _, j := range t.journeys {
		out = append(out, j.name, j.title)
	}
	for _, c := range t.clients {
		out = append(out, c.name)
	}
	for _, c := range t.settings {
		out = append(out, c.name, c.title)
	}
	for _, s := range t.splits {
		out = append(out, s.name)
	}
	for _, f := range t.toggles {
		out = append(out, f.name, f.title)
	}
	return out
}
