package playground

import (
	"math/rand/v2"
	"sync/atomic"
)

// endpoint is one instance that takes requests.
type endpoint struct {
	ID      string  `json:"id"`
	Address string  `json:"address"` // host:port
	Version string  `json:"version"`
	Weight  float64 `json:"weight"`
}

// routeTable says where the requests for each service go. A table is never
// edited, only replaced.
type routeTable struct {
	Revision int64                 `json:"revision"`
	Services map[string][]endpoint `json:"services"`
}

// routes is the table in force in one process: the router that every instance
// asks before each call.
type routes struct{ table atomic.Pointer[routeTable] }

func newRoutes() *routes {
	r := &routes{}
	r.table.Store(&routeTable{Services: map[string][]endpoint{}})
	return r
}

// pick chooses an endpoint of a service by weight. avoid is an address that just
// failed; it is taken only when there is no other.
func (r *routes) pick(service, avoid string) (endpoint, bool) {
	all := r.table.Load().Services[service]
	total := 0.0
	for _, e := range all {
		if e.Address != avoid {
			total += e.Weight
		}
	}
	at := rand.Float64() * total
	for _, e := range all {
		if e.Address == avoid {
			continue
		}
		if at -= e.Weight; at <= 0 {
			return e, true
		}
	}
	if len(all) == 0 {
		return endpoint{}, false
	}
	return all[0], true
}
