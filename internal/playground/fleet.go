package playground

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// drainGrace is how long an instance that is out of the router may still answer.
const drainGrace = 1500 * time.Millisecond

// running is one instance of the fleet, in this process or in another.
type running struct {
	id, version, address string
	stop                 func()
	here                 *instance // nil when it runs in another process
}

// crew is all instances of one service in one location.
type crew struct {
	service  *service
	location backout.Location
	mu       sync.Mutex // one move at a time
	// members is edited under fleet.mu, and only by who holds mu.
	members []running
	started int // instances ever started; numbers their names
}

// fleet owns which instances run, at which versions, and the router in front of
// them.
type fleet struct {
	around *surroundings
	log    func(msg string, args ...any)
	spawn  func(ctx context.Context, role string, args ...string) (*exec.Cmd, error)
	// acts says how a copy behaves, and whether it runs in a process of its own.
	acts func(c *crew, version string, now time.Time) (acts behaviour, faults []fault, apart bool)
	// follows is set when a cluster says which instances of our own services run: none
	// are started with the shop then.
	follows bool
	spec    hostSpec // what every process of instances is told
	life    context.Context

	mu     sync.Mutex // guards members of crews, splits, hosts and the revision
	crews  map[place]*crew
	splits map[string]bool // services whose split is at split-2
	hosts  map[string]*host
	stops  sync.WaitGroup
}

// place is a service in a location.
type place struct {
	service  string
	location backout.Location
}

func newFleet(life context.Context, around *surroundings) *fleet {
	return &fleet{around: around, life: life, crews: map[place]*crew{}, splits: map[string]bool{}, hosts: map[string]*host{},
		log:  func(string, ...any) {},
		acts: func(*crew, string, time.Time) (behaviour, []fault, bool) { return behaviour{}, nil, false }}
}

