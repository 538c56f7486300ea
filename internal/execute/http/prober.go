package http

import (
	"context"
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"reflect"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Reading says how an answer is read: CEL expressions over body (the answer's JSON),
// status (a number) and headers (by name in lower case). Without any the answer is the
// document of execute.ReadSight.
type Reading struct {
	Version  string // gives the one version that is live
	Shares   string // or gives versions with their shares, a map
	Healthy  string // gives true or false; "" = healthy when the answer is 2xx
	Versions string // gives the list of versions on offer; "" = it doesn't say
}

// costLimit bounds one expression, so that no answer keeps a processor busy.
const costLimit = 100_000

// Prober sees components by requests.
type Prober struct {
	sender                             *sender
	version, shares, healthy, versions cel.Program // nil = not given
}

var _ execute.Prober = (*Prober)(nil)

// NewProber makes a prober; an expression that can't be is an error that names it.
func NewProber(c Config, r Reading) (*Prober, error) {
	s, err := newSender(c, nethttp.MethodGet)
	if err != nil {
		return nil, err
	}
	p := &Prober{sender: s}
	if r.Version != "" && r.Shares != "" {
		return nil, invalid("expected version or shares, not both")
	}
	if r.Version == "" && r.Shares == "" && (r.Healthy != "" || r.Versions != "") {
		return nil, invalid("expected version or shares beside healthy and versions")
	}
	env, err := cel.NewEnv(cel.Variable("body", cel.DynType), cel.Variable("status", cel.IntType), cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)))
	if err != nil {
		return nil, fmt.Errorf("make expressions: %w", err)
	}
	for _, x := range []struct {
		name, text string
		into       *cel.Program
	}{{"version", r.Version, &p.version}, {"shares", r.Shares, &p.shares}, {"healthy", r.Healthy, &p.healthy}, {"versions", r.Versions, &p.versions}} {
		if x.text == "" {
			continue
		}
		ast, issues := env.Compile(x.text)
		if issues.Err() != nil {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("%s: expected a CEL expression over body, status and headers", x.name), Err: issues.Err()}
		}
		if *x.into, err = env.Program(ast, cel.CostLimit(costLimit)); err != nil {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: x.name, Err: err}
		}
	}
	return p, nil
}

// Look asks the server what is live. The ETag is the resource version.
func (p *Prober) Look(ctx context.Context, c backout.Component) (execute.Sight, error) {
	a, _, err := p.sender.send(ctx, c.Fields(), nethttp.Header{"Accept": {"application/json"}})
	if err != nil {
		return execute.Sight{}, err
	}
	if a.status < 200 || a.status >= 300 {
		code := backout.CodeUnavailable
		if a.status == nethttp.StatusNotFound {
			code = backout.CodeNotFound
		}
		return execute.Sight{}, &backout.Error{Code: code, Message: fmt.Sprintf("answered %d: %s", a.status, a.said())}
	}
	s, err := p.read(ctx, a)
	if err != nil {
		return s, &backout.Error{Code: backout.CodeUnavailable, Message: "the answer can't be read", Err: err}
	}
	if tag := a.header.Get("ETag"); tag != "" {
		s.Version = tag
	}
	return s, nil
}

func (p *Prober) read(ctx context.Context, a answer) (execute.Sight, error) {
	if p.version == nil && p.shares == nil {
		return execute.ReadSight(a.body)
	}
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		body = string(a.body) // plain text: the version alone, say
	}
	headers := map[string]string{}
	for name := range a.header {
		headers[strings.ToLower(name)] = a.header.Get(name)
	}
	vars := map[string]any{"body": body, "status": a.status, "headers": headers}
	now := time.Now().UTC()
	s := execute.Sight{Reality: backout.Reality{Live: backout.Live{Shares: map[backout.Version]float64{}, Healthy: true, At: now}, At: now}}
	if p.version != nil {
		v, err := eval[string](ctx, "version", p.version, vars)
		if err != nil {
			return s, err
		}
		s.Live.Shares[backout.Version(strings.TrimSpace(v))] = 1
	} else {
		shares, err := eval[map[string]float64](ctx, "shares", p.shares, vars)
		if err != nil {
			return s, err
		}
		for v, f := range shares {
			s.Live.Shares[backout.Version(v)] = f
		}
	}
	var err error
	if p.healthy != nil {
		if s.Live.Healthy, err = eval[bool](ctx, "healthy", p.healthy, vars); err != nil {
			return s, err
		}
	}
	if p.versions != nil {
		all, err := eval[[]string](ctx, "versions", p.versions, vars)
		if err != nil {
			return s, err
		}
		s.Versions = []backout.Version{}
		for _, v := range all {
			s.Versions = append(s.Versions, backout.Version(v))
		}
	}
	return s, s.Check()
}

func eval[T any](ctx context.Context, name string, prg cel.Program, vars map[string]any) (T, error) {
	var zero T
	v, _, err := prg.ContextEval(ctx, vars)
	if err != nil {
		return zero, fmt.Errorf("%s: %w", name, err)
	}
	native, err := v.ConvertToNative(reflect.TypeFor[T]())
	if err != nil {
		return zero, fmt.Errorf("%s: it gives %v: expected %s", name, v.Value(), kindWords[reflect.TypeFor[T]().Kind()])
	}
	return native.(T), nil
}

var kindWords = map[reflect.Kind]string{reflect.String: "a text", reflect.Map: "a map of versions to shares", reflect.Bool: "true or false", reflect.Slice: "a list of versions"}
