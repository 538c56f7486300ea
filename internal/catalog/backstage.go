package catalog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// defaultTier is what a service has that says nothing about its criticality.
const defaultTier = backout.Tier(2)

// needs is what one service depends on, before the references are resolved.
type needs struct{ dependsOn, consumes []cursor }

func cursors(into *[]cursor) func(cursor) {
	return func(c cursor) { c.list(func(e cursor) { *into = append(*into, e) }) }
}

func readService(e *entity) {
	s := backout.Service{ID: backout.ServiceID(e.name), Kind: backout.ServiceOwn, Tier: e.tier()}
	var typ string
	var owner, system, provides []cursor
	var n needs
	e.spec.fields(map[string]func(cursor){
		"type": text(&typ), "lifecycle": nil, "owner": one(&owner), "system": one(&system), "subcomponentOf": nil,
		"dependsOn": cursors(&n.dependsOn), "consumesApis": cursors(&n.consumes), "providesApis": cursors(&provides), "dependencyOf": nil,
	})
	if typ == "" {
		e.wrong("spec.type: expected a type such as service, website or library")
	}
	e.place(&s, owner, system)
	for _, p := range provides {
		name := bare(p.node.Value, "api")
		if first, taken := e.apis[name]; taken {
			p.wrong("api %s is provided by %s already: expected one provider", name, first)
			continue
		}
		e.apis[name] = e.name
		e.later = append(e.later, func() { p.mustKnow("api", name) })
	}
	e.service(s, n)
}

func readResource(e *entity) {
	s := backout.Service{ID: backout.ServiceID(e.name), Kind: backout.ServiceDatastore, Tier: e.tier()}
	var typ string
	var owner, system []cursor
	var n needs
	e.spec.fields(map[string]func(cursor){
		"type": text(&typ), "owner": one(&owner), "system": one(&system), "dependsOn": cursors(&n.dependsOn), "dependencyOf": nil,
	})
	switch typ {
	case "":
		e.wrong("spec.type: expected a type such as database or external")
	case "external":
		s.Kind = backout.ServiceExternal
	}
	e.place(&s, owner, system)
	e.service(s, n)
}

func readAPI(e *entity) {
	e.spec.fields(map[string]func(cursor){"type": nil, "lifecycle": nil, "owner": nil, "system": nil, "definition": nil})
	e.unique("api", e.name)
}

func readSystem(e *entity) {
	e.spec.fields(map[string]func(cursor){"owner": nil, "domain": nil})
	e.unique("system", e.name)
}

func readGroup(e *entity) {
	e.spec.fields(map[string]func(cursor){"type": nil, "profile": nil, "parent": nil, "children": nil, "members": nil})
	e.unique("group", e.name)
}

func one(into *[]cursor) func(cursor) {
	return func(c cursor) {
		if _, ok := c.scalar(); ok {
			*into = []cursor{c}
		}
	}
}

func (e *entity) tier() backout.Tier {
	t := defaultTier
	if c, ok := e.annotations["tier"]; ok {
		whole(&t, 0, 3)(c)
	}
	return t
}

// place sets owner and system; they must exist once any is declared.
func (e *entity) place(s *backout.Service, owner, system []cursor) {
	check := func(kind string, cs []cursor, into *string) {
		for _, c := range cs {
			name := bare(c.node.Value, kind)
			*into = name
			e.later = append(e.later, func() {
				if e.any(kind) {
					c.mustKnow(kind, name)
				}
			})
		}
	}
	check("group", owner, &s.Owner)
	check("system", system, &s.System)
}

