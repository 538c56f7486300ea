package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
)

const callers = shop + `---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {type: service, lifecycle: production, owner: x, dependsOn: [component:payment]}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {kind: deployment, service: checkout, environment: production, location: eu-1}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: ledger}
spec: {kind: schema, service: payment, environment: production, location: eu-1}
---
apiVersion: backout.dev/v1alpha1
kind: Journey
metadata: {name: buy}
spec: {services: [checkout, payment], valuePerMinute: 120 EUR}
`

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// openAPI is a spec with one path.
func openAPI(path string) string {
	return "openapi: 3.0.3\ninfo: {title: payment, version: '1'}\npaths:\n  " + path + ":\n    get: {responses: {'200': {description: ok}}}\n"
}

func knowing(t *testing.T, a *app.App) backout.Knowing {
	t.Helper()
	code, out, errs := runOn(t, a, "contracts", "-o", "json")
	var k backout.Knowing
	if err := json.Unmarshal([]byte(out), &k); err != nil || code != 0 {
		t.Fatalf("%d %v %s%s", code, err, out, errs)
	}
	return k
}

func TestContracts_fromWhatPipelinesHandIn(t *testing.T) {
	for _, name := range runs {
		t.Setenv(name, "")
	}
	a := serveShop(t, "", callers)
	minutes := func(n int) string { return time.Now().UTC().Add(time.Duration(-n) * time.Minute).Format(time.RFC3339) }
	record := func(args ...string) {
		t.Helper()
		if code, out, errs := runOn(t, a, append([]string{"change", "record"}, args...)...); code != 0 {
			t.Fatalf("%v: %d %s%s", args, code, out, errs)
		}
	}
	payment := []string{"--service", "payment", "--location", "eu-1"}
	record(append(payment, "--from", "0", "--to", "1", "--at", minutes(60), "--spec", written(t, "payment.yaml", openAPI("/cards")))...)
	record("--service", "checkout", "--location", "eu-1", "--from", "6", "--to", "7", "--at", minutes(40))
	record(append(payment, "--from", "1", "--to", "2", "--at", minutes(20), "--spec", written(t, "payment.yaml", openAPI("/v2/cards")))...)
	record("--service", "checkout", "--location", "eu-1", "--from", "7", "--to", "8", "--at", minutes(10), "--built-against", "payment=1")
	record("--component", "schema:ledger@production/eu-1", "--from", "41", "--to", "42", "--at", minutes(15),
		"--migration", written(t, "42_gift.sql", "-- +goose Up\nALTER TABLE orders ADD gift TEXT;\n-- +goose Down\nALTER TABLE orders DROP gift;\n"))

	said := map[string]bool{}
	for _, x := range knowing(t, a).Known {
		if x.Source != backout.ContractObserved {
			said[strings.Join([]string{x.Consumer.Name(), x.Provider.Name(), string(x.Source), x.What}, " ")] = x.Allows
		}
	}
	for what, allows := range map[string]bool{
		"checkout payment spec 7 with 1": true, "checkout payment spec 7 with 2": false, // built against 1, the one that was live
		"checkout payment spec 8 with 1": true, "checkout payment spec 8 with 2": false, // as its pipeline said
		"payment ledger migration 2 with 42": true, "payment ledger migration 2 with 41": true,
	} {
		if got, ok := said[what]; !ok || got != allows {
			t.Errorf("%s: %t, %t, want %t; all: %v", what, got, ok, allows, said)
		}
	}
	code, out, _ := runOn(t, a, "contracts")
	if code != 0 || !strings.Contains(out, "built against 1, and at 2 GET /cards: api path removed") || !strings.Contains(out, "90 %") {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ = runOn(t, a, "contracts", "missing")
	if want := "1. deployment:checkout@production/eu-1 needs schema:ledger@production/eu-1: 120.00 EUR a minute at stake"; code != 0 || !strings.HasPrefix(out, want) {
		t.Errorf("%d %s", code, out)
	}
}

func TestChangeRecord_refusesFilesThatCantBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"spec":          {[]string{"--spec", written(t, "a.yaml", "openapi: [\n")}, "a.yaml:1: expected OpenAPI 3"},
		"proto":         {[]string{"--spec", written(t, "a.proto", "syntax = \"proto3\";\nmessage {}\n")}, "a.proto:2: expected Protocol Buffers"},
		"migration":     {[]string{"--migration", written(t, "a.sql", "DROP TABLE a;")}, "a.sql:1: expected a section -- +goose Up"},
		"kind":          {[]string{"--spec", written(t, "a.txt", "x")}, "expected a file named .yaml"},
		"nothing there": {[]string{"--spec", "nowhere.yaml"}, "nowhere.yaml"},
		"too large":     {[]string{"--spec", written(t, "a.yaml", strings.Repeat("#", backout.MaxAttachment+1))}, "expected at most 524288"},
		"built against": {[]string{"--built-against", "payment"}, `--built-against "payment": expected provider=version`},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"change", "record", "--service", "payment", "--location", "eu-1", "--to", "2", "--server", "http://127.0.0.1:1"}, c.args...)
		if code := Main(args, &out, &errs); code != 2 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: %d %s, want %q", name, code, errs.String(), c.want)
		}
	}
}

func TestContracts_ofAFolder(t *testing.T) {
	dir := t.TempDir()
	contract := "---\napiVersion: backout.dev/v1alpha1\nkind: Contract\nmetadata: {name: C-1}\nspec: {consumer: 'deployment:checkout@production/eu-1', provider: 'deployment:payment@production/eu-1', rules: [{when: {from: '7'}, needs: {from: '2'}}]}\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(callers+contract), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := Main([]string{"contracts", dir}, &out, &errs); code != 0 || !strings.Contains(out.String(), "contract C-1: 7 or later needs 2 or later") || !strings.Contains(out.String(), "declared") {
		t.Errorf("%d %s%s", code, out.String(), errs.String())
	}
	out.Reset()
	if code := Main([]string{"contracts", "missing", dir}, &out, &errs); code != 0 || strings.Contains(out.String(), "needs deployment:payment") || !strings.Contains(out.String(), "--migration FILE") {
		t.Errorf("%d %s%s", code, out.String(), errs.String())
	}
	recording := t.TempDir()
	if err := os.Mkdir(filepath.Join(recording, "catalog"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"catalog/shop.yaml": callers, "metrics.om": "# EOF\n",
		"changes.jsonl": `{"source":"ci","native_id":"1","at":"2026-03-04T05:00:00Z","component":"deployment:payment@production/eu-1","from":"1","to":"2","attachments":[{"kind":"openapi","name":"p.yaml","body":"` + base64Of(openAPI("/cards")) + `"}]}` + "\n" +
			`{"source":"ci","native_id":"2","at":"2026-03-04T05:10:00Z","component":"deployment:checkout@production/eu-1","from":"6","to":"7"}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(recording, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out.Reset()
	if code := Main([]string{"contracts", recording}, &out, &errs); code != 0 || !strings.Contains(out.String(), "7 with 2 (built against 2") {
		t.Errorf("%d %s%s", code, out.String(), errs.String())
	}
	if code := Main([]string{"contracts", filepath.Join(dir, "nothing")}, &out, &errs); code != 2 {
		t.Errorf("no folder: %d", code)
	}
}