// startAll starts every service at its current release.
func (f *fleet) startAll(ctx context.Context) error {
	for i := range f.around.topology.services {
		s := &f.around.topology.services[i]
		if s.kind == backout.ServiceDatastore {
			continue
		}
		where := f.around.topology.locations
		if s.external() {
			where = where[:1] // somebody else's, reached from everywhere
		}
		for _, at := range where {
			if err := f.startCrew(ctx, &crew{service: s, location: at}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fleet) startCrew(ctx context.Context, c *crew) error {
	f.edit(func() { f.crews[place{c.service.name, c.location}] = c })
	if f.follows && c.service.own() {
		return nil
	}
	for range c.service.instances {
		r, err := f.launch(ctx, c, f.nextID(c), c.service.current)
		if err != nil {
			return err
		}
		f.edit(func() { c.members = append(c.members, r) })
	}
	return nil
}

// edit changes what the router depends on and puts a new table into force.
func (f *fleet) edit(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	old := f.around.routes.table.Load()
	t := &routeTable{Revision: old.Revision + 1, Services: make(map[string][]endpoint, len(f.crews))}
	for at, c := range f.crews {
		name := at.service
		for i, m := range c.members {
			weight := 1.0
			if f.splits[name] && i%2 == 1 {
				weight = .5
			}
			t.Services[name] = append(t.Services[name], endpoint{m.id, m.address, m.version, weight, at.location})
		}
	}
	f.around.routes.table.Store(t)
}

// nextID names one more instance of a crew.
func (f *fleet) nextID(c *crew) string {
	c.started++
	if len(f.around.topology.locations) > 1 {
		return fmt.Sprintf("%s-%s-%d", c.service.name, c.location, c.started)
	}
	return fmt.Sprintf("%s-%d", c.service.name, c.started)
}

// launch starts one instance; it is ready, and not yet in the router.
func (f *fleet) launch(ctx context.Context, c *crew, id, version string) (running, error) {
	acts, faults, apart := f.acts(c, version, time.Now())
	copied := copyOf{id, c.service, version, c.location, acts, faults}
	if apart && f.spawn != nil {
		return f.launchApart(copied)
	}
	in, err := f.around.start(ctx, copied)
	if err != nil {
		return running{}, err
	}
	return running{id, version, in.address, func() { in.stop(drainGrace) }, in}, nil
}

// launchApart starts an instance in the process that hosts its release, which is
// started with the first and stopped with the last of them.
func (f *fleet) launchApart(c copyOf) (running, error) {
	id, key := c.id, string(c.service.deploymentAt(c.location))+"="+c.version
	f.mu.Lock()
	h := f.hosts[key]
	if h == nil {
		spec := f.spec
		spec.Service, spec.Version, spec.Location, spec.Acts, spec.Bindings = c.service.name, c.version, c.location, c.acts, f.around.bindings
		spec.Faults = c.faults
		var err error
		if h, err = startHost(f.life, f.spawn, spec); err != nil {
			f.mu.Unlock()
			return running{}, err
		}
		f.hosts[key] = h
	}
	h.n++
	f.mu.Unlock()
	leave := func() {
		f.mu.Lock()
		h.n--
		last := h.n == 0
		if last {
			delete(f.hosts, key)
		}
		f.mu.Unlock()
		if last {
			h.stop()
		}
	}
	r, err := h.ask(order{Start: id})
	if err != nil {
		leave()
		return running{}, fmt.Errorf("start instance %s: %w", id, err)
	}
	return running{id, c.version, r.Address, func() {
		_, _ = h.ask(order{Stop: id}) // a process that is gone has stopped it already
		f.grace(drainGrace)           // the process drains it, and must not end before
		leave()
	}, nil}, nil
}

// move brings at least a share of a service's instances to a version: new ones
// are started and routed to before old ones are taken out and drained.
func (f *fleet) move(ctx context.Context, s *service, at backout.Location, version string, share float64) error {
	c := f.crews[place{s.name, at}]
	c.mu.Lock()
	defer c.mu.Unlock()
	want := min(len(c.members), max(1, int(math.Ceil(share*float64(len(c.members))-.05))))
	for {
		have, victim := 0, -1
		for i, m := range c.members {
			if m.version == version {
				have++
			} else if victim < 0 {
				victim = i
			}
		}
		if have >= want || victim < 0 {
			return nil
		}
		r, err := f.launch(ctx, c, f.nextID(c), version)
		if err != nil {
			return fmt.Errorf("move %s to %s: %w", s.name, version, err)
		}
		if err := ready(ctx, r.address); err != nil {
			r.stop()
			return fmt.Errorf("move %s to %s: %w", s.name, version, err)
		}
		old := c.members[victim]
		f.edit(func() {
			members := slices.Clone(c.members)
			members[victim] = r
			c.members = members
		})
		f.retire(old)
	}
}

// retire drains an instance that has left the router. Processes learn of new
// routes by their beats, so it goes on listening for two of them.
func (f *fleet) retire(r running) {
	f.stops.Go(func() {
		f.grace(3 * beatEvery)
		r.stop()
	})
}

// grace waits, but not beyond the fleet's life.
func (f *fleet) grace(d time.Duration) { _ = pause(f.life, d) }

// healthy asks every instance of a service whether it is there.
func (f *fleet) healthy(ctx context.Context, name string, at backout.Location) bool {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	for _, e := range f.around.routes.table.Load().Services[name] {
		if e.Location == at && ready(ctx, e.Address) != nil {
			return false
		}
	}
	return true
}

// ready asks an instance whether it takes requests.
func ready(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("ask instance: %w", err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask instance: %w", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask instance: %w", statusError(answer.StatusCode))
	}
	return nil
}

// setSplit puts split-1 (even) or split-2 of a service's router into force.
func (f *fleet) setSplit(service string, second bool) {
	f.edit(func() { f.splits[service] = second })
}

// shares is the share of instances at each version.
func (f *fleet) shares(name string, at backout.Location) (map[backout.Version]float64, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	members := f.crews[place{name, at}].members
	out := map[backout.Version]float64{}
	for _, m := range members {
		out[backout.Version(m.version)] += 1 / float64(len(members))
	}
	return out, len(members)
}

// members lists every instance of our own services, for the scraper.
func (f *fleet) members() []member {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []member
	for i := range f.around.topology.services {
		s := &f.around.topology.services[i]
		if !s.own() {
			continue
		}
		for _, at := range f.around.topology.locations {
			for _, m := range f.crews[place{s.name, at}].members {
				out = append(out, member{s.name, m.id, m.version, m.address, at})
			}
		}
	}
	return out
}

type member struct {
	service, id, version, address string
	location                      backout.Location
}

// stopAll ends every instance at once; the context of its life has ended before.
func (f *fleet) stopAll() {
	f.mu.Lock()
	var all []running
	for _, c := range f.crews {
		all = append(all, c.members...)
	}
	hosts := f.hosts
	f.hosts = map[string]*host{}
	f.mu.Unlock()
	var wg sync.WaitGroup
	for _, h := range hosts {
		wg.Go(h.stop)
	}
	for _, r := range all {
		if r.here != nil {
			wg.Go(func() { r.here.stop(200 * time.Millisecond) })
		}
	}
	wg.Wait()
	f.stops.Wait()
}
