package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/backout-dev/backout"
)

// room is how many instances of a component a stage of its move may take at once:
// as many as may be out of service, and as many beyond as the surge can replace
// before they go.
type room struct {
	bounded bool
	out     int // instances that may be missing
	surge   int // instances that may exist beyond the usual
	least   string
}

// roomOf reads a component's room off its own budget and those of its pools. free
// is what is left of each pool's quota while nothing moves.
func roomOf(c backout.Component, pools []backout.Pool, free map[string]int) room {
	r := room{out: c.Instances, surge: c.MaxSurge}
	if c.Instances == 0 {
		return room{}
	}
	if c.MinAvailable > 0 {
		r.bounded, r.out = true, max(0, c.Instances-c.MinAvailable)
		r.least = fmt.Sprintf("%d of %d instances must stay in service", c.MinAvailable, c.Instances)
	}
	for _, p := range pools {
		if !p.Has(c) {
			continue
		}
		if p.MaxUnavailable > 0 && p.MaxUnavailable < r.out {
			r.bounded, r.out = true, p.MaxUnavailable
			r.least = fmt.Sprintf("at most %d instances of pool %s may be out of service", p.MaxUnavailable, p.ID)
		}
		if p.Quota > 0 {
			r.surge = min(r.surge, free[p.ID])
		}
	}
	return r
}

// freeOf is what each pool's quota leaves while nothing moves.
func freeOf(g backout.Graph) map[string]int {
	free := map[string]int{}
	for _, p := range g.Pools {
		if p.Quota == 0 {
			continue
		}
		free[p.ID] = p.Quota
		for _, c := range g.Components {
			if p.Has(c) {
				free[p.ID] -= c.Instances
			}
		}
		free[p.ID] = max(0, free[p.ID])
	}
	return free
}

// gentle adds stages until none takes more instances at once than there is room
// for. on are the shares that the actuator can bring about; it is false when they
// leave too wide a gap.
func (r room) gentle(shares, on []float64, instances int) ([]float64, bool) {
	if !r.bounded {
		return shares, true
	}
	step := float64(r.out+r.surge) / float64(instances)
	var out []float64
	before := 0.0
	for _, wish := range shares {
		for wish > before+step+1e-9 {
			next := before
			for _, o := range on {
				if o <= before+step+1e-9 {
					next = max(next, o)
				}
			}
			if next <= before+1e-9 {
				return nil, false
			}
			out, before = append(out, next), next
		}
		if wish > before+1e-9 {
			out, before = append(out, wish), wish
		}
	}
	return out, true
}

// cramped says why a component can't be moved within its disruption budget,
// whatever the staging; "" when it can.
func (c conditions) cramped(s *site) string {
	part := s.component
	r := roomOf(part, c.world.Graph.Pools, c.free)
	if _, ok := r.gentle([]float64{1}, s.reversal.Shares, part.Instances); ok {
		return ""
	}
	if len(s.reversal.Shares) < 2 && r.out+r.surge > 0 {
		return fmt.Sprintf("%s can only be moved whole, but %s", s.label(), r.least)
	}
	return fmt.Sprintf("%s can't be moved: %s, and there is surge for %d", s.label(), r.least, r.surge)
}

// peak is the most instances that a move takes out of service at once, and the
// most that it needs beyond the usual ones.
func (m model) peak(i int) (out, extra int) {
	c, before := m.sites[i].component, 0.0
	r := roomOf(c, m.world.Graph.Pools, m.free)
	for _, g := range m.actions[i].stages {
		n := int(math.Round((g.Share - before) * float64(c.Instances)))
		before = g.Share
		e := min(n, r.surge)
		out, extra = max(out, n-e), max(extra, e)
	}
	return out, extra
}

// load is what is under way at once, while waves are filled.
type load struct {
	m         model
	parts     int
	instances int
	versions  map[string]bool // components by name, whatever the location
	services  map[backout.ServiceID]bool
	out       map[string]int // by pool
	extra     map[string]int // by pool
}

