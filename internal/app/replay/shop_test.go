package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// shop makes recordings of eight services: one release hurts, the rest is noise.
type shop struct {
	minutes int           // of recording
	onset   int           // minute of the bad release's first stage; 0 = none hurts
	scrape  time.Duration // between samples
	seed    uint64
	// What a test does to the same facts.
	until   time.Time           // nothing later is written; zero = everything
	rename  func(string) string // of services
	release func(string) string // of versions
	shuffle bool                // the order of the file
	padding int                 // services that nobody calls
}

func incident() shop {
	return shop{minutes: 150, onset: 110, scrape: 30 * time.Second, seed: 7}
}

var begin = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// minute is a moment of the recording.
func minute(m float64) time.Time { return begin.Add(time.Duration(m * float64(time.Minute))) }

var calls = map[string][]string{
	"web": {"cart", "catalog", "checkout"}, "catalog": {"search"}, "checkout": {"payment", "inventory"}, "payment": {"ledger"},
	"cart": nil, "search": nil, "inventory": nil, "ledger": nil,
}

var order = []string{"web", "cart", "catalog", "checkout", "payment", "inventory", "ledger", "search"}

// harm is how much of a service's requests the bad release touches, by service.
var harm = map[string]float64{"payment": 1, "checkout": .7, "web": .25}

const culprit = "deployment:payment@production/eu-1=2.4.0"

func (s shop) names(n string) string {
	if s.rename != nil {
		return s.rename(n)
	}
	return n
}

func (s shop) version(v string) string {
	if s.release != nil {
		return s.release(v)
	}
	return v
}

func (s shop) change(n int, m float64, kind backout.ComponentKind, service, from, to string, share float64) backout.Observation {
	return backout.Observation{
		Source: "ci", NativeID: fmt.Sprintf("run-%d", n), At: minute(m), Component: backout.NewComponentID(kind, s.names(service), "production", "eu-1"),
		From: backout.Version(s.version(from)), To: backout.Version(s.version(to)), Share: share, Actor: "ci",
	}
}

// changes are the bad release in two stages and what was shipped around it.
func (s shop) changes() []backout.Observation {
	m := float64(s.onset)
	if s.onset == 0 {
		m = 110
	}
	out := []backout.Observation{
		s.change(1, m-30, backout.KindConfig, "cart", "8", "9", 1),
		s.change(2, m-12, backout.KindDeployment, "search", "1.9.2", "1.10.0", 1),
		s.change(3, m-6, backout.KindDeployment, "inventory", "3.1.0", "3.2.0", 1),
		s.change(4, m, backout.KindDeployment, "payment", "2.3.1", "2.4.0", 1.0/3),
		s.change(5, m+2, backout.KindDeployment, "payment", "2.3.1", "2.4.0", 1),
		s.change(6, m+6, backout.KindFlag, "checkout", "off", "on", 1),
		s.change(7, m+20, backout.KindDeployment, "catalog", "5.0.0", "5.1.0", 1),
	}
	return out
}

// write makes the folder.
func (s shop) write(t testing.TB, dir string) string {
	t.Helper()
	files := map[string]string{"catalog/services.yaml": s.services(), "catalog/policy.yaml": policyYAML, "signals.yaml": signalsYAML, "changes.jsonl": s.jsonl(t), "metrics.om": s.metrics(), "replay.yaml": s.settings()}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s shop) settings() string {
	text := "step: 1m\n"
	if s.onset == 0 {
		return text
	}
	c := s.change(0, 0, backout.KindDeployment, "payment", "", "2.4.0", 1)
	return text + fmt.Sprintf("incidents:\n  - at: %s\n    culprits: [\"%s=%s\"]\n", minute(float64(s.onset)).Format(time.RFC3339), c.Component, c.To)
}

