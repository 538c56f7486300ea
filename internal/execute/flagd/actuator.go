package flagd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	format "github.com/backout-dev/backout/internal/remote/flagd"
)

// Config says where flag files are.
type Config struct {
	// Dir is what relative paths in locators are relative to; empty = the working
	// directory.
	Dir string
}

// Actuator moves flags. It holds nothing but its configuration; any number of
// calls may run at once.
type Actuator struct{ config Config }

var _ execute.Actuator = (*Actuator)(nil)

// New makes an actuator.
func New(c Config) *Actuator { return &Actuator{c} }

// sight is one flag as it stands in its file.
type sight struct {
	path, key string
	doc       []byte
	version   string // hash of the file
	def       *format.Definition
	flag      *format.Flag
	targeting any
}

func invalid(f string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(f, args...)}
}

func (a *Actuator) look(c backout.Component) (sight, error) {
	path, key, ok := strings.Cut(c.Locator, "#")
	if !ok || path == "" || key == "" {
		return sight{}, invalid("%s: locator %q: expected path/to/file.json#flagKey", c.ID, c.Locator)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.config.Dir, path)
	}
	s := sight{path: path, key: key}
	var err error
	if s.doc, err = os.ReadFile(path); err != nil {
		return s, &backout.Error{Code: backout.CodeUnavailable, Message: "read flags", Err: err}
	}
	sum := sha256.Sum256(s.doc)
	s.version = hex.EncodeToString(sum[:])
	if s.def, err = format.Parse(s.doc); err != nil {
		return s, &backout.Error{Code: backout.CodeUnavailable, Message: path, Err: err}
	}
	if s.flag, ok = s.def.Flags[key]; !ok {
		return s, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("%s has no flag %q", path, key)}
	}
	if !s.flag.Enabled {
		return s, invalid("flag %s in %s is disabled: its variants reach nobody", key, path)
	}
	if s.flag.Targeting != nil {
		if err := json.Unmarshal(s.flag.Targeting, &s.targeting); err != nil {
			return s, &backout.Error{Code: backout.CodeInternal, Message: path, Err: err}
		}
	}
	return s, nil
}

// live counts who gets which variant.
func (s sight) live(at time.Time) backout.Live {
	c := count{s.key, s.flag.Default, map[string]float64{}}
	c.spread(s.targeting, 0, 1)
	out := backout.Live{Shares: map[backout.Version]float64{}, Healthy: true, At: at}
	for v, share := range c.shares {
		out.Shares[backout.Version(v)] = math.Round(share*1e9) / 1e9
	}
	return out
}

// Probe reads the file. Audiences holds those that we have named in it.
func (a *Actuator) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	if err := ctx.Err(); err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	s, err := a.look(c)
	if err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	now := time.Now().UTC()
	r := backout.Reality{Live: s.live(now), Version: s.version, At: now}
	ours, _ := peel(s.key, s.targeting)
	for _, f := range ours {
		if f.audience == "" {
			continue
		}
		res, err := s.def.Evaluate(s.key, map[string]any{"targetingKey": f.audience, "client": f.audience}, now)
		if err != nil {
			return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
		}
		if r.Audiences == nil {
			r.Audiences = map[string]backout.Live{}
		}
		r.Audiences[f.audience] = backout.Live{Shares: map[backout.Version]float64{backout.Version(res.Variant): 1}, Healthy: true, At: now}
	}
	return r, nil
}

// Survey offers every earlier version that is a variant still. A flag loses
// nothing and can be moved by any share.
func (a *Actuator) Survey(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{}, At: time.Now().UTC()}
	if err := ctx.Err(); err != nil {
		return rev, fmt.Errorf("survey %s: %w", c.ID, err)
	}
	s, err := a.look(c)
	if err != nil {
		rev.Why = err.Error()
		return rev, nil
	}
	rev.Known, rev.Current, rev.CompareAndSwap, rev.Mixed = true, s.live(rev.At).Version(), true, true
	rev.Shares, rev.Takes, rev.Headroom = []float64{0.1, 0.5, 1}, backout.Duration(100*time.Millisecond), 1
	for l := range stack {
		v := execute.Behind(stack, l)
		if _, ok := s.flag.Variants[string(v)]; !ok {
			continue
		}
		rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: v, Loss: backout.LossNone, Verified: execute.Lived(stack, l)})
	}
	return rev, nil
}

