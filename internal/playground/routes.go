package playground

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/backout-dev/backout"
)

// endpoint is one instance that takes requests.
type endpoint struct {
	ID      string  `json:"id"`
	Address string  `json:"address"` // host:port
	Version string  `json:"version"`
	Weight  float64 `json:"weight"`
	// Location is where it runs.
	Location backout.Location `json:"location"`
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

// pick chooses an endpoint of a service by weight, in the caller's location while
// there is one. avoid is an address that just failed; it is taken only when there
// is no other anywhere.
func (r *routes) pick(service string, from backout.Location, avoid string) (endpoint, bool) {
	all := r.table.Load().Services[service]
	total, near := 0.0, 0.0
	for _, e := range all {
		if e.Address != avoid {
			total += e.Weight
			if e.Location == from {
				near += e.Weight
			}
		}
	}
	at := rand.Float64() * total
	if near > 0 {
		at = rand.Float64() * near
	}
	for _, e := range all {
		if e.Address == avoid || near > 0 && e.Location != from {
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
