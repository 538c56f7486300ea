package catalog

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// As in Argo Rollouts' documentation, with what it offers and a gate can use.
const analysisTemplate = `apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success-rate, namespace: shop}
spec:
  args:
    - name: service
    - {name: least, value: "0.95"}
  dryRun:
    - metricName: ra.*
  measurementRetention:
    - {metricName: rate, limit: 20}
  metrics:
    - name: rate
      interval: 5m
      initialDelay: 30s
      count: "4"
      successCondition: result[0] >= {{args.least}}
      failureLimit: 3
      provider:
        prometheus:
          address: http://prometheus.example.com:9090
          timeout: 20
          query: |
            sum(rate(requests_total{service="{{args.service}}",code!~"5.*"}[5m]))
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: smoke}
spec:
  metrics:
    - name: try-this
      successCondition: "result.ok && result.errors < 3"
      consecutiveErrorLimit: 1
      provider:
        web:
          url: https://checks.example.com/run
          method: POST
          headers: [{key: X-Token, value: a}]
          body: "{}"
          timeoutSeconds: 20
          jsonPath: "{$.data}"
---
apiVersion: backout.dev/v1alpha1
kind: Cluster
metadata: {name: eu}
spec: {environment: p, location: eu, kubeconfig: k}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: orders, namespace: checks, annotations: {backout.dev/cluster: eu}}
spec:
  args: [{name: service}]
  metrics:
    - name: place-orders
      provider:
        job:
          metadata: {labels: {team: shop}}
          spec:
            backoffLimit: 1
            template:
              spec:
                restartPolicy: Never
                containers: [{name: c, image: "checks:1", args: ["{{args.service}}"]}]
`

