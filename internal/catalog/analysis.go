package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/verify/analysis"
)

// Argo Rollouts' AnalysisTemplate and ClusterAnalysisTemplate, read as they are.

// filledIn are the arguments that a gate gives by itself.
var filledIn = []string{"service", "component", "environment", "location", "from", "to"}

// otherProviders are Argo's that we can't ask; to name them is kinder than "unknown field".
var otherProviders = []string{"datadog", "newRelic", "cloudWatch", "graphite", "influxdb", "skywalking", "wavefront", "kayenta", "plugin"}

func readAnalysis(e *entity) {
	a := backout.Analysis{Name: e.name, Args: []backout.AnalysisArg{}, Metrics: []backout.AnalysisMetric{}, File: e.at()}
	var dry []string
	var mentioned []cursor
	e.spec.fields(map[string]func(cursor){
		"args":    func(c cursor) { c.list(func(x cursor) { a.Args = append(a.Args, readArg(x)) }) },
		"metrics": func(c cursor) { c.list(func(x cursor) { a.Metrics = append(a.Metrics, e.metric(x)) }) },
		"dryRun": func(c cursor) {
			c.list(func(x cursor) {
				name := ""
				x.fields(map[string]func(cursor){"metricName": text(&name)})
				dry, mentioned = append(dry, name), append(mentioned, x)
			})
		},
		"measurementRetention": nil,
		"templates": func(c cursor) {
			c.wrong("templates in templates are not read: expected metrics here")
		},
	})
	if len(a.Metrics) == 0 {
		e.wrong("spec.metrics: expected at least one")
	}
	for i, pattern := range dry {
		re, err := regexp.Compile("^(" + pattern + ")$")
		if err != nil || pattern == "" {
			mentioned[i].wrong("metricName %q: expected a metric's name, or a regular expression of names such as .*", pattern)
			continue
		}
		for k, m := range a.Metrics {
			a.Metrics[k].DryRun = m.DryRun || re.MatchString(m.Name)
		}
	}
	e.arguments(a)
	if e.unique("analysis", e.name) {
		e.out.Analyses = append(e.out.Analyses, a)
	}
}

func readArg(x cursor) backout.AnalysisArg {
	arg := backout.AnalysisArg{}
	x.fields(map[string]func(cursor){
		"name":  text(&arg.Name),
		"value": func(c cursor) { text(&arg.Value)(c); arg.Given = true },
		"valueFrom": func(c cursor) {
			arg.Given = true // one problem is enough
			c.wrong("values from secrets and fields are not read: expected value, or none for %s, which a gate fills in", strings.Join(filledIn, ", "))
		},
	})
	switch {
	case arg.Name == "":
		x.wrong("name: expected a value")
	case !arg.Given && !slices.Contains(filledIn, arg.Name):
		x.wrong("argument %s has no value: expected one; without are only %s, which a gate fills in", arg.Name, strings.Join(filledIn, ", "))
	}
	return arg
}

func (e *entity) metric(x cursor) backout.AnalysisMetric {
	m := backout.AnalysisMetric{ConsecutiveErrorLimit: 4}
	x.fields(map[string]func(cursor){
		"name": text(&m.Name), "interval": span(&m.Interval), "initialDelay": span(&m.InitialDelay), "count": limit(&m.Count, 1),
		"successCondition": condition(&m.SuccessCondition), "failureCondition": condition(&m.FailureCondition),
		"failureLimit": limit(&m.FailureLimit, -1), "inconclusiveLimit": limit(&m.InconclusiveLimit, -1),
		"consecutiveErrorLimit": limit(&m.ConsecutiveErrorLimit, -1), "consecutiveSuccessLimit": limit(&m.ConsecutiveSuccessLimit, 0),
		"provider": func(c cursor) { e.readProvider(c, &m) },
	})
	if m.Name == "" {
		x.wrong("name: expected a value")
	}
	if m.Count > 1 && m.Interval == 0 {
		x.wrong("count %d without interval: expected both", m.Count)
	}
	if m.Prometheus == nil && m.Web == nil && m.Job == nil && !e.has(x.file, x.field+".provider") {
		known := []string{x.field + ".provider.prometheus", x.field + ".provider.web", x.field + ".provider.job"}
		for _, p := range otherProviders {
			known = append(known, x.field+".provider."+p)
		}
		if !slices.ContainsFunc(known, func(f string) bool { return e.has(x.file, f) }) {
			x.wrong("provider: expected prometheus, web or job")
		}
	}
	return m
}

