package catalog

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const seen = "probe: {query: {promql: 'sum by (version) (up{job=\"{service}\"})'}}"

func TestLoad_actuator(t *testing.T) {
	doc := `apiVersion: backout.dev/v1alpha1
kind: Actuator
metadata: {name: deployer}
spec:
  http:
    url: https://deploy.example.com/services/{service}/release?to={to}
    headers: {If-Match: "{ifVersion}"}
    headersFrom: {X-Key: {env: KEY}}
    tokenFrom: {file: token}
    body: {version: "{to}", percent: "{percent}", tags: [a, 1, 2.5, true, null]}
    timeout: 10s
    conflict: [409]
  probe: {http: {url: "https://deploy.example.com/services/{service}", version: body.version}}
  within: 2m
  onceByKey: true
  reversal: {loss: lossless, shares: [0.1, 1], mixed: true, takes: 30s}
---
apiVersion: backout.dev/v1alpha1
kind: Actuator
metadata: {name: dba}
spec: {manual: {owner: dba-team, deadline: 1h, escalateTo: head, escalateAfter: 20m}}
---
apiVersion: backout.dev/v1alpha1
kind: Playbook
metadata: {name: p, title: do it}
spec: {component: 'deployment:a@p/l', steps: [one, two], link: "https://wiki.example.com/p"}
`
	c, err := Load(fstest.MapFS{"base.yaml": {Data: []byte(strings.Replace(base, "location: l}", "location: l, actuator: dba}", 1))}, "x.yaml": {Data: []byte(doc)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Actuators) != 2 || len(c.Playbooks) != 1 {
		t.Fatalf("%d actuators, %d playbooks", len(c.Actuators), len(c.Playbooks))
	}
	a := c.Actuators[0]
	if diff := cmp.Diff(map[string]any{"version": "{to}", "percent": "{percent}", "tags": []any{"a", 1, 2.5, true, nil}}, a.HTTP.Body); diff != "" {
		t.Error(diff)
	}
	if a.HTTP.Method != "POST" || a.Probe.HTTP.Method != "GET" || !a.CompareAndSwap() || !a.OnceByKey || a.HTTP.Token.File != "token" || a.HTTP.Headers["If-Match"] != "{ifVersion}" {
		t.Errorf("%+v", a.HTTP)
	}
	if m := c.Actuators[1]; m.CompareAndSwap() || m.Reversal.Loss != backout.LossUnknown || len(m.Reversal.Shares) != 1 || m.Manual.EscalateTo != "head" {
		t.Errorf("%+v %+v", m.Manual, m.Reversal)
	}
	if p := c.Playbooks[0]; p.Title != "do it" || len(p.Steps) != 2 || p.Link == "" {
		t.Errorf("%+v", p)
	}
}

func TestLoad_actuatorOfClusters(t *testing.T) {
	doc := "apiVersion: backout.dev/v1alpha1\nkind: Actuator\nmetadata: {name: kubernetes}\nspec: {kubernetes: {fieldManagers: [ci, spinnaker], patience: 5m}}\n"
	c, err := Load(fstest.MapFS{"base.yaml": {Data: []byte(base)}, "x.yaml": {Data: []byte(doc)}})
	if err != nil {
		t.Fatal(err)
	}
	want := &Kubernetes{FieldManagers: []string{"ci", "spinnaker"}, Patience: backout.Duration(5 * time.Minute)}
	if diff := cmp.Diff(want, c.Actuators[0].Kubernetes); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_actuatorWrong(t *testing.T) {
	moved := strings.Replace(base, "location: l}", "location: l, actuator: x}", 1)
	for name, tc := range map[string]struct{ spec, want string }{
		"no way":            {"{" + seen + "}", "x.yaml:1:: spec: expected one of http, command, manual"},
		"two ways":          {"{http: {url: 'http://h/'}, manual: {}, " + seen + "}", "expected one of http, command, manual"},
		"blind":             {"{http: {url: 'http://h/'}}", "spec.probe: expected one of http, command, query: what is moved must be seen"},
		"two looks":         {"{http: {url: 'http://h/'}, probe: {query: {promql: up}, command: {args: [a]}}}", "spec.probe: expected one of"},
		"field":             {"{http: {url: 'http://h/{version}'}, " + seen + "}", "x.yaml:4:spec.http.url: field {version} in"},
		"field in body":     {"{http: {url: 'http://h/', body: {a: ['{too}']}}, " + seen + "}", "spec.http.body.a[0]: field {too}"},
		"field of effect":   {"{http: {url: 'http://h/'}, probe: {http: {url: 'http://h/{to}'}}}", "spec.probe.http.url: field {to}"},
		"host":              {"{http: {url: 'http://{service}.h/'}, " + seen + "}", "expected fields in the path and the query only"},
		"user":              {"{http: {url: 'http://u:p@h/'}, " + seen + "}", "without a user"},
		"header":            {"{http: {url: 'http://h/', headers: {'a b': c}}, " + seen + "}", `"a b": expected the name of a header`},
		"secret in clear":   {"{http: {url: 'http://h/', tokenFrom: s3cret}, " + seen + "}", "spec.http.tokenFrom: expected a mapping"},
		"status":            {"{http: {url: 'http://h/', done: [99]}, " + seen + "}", "spec.http.done[0]: found"},
		"version twice":     {"{http: {url: 'http://h/'}, probe: {http: {url: 'http://h/', version: a, shares: b}}}", "expected version or shares, not both"},
		"no arguments":      {"{command: {}, " + seen + "}", "spec.command: args: expected the program"},
		"a field's program": {"{command: {args: ['{locator}']}, " + seen + "}", "expected a program that no field decides"},
		"a line":            {"{command: {args: 'roll {to}'}, " + seen + "}", "spec.command.args: expected a list"},
		"if version":        {"{command: {args: [roll, '{ifVersion}']}, " + seen + "}", "{ifVersion} is what the probe saw"},
		"no playbook":       {"{manual: {owner: o}}", "deployment:a@p/l is moved by it: expected a Playbook for it"},
		"escalation":        {"{manual: {deadline: 5m, escalateAfter: 5m, escalateTo: h}}", "spec.manual: escalateAfter: found 5m0s: expected less than the deadline"},
		"to whom":           {"{manual: {escalateAfter: 5m}}", "escalateTo: expected who hears of it"},
		"shares":            {"{http: {url: 'http://h/'}, reversal: {shares: [0.5]}, " + seen + "}", "spec.reversal.shares: expected shares that ascend and end at 1"},
		"lost":              {"{http: {url: 'http://h/'}, reversal: {loss: lossy}, " + seen + "}", "lost: expected what is lost"},
		"not JSON":          {"{http: {url: 'http://h/', body: {a: .nan}}, " + seen + "}", "expected a number that JSON has"},
		"certificate":       {"{http: {url: 'http://h/', tls: {certFile: c}}, " + seen + "}", "expected certFile and keyFile"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{"base.yaml": {Data: []byte(moved)}, "x.yaml": {Data: []byte(oursDoc("Actuator", tc.spec))}})
			var ps Problems
			if !errors.As(err, &ps) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want a problem with %q", err, tc.want)
			}
		})
	}
	for name, tc := range map[string]struct{ name, spec, want string }{
		"another name":   {"k", "{kubernetes: {}}", "name k: expected kubernetes"},
		"a probe beside": {"kubernetes", "{kubernetes: {}, " + seen + "}", "spec.kubernetes: expected nothing beside it"},
		"no kubernetes":  {"kubernetes", "{http: {url: 'http://h/'}, " + seen + "}", "name kubernetes: expected another one"},
		"a reconciler":   {"kubernetes", "{kubernetes: {fieldManagers: [ci, argocd-controller]}}", "x.yaml:4:spec.kubernetes.fieldManagers: found argocd-controller, which writes again"},
		"an odd time":    {"kubernetes", "{kubernetes: {patience: soon}}", "spec.kubernetes.patience: found"},
		"an odd field":   {"kubernetes", "{kubernetes: {force: true}}", "spec.kubernetes.force"},
	} {
		doc := "apiVersion: backout.dev/v1alpha1\nkind: Actuator\nmetadata: {name: " + tc.name + "}\nspec: " + tc.spec + "\n"
		_, err := Load(fstest.MapFS{"base.yaml": {Data: []byte(base)}, "x.yaml": {Data: []byte(doc)}})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a problem with %q", name, err, tc.want)
		}
	}
	reserved := "apiVersion: backout.dev/v1alpha1\nkind: Actuator\nmetadata: {name: flagd}\nspec: {http: {url: 'http://h/'}, " + seen + "}\n"
	if err := load(reserved); err == nil || !strings.Contains(err.Error(), "name flagd: expected another one") {
		t.Errorf("a name that is taken: %v", err)
	}
}