func (s shop) services() string {
	var b strings.Builder
	for _, name := range order {
		deps := []string{}
		for _, d := range calls[name] {
			deps = append(deps, "component:"+s.names(d))
		}
		fmt.Fprintf(&b, "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: %s}\nspec: {type: service, dependsOn: [%s]}\n---\n", s.names(name), strings.Join(deps, ", "))
		for _, kind := range []string{"deployment", "config", "flag"} {
			fmt.Fprintf(&b, "apiVersion: backout.dev/v1alpha1\nkind: Component\nmetadata: {name: %s}\nspec: {kind: %s, service: %s, environment: production, location: eu-1, instances: 3}\n---\n", s.names(name), kind, s.names(name))
		}
	}
	fmt.Fprintf(&b, "apiVersion: backout.dev/v1alpha1\nkind: Journey\nmetadata: {name: buy}\nspec: {services: [%s, %s], valuePerMinute: 120.00 EUR}\n", s.names("web"), s.names("checkout"))
	return b.String()
}

const policyYAML = "apiVersion: backout.dev/v1alpha1\nkind: Policy\nmetadata: {name: shop}\nspec: {autonomy: act, coldStart: act-if-reversible}\n"

const signalsYAML = `apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: shop}
spec:
  signals:
    - {name: service-errors, kind: errors, direction: up, opens: true, query: 'sum by (service) (rate(requests_total{result="error"}[$window])) * $step_s', total: 'sum by (service) (rate(requests_total[$window])) * $step_s'}
    - {name: service-latency, kind: latency, direction: up, opens: true, query: 'sum by (service) (rate(request_seconds_sum[$window])) * $step_s', total: 'sum by (service) (rate(requests_total[$window])) * $step_s'}
`

func (s shop) jsonl(t testing.TB) string {
	t.Helper()
	lines := []string{}
	for _, o := range s.changes() {
		if !s.until.IsZero() && o.At.After(s.until) {
			continue
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(b)+"\n")
	}
	s.mix(lines)
	return strings.Join(lines, "")
}

func (s shop) mix(lines []string) {
	if s.shuffle {
		rand.New(rand.NewPCG(s.seed, 99)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	}
}

// metrics writes the samples, series after series.
func (s shop) metrics() string {
	blocks := []string{}
	names := append([]string{}, order...)
	for i := range s.padding {
		names = append(names, fmt.Sprintf("idle-%03d", i))
	}
	for i, name := range names {
		blocks = append(blocks, s.series(i, name)...)
	}
	s.mix(blocks)
	return strings.Join(blocks, "") + "# EOF\n"
}

func (s shop) series(i int, name string) []string {
	r := rand.New(rand.NewPCG(s.seed, uint64(i)))
	var ok, failed, seconds bytes.Buffer
	var n, bad, sum float64
	rate := 3 + 4*r.Float64() // requests a second
	for m := 0.0; m <= float64(s.minutes); m += s.scrape.Minutes() {
		share := s.share(name, m)
		requests := math.Max(0, math.Round(rate*s.scrape.Seconds()*(1+.08*r.NormFloat64())))
		fails := math.Min(requests, math.Floor(requests*(.004+.08*share)+r.Float64()))
		n, bad = n+requests, bad+fails
		sum += requests * .05 * (1 + 3*share) * math.Exp(.08*r.NormFloat64())
		at := minute(m)
		if !s.until.IsZero() && at.After(s.until) {
			break
		}
		label := s.names(name)
		fmt.Fprintf(&ok, "requests_total{service=%q,result=\"ok\"} %.0f %d\n", label, n-bad, at.Unix())
		fmt.Fprintf(&failed, "requests_total{service=%q,result=\"error\"} %.0f %d\n", label, bad, at.Unix())
		fmt.Fprintf(&seconds, "request_seconds_sum{service=%q} %.3f %d\n", label, sum, at.Unix())
	}
	return []string{ok.String(), failed.String(), seconds.String()}
}

// share is how much of a service's requests meet the bad release.
func (s shop) share(name string, m float64) float64 {
	since := m - float64(s.onset)
	switch {
	case s.onset == 0 || since <= 1:
		return 0
	case since <= 2:
		return harm[name] / 3
	}
	return harm[name]
}