// Do brings a share of the audience, or one audience, to a variant. What is
// there already is done without a write.
func (a *Actuator) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	s, err := a.look(e.Component)
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	unlock, err := lock(ctx, filepath.Dir(s.path))
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	defer unlock()
	if s, err = a.look(e.Component); err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	next, err := s.moved(e)
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	if bytes.Equal(next, s.doc) {
		return backout.OutcomeDone, nil
	}
	if e.IfVersion != "" && e.IfVersion != s.version {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("%s was edited meanwhile", s.path)}
	}
	out, err := s.write(ctx, next)
	if err != nil {
		return out, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	return out, nil
}

// moved is the file as it shall be.
func (s sight) moved(e backout.Effect) ([]byte, error) {
	if _, ok := s.flag.Variants[string(e.To)]; !ok {
		return nil, invalid("flag %s has no variant %q", s.key, e.To)
	}
	if !(e.Share > 0 && e.Share <= 1) && e.Audience == "" {
		return nil, invalid("share %v: expected more than 0 and at most 1", e.Share)
	}
	ours, rest := peel(s.key, s.targeting)
	to, fallback := string(e.To), s.flag.Default
	switch {
	case e.Audience != "":
		kept := []front{{variant: to, audience: e.Audience}}
		for _, f := range ours {
			if f.audience != e.Audience {
				kept = append(kept, f)
			}
		}
		ours = kept
	case s.live(time.Time{}).Shares[e.To] >= e.Share-1e-9:
		return s.doc, nil
	case e.Share == 1:
		ours, fallback = nil, to
		if rest != nil {
			ours = []front{{variant: to, all: true}}
		}
	default:
		ours = shared(ours, rest, to, fallback, int(math.Ceil(e.Share*whole-1e-6)))
	}
	return s.edited(fallback, wrap(s.key, ours, rest))
}

// shared puts a share in front. Growing a share replaces it; going back towards
// the default shrinks the share that is away from it.
func shared(ours []front, rest any, to, fallback string, weight int) []front {
	if len(ours) == 1 && rest == nil && to == fallback && ours[0].weight > 0 {
		ours[0].weight = whole - weight
		return ours
	}
	kept := []front{{variant: to, weight: weight}}
	for _, f := range ours {
		if f.weight == 0 || f.variant != to {
			kept = append(kept, f)
		}
	}
	return kept
}

// edited changes the two values and no other byte.
func (s sight) edited(fallback string, targeting any) ([]byte, error) {
	doc := s.doc
	var err error
	if fallback != s.flag.Default {
		v, merr := json.Marshal(fallback)
		if merr != nil {
			return nil, fmt.Errorf("write flag %s: %w", s.key, merr)
		}
		if doc, err = format.Set(doc, v, "flags", s.key, "defaultVariant"); err != nil {
			return nil, err
		}
	}
	if targeting == nil && s.targeting == nil {
		return doc, nil
	}
	if targeting == nil {
		return format.Delete(doc, "flags", s.key, "targeting")
	}
	v, err := json.Marshal(targeting)
	if err != nil {
		return nil, fmt.Errorf("write flag %s: %w", s.key, err)
	}
	was, err := json.Marshal(s.targeting)
	if err != nil || bytes.Equal(was, v) {
		return doc, err
	}
	return format.Set(doc, v, "flags", s.key, "targeting")
}

// write replaces the file if it is still what was read.
func (s sight) write(ctx context.Context, next []byte) (backout.Outcome, error) {
	if _, err := format.Parse(next); err != nil {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeInternal, Message: "what would be written is broken", Err: err}
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.path), "."+filepath.Base(s.path)+"-*")
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when it was renamed
	_, err = tmp.Write(next)
	for _, deed := range []func() error{func() error { return tmp.Chmod(info.Mode().Perm()) }, tmp.Sync, tmp.Close, ctx.Err} {
		if derr := deed(); err == nil {
			err = derr
		}
	}
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("write %s: %w", s.path, err)
	}
	if now, err := os.ReadFile(s.path); err != nil || !bytes.Equal(now, s.doc) {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: s.path + " was edited meanwhile", Err: err}
	}
	if err := os.Rename(tmp.Name(), s.path); err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("write %s: %w", s.path, err)
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return backout.OutcomeUnknown, fmt.Errorf("write %s: %w", s.path, err)
	}
	return backout.OutcomeDone, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// Swaps: version and content are compared and replaced under the file's lock, which
// a process that is frozen in between keeps.
func (a *Actuator) Swaps(backout.Component) bool { return true }
