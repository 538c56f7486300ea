package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/planfile"
	"github.com/backout-dev/backout/internal/web"
)

// flagShop is a product whose one movable thing is a flag in a file.
const flagShop = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: payment}
spec: {type: service, lifecycle: production, owner: x}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: web}
spec: {type: service, lifecycle: production, owner: x}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: express}
spec: {kind: flag, service: payment, environment: production, location: eu-1, actuator: flagd, locator: 'FLAGS#express'}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: payment}
spec: {kind: deployment, service: payment, environment: production, location: eu-1}
---
apiVersion: backout.dev/v1alpha1
kind: Policy
metadata: {name: p}
spec: {autonomy: ask}
---
apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: s}
spec: {signals: [{name: errors, kind: errors, direction: up, query: 'sum by (service) (rate(e[$window])) * $step_s', total: 'sum by (service) (rate(r[$window])) * $step_s', opens: true}]}
`

const flags = `{"flags":{"express":{"state":"ENABLED","variants":{"off":false,"on":true},"defaultVariant":"on"}}}`

const express = backout.ComponentID("flag:express@production/eu-1")

// calm is a Prometheus in which web has been serving without errors for ever.
func calm(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		value := "1000"
		if strings.Contains(r.Form.Get("query"), "e[") {
			value = "5"
		}
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "query_range") {
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"service":"web"},"value":[%s,"%s"]}]}}`, r.Form.Get("time"), value)
			return
		}
		at := func(name string) float64 { f, _ := strconv.ParseFloat(r.Form.Get(name), 64); return f }
		points := []string{}
		for s := at("start"); s <= at("end")+1e-6; s += at("step") {
			points = append(points, fmt.Sprintf(`[%.3f,"%s"]`, s, value))
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"service":"web"},"values":[%s]}]}}`, strings.Join(points, ","))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// flagged is a running backout that can move a flag, and the flag's file.
type flagged struct {
	*testing.T
	a    *app.App
	file string
	dir  string
}

func serveFlags(t *testing.T, catalogMore string) *flagged {
	t.Helper()
	return serveWritten(t, func(file string) string { return strings.Replace(flagShop, "FLAGS", file, 1) + catalogMore })
}

// serveWritten is serveFlags with a catalog that is written for the flag's file.
func serveWritten(t *testing.T, catalog func(file string) string) *flagged {
	t.Helper()
	f := &flagged{T: t, dir: t.TempDir()}
	f.file = filepath.Join(f.dir, "flags.json")
	for name, text := range map[string]string{"flags.json": flags, "catalog/shop.yaml": catalog(f.file)} {
		path := filepath.Join(f.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := app.New(t.Context(), app.Config{
		Catalog: filepath.Join(f.dir, "catalog"), Data: filepath.Join(f.dir, "data"), Prometheus: calm(t), Step: 250 * time.Millisecond, Minute: 500 * time.Millisecond,
	})
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
	f.a = a
	return f
}

// runAlone runs a command that needs no running backout.
func runAlone(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = Main(args, &o, &e)
	return code, o.String(), e.String()
}

// switched tells that the flag was switched on just now.
func (f *flagged) switched() {
	f.Helper()
	if code, _, errs := runOn(f.T, f.a, "change", "record", "--component", string(express), "--from", "off", "--to", "on", "--at", time.Now().UTC().Add(-time.Second).Format(time.RFC3339Nano)); code != 0 {
		f.Fatal(errs)
	}
}

// alert fires or ends an alert about payment.
func (f *flagged) alert(started time.Time, over bool) {
	f.Helper()
	status, ends := "firing", "0001-01-01T00:00:00Z"
	if over {
		status, ends = "resolved", time.Now().UTC().Format(time.RFC3339Nano)
	}
	body := fmt.Sprintf(`{"receiver":"backout","status":%q,"alerts":[{"status":%q,"labels":{"alertname":"HighErrors","service":"payment","severity":"page"},"annotations":{},"startsAt":%q,"endsAt":%q,"generatorURL":"","fingerprint":"6e1a0d5b9b0d4f3c"}],"groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"","version":"4","groupKey":"x","truncatedAlerts":0}`,
		status, status, started.Format(time.RFC3339Nano), ends)
	r, err := http.NewRequestWithContext(f.Context(), http.MethodPost, f.a.URL()+"/v1/alerts/alertmanager", strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+f.a.Token())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		f.Fatal(res.Status)
	}
}

// until asks again and again, for a minute at most.
func (f *flagged) until(what string, ok func() bool) {
	f.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			f.Fatalf("gave up waiting: %s", what)
		}
	}
}