func TestLoad_analysisTemplatesAsTheyAre(t *testing.T) {
	c, err := Load(fstest.MapFS{"base.yaml": {Data: []byte(base)}, "a.yaml": {Data: []byte(analysisTemplate)}})
	if err != nil {
		t.Fatal(err)
	}
	d := func(d time.Duration) backout.Duration { return backout.Duration(d) }
	want := []backout.Analysis{{
		Name: "success-rate", File: "a.yaml:1", Args: []backout.AnalysisArg{{Name: "service"}, {Name: "least", Value: "0.95", Given: true}},
		Metrics: []backout.AnalysisMetric{{
			Name: "rate", Interval: d(5 * time.Minute), InitialDelay: d(30 * time.Second), Count: 4, SuccessCondition: "result[0] >= {{args.least}}", FailureLimit: 3, ConsecutiveErrorLimit: 4, DryRun: true,
			Prometheus: &backout.PrometheusQuery{Address: "http://prometheus.example.com:9090", Query: "sum(rate(requests_total{service=\"{{args.service}}\",code!~\"5.*\"}[5m]))\n", Timeout: d(20 * time.Second)},
		}},
	}, {
		Name: "smoke", File: "a.yaml:26", Args: []backout.AnalysisArg{},
		Metrics: []backout.AnalysisMetric{{
			Name: "try-this", SuccessCondition: "result.ok && result.errors < 3", ConsecutiveErrorLimit: 1,
			Web: &backout.WebRequest{Method: "POST", URL: "https://checks.example.com/run", Headers: map[string]string{"X-Token": "a"}, Body: "{}", JSONPath: "{$.data}", Timeout: d(20 * time.Second)},
		}},
	}, {
		Name: "orders", File: "a.yaml:48", Args: []backout.AnalysisArg{{Name: "service"}},
		Metrics: []backout.AnalysisMetric{{
			Name: "place-orders", ConsecutiveErrorLimit: 4, Job: &backout.JobRun{Cluster: "eu", Namespace: "checks", Labels: map[string]string{"team": "shop"},
				Spec: []byte(`{"backoffLimit":1,"template":{"spec":{"containers":[{"args":["{{args.service}}"],"image":"checks:1","name":"c"}],"restartPolicy":"Never"}}}`)},
		}},
	}}
	if diff := cmp.Diff(want, c.Analyses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_saysWhatAnAnalysisLacks(t *testing.T) {
	const provider = "provider: {web: {url: 'http://x'}}"
	doc := func(spec string) string {
		return "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: x}\nspec: " + spec + "\n"
	}
	metric := func(rest string) string { return doc("{metrics: [{name: m, " + rest + "}]}") }
	for name, c := range map[string]struct{ doc, want string }{
		"no metric":             {doc("{metrics: []}"), "spec.metrics: expected at least one"},
		"no name":               {doc("{metrics: [{" + provider + "}]}"), "x.yaml:4:spec.metrics[0]: name: expected a value"},
		"no provider":           {metric("count: 1"), "x.yaml:4:spec.metrics[0]: provider: expected prometheus, web or job"},
		"another provider":      {metric("provider: {datadog: {query: q}}"), "x.yaml:4:spec.metrics[0].provider.datadog: provider datadog can't be asked: expected prometheus, web or job"},
		"a job of nothing":      {metric("provider: {job: {}}"), "x.yaml:4:spec.metrics[0].provider.job: spec: expected that of a Job (batch/v1)"},
		"a job without a pod":   {metric("provider: {job: {spec: {}}}"), "x.yaml:4:spec.metrics[0].provider.job.spec: template.spec.containers: expected at least one"},
		"a job that restarts":   {metric("provider: {job: {spec: {template: {spec: {containers: [{name: c, image: i}], restartPolicy: Always}}}}}"), `found "Always": expected Never or OnFailure`},
		"a job's unknown field": {metric("provider: {job: {spec: {backofLimit: 1}}}"), `expected the spec of a Job (batch/v1): unknown field "backofLimit"`},
		"a job nowhere":         {"apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: x, annotations: {backout.dev/cluster: us}}\nspec: {metrics: [{name: m, provider: {job: {spec: {template: {spec: {containers: [{name: c, image: i}], restartPolicy: Never}}}}}}]}\n", `x.yaml:3:metadata.annotations.backout.dev/cluster: no cluster "us" in the catalog`},
		"a job and a call":      {metric("provider: {web: {url: 'http://x'}, job: {spec: {template: {spec: {containers: [{name: c, image: i}], restartPolicy: Never}}}}}"), "two providers: expected one"},
		"a job's argument":      {metric("provider: {job: {spec: {template: {spec: {containers: [{name: c, image: 'i:{{args.tag}}'}], restartPolicy: Never}}}}}"), "{{args.tag}} is none of spec.args"},
		"no provider of Argo's": {metric("provider: {oracle: {}}"), "spec.metrics[0].provider.oracle: unknown field"},
		"two providers":         {metric("provider: {web: {url: 'http://x'}, prometheus: {address: 'http://p', query: up}}"), "spec.metrics[0].provider: two providers: expected one"},
		"condition":             {metric("successCondition: 'result[0] >=', " + provider), `x.yaml:4:spec.metrics[0].successCondition: condition "result[0] >=": expected an expression of result`},
		"condition of numbers":  {metric("failureCondition: '1 + 1', " + provider), "expected an expression of result"},
		"count of nothing":      {metric("count: 3, " + provider), "count 3 without interval: expected both"},
		"count":                 {metric("count: few, interval: 1m, " + provider), `found "few": expected a whole number from 1`},
		"limit":                 {metric("failureLimit: -2, " + provider), "expected a whole number from -1"},
		"address":               {metric("provider: {prometheus: {query: up}}"), "expected address (http:// or https://) and query"},
		"range query":           {metric("provider: {prometheus: {address: 'http://p', query: up, rangeQuery: {step: 1m}}}"), "rangeQuery is not read"},
		"unchecked certificate": {metric("provider: {web: {url: 'https://x', insecure: true}}"), "certificates are always checked"},
		"timeout":               {metric("provider: {web: {url: 'https://x', timeoutSeconds: 600}}"), "expected a number of seconds from 1 to 60"},
		"secret":                {doc("{args: [{name: token, valueFrom: {secretKeyRef: {name: a, key: b}}}], metrics: [{name: m, " + provider + "}]}"), "x.yaml:4:spec.args[0].valueFrom: values from secrets and fields are not read"},
		"argument without one":  {doc("{args: [{name: hash}], metrics: [{name: m, " + provider + "}]}"), "argument hash has no value: expected one; without are only service, component"},
		"argument of nobody":    {metric("successCondition: 'result > {{args.least}}', " + provider), "{{args.least}} is none of spec.args"},
		"dry run":               {doc("{dryRun: [{metricName: '('}], metrics: [{name: m, " + provider + "}]}"), "expected a metric's name, or a regular expression"},
		"twice":                 {metric(provider) + "---\n" + metric(provider), "analysis x is declared at x.yaml:1 already"},
		"criteria: no part":     {oursDoc("SuccessCriteria", "{objectives: [{weight: 1}]}"), "x.yaml:4:spec.objectives[0]: expected a signal, a service or a journey"},
		"criteria: nothing":     {oursDoc("SuccessCriteria", "{}"), "spec: expected objectives, analyses or both"},
		"criteria: service":     {oursDoc("SuccessCriteria", "{objectives: [{service: A}]}"), `spec.objectives[0].service: no service "A" in the catalog`},
		"criteria: analysis":    {oursDoc("SuccessCriteria", "{analyses: [z]}"), `spec.analyses[0]: no analysis "z"`},
		"criteria: weight":      {oursDoc("SuccessCriteria", "{objectives: [{service: a, weight: -1}]}"), "spec.objectives[0].weight"},
		"criteria: percentage":  {oursDoc("SuccessCriteria", "{objectives: [{service: a}], totalScore: {passPercentage: 0.9, warningPercentage: 200}}"), `warningPercentage: found "200": expected a number above 0 and up to 100`},
		"criteria: order":       {oursDoc("SuccessCriteria", "{objectives: [{service: a}], totalScore: {passPercentage: 80, warningPercentage: 90}}"), "found 90 above passPercentage 80"},
	} {
		if err := load(c.doc); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}

func TestLoad_criteria(t *testing.T) {
	doc := oursDoc("Journey", "{services: [a], valuePerMinute: 90 EUR}") +
		"---\n" + oursDoc("SuccessCriteria", "{environment: p, services: [a], objectives: [{journey: x, keyObjective: true}, {service: a}], analyses: [smoke], totalScore: {passPercentage: 90, warningPercentage: 75}}")
	c, err := Load(fstest.MapFS{"base.yaml": {Data: []byte(base)}, "x.yaml": {Data: []byte(doc)}, "a.yaml": {Data: []byte(analysisTemplate)}})
	want := []backout.SuccessCriteria{{
		ID: "x", Environment: "p", Services: []backout.ServiceID{"a"}, Analyses: []string{"smoke"}, Pass: .9, Warning: .75, File: "x.yaml:6",
		Objectives: []backout.Criterion{{Journey: "x", Key: true, Weight: 9000}, {Service: "a", Weight: 9000}},
	}}
	if diff := cmp.Diff(want, c.Criteria); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
