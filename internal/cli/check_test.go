package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

const checkShop = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: payment}
spec: {type: service, lifecycle: production, owner: x, dependsOn: [component:cart]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: cart}
spec: {type: service, lifecycle: production, owner: x}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: payment}
spec: {kind: deployment, service: payment, environment: production, location: eu-1, instances: 3}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: payment}
spec: {kind: deployment, service: payment, environment: production, location: us-1, instances: 3}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: cart}
spec: {kind: deployment, service: cart, environment: production, location: eu-1, instances: 3}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: ledger}
spec: {kind: schema, service: payment, environment: production, location: eu-1}
---
apiVersion: backout.dev/v1alpha1
kind: Contract
metadata: {name: old-payment-old-ledger}
spec:
  consumer: deployment:payment@production/eu-1
  provider: schema:ledger@production/eu-1
  reason: 2.14 and earlier read the column that 43 drops
  rules: [{when: {to: 2.14.0}, needs: {to: "42"}}]
---
apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: s}
spec: {signals: [{name: errors, kind: errors, direction: up, query: 'sum by (service) (rate(e[$window])) * $step_s', total: 'sum by (service) (rate(r[$window])) * $step_s', opens: true}]}
`

// A pipeline asks before it ships, by files alone.
func TestCheck_byFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("catalog/shop.yaml", checkShop)
	changes := write("changes.jsonl", `{"source":"ci","native_id":"1","at":"2026-11-24T09:20:00Z","component":"deployment:cart@production/eu-1","from":"7","to":"8","share_ratio":1}
{"source":"ci","native_id":"2","at":"2026-11-24T09:30:00Z","component":"deployment:payment@production/eu-1","from":"2.13.0","to":"2.14.0","share_ratio":1}
`)
	oneWay := write("replay.yaml", "reversals: [{component: 'schema:ledger@production/eu-1', loss: one_way, lost: 'the column is gone'}]\n")
	lossless := write("lossless.yaml", "reversals: [{component: 'schema:ledger@production/eu-1', loss: lossless, until: 2026-11-25T00:00:00Z}]\n")
	broken := write("broken.yaml", "reversals: [{component: 'schema:x@production/eu-1', loss: lossless}]\n")
	base := []string{"check", "--service", "payment", "--version", "2.15.0", "--location", "eu-1", "--catalog", filepath.Join(dir, "catalog"), "--at", "2026-11-24T09:40:00Z"}
	ledger := []string{"--component", "schema:ledger@production/eu-1=43", "--live", "schema:ledger@production/eu-1=42"}
	for name, c := range map[string]struct {
		args []string
		code int
		want []string // on stdout for an answer, on stderr for an error
	}{
		"what runs is in the changes": {[]string{"--changes", changes, "--live", "schema:ledger@production/eu-1=42"}, 0, []string{"payment 2.15.0: ✔ can go back", "payment goes back to 2.14.0 in 2 stages", "can be undone without loss"}},
		"what runs is said":           {[]string{"--from", "2.14.0", "--live", "schema:ledger@production/eu-1=42"}, 0, []string{"✔ can go back"}},
		"what runs is not known":      {nil, 1, []string{"it is not known what runs of deployment:payment@production/eu-1: expected the version to go back to, by --from"}},
		"the neighbour's version too": {[]string{"--from", "2.14.0"}, 2, []string{"? can go back, not proven", "contract old-payment-old-ledger can't be checked"}},
		"with a one-way migration": {append([]string{"--changes", changes, "--settings", oneWay}, ledger...), 2,
			[]string{"payment 2.15.0: ✖ one way", "payment 2.14.0 does not work with schema ledger 43 (contract old-payment-old-ledger)", "what to do: split the migration of schema ledger", "schema ledger 43: ✖ one way", "nobody could promise to undo this"}},
		"with a migration that can be undone": {append([]string{"--changes", changes, "--settings", lossless}, ledger...), 0,
			[]string{"✔ can go back until 2026-11-25 00:00 UTC", "schema ledger goes back with it to 42"}},
		"nobody says what the migration loses": {append([]string{"--changes", changes}, ledger...), 2, []string{"schema ledger 43: ? nobody knows", "a recording can't tell what taking a schema back loses"}},
		"everywhere":                           {[]string{"--changes", changes, "--location", ""}, 1, []string{"what runs of deployment:payment@production/us-1"}},
		"no such service":                      {[]string{"--service", "x"}, 1, []string{`no deployment of service x`}},
		"no such file":                         {[]string{"--changes", "none.jsonl"}, 1, []string{"--changes: open none.jsonl"}},
		"a file that is wrong":                 {[]string{"--settings", broken}, 1, []string{"broken.yaml:1:reversals: the catalog knows no component schema:x"}},
		"no such format":                       {[]string{"-o", "xml"}, 1, []string{`-o "xml": expected text, json or markdown`}},
		"a component of no form":               {[]string{"--component", "ledger"}, 1, []string{`component id "ledger": expected kind:name@environment/location`}},
	} {
		code, out, errs := runAlone(append(append([]string{}, base...), c.args...)...)
		text := out
		if c.code == 1 {
			text = errs
		}
		for _, want := range c.want {
			if code != c.code || !strings.Contains(text, want) {
				t.Errorf("%s: exit %d, %q %q; want %d and %q", name, code, out, errs, c.code, want)
			}
		}
	}
	args := append(append(append([]string{}, base...), "--changes", changes, "--settings", oneWay, "-o", "markdown"), ledger...)
	code, out, _ := runAlone(args...)
	for _, want := range []string{"### Can this release be undone?", "| `deployment:payment@production/eu-1` `2.14.0` → `2.15.0` | ✖ one way |", "**What to do about it**\n\n- split the migration", "as of 2026-11-24T09:40:00Z"} {
		if code != 2 || !strings.Contains(out, want) {
			t.Errorf("markdown: exit %d, misses %q:\n%s", code, want, out)
		}
	}
	var answer backout.ReleaseCheck
	code, out, _ = runAlone(append(append([]string{}, base...), "--from", "2.14.0", "--live", "schema:ledger@production/eu-1=42", "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &answer); code != 0 || err != nil || !answer.Reversible || answer.Format != 1 || answer.Releases[0].From != "2.14.0" || !answer.Releases[0].Plan.Certificate.Safe {
		t.Errorf("json: exit %d, %v, %s", code, err, out)
	}
}

// The same question to a running backout, which asks its actuators.
func TestCheck_byARunningBackout(t *testing.T) {
	f := serveFlags(t, "")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a flag":                 {[]string{"--component", string(express) + "=off"}, 0, "flag express off: ✔ can go back"},
		"runs already":           {[]string{"--component", string(express) + "=on"}, 1, "runs on already"},
		"from what it never was": {[]string{"--component", string(express), "--version", "off", "--from", "paused"}, 2, "flag express off: ✖ one way"},
		"nothing can move it":    {[]string{"--service", "payment", "--version", "2", "--from", "1"}, 2, "? nobody knows\n  · no actuator can move it\n  → what to do: give payment an actuator"},
		"nothing asked":          {nil, 1, "expected a service or a component"},
	} {
		if code, out, errs := runOn(t, f.a, append([]string{"check"}, c.args...)...); code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%s: exit %d, %q %q; want %d and %q", name, code, out, errs, c.code, c.want)
		}
	}
}

func TestPlan_byFilesAndReplay(t *testing.T) {
	release := filepath.Join("..", "app", "replay", "testdata", "release")
	path := filepath.Join(t.TempDir(), "p.json")
	code, out, errs := runAlone("plan", "--replay", release, "--at", "2026-11-24T10:05:00Z", "--out", path)
	if code != 2 || !strings.Contains(out, "W1 - payment   2.4.0 → 2.3.1") || strings.Contains(out, "backout apply") {
		t.Fatalf("replay: exit %d, %s%s", code, out, errs)
	}
	if code, out, _ := runAlone("show", path); code != 0 || !strings.Contains(out, "W1 - payment   2.4.0 → 2.3.1") {
		t.Errorf("show: exit %d, %s", code, out)
	}
	args := []string{"plan", "--catalog", filepath.Join(release, "catalog"), "--changes", filepath.Join(release, "changes.jsonl"), "--at", "2026-11-24T10:05:00Z"}
	if code, out, errs := runAlone(append(args, "--change", "payment", "-o", "json")...); code != 2 || !strings.Contains(out, `"applyable": true`) {
		t.Errorf("by files: exit %d, %s%s", code, out, errs)
	}
	if code, _, errs := runAlone(args...); code != 1 || !strings.Contains(errs, "--change must say which") {
		t.Errorf("no change named: exit %d, %s", code, errs)
	}
	if code, _, errs := runAlone(append(args, "--change", "production")...); code != 1 || !strings.Contains(errs, "4 of the 4 changes") && !strings.Contains(errs, "expected one") {
		t.Errorf("many are called so: exit %d, %s", code, errs)
	}
	if code, out, errs := runAlone("plan", "--replay", release, "--to", "x"); code != 1 {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	if code, _, errs := runAlone("diff", path, "none.json"); code != 1 || !strings.Contains(errs, "none.json") {
		t.Errorf("a file that is missing: exit %d, %s", code, errs)
	}
}
