package catalog

import (
	"errors"
	"fmt"
	"math"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"go.yaml.in/yaml/v3"
)

// Actuator declares how components are moved and seen by means that you have
// already: one of HTTP, Command and Manual moves them, Probe sees them. Components
// name it as theirs.
type Actuator struct {
	Name    string       `json:"name"`
	HTTP    *HTTPRequest `json:"http,omitempty"`
	Command *Command     `json:"command,omitempty"`
	Manual  *Manual      `json:"manual,omitempty"`
	// Kubernetes is set for the built-in actuator of that name alone, which needs nothing else.
	Kubernetes *Kubernetes `json:"kubernetes,omitempty"`
	Probe      Look        `json:"probe"`
	// Within is how long an effect may take to show once it was sent.
	Within backout.Duration `json:"within,omitempty"`
	// OnceByKey says that the target takes an effect's key (Idempotency-Key, BACKOUT_KEY)
	// once only, so that what may have been lost may be sent again.
	OnceByKey bool   `json:"once_by_key,omitempty"`
	Reversal  Stated `json:"reversal"`
	File      string `json:"file"`
}

// Look is how a component is seen: by one of the three, or, of what a person moves,
// by none: then what people said counts.
type Look struct {
	HTTP    *HTTPRequest `json:"http,omitempty"`
	Command *Command     `json:"command,omitempty"`
	Query   *Query       `json:"query,omitempty"`
}

// HTTPRequest is one request and how its answer is read.
type HTTPRequest struct {
	Method      string                      `json:"method"`
	URL         backout.Template            `json:"url"`
	Headers     map[string]backout.Template `json:"headers,omitempty"`
	HeadersFrom map[string]Reference        `json:"headers_from,omitempty"`
	Token       Reference                   `json:"token_from,omitzero"` // sent as Authorization: Bearer
	Body        any                         `json:"body,omitempty"`      // JSON; its texts are templates
	TLS         TLS                         `json:"tls,omitzero"`
	Timeout     backout.Duration            `json:"timeout,omitempty"`
	// Done, NotDone and Conflict are statuses that mean so besides the usual ones.
	Done     []int `json:"done,omitempty"`
	NotDone  []int `json:"not_done,omitempty"`
	Conflict []int `json:"conflict,omitempty"`
	// Version, Shares, Healthy and Versions are CEL expressions over the answer.
	Version  string `json:"version,omitempty"`
	Shares   string `json:"shares,omitempty"`
	Healthy  string `json:"healthy,omitempty"`
	Versions string `json:"versions,omitempty"`
}

