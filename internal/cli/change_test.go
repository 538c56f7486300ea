package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
)

const shop = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: payment}
spec: {type: service, lifecycle: production, owner: x}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: payment}
spec: {kind: deployment, service: payment, environment: production, location: eu-1}
---
apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: s}
spec: {signals: [{name: errors, kind: errors, direction: up, query: 'sum by (service) (rate(e[$window])) * $step_s', total: 'sum by (service) (rate(r[$window])) * $step_s', opens: true}]}
`

// serve runs a backout that can measure nothing, which is enough to take facts.
func serve(t *testing.T, secrets string) *app.App {
	t.Helper()
	return serveShop(t, secrets, shop)
}

// serveShop is serve with a catalog.
func serveShop(t *testing.T, secrets, shop string) *app.App {
	t.Helper()
	catalog, data := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(catalog, "shop.yaml"), []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	c := app.Config{Catalog: catalog, Data: data, Prometheus: "http://127.0.0.1:1"}
	if secrets != "" {
		c.WebhookSecretFile = filepath.Join(catalog, "secrets")
		if err := os.WriteFile(c.WebhookSecretFile, []byte(secrets), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := app.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a
}

func runOn(t *testing.T, a *app.App, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(append(args, "--server", a.URL(), "--token-file", a.TokenFile()), &o, &e)
	return code, o.String(), e.String()
}

func TestChangeRecord_andStatusShowIt(t *testing.T) {
	for _, name := range runs {
		t.Setenv(name, "")
	}
	a := serve(t, "")
	at := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339)
	step := []string{"change", "record", "--service", "payment", "--location", "eu-1", "--from", "2.13.2", "--to", "2.14.0", "--share", ".5", "--security", "CVE-2026-1234", "--at", at, "-o", "json"}
	for range 2 { // a step that is run again
		code, out, errs := runOn(t, a, step...)
		var said struct {
			Accepted    int
			Observation backout.Observation
		}
		if err := json.Unmarshal([]byte(out), &said); code != 0 || err != nil || said.Accepted != 1 || said.Observation.Component != "deployment:payment@production/eu-1" || said.Observation.Share != .5 {
			t.Fatalf("exit %d, %v, %q %q", code, err, out, errs)
		}
	}
	if code, out, _ := runOn(t, a, "change", "record", "--component", "flag:express@production/eu-1", "--to", "on"); code != 0 || !strings.Contains(out, "recorded flag:express@production/eu-1") {
		t.Errorf("exit %d, %q", code, out)
	}
	changes, err := a.Changes(t.Context())
	if err != nil || len(changes) != 2 || len(changes[0].Exposure.Stages) != 1 || changes[0].Security != "CVE-2026-1234" {
		t.Errorf("%+v, %v: want two changes", changes, err)
	}
	if _, out, _ := runOn(t, a, "status"); !strings.Contains(out, "? 1 change on components that the catalog does not know: flag:express@production/eu-1") {
		t.Errorf("status says %q", out)
	}
	if _, out, _ := runOn(t, a, "status", "-o", "json"); !strings.Contains(out, `"unknown":["1 change`) {
		t.Errorf("status says %q", out)
	}
}

func TestChangeRecord_refusals(t *testing.T) {
	a := serve(t, "")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no version":         {[]string{"--component", "deployment:payment@production/eu-1"}, 2, "--to"},
		"no component":       {[]string{"--to", "2"}, 2, "--component"},
		"no location":        {[]string{"--to", "2", "--service", "payment"}, 2, "--location"},
		"both":               {[]string{"--to", "2", "--service", "payment", "--component", "x"}, 2, "either"},
		"a time of no form":  {[]string{"--to", "2", "--component", "deployment:payment@production/eu-1", "--at", "noon"}, 2, "--at"},
		"a place of no form": {[]string{"--to", "2", "--component", "payment"}, 2, "component: component id \"payment\""},
		"two mistakes":       {[]string{"--to", "2", "--component", "payment", "--share", "2"}, 2, "share_ratio"},
	} {
		if code, _, errs := runOn(t, a, append([]string{"change", "record"}, c.args...)...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d, %q; want %d and %q", name, code, errs, c.code, c.says)
		}
	}
	if code := Main([]string{"change", "record", "--to", "2", "--component", "deployment:payment@production/eu-1", "--server", a.URL(), "--token-file", ""}, &bytes.Buffer{}, &bytes.Buffer{}); code != 1 {
		t.Errorf("without a token: exit %d, want 1", code)
	}
}

