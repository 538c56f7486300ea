package catalog

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

var update = flag.Bool("update", false, "write the golden file anew")

func TestLoad_shop(t *testing.T) {
	c, err := Load(os.DirFS(filepath.Join("testdata", "shop")))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "null") {
		t.Error("a slice is null: expected []")
	}
	golden := filepath.Join("testdata", "shop.json")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// base is the smallest catalog that the broken documents below refer to.
const base = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: a}
spec: {type: service}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: a}
spec: {kind: deployment, service: a, environment: p, location: l}
`

func load(doc string) error {
	_, err := Load(fstest.MapFS{"base.yaml": {Data: []byte(base)}, "x.yaml": {Data: []byte(doc)}, "notes.txt": {Data: []byte("{")}})
	return err
}

func oursDoc(kind, spec string) string {
	return "apiVersion: backout.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: x}\nspec: " + spec + "\n"
}

func service(name, annotations, spec string) string {
	return "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: " + name + ", annotations: {" + annotations + "}}\nspec: {type: service, " + spec + "}\n---\n"
}

func TestLoad_namesWhatIsWrong(t *testing.T) {
	const a = "deployment:a@p/l"
	for name, tc := range map[string]struct{ doc, want string }{
		"no YAML":             {"a: [1\n", "x.yaml:"},
		"tab":                 {"a:\n\t- b\n", "x.yaml:2:: expected YAML"},
		"not a mapping":       {"- a\n", "x.yaml:1:: expected a mapping"},
		"no version":          {"kind: Component\n", "x.yaml:1:: apiVersion: expected backstage.io/v1alpha1, backout.dev/v1alpha1 or argoproj.io/v1alpha1"},
		"other version":       {"apiVersion: v2\nkind: Pod\n", `x.yaml:1:apiVersion: found "v2": expected one of`},
		"other kind":          {oursDoc("Pod", "{}"), `x.yaml:1:: kind "Pod": expected one of Actuator, Client, Cluster, Component, Consumer, Contract, DataFormat`},
		"no name":             {"apiVersion: backout.dev/v1alpha1\nkind: Journey\nspec: {}\n", "metadata.name: expected a name"},
		"bad name":            {"apiVersion: backout.dev/v1alpha1\nkind: Client\nmetadata: {name: a@b}\nspec: {audience: a}\n", "expected no spaces"},
		"unknown field":       {oursDoc("Journey", "{services: [a], tear: 1}"), "x.yaml:4:spec.tear: unknown field: expected one of services, tier, title, valuePerMinute"},
		"field twice":         {"apiVersion: backout.dev/v1alpha1\nkind: Journey\nmetadata: {name: x}\nspec:\n  services: [a]\n  services: [a]\n", "spec.services: stands twice"},
		"unknown annotation":  {service("b", "backout.dev/teir: '1'", ""), "unknown annotation"},
		"tier":                {service("b", "backout.dev/tier: '9'", ""), `x.yaml:3:metadata.annotations.backout.dev/tier: found "9": expected a whole number from 0 to 3`},
		"soft elsewhere":      {service("b", "backout.dev/soft: 'component:a'", ""), "expected entries of spec.dependsOn"},
		"unknown service":     {oursDoc("Journey", "{services: [A]}"), `x.yaml:4:spec.services[0]: no service "A" in the catalog: expected one that is declared (did you mean a?)`},
		"unknown component":   {oursDoc("Playbook", "{component: 'flag:a@p/l', text: t}"), `spec.component: no component "flag:a@p/l"`},
		"unknown journey":     {oursDoc("Feature", "{flag: '"+a+"', journeys: [z]}"), `spec.journeys[0]: no journey "z"`},
		"not a flag":          {oursDoc("Feature", "{flag: '"+a+"'}"), "expected a component of kind flag"},
		"reference form":      {service("b", "", "dependsOn: [a]"), `spec.dependsOn[0]: found "a": expected component:NAME or resource:NAME`},
		"api nobody provides": {service("b", "", "consumesApis: [z]"), `no api "z"`},
		"duplicate service":   {service("a", "", ""), "service a is declared at base.yaml:1 already"},
		"duplicate component": {"apiVersion: backout.dev/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {kind: deployment, service: a, environment: p, location: l}\n", "component " + a + " is declared at base.yaml:6 already"},
		"enum":                {oursDoc("Component", "{kind: pod, service: a, environment: p, location: l}"), `found "pod": expected one of deployment, config, flag, schema, traffic, infrastructure`},
		"missing":             {oursDoc("Component", "{kind: flag, service: a, location: l}"), "spec.environment: expected a value"},
		"money":               {oursDoc("Journey", "{services: [a], valuePerMinute: 12 euros}"), `found "12 euros": expected an amount with a currency such as 120.00 EUR`},
		"currencies":          {oursDoc("Journey", "{services: [a], valuePerMinute: 1 EUR}") + "---\n" + oursDoc("Client", "{audience: a, penaltyPerMinute: 1 USD}"), "x.yaml:9:spec.penaltyPerMinute: found USD: expected EUR"},
		"share":               {oursDoc("Client", "{audience: a, sla: 99.5}"), `spec.sla: found "99.5": expected a number from 0 to 1`},
		"duration":            {oursDoc("Policy", "{cooldown: 5}"), `spec.cooldown: found "5": expected a duration such as 30s or 5m`},
		"time":                {oursDoc("Policy", "{freezes: [{from: tomorrow, to: 2026-01-01T00:00:00Z}]}"), `spec.freezes[0].from: found "tomorrow": expected a time`},
		"freeze":              {oursDoc("Policy", "{freezes: [{from: 2026-01-02T00:00:00Z, to: 2026-01-01T00:00:00Z}]}"), "expected from before to"},
		"two policies":        {oursDoc("Policy", "{}") + "---\n" + oursDoc("Policy", "{}"), "x.yaml:6:: the policy stands at x.yaml:1 already"},
		"skew":                {oursDoc("Policy", "{skew: 1}"), `spec.skew: found "1": expected N-1 for neighbours one release apart`},
		"trust of a hand":     {oursDoc("Policy", "{trust: {declared: 1}}"), "spec.trust.declared: unknown source: expected one of [spec migration observed skew]"},
		"trust above one":     {oursDoc("Policy", "{trust: {skew: 2}}"), "spec.trust.skew: found"},
		"rule without expr":   {oursDoc("Policy", "{rules: [{name: r}]}"), "spec.rules[0]: expected name and expr"},
		"range":               {oursDoc("Contract", "{consumer: '"+a+"', provider: '"+a+"', rules: [{when: {from: '2', to: '1'}}]}"), "from 2 comes after to 1"},
		"signal kind":         {oursDoc("SignalSet", "{signals: [{name: s, kind: heat, direction: up, query: q}]}"), `found "heat": expected one of latency, errors`},
		"signal total":        {oursDoc("SignalSet", "{signals: [{name: s, kind: errors, direction: up, query: q}]}"), "total: expected the query"},
		"signal part":         {oursDoc("SignalSet", "{signals: [{name: s, kind: kpi, direction: up, query: q, labels: {pod: p}}]}"), "labels.pod: unknown part"},
		"alias":               {"apiVersion: backout.dev/v1alpha1\nkind: Journey\nmetadata: {name: x}\nspec: {services: &s [a], title: *s}\n", "aliases are not read"},
		"rollback field":      {oursDoc("Component", "{kind: deployment, service: a, environment: q, location: l, rollback: {start: 1m}}"), "x.yaml:4:spec.rollback.start: unknown field: expected one of cachePenalty, cacheWarmup, queue, startup, utilisation, writes"},
		"rollback cache":      {oursDoc("Component", "{kind: deployment, service: a, environment: q, location: l, rollback: {cachePenalty: .2}}"), "x.yaml:4:spec.rollback: cachePenalty without cacheWarmup"},
		"rollback queue":      {oursDoc("Component", "{kind: deployment, service: a, environment: q, location: l, rollback: {queue: {backlog: q}}}"), "x.yaml:4:spec.rollback.queue: expected backlog and inflow (queries) and drainRate"},
		"rollback drain":      {oursDoc("Component", "{kind: deployment, service: a, environment: q, location: l, rollback: {queue: {backlog: q, inflow: q, drainRate: '-1'}}}"), `x.yaml:4:spec.rollback.queue.drainRate: found "-1": expected a number above 0`},
		"rollback writes":     {oursDoc("Component", "{kind: deployment, service: a, environment: q, location: l, rollback: {writes: {query: q, fate: lost}}}"), "x.yaml:4:spec.rollback.writes: expected query, unit"},
		"rollback fate":       {oursDoc("Component", "{kind: deployment, service: a, environment: q, location: l, rollback: {writes: {query: q, unit: orders, fate: gone}}}"), `spec.rollback.writes.fate: found "gone": expected one of unreadable, lost, migrated`},
		"owner":               {service("b", "", "owner: nobody") + "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: g}\nspec: {type: team}\n", `spec.owner: no group "nobody"`},
		"budget":              {"apiVersion: backout.dev/v1alpha1\nkind: Component\nmetadata: {name: b}\nspec: {kind: deployment, service: a, environment: p, location: l, instances: 2, minAvailable: 3}\n", "x.yaml:1:: spec.minAvailable: found 3 of 2 instances: expected at most as many"},
		"surge":               {oursDoc("Component", "{kind: deployment, service: a, environment: p, location: l, maxSurge: -1}"), `x.yaml:4:spec.maxSurge: found "-1": expected a whole number from 0 to`},
		"format":              {oursDoc("DataFormat", "{writer: '"+a+"', writes: {from: '2'}, reads: {from: '2'}}"), "spec.lost: expected a value"},
		"format reads":        {oursDoc("DataFormat", "{writer: '"+a+"', writes: {from: '2'}, lost: l}"), "spec.reads: expected a value"},
		"format loss":         {oursDoc("DataFormat", "{writer: '"+a+"', writes: {from: '2'}, reads: {from: '2'}, lost: l, loss: lossless}"), `spec.loss: found "lossless": expected one of lossy, one_way`},
		"format writer":       {oursDoc("DataFormat", "{writer: 'deployment:z@p/l', writes: {from: '2'}, reads: {from: '2'}, lost: l}"), `spec.writer: no component "deployment:z@p/l"`},
		"point":               {oursDoc("PointOfNoReturn", "{component: '"+a+"', lost: l}"), "spec.versions: expected a value"},
		"point rows":          {oursDoc("PointOfNoReturn", "{component: '"+a+"', versions: {from: '2'}, lost: l, rows: 0}"), `x.yaml:4:spec.rows: found "0": expected a whole number from 1 to`},
		"pool of nothing":     {oursDoc("Pool", "{quota: 3}"), "expected either components or an environment"},
		"pool of both":        {oursDoc("Pool", "{components: ['"+a+"'], environment: p, quota: 3}"), "expected either components or an environment"},
		"pool without bounds": {oursDoc("Pool", "{environment: p}"), "expected quota, maxUnavailable or both"},
		"pool nowhere":        {oursDoc("Pool", "{environment: q, quota: 1}"), "no component is in q"},
		"pool too small":      {oursDoc("Pool", "{environment: p, quota: 1}") + "---\napiVersion: backout.dev/v1alpha1\nkind: Component\nmetadata: {name: b}\nspec: {kind: deployment, service: a, environment: p, location: l, instances: 2}\n", "spec.quota: found 1, and its members have 2 instances"},
		"consumer of ours":    {oursDoc("Consumer", "{component: '"+a+"'}"), "spec.component: " + a + " is ours to move: expected one with immovable: true"},
		"consumer thresholds": {oursDoc("Consumer", "{component: '"+a+"', lossyAbove: 0.2, forbiddenAbove: 0.1}"), "found 0.2 above forbiddenAbove 0.1"},
		"switch of one":       {oursDoc("Switch", "{members: ['"+a+"'], router: '"+a+"'}"), "spec.members: found one"},
		"switch by code":      {oursDoc("Switch", "{members: ['"+a+"'], router: '"+a+"'}"), "spec.router: " + a + ": expected a component of kind traffic"},
		"limit of nothing":    {oursDoc("Policy", "{limits: {instances: 0}}"), "x.yaml:4:spec.limits.instances: found 0: expected a number above 0"},
		"limit unknown":       {oursDoc("Policy", "{limits: {clients: 1}}"), "spec.limits.clients: unknown field: expected one of components, instances, services, value"},
		"approver twice":      {oursDoc("Policy", "{securityApprovers: [ann, ann]}"), `spec.securityApprovers[1]: found "ann": expected a name, once`},
		"freeze of nobody":    {oursDoc("Policy", "{freezes: [{from: 2026-01-01T00:00:00Z, to: 2026-01-02T00:00:00Z, services: [z]}]}"), `spec.freezes[0].services[0]: no service "z"`},
		"cycle": {service("b", "", "dependsOn: ['component:c']") + service("c", "", "dependsOn: ['component:b']"),
			"hard dependencies form a cycle: b > c > b"},
	} {
		t.Run(name, func(t *testing.T) {
			err := load(tc.doc)
			var ps Problems
			if !errors.As(err, &ps) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want a problem with %q", err, tc.want)
			}
		})
	}
}

func TestLoad_reportsAllProblemsInOrder(t *testing.T) {
	err := load(oursDoc("Journey", "{services: [b, c], tier: 7}"))
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	fields := []string{}
	for _, p := range ps {
		fields = append(fields, p.Field)
	}
	if diff := cmp.Diff([]string{"spec.services[0]", "spec.services[1]", "spec.tier"}, fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_softAndAsynchronousCyclesAreFine(t *testing.T) {
	doc := service("b", "", "dependsOn: ['component:c', 'component:d']") + service("c", "backout.dev/soft: 'component:b'", "dependsOn: ['component:b']") +
		service("d", "backout.dev/async: 'component:b'", "dependsOn: ['component:b']")
	if err := load(doc); err != nil {
		t.Error(err)
	}
}

func TestLoad_policyVersionFollowsItsContent(t *testing.T) {
	version := func(spec string) string {
		c, err := Load(fstest.MapFS{"p.yaml": {Data: []byte(oursDoc("Policy", spec))}})
		if err != nil {
			t.Fatal(err)
		}
		return c.Policy.Version
	}
	if a, b := version("{}"), version("{autonomy: act}"); a == "" || a == b {
		t.Errorf("versions %q and %q: want two that differ", a, b)
	}
}

func TestLoad_nothingToRead(t *testing.T) {
	if _, err := Load(fstest.MapFS{}); err == nil {
		t.Error("empty folder: want an error")
	}
	if _, err := Load(os.DirFS(filepath.Join(t.TempDir(), "none"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"services.yaml", "backout.yaml", "limits.yaml"} {
		b, err := os.ReadFile(filepath.Join("testdata", "shop", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := Load(fstest.MapFS{"x.yaml": {Data: doc}})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if _, err := json.Marshal(c); err != nil {
			t.Error(err)
		}
	})
}

func TestLoad_policyOfSources(t *testing.T) {
	c, err := Load(fstest.MapFS{"p.yaml": {Data: []byte(oursDoc("Policy", "{skew: N-2, trust: {observed: 0.9, skew: 0.5}}"))}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[backout.ContractSource]float64{backout.ContractObserved: .9, backout.ContractSkew: .5}
	if diff := cmp.Diff(want, c.Policy.Trust); diff != "" || c.Policy.Skew != 2 {
		t.Errorf("skew %d (-want +got):\n%s", c.Policy.Skew, diff)
	}
	plain, err := Load(fstest.MapFS{"p.yaml": {Data: []byte(oursDoc("Policy", "{}"))}})
	if err != nil || plain.Policy.Version == c.Policy.Version {
		t.Errorf("%v: another trust is another policy", err)
	}
}