func (f *flagged) variant() string {
	f.Helper()
	b, err := os.ReadFile(f.file)
	if err != nil {
		f.Fatal(err)
	}
	var doc struct {
		Flags map[string]struct {
			DefaultVariant string          `json:"defaultVariant"`
			Targeting      json.RawMessage `json:"targeting"`
		} `json:"flags"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		f.Fatal(err)
	}
	if flag := doc.Flags["express"]; len(flag.Targeting) == 0 || string(flag.Targeting) == "null" || string(flag.Targeting) == "{}" {
		return flag.DefaultVariant
	}
	return "in between"
}

// From a change to a plan in a file, and through every refusal to the one time that
// it is carried out, by commands against a running backout.
func TestPlan_toFileToApply(t *testing.T) {
	if testing.Short() {
		t.Skip("runs an incident for some seconds")
	}
	f := serveFlags(t, "")
	if code, out, errs := runOn(t, f.a, "plan"); code != 0 || !strings.Contains(out, "no incident is open") {
		t.Errorf("without an incident: exit %d, %q %q", code, out, errs)
	}
	f.switched()
	f.until("the change is prepared", func() bool {
		_, out, _ := runOn(t, f.a, "change", "show", "express")
		return strings.Contains(out, "can go back")
	})
	if code, out, _ := runOn(t, f.a, "change", "show", "express"); code != 0 || !strings.Contains(out, "flag express on: ✔ can go back\n") || !strings.Contains(out, "flag express goes back to off in 2 stages") || !strings.Contains(out, "W1 ~ flag express") {
		t.Errorf("change show says %q", out)
	}
	if _, out, _ := runOn(t, f.a, "change", "list"); !strings.Contains(out, string(express)+"=on#") || !strings.Contains(out, "✔ can go back") {
		t.Errorf("change list says %q", out)
	}

	started := time.Now().UTC()
	f.alert(started, false)
	path := filepath.Join(f.dir, "plan.json")
	var code int
	var out string
	f.until("there is a plan with steps", func() bool {
		code, out, _ = runOn(t, f.a, "plan", "--out", path)
		return code == 2 && strings.Contains(out, "W1 ~ flag express   on → off")
	})
	for _, want := range []string{"What happens", "Why it is safe", "What it costs", "No data, as far as anybody knows", "One person must approve or reject it", "Kept in " + path} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := planfile.Read(path, b)
	if err != nil || !kept.Applyable || kept.Plan.Incident == "" {
		t.Fatalf("%+v, %v", kept, err)
	}
	if code, shown, errs := runOn(t, f.a, "show", path); code != 0 || !strings.Contains(shown, "W1 ~ flag express   on → off") {
		t.Errorf("show: exit %d, %q %q", code, shown, errs)
	}
	prepared := filepath.Join(f.dir, "prepared.json")
	if code, _, errs := runOn(t, f.a, "plan", "--change", "express", "--out", prepared); code != 2 {
		t.Fatalf("plan --change: exit %d, %q", code, errs)
	}
	if code, diff, errs := runAlone("diff", path, prepared); code != 0 || !strings.HasPrefix(diff, "Both do the same.\nWhat is said of it differs:\n") || !strings.Contains(diff, "prepared for the case that flag express on is the cause") {
		t.Errorf("diff: exit %d, %q %q", code, diff, errs)
	}

	// altered, without a reason, and after the world moved: nothing is done
	altered := filepath.Join(f.dir, "altered.json")
	if err := os.WriteFile(altered, bytes.Replace(b, []byte(`"to": "off"`), []byte(`"to": "gone"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := runOn(t, f.a, "apply", altered, "--reason", "reviewed"); code != 1 || !strings.Contains(errs, "altered.json: plan.digest") {
		t.Errorf("altered: exit %d, %q", code, errs)
	}
	if code, _, errs := runOn(t, f.a, "apply", path); code != 1 || !strings.Contains(errs, "reason: expected at least 3 characters") {
		t.Errorf("no reason: exit %d, %q", code, errs)
	}
	if v := f.variant(); v != "on" {
		t.Fatalf("after refusals the flag is %s", v)
	}

	go func() { // the trouble ends when the flag is off for everybody
		f.until("the flag is off", func() bool { return f.variant() == "off" })
		f.alert(started, true)
	}()
	// four people apply it at the same moment: it is carried out once
	type ending struct {
		code      int
		out, errs string
	}
	people := []string{"ann", "bob", "cy", "dee"}
	ends := make([]ending, len(people))
	var all sync.WaitGroup
	for i, name := range people {
		all.Go(func() {
			ends[i].code, ends[i].out, ends[i].errs = runOn(t, f.a, "apply", path, "--reason", "reviewed", "--by", name)
		})
	}
	all.Wait()
	first := -1
	for i, e := range ends {
		switch {
		case e.code == 0 && first < 0:
			first, out = i, e.out
		case e.code != 1 || !strings.Contains(e.errs, "nothing can be applied to it") && !strings.Contains(e.errs, "applied already") && !strings.Contains(e.errs, "moved"):
			t.Errorf("%s: exit %d, %q", people[i], e.code, e.errs)
		}
	}
	if first < 0 || f.variant() != "off" {
		t.Fatalf("nobody's plan was carried out, the flag is %s: %+v", f.variant(), ends)
	}
	for _, want := range []string{"approved", "✔ express is 50 % at off, 50 % at on", "✔ express is 100 % at off", "✔ recovered"} {
		if !strings.Contains(out, want) {
			t.Errorf("the progress does not say %q:\n%s", want, out)
		}
	}
	if code, _, errs := runOn(t, f.a, "apply", path, "--reason", "again", "--by", "bob"); code != 1 || !strings.Contains(errs, "applied already, as attempt") {
		t.Errorf("applied twice: exit %d, %q", code, errs)
	}
	f.until("what lies prepared follows", func() bool {
		_, out, _ := runOn(t, f.a, "change", "show", "express")
		return strings.Contains(out, "· taken back")
	})
	incidents, err := f.a.Incidents(t.Context())
	if err != nil || len(incidents) != 1 || len(incidents[0].Attempts) != 1 || incidents[0].Attempts[0].Digest != kept.Plan.Digest || incidents[0].Attempts[0].Approvals[0].By.Name != people[first] {
		t.Errorf("%+v, %v: want one attempt of the plan in the file, approved by %s", incidents, err, people[first])
	}
}

// What can't be carried out is not even sent; sent all the same, it is refused.
func TestApply_whatIsNoPlan(t *testing.T) {
	f := serveFlags(t, "")
	nothing := backout.Plan{Format: 1, Action: backout.ActionNone, Summary: "No action."}
	nothing.Fingerprint = backout.FingerprintOf(nil)
	nothing.Digest = nothing.ExecutableDigest()
	for name, file := range map[string]backout.PlanFile{
		"no world": planfile.Errored(backout.Plan{}, errors.New("no world")), "No action.": planfile.Make(nothing),
	} {
		b, err := planfile.Write(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(f.dir, "none.json")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := runAlone("apply", path, "--reason", "reviewed", "--server", "http://127.0.0.1:1")
		if code != 1 || !strings.Contains(errs, "there is nothing in it to carry out: "+name) {
			t.Errorf("%s: exit %d, %q", name, code, errs)
		}
		if _, err := f.a.Apply(t.Context(), web.Application{Incident: "INC-1", File: b, Reason: "reviewed"}); err == nil || file.Errored && !strings.Contains(err.Error(), "plan file: errored") {
			t.Errorf("%s: %v: want it refused for what it is", name, err)
		}
	}
	if _, err := f.a.Apply(t.Context(), web.Application{Incident: "INC-1", File: []byte(`{"format":1}`)}); backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), "plan file: plan.format") {
		t.Errorf("%v: want the field named", err)
	}
}

