package simulate

import (
	"cmp"
	"slices"

	backout "github.com/backout-dev/backout"
)

// misstate draws what is wrong with the graph as it is known. Half of what nobody
// wrote down is not measured either.
func (w *world) misstate() {
	for _, x := range w.nodes {
		for _, c := range x.calls {
			if w.r.Float64() < w.terms.missing {
				c.told, c.seen = false, w.r.Float64() < .5
			}
		}
	}
}

// told is the graph as somebody wrote it down.
func (w *world) told() backout.Graph {
	var g backout.Graph
	r := newStream(w.seed, w.split, "graph")
	for u, x := range w.nodes {
		g.Services = append(g.Services, backout.Service{ID: x.id, Kind: x.kind, Tier: 2})
		for _, c := range x.calls {
			if c.told {
				g.Dependencies = append(g.Dependencies, backout.Dependency{From: x.id, To: w.nodes[c.to].id, Hard: c.hard, Holds: c.holds, Source: "catalog", Confidence: 1})
			}
		}
		if v := u + 1 + r.IntN(len(w.nodes)); r.Float64() < w.terms.invented && v < len(w.nodes) && w.calls(u, v) == nil && x.kind != backout.ServiceExternal {
			g.Dependencies = append(g.Dependencies, backout.Dependency{From: x.id, To: w.nodes[v].id, Hard: true, Source: "catalog", Confidence: 1})
		}
	}
	g.Components = w.components()
	slices.SortFunc(g.Services, func(a, b backout.Service) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(g.Dependencies, func(a, b backout.Dependency) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return g
}

// components are a deployment for each service of ours, and whatever else was
// changed.
func (w *world) components() []backout.Component {
	known := map[backout.ComponentID]backout.Component{}
	add := func(id backout.ComponentID, of *node) {
		c := backout.Component{ID: id, Kind: id.Kind(), Name: id.Name(), Service: of.id, Environment: environment, Location: location}
		if c.Kind == backout.KindDeployment {
			c.Instances = 3
		}
		known[id] = c
	}
	for _, x := range w.nodes {
		if x.kind == backout.ServiceOwn {
			add(backout.NewComponentID(backout.KindDeployment, string(x.id), environment, location), x)
		}
	}
	for _, d := range w.drafts {
		add(d.component, w.nodes[d.node])
	}
	out := make([]backout.Component, 0, len(known))
	for _, c := range known {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b backout.Component) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