// limit reads a whole number that may be written as a text, as Argo's IntOrString.
func limit(into *int, least int) func(cursor) { return whole(into, least, 1_000_000) }

func condition(into *string) func(cursor) {
	return func(c cursor) {
		text(into)(c)
		if strings.Contains(*into, "{{") {
			return // what it says is known only when its arguments are
		}
		if err := analysis.Compile(*into); err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			c.wrong("condition %q: expected an expression of result, such as result[0] >= 0.95: %s", *into, first)
		}
	}
}

func (e *entity) readProvider(c cursor, m *backout.AnalysisMetric) {
	known := map[string]func(cursor){
		"prometheus": func(p cursor) { m.Prometheus = readPrometheus(p) },
		"web":        func(w cursor) { m.Web = readWeb(w) },
		"job":        func(j cursor) { m.Job = e.readJob(j) },
	}
	for _, name := range otherProviders {
		known[name] = func(p cursor) { p.wrong("provider %s can't be asked: expected prometheus, web or job", name) }
	}
	c.fields(known)
	if m.Prometheus != nil && m.Web != nil || m.Job != nil && (m.Prometheus != nil || m.Web != nil) {
		c.wrong("two providers: expected one")
	}
}

func readPrometheus(c cursor) *backout.PrometheusQuery {
	q := &backout.PrometheusQuery{Timeout: backout.Duration(10 * time.Second)}
	c.fields(map[string]func(cursor){
		"address": text(&q.Address), "query": text(&q.Query), "timeout": seconds(&q.Timeout), "headers": headers(&q.Headers),
		"insecure": secure, "authentication": refuse("authentication"), "rangeQuery": refuse("rangeQuery"),
	})
	if q.Query == "" || !strings.HasPrefix(q.Address, "http://") && !strings.HasPrefix(q.Address, "https://") && !strings.Contains(q.Address, "{{") {
		c.wrong("expected address (http:// or https://) and query")
	}
	return q
}

func readWeb(c cursor) *backout.WebRequest {
	w := &backout.WebRequest{Method: "GET", Timeout: backout.Duration(10 * time.Second)}
	c.fields(map[string]func(cursor){
		"method": oneOf(&w.Method, "GET", "POST", "PUT"), "url": text(&w.URL), "headers": headers(&w.Headers), "body": text(&w.Body),
		"jsonPath": text(&w.JSONPath), "timeoutSeconds": seconds(&w.Timeout), "insecure": secure, "authentication": refuse("authentication"), "jsonBody": refuse("jsonBody"),
	})
	if !strings.HasPrefix(w.URL, "http://") && !strings.HasPrefix(w.URL, "https://") && !strings.HasPrefix(w.URL, "{{") {
		c.wrong("url: expected one that begins with http:// or https://")
	}
	return w
}

// readJob reads a Job as a manifest has it. It runs in the template's namespace, in the
// cluster that its annotation backout.dev/cluster names.
func (e *entity) readJob(c cursor) *backout.JobRun {
	j := &backout.JobRun{Namespace: cmp.Or(e.namespace, "default")}
	if at, named := e.annotations["cluster"]; named {
		text(&j.Cluster)(at)
		e.later = append(e.later, func() {
			if !e.known("cluster", j.Cluster) {
				at.wrong("no cluster %q in the catalog", j.Cluster)
			}
		})
	}
	c.fields(map[string]func(cursor){
		"metadata": func(m cursor) {
			m.fields(map[string]func(cursor){"labels": pairs(&j.Labels), "annotations": pairs(&j.Annotations)})
		},
		"spec": func(s cursor) {
			var whole any
			err := s.node.Decode(&whole)
			if err == nil {
				j.Spec, err = json.Marshal(whole)
			}
			if err != nil {
				s.wrong("expected the spec of a Job: %v", err)
				return
			}
			s.jobSpec(j.Spec)
		},
	})
	if j.Spec == nil && !e.has(c.file, c.field+".spec") {
		c.wrong("spec: expected that of a Job (batch/v1)")
	}
	return j
}