// A plan that lay ready before the incident, applied to it; stale once somebody
// switched the flag by hand.
func TestApply_staleSaysWhatMoved(t *testing.T) {
	f := serveFlags(t, "")
	f.switched()
	path := filepath.Join(f.dir, "prepared.json")
	f.until("a plan lies ready", func() bool {
		code, _, _ := runOn(t, f.a, "plan", "--change", "express", "--out", path)
		return code == 2
	})
	if code, _, errs := runOn(t, f.a, "apply", path, "--reason", "reviewed"); code != 1 || !strings.Contains(errs, "--incident must name one: 0 incidents are open") {
		t.Errorf("without an incident: exit %d, %q", code, errs)
	}
	f.alert(time.Now().UTC(), false)
	f.until("an incident opens", func() bool {
		all, err := f.a.Incidents(t.Context())
		return err == nil && len(all) == 1
	})
	if err := os.WriteFile(f.file, []byte(strings.Replace(flags, `"defaultVariant":"on"`, `"defaultVariant":"off"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := runOn(t, f.a, "apply", path, "--reason", "reviewed")
	if code != 1 || !strings.Contains(errs, "the world moved since the plan was made") || !strings.Contains(errs, "live version of flag:express@production/eu-1: was on, is off") {
		t.Errorf("stale: exit %d, %q", code, errs)
	}
	if all, err := f.a.Incidents(t.Context()); err != nil || len(all) != 1 || len(all[0].Attempts) > 0 {
		t.Errorf("%+v, %v: something was begun", all, err)
	}
}
