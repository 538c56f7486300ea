package playground

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backout-dev/backout"
)

// surroundings is what all instances of one process share.
type surroundings struct {
	topology *topology
	routes   *routes
	store    *store // nil in a process of instances
	// sessions are those of each location; empty in a process of instances.
	sessions map[backout.Location]*stockSessions
	knobs    *knobs
	unsafe   *atomic.Int64 // requests that crossed an incompatible pair
	rate     float64       // transactions a second that pools are sized for
	bindings []binding
}

// copyOf says what an instance is a copy of, and how it behaves.
type copyOf struct {
	id       string
	service  *service
	version  string
	location backout.Location
	acts     behaviour
	faults   []fault
}

// instance is one running copy of one release of a service.
type instance struct {
	copyOf
	around  *surroundings
	started time.Time

	ops       map[string]*op
	workers   *pool
	pools     map[string]*pool
	budget    atomic.Int64      // retries that may still be made, in hundredths
	needs     map[string]string // releases that callees must be at, by bindings
	meters    *meters
	server    *http.Server
	transport *http.Transport
	address   string
	asyncs    *pool // async calls under way
	done      context.Context
	cancel    context.CancelFunc
}

const (
	workerPatience = 250 * time.Millisecond
	poolPatience   = 250 * time.Millisecond
	defaultTimeout = 800 * time.Millisecond
	headerHold     = "X-Hold"
	headerClient   = "X-Client"
	headerNeeds    = "X-Needs" // the release that the caller relies on
)

// start runs an instance; it takes requests when start returns.
func (a *surroundings) start(ctx context.Context, c copyOf) (*instance, error) {
	s := c.service
	in := &instance{copyOf: c, around: a, started: time.Now(), ops: map[string]*op{}, pools: map[string]*pool{}, needs: map[string]string{}}
	for _, b := range a.bindings {
		if b.Consumer == s.name && b.ConsumerVersion == c.version {
			in.needs[b.Provider] = b.ProviderVersion
		}
	}
	in.done, in.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for i := range s.ops {
		if o := &s.ops[i]; !o.next || c.version == s.next {
			in.ops["/"+o.name] = o
		}
	}
	in.workers, in.asyncs = newPool(or(s.limit, 64)), newPool(64)
	shown := map[string]*pool{"workers": in.workers}
	var callees []string
	for _, e := range a.topology.edges(s) {
		if e.to == a.topology.store {
			continue
		}
		callees = append(callees, e.to)
		size, declared := a.poolSize(s, e.to)
		in.pools[e.to] = newPool(size)
		if declared {
			shown[e.to] = in.pools[e.to]
		}
	}
	if own := a.sessions[in.location]; own != nil && s == a.topology.named("inventory") {
		shown["slots"] = own.pool
	}
	in.meters = newMeters(s.name, callees, shown)
	in.transport = &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true, ReadBufferSize: 1024, WriteBufferSize: 1024,
		DialContext: (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext}
	return in, in.listen()
}

func or(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}

// poolSize is the number of connections of an instance to a callee. Declared
// sizes are for 200 transactions a second and shrink or grow with the rate.
func (a *surroundings) poolSize(s *service, callee string) (size int, declared bool) {
	size = 24
	for _, o := range s.ops {
		for _, c := range o.calls {
			if c.to == callee && c.pool > 0 {
				size, declared = max(1, int(math.Round(float64(c.pool)*a.rate/200))), true
			}
		}
	}
	return size, declared
}

func (in *instance) listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start instance %s: %w", in.id, err)
	}
	in.address = l.Addr().String()
	mux := in.meters.handler()
	in.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			mux.ServeHTTP(w, r)
		case "/healthz":
		default:
			in.serve(w, r)
		}
	})}
	go func() { _ = in.server.Serve(l) }() // ends with stop, whose error says nothing more
	return nil
}

// stop lets requests under way finish, for at most grace, and ends the instance.
func (in *instance) stop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if in.server.Shutdown(ctx) != nil {
		_ = in.server.Close() // whoever still waits has waited longer than its caller does
	}
	in.cancel()
	for range cap(in.asyncs.slots) { // calls under way end with the context; none begins any more
		if in.asyncs.acquire(ctx, grace) != nil {
			break
		}
	}
	in.transport.CloseIdleConnections()
}