// TLS names files: whom to trust, and who we are.
type TLS struct {
	CA   string `json:"ca,omitempty"`
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`
}

// Command is one program with its arguments; no shell reads them.
type Command struct {
	Args     []backout.Template          `json:"args"`
	Dir      string                      `json:"dir,omitempty"`
	Pass     []string                    `json:"pass,omitempty"` // names of our variables that it gets
	Set      map[string]backout.Template `json:"set,omitempty"`
	SetFrom  map[string]Reference        `json:"set_from,omitempty"`
	Timeout  backout.Duration            `json:"timeout,omitempty"`
	Grace    backout.Duration            `json:"grace,omitempty"` // between asking it to end and ending it
	Done     []int                       `json:"done,omitempty"`  // exit codes
	NotDone  []int                       `json:"not_done,omitempty"`
	Conflict []int                       `json:"conflict,omitempty"`
}

// Manual is a step that a person does.
type Manual struct {
	Owner         string           `json:"owner,omitempty"` // of playbooks that name none
	Deadline      backout.Duration `json:"deadline"`
	EscalateTo    string           `json:"escalate_to,omitempty"`
	EscalateAfter backout.Duration `json:"escalate_after,omitempty"`
}

// Query is a PromQL query with one series a version; values are taken as shares.
type Query struct {
	Text         backout.Template `json:"text"`
	VersionLabel string           `json:"version_label"`
}

// Stated is what is said of going back, since a request or a program can't be asked.
type Stated struct {
	Loss     backout.Loss     `json:"loss"`
	Lost     string           `json:"lost,omitempty"`
	Shares   []float64        `json:"shares_ratio"`
	Mixed    bool             `json:"mixed,omitempty"`
	Takes    backout.Duration `json:"takes"`
	Headroom float64          `json:"headroom_ratio"`
}

// builtin names the actuators that need no declaration.
var builtin = []string{"flagd", "goose", "playground", kubernetesActuator}

var (
	componentFields = []string{"component", "kind", "name", "service", "environment", "location", "locator"}
	effectFields    = append([]string{"from", "to", "share", "percent", "audience", "key", "attempt", "ifVersion"}, componentFields...)
)

func readActuator(e *entity) {
	a := Actuator{Name: e.name, File: e.at(), Reversal: Stated{Loss: backout.LossUnknown, Shares: []float64{1}, Headroom: 1, Takes: backout.Duration(time.Minute)}}
	e.spec.fields(map[string]func(cursor){
		"http": readRequest(&a.HTTP, effectFields), "command": readCommand(&a.Command, effectFields), "manual": readManual(&a.Manual), "kubernetes": readKubernetes(&a.Kubernetes),
		"probe": readLook(&a.Probe), "within": span(&a.Within), "onceByKey": yes(&a.OnceByKey), "reversal": readStated(&a.Reversal),
	})
	ways, looks := count(a.HTTP != nil, a.Command != nil, a.Manual != nil), count(a.Probe.HTTP != nil, a.Probe.Command != nil, a.Probe.Query != nil)
	switch {
	case a.Kubernetes != nil && (ways+looks > 0 || a.Within != 0 || a.OnceByKey):
		e.wrong("spec.kubernetes: expected nothing beside it: it moves and sees by itself")
	case a.Kubernetes != nil && e.name != kubernetesActuator:
		e.wrong("name %s: expected %s, as components in clusters call theirs", e.name, kubernetesActuator)
	case a.Kubernetes != nil: // whole
	case ways != 1:
		e.wrong("spec: expected one of http, command, manual: how it is moved")
	case looks > 1:
		e.wrong("spec.probe: expected one of http, command, query")
	case looks == 0 && a.Manual == nil:
		e.wrong("spec.probe: expected one of http, command, query: what is moved must be seen")
	case a.CompareAndSwap() && a.Probe.HTTP == nil && a.Probe.Command == nil:
		e.wrong("spec: {ifVersion} is what the probe saw: expected probe.http or probe.command with it")
	case slices.Contains(builtin, e.name):
		e.wrong("name %s: expected another one: it is always there", e.name)
	}
	if a.Manual != nil {
		e.later = append(e.later, func() { e.playbooks(a) })
	}
	if e.unique("actuator", e.name) {
		e.out.Actuators = append(e.out.Actuators, a)
	}
}

func count(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// playbooks demands that whoever is asked to move a component is told how.
func (e *entity) playbooks(a Actuator) {
	for _, c := range e.out.Graph.Components {
		i := slices.IndexFunc(e.out.Playbooks, func(p backout.Playbook) bool { return p.Component == c.ID })
		switch {
		case c.Actuator != a.Name:
		case i < 0:
			e.wrong("spec.manual: %s is moved by it: expected a Playbook for it", c.ID)
		case e.out.Playbooks[i].Owner == "" && a.Manual.Owner == "":
			e.wrong("spec.manual.owner: playbook %s names no owner: expected one there or here", e.out.Playbooks[i].Name)
		}
	}
}

// CompareAndSwap reports whether a move carries the version that the probe saw.
func (a Actuator) CompareAndSwap() bool {
	var all []backout.Template
	if h := a.HTTP; h != nil {
		all = append(all, h.URL)
		for _, t := range h.Headers {
			all = append(all, t)
		}
		all = append(all, texts(h.Body)...)
	}
	if c := a.Command; c != nil {
		all = append(all, c.Args...)
		for _, t := range c.Set {
			all = append(all, t)
		}
	}
	return slices.ContainsFunc(all, func(t backout.Template) bool { return slices.Contains(t.Fields(), "ifVersion") })
}

// texts lists the texts in a JSON value.
func texts(v any) (out []backout.Template) {
	switch v := v.(type) {
	case string:
		out = append(out, backout.Template(v))
	case []any:
		for _, x := range v {
			out = append(out, texts(x)...)
		}
	case map[string]any:
		for _, x := range v {
			out = append(out, texts(x)...)
		}
	}
	return out
}

func readLook(into *Look) func(cursor) {
	return func(c cursor) {
		c.fields(map[string]func(cursor){
			"http": readRequest(&into.HTTP, componentFields), "command": readCommand(&into.Command, componentFields), "query": readQuery(&into.Query),
		})
		if h := into.HTTP; h != nil && h.Version != "" && h.Shares != "" {
			c.wrong("http: expected version or shares, not both")
		}
	}
}

func readRequest(into **HTTPRequest, fields []string) func(cursor) {
	moves := len(fields) > len(componentFields)
	return func(c cursor) {
		r := &HTTPRequest{Method: "GET"}
		known := map[string]func(cursor){
			"method": oneOf(&r.Method, "GET", "POST", "PUT", "PATCH", "DELETE"), "url": template(&r.URL, fields), "headers": templates(&r.Headers, fields),
			"headersFrom": references(&r.HeadersFrom), "tokenFrom": reference(&r.Token), "timeout": span(&r.Timeout),
			"tls": func(t cursor) {
				t.fields(map[string]func(cursor){"caFile": text(&r.TLS.CA), "certFile": text(&r.TLS.Cert), "keyFile": text(&r.TLS.Key)})
			},
			"body": body(&r.Body, fields),
		}
		if moves {
			r.Method = "POST"
			known["done"], known["notDone"], known["conflict"] = codes(&r.Done, 200, 399), codes(&r.NotDone, 300, 599), codes(&r.Conflict, 400, 599)
		} else {
			known["version"], known["shares"], known["healthy"], known["versions"] = text(&r.Version), text(&r.Shares), text(&r.Healthy), text(&r.Versions)
		}
		c.fields(known)
		if err := r.fits(); err != nil {
			c.wrong("%v", err)
		}
		*into = r
	}
}

// fits checks an address: no value may decide whom we talk to.
func (r HTTPRequest) fits() error {
	before, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(string(r.URL), "https://"), "http://"), "/")
	u, err := url.Parse(templateLess(r.URL))
	switch {
	case r.URL == "":
		return errors.New("url: expected a value")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil:
		return errors.New("url: expected an address such as https://example.com/path/{service}, without a user")
	case strings.Contains(before, "{"):
		return fmt.Errorf("url: found a field in the host %q: expected fields in the path and the query only", before)
	case (r.TLS.Cert == "") != (r.TLS.Key == ""):
		return errors.New("tls: expected certFile and keyFile, or none of them")
	}
	for _, names := range [][]string{keys(r.Headers), keys(r.HeadersFrom)} {
		for _, n := range names {
			if textproto.TrimString(n) != n || strings.ContainsAny(n, " :\r\n{}") || n == "" {
				return fmt.Errorf("headers: %q: expected the name of a header", n)
			}
		}
	}
	return nil
}

// templateLess is an address with something harmless in place of its fields.
func templateLess(t backout.Template) string {
	values := map[string]string{}
	for _, f := range t.Fields() {
		values[f] = "x"
	}
	out, err := t.Expand(values, func(s string) (string, error) { return s, nil })
	if err != nil {
		return ""
	}
	return out
}

func keys[V any](m map[string]V) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func readCommand(into **Command, fields []string) func(cursor) {
	moves := len(fields) > len(componentFields)
	return func(c cursor) {
		r := &Command{}
		known := map[string]func(cursor){
			"args": func(l cursor) {
				l.list(func(x cursor) {
					var t backout.Template
					template(&t, fields)(x)
					r.Args = append(r.Args, t)
				})
			},
			"dir": text(&r.Dir), "pass": names(&r.Pass), "set": templates(&r.Set, fields), "setFrom": references(&r.SetFrom), "timeout": span(&r.Timeout), "grace": span(&r.Grace),
		}
		if moves {
			known["done"], known["notDone"], known["conflict"] = codes(&r.Done, 0, 255), codes(&r.NotDone, 0, 255), codes(&r.Conflict, 0, 255)
		}
		c.fields(known)
		switch {
		case len(r.Args) == 0 || r.Args[0] == "":
			c.wrong("args: expected the program and its arguments")
		case len(r.Args[0].Fields()) > 0:
			c.wrong("args[0]: found %q: expected a program that no field decides", string(r.Args[0]))
		}
		*into = r
	}
}

func readManual(into **Manual) func(cursor) {
	return func(c cursor) {
		m := &Manual{Deadline: backout.Duration(30 * time.Minute)}
		c.fields(map[string]func(cursor){
			"owner": text(&m.Owner), "deadline": span(&m.Deadline), "escalateTo": text(&m.EscalateTo), "escalateAfter": span(&m.EscalateAfter),
		})
		switch {
		case m.Deadline <= 0:
			c.wrong("deadline: expected more than nothing")
		case m.EscalateAfter >= m.Deadline:
			c.wrong("escalateAfter: found %s: expected less than the deadline of %s", m.EscalateAfter, m.Deadline)
		case m.EscalateAfter > 0 && m.EscalateTo == "":
			c.wrong("escalateTo: expected who hears of it after %s", m.EscalateAfter)
		}
		*into = m
	}
}

func readQuery(into **Query) func(cursor) {
	return func(c cursor) {
		q := &Query{VersionLabel: "version"}
		c.fields(map[string]func(cursor){"promql": template(&q.Text, componentFields), "versionLabel": text(&q.VersionLabel)})
		if q.Text == "" {
			c.wrong("promql: expected a query with one series a version")
		}
		*into = q
	}
}

func readStated(into *Stated) func(cursor) {
	return func(c cursor) {
		c.fields(map[string]func(cursor){
			"loss": oneOf(&into.Loss, backout.LossNone, backout.LossSome, backout.LossOneWay, backout.LossUnknown), "lost": text(&into.Lost),
			"mixed": yes(&into.Mixed), "takes": span(&into.Takes), "headroom": share(&into.Headroom),
			"shares": func(l cursor) {
				into.Shares = []float64{}
				l.list(func(x cursor) {
					f := 0.0
					part(&f)(x)
					into.Shares = append(into.Shares, f)
				})
				if n := len(into.Shares); n == 0 || into.Shares[n-1] != 1 || !slices.IsSorted(into.Shares) {
					l.wrong("expected shares that ascend and end at 1, such as [0.1, 0.5, 1]")
				}
			},
		})
		if into.Loss == backout.LossSome && into.Lost == "" {
			c.wrong("lost: expected what is lost, in words")
		}
	}
}

func template(into *backout.Template, fields []string) func(cursor) {
	return func(c cursor) {
		text(into)(c)
		if err := into.Check(fields...); err != nil {
			c.wrong("%v", err)
		}
	}
}

func templates(into *map[string]backout.Template, fields []string) func(cursor) {
	return func(c cursor) {
		*into = map[string]backout.Template{}
		c.each(func(name string, v cursor) {
			var t backout.Template
			template(&t, fields)(v)
			(*into)[name] = t
		})
	}
}

func references(into *map[string]Reference) func(cursor) {
	return func(c cursor) {
		*into = map[string]Reference{}
		c.each(func(name string, v cursor) {
			var r Reference
			reference(&r)(v)
			(*into)[name] = r
		})
	}
}

func codes(into *[]int, least, most int) func(cursor) {
	return func(c cursor) {
		c.list(func(x cursor) {
			n := 0
			whole(&n, least, most)(x)
			*into = append(*into, n)
		})
	}
}

// body reads any YAML value that JSON has as well.
func body(into *any, fields []string) func(cursor) {
	return func(c cursor) { *into = c.value(fields) }
}

func (c cursor) value(fields []string) any {
	switch c.node.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		c.each(func(name string, v cursor) { out[name] = v.value(fields) })
		return out
	case yaml.SequenceNode:
		out := []any{}
		c.list(func(x cursor) { out = append(out, x.value(fields)) })
		return out
	}
	var v any
	switch c.node.Tag {
	case "!!str", "!!bool", "!!int", "!!float", "!!null":
		if err := c.node.Decode(&v); err != nil {
			c.wrong("expected a value that JSON has: %v", err)
		}
	default:
		c.wrong("found %s: expected a value that JSON has", c.node.Tag)
	}
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		c.wrong("found %v: expected a number that JSON has", f)
	}
	if s, ok := v.(string); ok {
		if err := backout.Template(s).Check(fields...); err != nil {
			c.wrong("%v", err)
		}
	}
	return v
}

func readPlaybook(e *entity) {
	p := backout.Playbook{Name: e.name, Title: e.title}
	e.spec.fields(map[string]func(cursor){
		"component": refer(e, "component", &p.Component), "owner": text(&p.Owner), "text": text(&p.Text), "link": address(&p.Link),
		"steps": func(l cursor) {
			l.list(func(x cursor) {
				s := ""
				text(&s)(x)
				p.Steps = append(p.Steps, s)
			})
		},
	})
	e.required(map[string]bool{"component": p.Component == "", "text": p.Text == "" && len(p.Steps) == 0})
	if e.unique("playbook", e.name) {
		e.out.Playbooks = append(e.out.Playbooks, p)
	}
}