func TestRecord_idOfARun(t *testing.T) {
	none := func(string) string { return "" }
	github := func(id string) func(string) string {
		return func(name string) string { return map[string]string{"GITHUB_RUN_ID": id}[name] }
	}
	r := record{component: "deployment:payment@production/eu-1", to: "2"}
	id := func(r record, after time.Duration, getenv func(string) string) string {
		t.Helper()
		o, err := r.observation(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).Add(after), getenv)
		if err != nil {
			t.Fatal(err)
		}
		return o.NativeID
	}
	other := r
	other.to = "3"
	if id(r, 0, github("1")) != id(r, time.Hour, github("1")) {
		t.Error("a step that is run again is another change")
	}
	if id(r, 0, github("1")) == id(r, 0, github("2")) || id(r, 0, none) == id(r, time.Hour, none) || id(r, 0, github("1")) == id(other, 0, github("1")) {
		t.Error("another run, another time or another version is the same change")
	}
	r.o.NativeID = "mine"
	if id(r, 0, none) != "mine" {
		t.Error("--id does not count")
	}
}

// One release is told by a webhook, as a CDEvent and on the command line; the
// reports come late, twice and in any order; it is one change.
func TestThreeSources_oneChange(t *testing.T) {
	const sum = "sha256:0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427"
	began := time.Now().UTC().Add(-10 * time.Minute)
	clock := func(m int) string { return began.Add(time.Duration(m) * time.Minute).Format(time.RFC3339) }
	var a *app.App
	post := func(r *http.Request, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+a.Token())
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s", r.URL, res.Status)
		}
	}
	webhook := func(id string, minute int, share string) func() {
		return func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL()+"/v1/observations", strings.NewReader(
				`{"source":"ci","native_id":"`+id+`","at":"`+clock(minute)+`","component":"deployment:payment@production/eu-1","from":"2.13.2","to":"2.14.0","digest":"`+sum+`","share_ratio":`+share+`}`))
			r.Header.Set("Content-Type", "application/json")
			post(r, err)
		}
	}
	cdevent := func(id, predicate string, minute int, custom string) func() {
		return func() {
			ev := cloudevents.NewEvent()
			ev.SetID(id)
			ev.SetSource("/deliver")
			ev.SetType("dev.cdevents.service." + predicate + ".0.3.0")
			if err := ev.SetData(cloudevents.ApplicationJSON, json.RawMessage(`{"context":{"specversion":"0.6.0","id":"`+id+`","source":"/deliver","type":"`+ev.Type()+`","timestamp":"`+clock(minute)+`"},
				"subject":{"id":"payment","content":{"environment":{"id":"production"},"artifactId":"pkg:oci/payment@`+strings.Replace(sum, ":", "%3A", 1)+`"}}`+custom+`}`)); err != nil {
				t.Fatal(err)
			}
			post(cloudevents.NewHTTPRequestFromEvent(cloudevents.WithEncodingBinary(t.Context()), a.URL()+"/v1/cdevents", ev))
		}
	}
	person := func() {
		if code, _, errs := runOn(t, a, "change", "record", "--service", "payment", "--location", "eu-1", "--to", "2.14.0", "--at", clock(2), "--share", ".3"); code != 0 {
			t.Fatal(errs)
		}
	}
	reports := []func(){
		cdevent("1", "deployed", 0, `,"customData":{"backout":{"share_ratio":0.3}}`), webhook("7", 1, "0.3"), person,
		webhook("8", 5, "1"), cdevent("2", "upgraded", 5, ""),
	}
	reports = append(reports, reports...) // each twice
	for range 4 {
		a = serve(t, "")
		rand.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
		for _, tell := range reports {
			tell()
		}
		changes, err := a.Changes(t.Context())
		if err != nil || len(changes) != 1 {
			t.Fatalf("%d changes, %v, want one: %+v", len(changes), err, changes)
		}
		c := changes[0]
		if c.To != "2.14.0" || c.From != "2.13.2" || c.Digest != sum || !slices.Equal(c.Sources, []string{"cdevents", "ci", "cli"}) || len(c.Exposure.Stages) != 2 {
			t.Errorf("%+v: want three sources and two stages of 2.14.0", c)
		}
	}
}

// A signed webhook needs no token; a wrong signature does not come in.
func TestServe_signedWebhooks(t *testing.T) {
	a := serve(t, "It's a Secret to Everybody\n\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
	send := func(sum string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL()+"/v1/observations", strings.NewReader("Hello, World!"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Hub-Signature-256", sum)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	const sum = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got := send(sum); got != http.StatusBadRequest {
		t.Errorf("signed: %d, want 400 for what is in it", got)
	}
	if got := send(strings.Replace(sum, "7", "8", 1)); got != http.StatusUnauthorized {
		t.Errorf("signed wrongly: %d, want 401", got)
	}
}