func (m model) newLoad() *load {
	return &load{m: m, versions: map[string]bool{}, services: map[backout.ServiceID]bool{}, out: map[string]int{}, extra: map[string]int{}}
}

// take adds a move if the limits allow it beside what is under way. What exceeds a
// share by itself may go alone.
func (l *load) take(i int) bool {
	if l.parts > 0 && l.full(i) != "" {
		return false
	}
	l.add(i)
	return true
}

func (l *load) add(i int) {
	c := l.m.sites[i].component
	out, extra := l.m.peak(i)
	l.parts, l.instances = l.parts+1, l.instances+c.Instances
	l.versions[wherever(c)], l.services[c.Service] = true, true
	for _, p := range l.m.world.Graph.Pools {
		if p.Has(c) {
			l.out[p.ID] += out
			l.extra[p.ID] += extra
		}
	}
}

// takeAll adds moves that can't be apart, all or none.
func (l *load) takeAll(sites []int) bool {
	if l.parts > 0 && len(sites) > 1 {
		trial := *l
		trial.versions, trial.services, trial.out, trial.extra = maps.Clone(l.versions), maps.Clone(l.services), maps.Clone(l.out), maps.Clone(l.extra)
		for _, i := range sites {
			if !trial.take(i) {
				return false
			}
		}
	}
	for k, i := range sites {
		if k == 0 && !l.take(i) {
			return false
		} else if k > 0 {
			l.add(i)
		}
	}
	return true
}

// wherever names a component without its location.
func wherever(c backout.Component) string {
	return fmt.Sprintf("%s %s %s", c.Kind, c.Name, c.Environment)
}

// full says what keeps a move from running beside what is under way; "" when
// nothing does.
func (l *load) full(i int) string {
	c, lim := l.m.sites[i].component, l.m.world.Policy.Limits
	switch {
	case l.versions[wherever(c)]:
		return "another location of it is its canary"
	case lim.Components > 0 && l.parts+1 > lim.Components:
		return fmt.Sprintf("the policy lets at most %s move at once", count(lim.Components, "component"))
	case lim.Services > 0 && !l.services[c.Service] && len(l.services)+1 > lim.Services:
		return fmt.Sprintf("the policy lets at most %s move at once", count(lim.Services, "service"))
	case lim.Instances > 0 && float64(l.instances+c.Instances) > lim.Instances*float64(l.m.instances)+1e-9:
		return fmt.Sprintf("the policy lets at most %s of all instances move at once", percent(lim.Instances))
	case lim.Value > 0 && l.value(c.Service) > lim.Value+1e-9:
		return fmt.Sprintf("the policy lets at most %s of the journeys' value be at stake at once", percent(lim.Value))
	}
	return l.poolFull(i)
}

// poolFull says which pool has no room for a move.
func (l *load) poolFull(i int) string {
	c := l.m.sites[i].component
	out, extra := l.m.peak(i)
	for _, p := range l.m.world.Graph.Pools {
		switch {
		case !p.Has(c):
		case p.MaxUnavailable > 0 && l.out[p.ID]+out > p.MaxUnavailable:
			return fmt.Sprintf("of pool %s at most %s may be out of service at once", p.ID, count(p.MaxUnavailable, "instance"))
		case p.Quota > 0 && extra > 0 && l.extra[p.ID]+extra > l.m.free[p.ID]:
			return fmt.Sprintf("pool %s has room for %s more", p.ID, count(l.m.free[p.ID], "instance"))
		}
	}
	return ""
}

// value is the share of the journeys' value that would be at stake with one more
// service.
func (l *load) value(more backout.ServiceID) float64 {
	at, all := int64(0), int64(0)
	for _, j := range l.m.world.Graph.Journeys {
		all += j.ValuePerMinute.Minor
		if slices.ContainsFunc(j.Services, func(s backout.ServiceID) bool { return s == more || l.services[s] }) {
			at += j.ValuePerMinute.Minor
		}
	}
	if all == 0 {
		return 0
	}
	return float64(at) / float64(all)
}
