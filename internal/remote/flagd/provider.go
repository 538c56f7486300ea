package flagd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
)

// pollEvery is how often the file's date and size are looked at: often enough
// that a flag acts within a blink, cheap enough (one stat) not to be seen.
const pollEvery = 60 * time.Millisecond

// settle is how young a file's date may be and still be mistaken: two writes
// within one tick of the file system's clock look alike, so a young file is read
// again.
const settle = 2 * time.Second

// Provider serves one flag file through OpenFeature's Go SDK. Evaluation is a
// pointer load and a walk over compiled rules; any number may run at once.
type Provider struct {
	path    string
	current atomic.Pointer[Definition] // the last good file
	problem atomic.Pointer[error]      // why the file on disk is not the current one
}

var _ openfeature.FeatureProvider = (*Provider)(nil)

// NewProvider reads the file once; it must be good to begin with. Nothing runs
// until Run is called.
func NewProvider(path string) (*Provider, error) {
	doc, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read flags: %w", err)
	}
	def, err := Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &Provider{path: path}
	p.current.Store(def)
	return p, nil
}

// Run follows the file until ctx ends. Files that are renamed into place are
// seen too; a file that is missing or broken leaves the last good flags in force.
func (p *Provider) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last stamp
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			last = p.reload(last)
		}
	}
}

// stamp tells one state of the file from another without reading it.
type stamp struct {
	mod  time.Time
	size int64
	read time.Time
}

func (p *Provider) reload(last stamp) stamp {
	info, err := os.Stat(p.path)
	if err != nil {
		p.fail(fmt.Errorf("read flags: %w", err))
		return stamp{}
	}
	settled := last.read.Sub(last.mod) > settle
	if settled && info.ModTime().Equal(last.mod) && info.Size() == last.size {
		return last
	}
	now := stamp{info.ModTime(), info.Size(), time.Now()}
	doc, err := os.ReadFile(p.path)
	if err != nil {
		p.fail(fmt.Errorf("read flags: %w", err))
		return stamp{}
	}
	def, err := Parse(doc)
	if err != nil {
		p.fail(fmt.Errorf("%s: %w", p.path, err))
		return now
	}
	p.current.Store(def)
	p.problem.Store(nil)
	return now
}

func (p *Provider) fail(err error) { p.problem.Store(&err) }

// Err says why the file on disk is not what is being served; nil when it is.
func (p *Provider) Err() error {
	if e := p.problem.Load(); e != nil {
		return *e
	}
	return nil
}

// Definition is what is being served.
func (p *Provider) Definition() *Definition { return p.current.Load() }

// Metadata names the provider.
func (p *Provider) Metadata() openfeature.Metadata {
	return openfeature.Metadata{Name: "backout flag file"}
}

// Hooks has none.
func (p *Provider) Hooks() []openfeature.Hook { return nil }

// resolve evaluates one flag and checks its type.
func resolve[T any](p *Provider, key string, fallback T, fc openfeature.FlattenedContext, as func(any) (T, bool)) openfeature.GenericResolutionDetail[T] {
	out := openfeature.GenericResolutionDetail[T]{Value: fallback}
	def := p.current.Load()
	res, err := def.Evaluate(key, fc, time.Now())
	if err != nil {
		out.Reason = openfeature.ErrorReason
		if errors.Is(err, ErrNotFound) {
			out.ResolutionError = openfeature.NewFlagNotFoundResolutionError(err.Error())
		} else {
			out.ResolutionError = openfeature.NewParseErrorResolutionError(err.Error())
		}
		return out
	}
	out.Reason, out.FlagMetadata = openfeature.Reason(res.Reason), def.Flags[key].Metadata
	if res.Variant == "" {
		return out
	}
	v, ok := as(res.Value)
	if !ok {
		out.Reason = openfeature.ErrorReason
		out.ResolutionError = openfeature.NewTypeMismatchResolutionError(
			fmt.Sprintf("flag %s is %s: asked for %T", key, kindOf(res.Value), fallback))
		return out
	}
	out.Value, out.Variant = v, res.Variant
	return out
}

func exactly[T any](v any) (T, bool) {
	x, ok := v.(T)
	return x, ok
}

// whole accepts numbers without a fraction that fit.
func whole(v any) (int64, bool) {
	f, ok := v.(float64)
	return int64(f), ok && f == math.Trunc(f) && math.Abs(f) <= 1<<53
}

// BooleanEvaluation answers for a boolean flag.
func (p *Provider) BooleanEvaluation(_ context.Context, flag string, fallback bool, fc openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	return resolve(p, flag, fallback, fc, exactly[bool])
}

// StringEvaluation answers for a string flag.
func (p *Provider) StringEvaluation(_ context.Context, flag string, fallback string, fc openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	return resolve(p, flag, fallback, fc, exactly[string])
}

// FloatEvaluation answers for a number flag.
func (p *Provider) FloatEvaluation(_ context.Context, flag string, fallback float64, fc openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return resolve(p, flag, fallback, fc, exactly[float64])
}

// IntEvaluation answers for a number flag whose value is whole.
func (p *Provider) IntEvaluation(_ context.Context, flag string, fallback int64, fc openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return resolve(p, flag, fallback, fc, whole)
}

// ObjectEvaluation answers for an object flag.
func (p *Provider) ObjectEvaluation(_ context.Context, flag string, fallback any, fc openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return resolve(p, flag, fallback, fc, func(v any) (any, bool) {
		m, ok := v.(map[string]any)
		return any(m), ok
	})
}