// jobSpec checks what a cluster would refuse anyhow, when it is too late.
func (c cursor) jobSpec(raw []byte) {
	var spec batchv1.JobSpec
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&spec); err != nil {
		c.wrong("expected the spec of a Job (batch/v1): %s", strings.TrimPrefix(err.Error(), "json: "))
		return
	}
	pod := spec.Template.Spec
	if len(pod.Containers) == 0 {
		c.wrong("template.spec.containers: expected at least one")
	}
	if pod.RestartPolicy != corev1.RestartPolicyNever && pod.RestartPolicy != corev1.RestartPolicyOnFailure {
		c.wrong("template.spec.restartPolicy: found %q: expected Never or OnFailure", pod.RestartPolicy)
	}
}

// pairs reads a mapping of names to texts.
func pairs(into *map[string]string) func(cursor) {
	return func(c cursor) {
		*into = map[string]string{}
		c.each(func(name string, v cursor) {
			var s string
			text(&s)(v)
			(*into)[name] = s
		})
	}
}

// seconds reads a number of seconds, from 1 to 60: a gate waits for the answer.
func seconds(into *backout.Duration) func(cursor) {
	return func(c cursor) {
		n, err := strconv.Atoi(c.node.Value)
		if err != nil || n < 1 || n > 60 {
			c.wrong("found %q: expected a number of seconds from 1 to 60", c.node.Value)
			return
		}
		*into = backout.Duration(time.Duration(n) * time.Second)
	}
}

func headers(into *map[string]string) func(cursor) {
	return func(c cursor) {
		*into = map[string]string{}
		c.list(func(x cursor) {
			var key, value string
			x.fields(map[string]func(cursor){"key": text(&key), "value": text(&value)})
			if key == "" {
				x.wrong("key: expected the header's name")
			}
			(*into)[key] = value
		})
	}
}

func secure(c cursor) {
	off := false
	yes(&off)(c)
	if off {
		c.wrong("certificates are always checked: expected false, or none")
	}
}

func refuse(what string) func(cursor) {
	return func(c cursor) { c.wrong("%s is not read: expected none", what) }
}

// arguments checks that everything in double braces is an argument.
func (e *entity) arguments(a backout.Analysis) {
	names := map[string]bool{}
	for _, arg := range a.Args {
		if names[arg.Name] {
			e.wrong("spec.args: argument %s stands twice: expected once", arg.Name)
		}
		names[arg.Name] = true
	}
	used := regexp.MustCompile(`\{\{\s*args\.([^}\s]+)\s*\}\}`)
	for i, m := range a.Metrics {
		asked := fmt.Sprintln(m.SuccessCondition, m.FailureCondition)
		if m.Prometheus != nil {
			asked += fmt.Sprintln(m.Prometheus.Address, m.Prometheus.Query, m.Prometheus.Headers)
		}
		if m.Web != nil {
			asked += fmt.Sprintln(m.Web.URL, m.Web.Body, m.Web.JSONPath, m.Web.Headers)
		}
		if m.Job != nil {
			asked += fmt.Sprintln(m.Job.Labels, m.Job.Annotations, string(m.Job.Spec))
		}
		for _, found := range used.FindAllStringSubmatch(asked, -1) {
			if !names[found[1]] {
				e.wrong("spec.metrics[%d]: {{args.%s}} is none of spec.args", i, found[1])
			}
		}
	}
}
