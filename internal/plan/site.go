package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// site is one component as the planner sees it: its levels, which of them it can
// be brought to, and why not to the others.
type site struct {
	component backout.Component
	known     knowledge        // for what its own instances demand of each other
	name      string           // the short way people call it, with its location where several are called so
	changes   []backout.Change // its recent changes, oldest first
	base      int              // the component's own level that is level 0 here
	versions  []backout.Version
	current   int
	live      []backout.Version // everything that runs of it now
	reversal  backout.Reversal
	reach     map[int]backout.Reachable // levels it can be brought to
	limits    map[int]limit             // what bringing it to them costs beyond what its actuator says
	barred    map[int]string            // why it can't be brought to the others
	p         []float64                 // by change: probability of being the cause
	hurts     []string                  // by change: the one audience that it hurts; "" = everybody
	wanted    *int                      // the level that a person demands
	counted   bool                      // its broken users are counted, so its contracts forbid nothing
}

// at gives the versions that are live while the component is at a level: at
// the current level everything that runs now, also what a rollout left behind.
func (s site) at(level int) []backout.Version {
	if level == s.current {
		return s.live
	}
	return s.versions[level : level+1]
}

// domain are the levels to choose from.
func (s site) domain() levels {
	if s.wanted != nil {
		return 1 << *s.wanted
	}
	d := levels(1) << s.current
	for l := range s.reach {
		d |= 1 << l
	}
	return d
}

// label names a component the short way people do.
func (s site) label() string { return s.name }

// naming says how often each short name occurs, and so when it needs its location.
func naming(ids map[backout.ComponentID]bool) func(backout.ComponentID) string {
	count := map[string]int{}
	for id := range ids {
		count[label(id)]++
	}
	return func(id backout.ComponentID) string {
		_, _, _, at, err := id.Split()
		if err != nil || at == "" || count[label(id)] < 2 {
			return label(id)
		}
		return label(id) + " in " + string(at)
	}
}

func label(id backout.ComponentID) string {
	if k := id.Kind(); k != "" && k != backout.KindDeployment {
		return string(k) + " " + id.Name()
	}
	return id.Name()
}

// survey lists the components that matter: those with recent changes, and those
// that a contract or a forbidding line ties to them. They are sorted by id, so that
// the order of the input decides nothing.
func survey(req Request, k knowledge) []site {
	ids := map[backout.ComponentID]bool{}
	stacks := map[backout.ComponentID][]backout.Change{}
	for _, c := range req.World.Changes {
		stacks[c.Component] = append(stacks[c.Component], c)
		ids[c.Component] = true
	}
	for _, c := range req.World.Contracts {
		if len(stacks[c.Consumer]) > 0 || len(stacks[c.Provider]) > 0 {
			ids[c.Consumer], ids[c.Provider] = true, true
		}
	}
	for _, l := range req.World.Lines {
		if !l.Allows && (len(stacks[l.Consumer]) > 0 || len(stacks[l.Provider]) > 0) {
			ids[l.Consumer], ids[l.Provider] = true, true
		}
	}
	known := map[backout.ComponentID]backout.Component{}
	for _, c := range req.World.Graph.Components {
		known[c.ID] = c
	}
	suspicion := map[backout.ChangeID]backout.Suspect{}
	for _, s := range req.Attribution.Suspects {
		suspicion[s.Change] = s
	}
	var sites []site
	name, limits := naming(ids), newConditions(req, k, stacks)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		c, ok := known[id]
		if !ok {
			c = backout.Component{ID: id, Kind: id.Kind(), Name: id.Name(), Immovable: true} // not in the graph, so not ours to move
		}
		sites = append(sites, newSite(req, k, c, name(id), stacks[id], suspicion, limits))
	}
	return sites
}

func newSite(req Request, k knowledge, c backout.Component, name string, stack []backout.Change, suspicion map[backout.ChangeID]backout.Suspect, limits conditions) site {
	s := site{component: c, name: name, known: k, reversal: req.World.Reversals[c.ID], reach: map[int]backout.Reachable{}, limits: map[int]limit{}, barred: map[int]string{}}
	if extra := len(stack) - (maxLevels - 1); extra > 0 {
		s.base, stack = extra, stack[extra:]
	}
	s.changes = stack
	for _, ch := range stack {
		s.p = append(s.p, suspicion[ch.ID].P)
		s.hurts = append(s.hurts, suspicion[ch.ID].Audience)
	}
	s.counted = slices.ContainsFunc(req.World.Graph.Consumers, func(u backout.Consumer) bool { return u.Component == c.ID })
	live := req.World.Live[c.ID]
	for _, v := range slices.SortedFunc(maps.Keys(live.Shares), backout.CompareVersions) {
		if live.Shares[v] > 0 {
			s.live = append(s.live, v)
		}
	}
	s.lay(live)
	for l := range s.current {
		if why := s.bar(req, l, limits); why != "" {
			s.barred[l] = why
		}
	}
	return s
}