// service stores a service and resolves its dependencies when all are known.
func (e *entity) service(s backout.Service, n needs) {
	if !e.unique("service", e.name) {
		return
	}
	e.out.Graph.Services = append(e.out.Graph.Services, s)
	marks := map[string][]string{}
	for _, kind := range []string{"soft", "async", "holds"} {
		c, ok := e.annotations[kind]
		if !ok {
			continue
		}
		for ref := range strings.SplitSeq(c.node.Value, ",") {
			ref = canonical(ref)
			if !slices.ContainsFunc(slices.Concat(n.dependsOn, n.consumes), func(d cursor) bool { return canonical(d.node.Value) == ref || "api:"+bare(d.node.Value, "api") == ref }) {
				c.wrong("%q: expected entries of spec.dependsOn or spec.consumesApis", ref)
			}
			marks[kind] = append(marks[kind], ref)
		}
	}
	add := func(c cursor, ref, to string) {
		e.out.Graph.Dependencies = append(e.out.Graph.Dependencies, backout.Dependency{
			From: s.ID, To: backout.ServiceID(to), Hard: !slices.Contains(marks["soft"], ref), Async: slices.Contains(marks["async"], ref),
			Holds: slices.Contains(marks["holds"], ref), Source: c.at(), Confidence: 1,
		})
	}
	e.later = append(e.later, func() {
		for _, c := range n.dependsOn {
			if to, ok := c.entityRef(); ok {
				add(c, canonical(c.node.Value), to)
			}
		}
		for _, c := range n.consumes {
			name := bare(c.node.Value, "api")
			if !c.mustKnow("api", name) {
				continue
			}
			if to, ok := e.apis[name]; ok {
				add(c, "api:"+name, to)
			} else {
				c.wrong("api %s has no provider: expected a Component with it in spec.providesApis", name)
			}
		}
	})
}

// entityRef resolves component:NAME or resource:NAME to a service.
func (c cursor) entityRef() (string, bool) {
	kind, name, ok := strings.Cut(canonical(c.node.Value), ":")
	if !ok || kind != "component" && kind != "resource" {
		c.wrong("found %q: expected component:NAME or resource:NAME", c.node.Value)
		return "", false
	}
	return name, c.mustKnow("service", name)
}

// mustKnow reports a reference that leads nowhere.
func (c cursor) mustKnow(kind, name string) bool {
	if c.known(kind, name) {
		return true
	}
	near := ""
	for k := range c.names {
		if n, ok := strings.CutPrefix(k, kind+"/"); ok && strings.EqualFold(n, name) {
			near = " (did you mean " + n + "?)"
		}
	}
	c.wrong("no %s %q in the catalog: expected one that is declared%s", kind, name, near)
	return false
}

// canonical drops blanks and the default namespace and lowers the kind.
func canonical(ref string) string {
	ref = strings.TrimSpace(ref)
	kind, name, ok := strings.Cut(ref, ":")
	if !ok {
		return ref
	}
	return strings.ToLower(kind) + ":" + strings.TrimPrefix(name, "default/")
}

// bare is the name in a reference whose kind may be left out.
func bare(ref, kind string) string {
	return strings.TrimPrefix(strings.TrimPrefix(canonical(ref), kind+":"), "default/")
}

// cycles reports hard synchronous dependencies that lead back to themselves:
// such services can neither start nor be taken back one after the other.
func (l *loader) cycles() {
	next := map[backout.ServiceID][]backout.Dependency{}
	for _, d := range l.out.Graph.Dependencies {
		if d.Hard && !d.Async {
			next[d.From] = append(next[d.From], d)
		}
	}
	const entered, left = 1, 2
	state := map[backout.ServiceID]int{}
	var path []string
	var visit func(id backout.ServiceID)
	visit = func(id backout.ServiceID) {
		state[id] = entered
		path = append(path, string(id))
		for _, d := range next[id] {
			switch state[d.To] {
			case entered:
				from := slices.Index(path, string(d.To))
				file, line := split(d.Source)
				l.problems = append(l.problems, Problem{file, line, "spec.dependsOn", "hard dependencies form a cycle: " +
					strings.Join(append(slices.Clone(path[from:]), string(d.To)), " > ") + ": expected one of them to be soft or asynchronous"})
			case 0:
				visit(d.To)
			}
		}
		path = path[:len(path)-1]
		state[id] = left
	}
	services := slices.SortedFunc(slices.Values(l.out.Graph.Services), func(a, b backout.Service) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range services {
		if state[s.ID] == 0 {
			visit(s.ID)
		}
	}
}
