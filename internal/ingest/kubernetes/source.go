// Package kubernetes reads what changes in a cluster, and writes nothing there.
//
// Informers keep a small picture of its workloads, their revisions and pods, and of what
// they take in or are limited by. A loop compares what it sees of each thing with what
// was seen of it last; a difference becomes an observation. What was seen is kept, so
// that after a restart, a broken watch or a dead API server the same comparison finds
// what happened meanwhile. A native id is made of the object's uid and of what it became
// (a revision's number, a content's hash and when it was written), never of when we
// looked, so that whatever is found twice is one observation.
//
// What is observed, and as which component (NAME is namespace.workload):
//
//	deployment:NAME             a new revision: ReplicaSets of Deployments, ControllerRevisions of
//	                            StatefulSets and DaemonSets; stages as its pods get ready
//	config:NAMESPACE.configmap.X, config:NAMESPACE.secret.X    new content, of those that pods take in
//	infrastructure:NAME.scale   replicas, or an autoscaler's bounds where there is one
//	infrastructure:NAMESPACE.budget.X, .quota.X, infrastructure:node.X    what limits the way back
//
// One cluster is one location; several clusters make one world.
package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// Memory keeps what was seen of a cluster.
type Memory interface {
	// Load gives what was saved under a name; nil when nothing was.
	Load(ctx context.Context, name string) ([]byte, error)
	// Save replaces it.
	Save(ctx context.Context, name string, at time.Time, state []byte) error
}

// Snapshots keeps the last states of workloads that were seen to work.
type Snapshots interface {
	// Keep adds a snapshot, or confirms one that is known by component and version.
	Keep(ctx context.Context, r backout.Snapshot) error
}

// Config says which cluster is read, and who hears of it. Cluster, Environment, Location
// and Recorder are required.
type Config struct {
	Cluster     *kubernetes.Cluster
	Environment backout.Environment
	Location    backout.Location
	// Namespaces that are read; none = all. Nodes are read only when all are.
	Namespaces []string
	// Components that somebody declared: one whose locator is CLUSTER/NAMESPACE/KIND/NAME
	// (kind as in deployment, statefulset, daemonset), or that has a workload's name and
	// service here, is that workload.
	Components []backout.Component
	Recorder   ingest.Recorder
	Memory     Memory    // nil = what was seen is forgotten with the process
	Snapshots  Snapshots // nil = none are kept
	// Calm says whether nothing is wrong now: a release is verified only then. nil = always.
	Calm func(ctx context.Context) bool
	// Bake is how long a release must have worked to be a verified one; 10m when zero.
	Bake time.Duration
	// AskEach is how often it is asked again what we may read; 5m when zero.
	AskEach time.Duration
	// Trouble hears what keeps us from seeing the cluster, and nil when it is over; nil =
	// nobody.
	Trouble func(error)
	Now     func() time.Time // time.Now when nil
	Log     *slog.Logger     // nil discards it
}

// How often things are done.
const (
	gather   = 100 * time.Millisecond // what comes within is looked at together
	saveEach = 2 * time.Second
	lookBack = 24 * time.Hour // how old a revision may be to be told of at first sight
	// Informers pause at most 30s between two tries.
	troubleOver = 45 * time.Second
)

// Source is one cluster being read.
type Source struct {
	config Config
	see    *sight

	// The loop's own.
	book    book
	saved   time.Time
	changed bool             // the book since it was saved
	lacking error            // what we may not read; set before the informers start
	fresh   sets.Set[string] // kinds that are read for the first time, and were not looked at yet

	mu    sync.Mutex
	dirty sets.Set[string] // guarded by mu: things to look at
	shown Found            // guarded by mu: what the last look found
	ready bool             // guarded by mu: every informer has listed, and was looked at
	// troubled is when a watch failed last; zero = none does.
	troubled time.Time // guarded by mu
	wake     chan struct{}
	asks     chan struct{} // somebody wants to know what we may read
}

// New makes a source, and starts nothing. It fails with code invalid when a part is
// missing.
func New(c Config) (*Source, error) {
	if c.Cluster == nil || c.Recorder == nil || c.Environment == "" || c.Location == "" {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: "make Kubernetes source: expected a cluster, an environment, a location and a recorder"}
	}
	c.Bake, c.AskEach = cmp.Or(c.Bake, 10*time.Minute), cmp.Or(c.AskEach, 5*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Trouble == nil {
		c.Trouble = func(error) {}
	}
	if c.Calm == nil {
		c.Calm = func(context.Context) bool { return true }
	}
	return &Source{config: c, dirty: sets.New[string](), wake: make(chan struct{}, 1), asks: make(chan struct{}, 1)}, nil
}

// name is how what was seen of this cluster is kept.
func (s *Source) name() string { return "kubernetes/" + s.config.Cluster.Name }

// Run reads until ctx ends. Trouble with the cluster is told and waited out; only what
// was seen before must be readable.
func (s *Source) Run(ctx context.Context) error {
	if err := s.remember(ctx); err != nil {
		return fmt.Errorf("read what was seen of cluster %s: %w", s.config.Cluster.Name, err)
	}
	if err := s.reach(ctx); err != nil {
		return nil // ctx has ended
	}
	for ctx.Err() == nil {
		s.read(ctx)
	}
	s.save(context.WithoutCancel(ctx))
	return nil
}

