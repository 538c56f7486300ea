package playground

import (
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

const (
	environment = backout.Environment("production")
	location    = backout.Location("eu-1")
	currency    = "EUR"
	// global is the location of what is the same in all of several.
	global = backout.Location("global")
)

// effect is what an operation does to the shop's data, besides working.
type effect int

const (
	noEffect    effect = iota
	readStock          // takes a stock session for the time of its work
	reserve            // takes a stock session and keeps it until release
	release            // gives a reservation back
	writeOrder         // one row into the orders table
	writeLedger        // one row into the ledger table
)

// call is one request that an operation makes to another service.
type call struct {
	to, op string
	soft   bool          // its failure is overlooked
	async  bool          // nobody waits for it
	share  float64       // of the operations that make it; 0 = all
	holds  bool          // the callee hands out a reservation, given back when the operation ends
	flag   string        // when it is on, flagOp is called instead
	flagOp string        //
	wait   time.Duration // timeout; 0 = the caller's
	pool   int           // connections for each of the caller's instances; 0 = the default
}

// op is one operation of a service.
type op struct {
	name   string
	work   time.Duration
	effect effect
	calls  []call
	next   bool // only the next release offers it
}

// service is one row of the table.
type service struct {
	name, system, owner string
	tier                int
	instances           int
	kind                backout.ServiceKind
	timeout             time.Duration // of its calls; 0 = 800 ms
	limit               int           // concurrent requests of an instance; 0 = 64
	ops                 []op
	// The three releases that exist: the one before, the one that runs at first,
	// and the one that may be shipped.
	previous, current, next string
}

// journey is a path of a client: requests to the client's front, one after
// another.
type journey struct {
	name, title string
	tier        int
	share       float64 // of all transactions
	ops         []string
	clients     []string
	minor       int64   // revenue of one success, or its estimated value
	order       bool    // it buys something
	loss        float64 // share of minor that a failure loses
}

// client is a group of customers with a front of its own.
type client struct {
	name, front, system string
	share               float64
	sla                 float64
	penaltyMinor        int64
}

// setting is a value of configuration: revision r2 scales the work of its service.
type setting struct {
	name, service, title string
	factor               float64
	at                   backout.Location
}

// split is a router split in front of a service: split-2 gives one half of its
// instances a third of the traffic.
type split struct {
	name, service string
	at            backout.Location
}

// toggle is a feature flag.
type toggle struct {
	name, service, title string
	journeys             []string
	minor                int64 // what a minute with the feature earns
	at                   backout.Location
}

// topology is the whole table under the names that the outside sees.
type topology struct {
	services []service
	journeys []journey
	clients  []client
	settings []setting
	splits   []split
	toggles  []toggle
	schema   string // name of the schema component
	store    string // the datastore's service
	load     string // what the load calls itself
	// locations are where the services run; everything else is everywhere when there
	// are several.
	locations []backout.Location
	tables    [3]string
	// outward translates a name of the table into the one that the outside sees.
	outward map[string]string
	index   map[string]int
}

// named gives a service by its name in the table, whatever it is called outside.
func (t *topology) named(tableName string) *service { return t.service(t.outward[tableName]) }

// service gives a service by its outward name; nil when there is none.
func (t *topology) service(name string) *service {
	i, ok := t.index[name]
	if !ok {
		return nil
	}
	return &t.services[i]
}

func (s *service) op(name string) *op {
	i := slices.IndexFunc(s.ops, func(o op) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return &s.ops[i]
}

func (s *service) own() bool      { return s.kind == backout.ServiceOwn }
func (s *service) external() bool { return s.kind == backout.ServiceExternal }
func (s *service) versions() []string {
	return []string{s.previous, s.current, s.next}
}

// deployment is the service's component where the shop runs in one place.
func (s *service) deployment() backout.ComponentID { return s.deploymentAt(location) }

func (s *service) deploymentAt(at backout.Location) backout.ComponentID {
	return backout.NewComponentID(backout.KindDeployment, s.name, environment, at)
}

// spread runs the shop in these locations, with about as many instances as in
// one; none leaves it where it is. What is not a deployment is then global.
func (t *topology) spread(locations []backout.Location) {
	if len(locations) == 0 {
		return
	}
	t.locations = locations
	if len(locations) == 1 {
		return
	}
	for i := range t.services {
		if s := &t.services[i]; s.own() {
			s.instances = (s.instances + 1) / 2
		}
	}
	for i := range t.settings {
		t.settings[i].at = global
	}
	for i := range t.splits {
		t.splits[i].at = global
	}
	for i := range t.toggles {
		t.toggles[i].at = global
	}
}

// common is where that is what belongs to no one location.
func (t *topology) common() backout.Location {
	if len(t.locations) > 1 {
		return global
	}
	return t.locations[0]
}

// edge is everything that one service calls another for.
type edge struct {
	to                 string
	soft, async, holds bool
}

// edges lists the callees of a service: soft when no call needs them, async when
// nobody ever waits for them.
func (t *topology) edges(s *service) []edge {
	var out []edge
	for _, o := range s.ops {
		for _, c := range o.calls {
			i := slices.IndexFunc(out, func(e edge) bool { return e.to == c.to })
			if i < 0 {
				out = append(out, edge{c.to, c.soft || c.async, c.async, c.holds})
				continue
			}
			out[i].soft = out[i].soft && (c.soft || c.async)
			out[i].async = out[i].async && c.async
			out[i].holds = out[i].holds || c.holds
		}
		if (o.effect == readStock || o.effect == reserve || o.effect >= writeOrder) && !slices.ContainsFunc(out, func(e edge) bool { return e.to == t.store }) {
			out = append(out, edge{to: t.store})
		}
	}
	return out
}

// critical lists the services that an operation can't do without, itself first.
func (t *topology) critical(service, operation string) []string {
	seen, out := map[string]bool{}, []string{}
	var walk func(service, operation string)
	walk = func(name, operation string) {
		s := t.service(name)
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
		o := s.op(operation)
		if o == nil {
			return
		}
		for _, c := range o.calls {
			if !c.soft && !c.async {
				walk(c.to, c.op)
			}
		}
	}
	walk(service, operation)
	return out
}

func (t *topology) client(name string) client {
	i := slices.IndexFunc(t.clients, func(c client) bool { return c.name == name })
	return t.clients[i]
}
