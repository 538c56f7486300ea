package catalog

import (
	"slices"

	"github.com/backout-dev/backout"
)

// What limits the way back: data formats, points of no return, pools, consumers
// outside our reach and switches.

// most bounds counts of instances and rows that people write down.
const (
	mostInstances = 1_000_000
	mostRows      = 1_000_000_000
)

func readFormat(e *entity) {
	f := backout.DataFormat{ID: e.name, Loss: backout.LossSome, File: e.at()}
	e.spec.fields(map[string]func(cursor){
		"writer": refer(e, "component", &f.Writer), "writes": versions(&f.Writes), "reader": refer(e, "component", &f.Reader), "reads": versions(&f.Reads),
		"loss": oneOf(&f.Loss, backout.LossSome, backout.LossOneWay), "lost": text(&f.Lost), "reason": text(&f.Reason),
	})
	e.required(map[string]bool{"writer": f.Writer == "", "lost": f.Lost == "", "writes": f.Writes == backout.VersionRange{}, "reads": f.Reads == backout.VersionRange{}})
	if f.Reader == "" {
		f.Reader = f.Writer
	}
	if e.unique("dataformat", e.name) {
		e.out.Graph.Formats = append(e.out.Graph.Formats, f)
	}
}

func readNoReturn(e *entity) {
	p := backout.PointOfNoReturn{ID: e.name, Loss: backout.LossOneWay, File: e.at()}
	e.spec.fields(map[string]func(cursor){
		"component": refer(e, "component", &p.Component), "versions": versions(&p.Versions), "after": span(&p.After), "rows": rows(&p.Rows),
		"loss": oneOf(&p.Loss, backout.LossSome, backout.LossOneWay), "lost": text(&p.Lost), "reason": text(&p.Reason),
	})
	e.required(map[string]bool{"component": p.Component == "", "versions": p.Versions == backout.VersionRange{}, "lost": p.Lost == ""})
	if e.unique("pointofnoreturn", e.name) {
		e.out.Graph.NoReturns = append(e.out.Graph.NoReturns, p)
	}
}

func rows(into *int64) func(cursor) {
	return func(c cursor) {
		n := 0
		whole(&n, 1, mostRows)(c)
		*into = int64(n)
	}
}

func readPool(e *entity) {
	p := backout.Pool{ID: e.name, Components: []backout.ComponentID{}}
	e.spec.fields(map[string]func(cursor){
		"components": refers(e, "component", &p.Components), "environment": text(&p.Environment), "location": text(&p.Location),
		"quota": whole(&p.Quota, 1, mostInstances), "maxUnavailable": whole(&p.MaxUnavailable, 1, mostInstances),
	})
	switch {
	case (len(p.Components) > 0) == (p.Environment != ""):
		e.wrong("spec: expected either components or an environment, whose components are the members")
	case len(p.Components) > 0 && p.Location != "":
		e.wrong("spec.location: expected it with an environment, not with components")
	case p.Quota == 0 && p.MaxUnavailable == 0:
		e.wrong("spec: expected quota, maxUnavailable or both")
	}
	e.later = append(e.later, func() {
		n, of := 0, 0
		for _, c := range e.out.Graph.Components {
			if p.Has(c) {
				n, of = n+c.Instances, of+1
			}
		}
		if p.Quota > 0 && n > p.Quota {
			e.wrong("spec.quota: found %d, and its members have %d instances: expected at least as many", p.Quota, n)
		}
		if p.Environment != "" && of == 0 {
			e.wrong("spec.environment: no component is in %s %s: expected a place that has some", p.Environment, p.Location)
		}
	})
	if e.unique("pool", e.name) {
		e.out.Graph.Pools = append(e.out.Graph.Pools, p)
	}
}

func readConsumer(e *entity) {
	u := backout.Consumer{ID: e.name, Users: e.title, VersionLabel: "version", LossyAbove: 0, ForbiddenAbove: 1, Share: 1, Journeys: []backout.JourneyID{}, File: e.at()}
	e.spec.fields(map[string]func(cursor){
		"component": refer(e, "component", &u.Component), "users": text(&u.Users), "query": text(&u.Query), "versionLabel": text(&u.VersionLabel),
		"lossyAbove": share(&u.LossyAbove), "forbiddenAbove": share(&u.ForbiddenAbove), "journeys": refers(e, "journey", &u.Journeys), "share": share(&u.Share),
	})
	e.required(map[string]bool{"component": u.Component == ""})
	if u.Users == "" {
		u.Users = "users of " + e.name
	}
	if u.LossyAbove > u.ForbiddenAbove {
		e.wrong("spec.lossyAbove: found %v above forbiddenAbove %v: expected at most as much", u.LossyAbove, u.ForbiddenAbove)
	}
	e.later = append(e.later, func() {
		if c, ok := e.out.Graph.Component(u.Component); ok && !c.Immovable {
			e.wrong("spec.component: %s is ours to move: expected one with immovable: true", u.Component)
		}
	})
	if e.unique("consumer", e.name) && e.unique("consumer of", string(u.Component)) {
		e.out.Graph.Consumers = append(e.out.Graph.Consumers, u)
	}
}

func readSwitch(e *entity) {
	s := backout.Switch{ID: e.name, Members: []backout.ComponentID{}, File: e.at()}
	e.spec.fields(map[string]func(cursor){
		"members": refers(e, "component", &s.Members), "router": refer(e, "component", &s.Router), "reason": text(&s.Reason),
	})
	e.required(map[string]bool{"members": len(s.Members) == 0, "router": s.Router == ""})
	if len(s.Members) == 1 {
		e.wrong("spec.members: found one: expected at least two that are turned at once")
	}
	e.later = append(e.later, func() {
		if e.known("component", string(s.Router)) && s.Router.Kind() != backout.KindTraffic {
			e.wrong("spec.router: %s: expected a component of kind traffic", s.Router)
		}
		for _, m := range s.Members {
			e.unique("member of a switch", string(m))
		}
	})
	if e.unique("switch", e.name) {
		e.out.Graph.Switches = append(e.out.Graph.Switches, s)
	}
}

// budget checks what a component says about capacity while it moves.
func (e *entity) budget(c backout.Component) {
	if c.MinAvailable > 0 && c.MinAvailable > c.Instances {
		e.wrong("spec.minAvailable: found %d of %d instances: expected at most as many", c.MinAvailable, c.Instances)
	}
}

func readLimits(l *backout.Limits) func(cursor) {
	return func(c cursor) {
		c.fields(map[string]func(cursor){
			"components": whole(&l.Components, 1, mostInstances), "services": whole(&l.Services, 1, mostInstances), "instances": part(&l.Instances), "value": part(&l.Value),
		})
	}
}

// part reads a share that is not nothing.
func part(into *float64) func(cursor) {
	return func(c cursor) {
		before := len(c.problems)
		share(into)(c)
		if len(c.problems) == before && *into == 0 {
			c.wrong("found 0: expected a number above 0 and up to 1; leave it out for no limit")
		}
	}
}

func names(into *[]string) func(cursor) {
	return func(c cursor) {
		c.list(func(x cursor) {
			name := ""
			text(&name)(x)
			if name == "" || slices.Contains(*into, name) {
				x.wrong("found %q: expected a name, once", name)
			}
			*into = append(*into, name)
		})
	}
}