// lay writes down the version of each level and finds the current one: the
// newest that still runs. Levels above it were taken back already.
func (s *site) lay(live backout.Live) {
	if len(s.changes) == 0 {
		s.versions = []backout.Version{live.Version()}
	} else {
		first := s.changes[0].From
		for _, r := range s.reversal.Levels {
			if int(r.Level) == s.base {
				first = cmp.Or(first, r.Version)
			}
		}
		s.versions = append(s.versions, first)
		for _, ch := range s.changes {
			s.versions = append(s.versions, ch.To)
		}
	}
	s.current = len(s.versions) - 1
	if len(s.live) == 0 {
		if v := s.versions[s.current]; v != "" {
			s.live = []backout.Version{v}
		}
		return
	}
	for l := len(s.versions) - 1; l >= 0; l-- {
		if slices.Contains(s.live, s.versions[l]) {
			s.current = l
			return
		}
	}
}

// bar decides whether the component can be brought to a level, and says why not.
// What it can be brought to is noted in reach.
func (s *site) bar(req Request, l int, limits conditions) string {
	name, why := s.label(), frozen(req.World, s.component)
	switch {
	case why != "":
		s.limits[l] = limit{kind: backout.ImpossibleForbidden}
		return why
	case req.Forbidden[s.component.ID] != "":
		return req.Forbidden[s.component.ID]
	case s.component.Immovable:
		return name + " can't be moved by us"
	case !s.reversal.Known:
		return cmp.Or(s.reversal.Why, fmt.Sprintf("nobody could say how to take %s back", name))
	case len(s.live) > 0 && !slices.Contains(s.live, s.versions[s.current]):
		return fmt.Sprintf("%s runs %s, which none of its known changes led to", name, s.live[len(s.live)-1])
	}
	at := slices.IndexFunc(s.reversal.Levels, func(r backout.Reachable) bool { return int(r.Level) == s.base+l })
	if at < 0 {
		return cmp.Or(s.reversal.Why, fmt.Sprintf("%s can't be brought to %s any more", name, s.versions[l]))
	}
	r, to := s.reversal.Levels[at], s.versions[l]
	switch {
	case to == "" || r.Version != to:
		return fmt.Sprintf("%s: its changes say level %d is %q, its actuator says %q", name, r.Level, to, r.Version)
	case r.Loss == backout.LossOneWay:
		return fmt.Sprintf("there is no way back to %s %s: %s", name, to, cmp.Or(r.Lost, "the change is one-way"))
	case to == s.versions[s.current]:
		return fmt.Sprintf("%s %s is what runs already", name, to)
	}
	for _, h := range req.World.Holds {
		bad := h.BadTo == to || l > 0 && h.BadDigest != "" && h.BadDigest == s.changes[l-1].Digest
		if h.Component == s.component.ID && h.Until.After(req.World.Now) && bad {
			return fmt.Sprintf("%s %s is marked bad by %s: %s", name, to, h.Owner, h.Reason)
		}
	}
	if why := s.mixes(to); why != "" {
		return why
	}
	if why := limits.cramped(s); why != "" {
		s.limits[l] = limit{kind: backout.ImpossibleForbidden}
		return why
	}
	lim := limits.of(s, l, r)
	if lim.barred != "" {
		s.limits[l] = lim
		return lim.barred
	}
	r.Loss, r.Lost = lim.loss, strings.Join(lim.lost, "; ")
	s.reach[l], s.limits[l] = r, lim
	return ""
}

// mixes says why the component's own instances could not run side by side with
// the target version; "" when they can, or never do.
func (s *site) mixes(to backout.Version) string {
	if !s.reversal.Mixed {
		return ""
	}
	self := directed{s.component.ID, s.component.ID}
	for _, v := range s.live {
		for _, both := range [][2]backout.Version{{v, to}, {to, v}} {
			if by := s.known.says(self, both[0], both[1]); by.known && !by.allows {
				return fmt.Sprintf("%s %s and %s can't run side by side (contract %s)", s.label(), v, to, by.contract.ID)
			}
		}
	}
	return ""
}