// read reads until ctx ends, or what we may read has changed: then other informers are
// needed. All of them begin anew, which finds what happened meanwhile as a restart does.
func (s *Source) read(ctx context.Context) {
	// Its own context, so that the informers have ended when we return.
	running, stop := context.WithCancel(ctx)
	without, lacking, _ := s.ask(ctx)
	s.lacking = lacking
	s.see = newSight(s.config, without, s.book.Key, s.mark, s.watchTrouble)
	s.meet(without)
	defer s.see.wait()
	defer stop()
	s.see.start(running)
	if !s.see.synced(running) {
		return
	}
	s.tell(nil)
	s.markAll()
	again := time.NewTicker(s.config.AskEach)
	defer again.Stop()
	for {
		s.turn(ctx)
		s.recovered()
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			sleep(ctx, gather)
		case <-time.After(saveEach):
		case <-again.C:
			if s.changedRights(ctx, without) {
				return
			}
		case <-s.asks:
			if s.changedRights(ctx, without) {
				return
			}
		}
	}
}

// reach asks the cluster until it answers. It fails only when ctx ends.
func (s *Source) reach(ctx context.Context) error {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		_, err := s.config.Cluster.Check(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			s.tell(nil)
			return nil
		}
		s.tell(err)
		sleep(ctx, pause)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// mark notes that a thing may have changed.
func (s *Source) mark(things ...string) {
	s.mu.Lock()
	s.dirty.Insert(things...)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// markAll looks at everything that there is, and at what there was.
func (s *Source) markAll() {
	s.mark(s.see.things()...)
	for thing := range s.book.Things {
		s.mark(thing)
	}
}

// turn looks at what may have changed, records what has, and saves from time to time.
// What can't be recorded stays to be looked at again.
func (s *Source) turn(ctx context.Context) {
	s.mu.Lock()
	things := sets.List(s.dirty)
	s.dirty = sets.New[string]()
	s.mu.Unlock()
	const most = 500 // observations at once
	for len(things) > 0 {
		n := min(len(things), most)
		if err := s.look(ctx, things[:n]); err != nil {
			if ctx.Err() == nil {
				s.config.Log.Error("record what changed in a cluster", "cluster", s.config.Cluster.Name, "err", err)
			}
			s.mu.Lock()
			s.dirty.Insert(things...)
			s.mu.Unlock()
			return
		}
		things = things[n:]
	}
	s.show()
	s.verify(ctx)
	if s.changed && s.config.Now().Sub(s.saved) >= saveEach {
		s.save(ctx)
	}
}

// look compares things with what was seen of them last.
func (s *Source) look(ctx context.Context, things []string) error {
	now := s.config.Now().UTC()
	var obs []backout.Observation
	next := map[string]*thing{}
	for _, key := range things {
		if !s.see.reads(key) {
			continue
		}
		was := s.book.Things[key]
		is, found := s.see.thing(key, was)
		t, told := s.compare(now, key, was, is, found)
		next[key] = t
		obs = append(obs, told...)
	}
	valid := obs[:0]
	for _, o := range obs {
		if wrong := ingest.Check(o, now); len(wrong) > 0 {
			s.config.Log.Error("leave out what can't be recorded", "component", o.Component, "err", ingest.Mistakes(wrong))
			continue
		}
		valid = append(valid, o)
	}
	if len(valid) > 0 {
		if err := s.config.Recorder.Record(ctx, valid); err != nil {
			return err
		}
	}
	for key, t := range next {
		s.book.put(key, t)
	}
	s.changed = s.changed || len(next) > 0
	return nil
}

// remember reads what was seen before, or begins.
func (s *Source) remember(ctx context.Context) error {
	s.book = newBook()
	if s.config.Memory == nil {
		return nil
	}
	raw, err := s.config.Memory.Load(ctx, s.name())
	if err != nil || raw == nil {
		return err
	}
	var b book
	if err := json.Unmarshal(raw, &b); err != nil {
		return err
	}
	if b.Format != bookFormat {
		return fmt.Errorf("it has format %d: expected %d", b.Format, bookFormat)
	}
	b.First = false
	s.book = b
	return nil
}

// save keeps what was seen. Should that fail, more is looked at again next time.
func (s *Source) save(ctx context.Context) {
	if s.config.Memory == nil || !s.changed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	now := s.config.Now().UTC()
	raw, err := json.Marshal(s.book)
	if err == nil {
		err = s.config.Memory.Save(ctx, s.name(), now, raw)
	}
	s.saved = now
	if err != nil {
		s.config.Log.Error("keep what was seen of a cluster", "cluster", s.config.Cluster.Name, "err", err)
		return
	}
	s.changed = false
}

// watchTrouble tells of what ends a watch: that it is too old is no trouble, since
// everything is listed again.
func (s *Source) watchTrouble(r *cache.Reflector, err error) {
	if kubernetes.ReasonOf(err) == kubernetes.Gone || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return
	}
	s.config.Log.Warn("watch a cluster", "cluster", s.config.Cluster.Name, "what", r.TypeDescription(), "err", err)
	s.tell(fmt.Errorf("%s: %w", r.TypeDescription(), s.config.Cluster.Explain(err)))
	s.mu.Lock()
	s.troubled = s.config.Now()
	s.mu.Unlock()
}

// recovered tells that trouble is over when none was heard for longer than the
// informers pause between their tries.
func (s *Source) recovered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.troubled.IsZero() && s.config.Now().Sub(s.troubled) > troubleOver {
		s.troubled = time.Time{}
		s.tell(nil)
	}
}
