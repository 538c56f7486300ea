package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/infer"
	"github.com/backout-dev/backout/internal/infer/spec"
)

// memory is how far back releases are remembered to tell what a consumer was built
// against, in model minutes: thirty days.
const memory = 30 * 24 * 60

// inferred keeps the lines until a fact that they rest on comes.
type inferred struct {
	mu       sync.Mutex
	state    string // guarded by mu, as are the others: what they were inferred from
	lines    []backout.Line
	problems []string
	compared map[infer.Comparison]spec.Difference
}

// lines are what attachments say, inferred anew only when something relevant came.
func (f *facts) lines(ctx context.Context, w backout.World) ([]backout.Line, []string, error) {
	attached, err := f.store.AttachedState(ctx)
	if err != nil || attached == "" {
		return []backout.Line{}, nil, err
	}
	state := attached
	for _, c := range w.Changes {
		state += fmt.Sprintf("\n%s %v", c.ID, c.BuiltAgainst)
	}
	f.inferred.mu.Lock()
	defer f.inferred.mu.Unlock()
	if state == f.inferred.state {
		return f.inferred.lines, f.inferred.problems, nil
	}
	files, err := f.store.Attached(ctx)
	if err != nil {
		return nil, nil, err
	}
	obs, err := f.store.Observations(ctx, w.Now.Add(-memory*f.minute))
	if err != nil {
		return nil, nil, err
	}
	if f.inferred.compared == nil {
		f.inferred.compared = map[infer.Comparison]spec.Difference{}
	}
	changes, _ := backout.Fold(obs)
	in := infer.Facts{Graph: w.Graph, Changes: changes, Live: w.Live, Attached: files, Minute: w.Minute, Compared: f.inferred.compared}
	if in.Pairs, err = f.seen(ctx, w, changes, memory); err != nil {
		return nil, nil, err
	}
	f.inferred.lines, f.inferred.problems = infer.Lines(in)
	f.inferred.state = state
	return f.inferred.lines, f.inferred.problems, nil
}

// readable refuses attachments that nothing could be inferred from.
func readable(obs []backout.Observation) error {
	for _, o := range obs {
		for _, a := range o.Attachments {
			if err := infer.Check(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// Attach reads files of a change. The kind is told by the name: .yaml, .yml and
// .json are OpenAPI, .proto is Protocol Buffers, .pb, .binpb, .protoset, .desc and
// .fds are descriptor sets, .sql is a migration. What can't be read is refused with
// file, line and reason.
func Attach(files []string) ([]backout.Attachment, error) {
	out := []backout.Attachment{}
	for _, path := range files {
		a := backout.Attachment{Name: path[strings.LastIndexAny(path, `/\`)+1:]}
		var ok bool
		if a.Kind, ok = spec.KindOf(path); !ok {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("%s: expected a file named .yaml, .yml, .json, .proto, .pb, .binpb, .protoset, .desc, .fds or .sql", path)}
		}
		info, err := os.Stat(path)
		if err == nil && info.Size() > backout.MaxAttachment {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("%s: %d bytes: expected at most %d", path, info.Size(), backout.MaxAttachment)}
		}
		if err == nil {
			a.Body, err = os.ReadFile(path)
		}
		if err != nil {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: "read attachment", Err: err}
		}
		if err := infer.Check(a); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Knowing lists what is known of components and what is missing.
func (r reading) Knowing(ctx context.Context) (backout.Knowing, error) {
	return r.a.facts.knowing(ctx, time.Now().UTC(), true)
}

func (f *facts) knowing(ctx context.Context, now time.Time, surveyed bool) (backout.Knowing, error) {
	w, err := f.World(ctx, now, surveyed)
	if err != nil {
		return backout.Knowing{}, err
	}
	k := infer.Know(w)
	_, problems, err := f.lines(ctx, w)
	k.Problems = append(k.Problems, problems...)
	return k, err
}

// RecordedKnowing is what a recording knew at its end.
func RecordedKnowing(ctx context.Context, c catalog.Catalog, w RecordedWorld, now time.Time, minute, step time.Duration) (backout.Knowing, error) {
	f := &facts{catalog: c, store: w, minute: minute, step: step}
	return f.knowing(ctx, now, false)
}

// CatalogKnowing is what a folder of catalog files says by itself.
func CatalogKnowing(dir string) (backout.Knowing, error) {
	c, err := catalog.Load(os.DirFS(dir))
	if err != nil {
		return backout.Knowing{}, err
	}
	return infer.Know(backout.World{Graph: c.Graph, Contracts: slices.Clone(c.Contracts), Policy: c.Policy}), nil
}