func (in *instance) serve(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	hold, err := in.answer(r)
	in.meters.seconds.Observe(time.Since(begun).Seconds())
	if err != nil {
		in.meters.failed.Inc()
		status := http.StatusServiceUnavailable
		if errors.Is(err, errTimedOut) || errors.Is(err, context.DeadlineExceeded) {
			status = http.StatusGatewayTimeout
		}
		if errors.Is(err, errUnknown) {
			status = http.StatusNotImplemented
		}
		w.WriteHeader(status)
		return
	}
	in.meters.ok.Inc()
	if hold != "" {
		w.Header()[headerHold] = []string{hold}
	}
}

var (
	errFailed  = errors.New("the operation failed")
	errUnknown = errors.New("this release does not offer the operation")
)

// answer carries out one operation: it waits for a worker, works, and calls.
func (in *instance) answer(r *http.Request) (hold string, err error) {
	ctx := r.Context()
	if err := in.workers.acquire(ctx, workerPatience); err != nil {
		return "", err
	}
	defer in.workers.release()
	o, ok := in.ops[r.URL.Path]
	if needs := r.Header[headerNeeds]; !ok || len(needs) > 0 && needs[0] != in.version {
		if ok || in.service.op(strings.TrimPrefix(r.URL.Path, "/")) != nil {
			in.around.unsafe.Add(1) // the caller relies on a release that this is not
		}
		return "", errUnknown
	}
	client := r.Header.Get(headerClient)
	if err := in.work(ctx, o, client, r.URL.RawQuery, &hold); err != nil {
		return hold, err
	}
	return hold, in.callAll(ctx, o, client)
}

// work spends the operation's time and does what it does to the shop's data.
func (in *instance) work(ctx context.Context, o *op, client, query string, hold *string) error {
	took, fails := in.duration(o, client)
	a := in.around
	sessions := a.sessions[in.location]
	switch o.effect {
	case readStock:
		if err := sessions.pool.acquire(ctx, sessionPatience); err != nil {
			return err
		}
		defer sessions.pool.release()
		if err := a.store.readStock(ctx); err != nil {
			return err
		}
	case reserve:
		id, err := sessions.reserve(ctx)
		if err != nil {
			return err
		}
		// It may be given back by another location's instance.
		*hold = string(in.location) + "." + id
	case release:
		a.giveBack(query)
		if err := a.store.takeStock(ctx); err != nil {
			return err
		}
	case writeOrder:
		if err := a.store.writeOrder(ctx, in.version == in.service.next); err != nil {
			return err
		}
	case writeLedger:
		if err := a.store.writeLedger(ctx); err != nil {
			return err
		}
	}
	if err := pause(ctx, took); err != nil {
		return err
	}
	if fails {
		if *hold != "" {
			a.giveBack(*hold)
		}
		return errFailed
	}
	return nil
}

func (in *instance) duration(o *op, client string) (time.Duration, bool) {
	now := time.Now()
	sum := in.acts.felt(now)
	for _, t := range in.faults {
		if f, hit := t.felt(in, o, client, now); hit {
			sum = sum.and(f)
		}
	}
	took, fails := sum.of(o.work)
	return time.Duration(float64(took) * in.around.knobs.factor(in.service.name)), fails
}

// pause waits without using the processor.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// callAll makes the operation's calls in order. Reservations that it was given
// are returned when it ends, well or not.
func (in *instance) callAll(ctx context.Context, o *op, client string) error {
	for i := range o.calls {
		c := &o.calls[i]
		if c.share > 0 && rand.Float64() >= c.share {
			continue
		}
		if c.async {
			in.later(c, client, "")
			continue
		}
		hold, err := in.call(ctx, c, client, "")
		if hold != "" {
			giveBack := call{to: c.to, op: in.around.releaseOp(c.to)}
			defer in.later(&giveBack, client, hold)
		}
		if err != nil && !c.soft {
			return err
		}
	}
	return nil
}

// giveBack releases a reservation, named LOCATION.ID, of whichever location.
func (a *surroundings) giveBack(hold string) {
	at, id, _ := strings.Cut(hold, ".")
	if s := a.sessions[backout.Location(at)]; s != nil {
		s.release(id)
	}
}

// releaseOp is the operation that gives a reservation of a service back.
func (a *surroundings) releaseOp(name string) string {
	for _, o := range a.topology.service(name).ops {
		if o.effect == release {
			return o.name
		}
	}
	return ""
}

// later makes a call that nobody waits for; when too many are under way it is
// dropped, but for a reservation's return, which is not.
func (in *instance) later(c *call, client, hold string) {
	patience := time.Duration(0)
	if hold != "" {
		patience = time.Second
	}
	if in.asyncs.acquire(in.done, patience) != nil {
		return
	}
	go func() {
		defer in.asyncs.release()
		_, _ = in.call(in.done, c, client, hold) // its failure is counted where it happens
	}()
}
