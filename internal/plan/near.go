package plan

import (
	"slices"

	"github.com/backout-dev/backout"
)

// near is a world with indexes, from which the neighbourhood of one component is cut
// out at the price of that neighbourhood.
type near struct {
	world      backout.World
	components map[backout.ComponentID]backout.Component
	parts      map[backout.ServiceID][]backout.Component
	changes    map[backout.ComponentID][]backout.Change
	contracts  map[backout.ComponentID][]int // places in the world's contracts
	lines      map[backout.ComponentID][]int // places in the world's lines
	pairs      map[backout.ComponentID][]int // places in the world's pairs
	holds      map[backout.ComponentID][]backout.Hold
	changed    map[backout.ServiceID][]backout.ComponentID // components with recent changes
	calls      map[backout.ServiceID][]backout.Dependency  // both ways
}

func neighbourhood(w backout.World) near {
	n := near{
		world: w, components: map[backout.ComponentID]backout.Component{}, parts: map[backout.ServiceID][]backout.Component{}, changes: map[backout.ComponentID][]backout.Change{},
		contracts: map[backout.ComponentID][]int{}, lines: map[backout.ComponentID][]int{}, pairs: map[backout.ComponentID][]int{}, holds: map[backout.ComponentID][]backout.Hold{},
		changed: map[backout.ServiceID][]backout.ComponentID{}, calls: map[backout.ServiceID][]backout.Dependency{},
	}
	for _, c := range w.Graph.Components {
		n.components[c.ID] = c
		if c.Service != "" {
			n.parts[c.Service] = append(n.parts[c.Service], c)
		}
	}
	for _, c := range w.Changes {
		if s := n.components[c.Component].Service; s != "" && len(n.changes[c.Component]) == 0 {
			n.changed[s] = append(n.changed[s], c.Component)
		}
		n.changes[c.Component] = append(n.changes[c.Component], c)
	}
	for k, c := range w.Contracts {
		n.contracts[c.Consumer] = append(n.contracts[c.Consumer], k)
		if c.Provider != c.Consumer {
			n.contracts[c.Provider] = append(n.contracts[c.Provider], k)
		}
	}
	for k, l := range w.Lines {
		n.lines[l.Consumer] = append(n.lines[l.Consumer], k)
		n.lines[l.Provider] = append(n.lines[l.Provider], k)
	}
	for k, p := range w.Pairs {
		n.pairs[p.A] = append(n.pairs[p.A], k)
	}
	for _, h := range w.Holds {
		n.holds[h.Component] = append(n.holds[h.Component], h)
	}
	for _, d := range w.Graph.Dependencies {
		n.calls[d.From] = append(n.calls[d.From], d)
		if d.To != d.From {
			n.calls[d.To] = append(n.calls[d.To], d)
		}
	}
	return n
}

// around is the part of the world that can matter when a component goes back. What
// has no recent change can't move, so contracts are not followed beyond it.
func (n near) around(id backout.ComponentID) backout.World {
	in := map[backout.ComponentID]bool{id: true}
	for todo := []backout.ComponentID{id}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if len(n.changes[at]) == 0 {
			continue
		}
		tied := []backout.ComponentID{}
		for _, k := range n.contracts[at] {
			tied = append(tied, n.world.Contracts[k].Consumer, n.world.Contracts[k].Provider)
		}
		for _, k := range n.lines[at] {
			if l := n.world.Lines[k]; !l.Allows {
				tied = append(tied, l.Consumer, l.Provider)
			}
		}
		for _, other := range tied {
			if !in[other] {
				in[other] = true
				todo = append(todo, other)
			}
		}
	}
	dependencies := n.beside(in)
	return n.cut(in, dependencies)
}

// beside adds what changed recently at the services of those that are in, and at
// their neighbours': it could meet what goes back although no contract says so.
func (n near) beside(in map[backout.ComponentID]bool) []backout.Dependency {
	services := map[backout.ServiceID]bool{}
	for id := range in {
		if s := n.components[id].Service; s != "" && len(n.changes[id]) > 0 {
			services[s] = true
		}
	}
	out, seen := []backout.Dependency{}, map[backout.Dependency]bool{}
	for s := range services {
		for _, id := range n.changed[s] {
			in[id] = true
		}
		for _, d := range n.calls[s] {
			if seen[d] {
				continue
			}
			seen[d] = true
			out = append(out, d)
			for _, other := range []backout.ServiceID{d.From, d.To} {
				for _, id := range n.changed[other] {
					in[id] = true
				}
			}
		}
	}
	return out
}

// cut keeps of the world what is about those that are in.
func (n near) cut(in map[backout.ComponentID]bool, dependencies []backout.Dependency) backout.World {
	w := n.world
	w.Graph.Components, w.Graph.Dependencies = []backout.Component{}, dependencies
	w.Changes, w.Contracts, w.Lines, w.Pairs, w.Holds = nil, nil, nil, nil, nil
	w.Live, w.Reversals = map[backout.ComponentID]backout.Live{}, map[backout.ComponentID]backout.Reversal{}
	contracts := []int{}
	whole := map[backout.ServiceID]bool{}
	for _, id := range sorted(in) {
		switch c, ok := n.components[id]; {
		case ok && c.Service == "":
			w.Graph.Components = append(w.Graph.Components, c)
		case ok && !whole[c.Service]: // all of its parts: prices count its places, ways out its routers
			whole[c.Service] = true
			w.Graph.Components = append(w.Graph.Components, n.parts[c.Service]...)
		}
		if l, ok := n.world.Live[id]; ok {
			w.Live[id] = l
		}
		if r, ok := n.world.Reversals[id]; ok {
			w.Reversals[id] = r
		}
		w.Changes = append(w.Changes, n.changes[id]...)
		w.Holds = append(w.Holds, n.holds[id]...)
		for _, k := range n.contracts[id] {
			if in[n.world.Contracts[k].Consumer] && in[n.world.Contracts[k].Provider] {
				contracts = append(contracts, k)
			}
		}
		for _, k := range n.lines[id] {
			if l := n.world.Lines[k]; l.Consumer == id && in[l.Provider] {
				w.Lines = append(w.Lines, l)
			}
		}
		for _, k := range n.pairs[id] {
			if in[n.world.Pairs[k].B] {
				w.Pairs = append(w.Pairs, n.world.Pairs[k])
			}
		}
	}
	slices.Sort(contracts)
	for _, k := range slices.Compact(contracts) {
		w.Contracts = append(w.Contracts, n.world.Contracts[k])
	}
	return w
}

func sorted(in map[backout.ComponentID]bool) []backout.ComponentID {
	out := make([]backout.ComponentID, 0, len(in))
	for id := range in {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
