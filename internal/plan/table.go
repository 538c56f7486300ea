package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// tie is two sites (i < j) of which contracts or lines speak, one way or both.
type tie struct {
	i, j  int
	known knowledge
	roads []directed // the directions spoken of
	// contracts are all that speak of the two, forbidding lines among them.
	contracts []backout.Contract
}

// ties pairs up the sites that contracts speak of or lines forbid something to, in
// the order of sites.
func ties(sites []site, w backout.World, k knowledge) []tie {
	place := map[backout.ComponentID]int{}
	for n, s := range sites {
		place[s.component.ID] = n
	}
	roads, contracts := map[[2]int][]directed{}, map[[2]int][]backout.Contract{}
	add := func(c backout.Contract) {
		i, ok1 := place[c.Consumer]
		j, ok2 := place[c.Provider]
		if !ok1 || !ok2 || i == j {
			return
		}
		key, d := [2]int{min(i, j), max(i, j)}, directed{c.Consumer, c.Provider}
		contracts[key] = append(contracts[key], c)
		if !slices.Contains(roads[key], d) {
			roads[key] = append(roads[key], d)
		}
	}
	for _, c := range w.Contracts {
		add(c)
	}
	for _, l := range w.Lines {
		if !l.Allows {
			add(asContract(l))
		}
	}
	var out []tie
	for key, ds := range roads {
		slices.SortFunc(ds, func(a, b directed) int { return cmp.Compare(place[a.consumer], place[b.consumer]) })
		out = append(out, tie{key[0], key[1], k, ds, contracts[key]})
	}
	slices.SortFunc(out, func(a, b tie) int { return cmp.Or(a.i-b.i, a.j-b.j) })
	return out
}

// broken is the contract that forbids two sites to be at two levels at the same
// time, with the versions that clash. A line that forbids it comes as a contract.
func (t tie) broken(sites []site, a, b int) (backout.Contract, string, bool) {
	x, y := sites[t.i], sites[t.j]
	for _, d := range t.roads {
		if x.counted && d.consumer == x.component.ID || y.counted && d.consumer == y.component.ID {
			continue // whom it breaks is counted and priced, see [conditions.claim]
		}
		for _, va := range x.at(a) {
			for _, vb := range y.at(b) {
				cv, pv := va, vb
				if d.consumer == y.component.ID {
					cv, pv = vb, va
				}
				if s := t.known.says(d, cv, pv); s.known && !s.allows {
					return s.contract, fmt.Sprintf("%s %s with %s %s", label(d.consumer), cv, label(d.provider), pv), true
				}
			}
		}
	}
	return backout.Contract{}, "", false
}

// counts reports whether two sites are a consumer outside our reach and what it relies
// on: whom a meeting breaks is counted, see [conditions.claim].
func (m model) counts(i, j int) bool {
	return (m.sites[i].counted || m.sites[j].counted) && slices.ContainsFunc(m.ties, func(t tie) bool {
		return t.i == min(i, j) && t.j == max(i, j) && slices.ContainsFunc(t.roads, func(d directed) bool {
			return m.sites[i].counted && d.consumer == m.sites[i].component.ID || m.sites[j].counted && d.consumer == m.sites[j].component.ID
		})
	})
}

// table compiles the contracts of a tie into the solver's form. A site whose
// version nobody knows has no cells to forbid; [gaps] says so instead.
func (t tie) table(sites []site) edge {
	x, y := sites[t.i], sites[t.j]
	out := edge{i: t.i, j: t.j, allowed: make([][]bool, len(x.versions))}
	for a := range out.allowed {
		out.allowed[a] = make([]bool, len(y.versions))
		for b := range out.allowed[a] {
			_, _, no := t.broken(sites, a, b)
			out.allowed[a][b] = !no
		}
	}
	return out
}

// rests says for every pair of versions that the plan brings together what it
// rests on. Where that is nothing, or less than the policy trusts, it is a gap, as
// is what a step's own target rests on without proof.
func rests(m model, s solution) (met []backout.Meeting, gaps []string) {
	met, gaps = []backout.Meeting{}, []string{}
	s.depth = m.waveOf(s) // when moves run, not how early they might
	for _, t := range m.ties {
		x, y := m.sites[t.i], m.sites[t.j]
		unseen := s.target[t.i] != x.current && len(y.live) == 0 || s.target[t.j] != y.current && len(x.live) == 0
		if by := m.ways(t.i, t.j); unseen && len(by) > 0 {
			gaps = append(gaps, fmt.Sprintf("contract %s can't be checked between %s and %s: what runs of one of them is not known",
				m.known.contracts[by[0]][0].ID, x.component.ID, y.component.ID))
		}
	}
	var all, moved []int
	for i, site := range m.sites {
		if all = append(all, i); s.target[i] != site.current {
			moved = append(moved, i)
		}
	}
	for i, site := range m.sites {
		others := moved
		if s.target[i] != site.current {
			others = all
		}
		for _, j := range others {
			if j <= i || !m.spoken[[2]int{i, j}] && !m.related(i, j) || m.counts(i, j) {
				continue
			}
			for _, at := range m.meetings(s, i, j) {
				g, missing := m.ground(at)
				if g.Source != "" {
					met = append(met, g)
				}
				if missing != "" {
					gaps = append(gaps, missing)
				}
			}
		}
	}
	for i, site := range m.sites {
		if l := s.target[i]; l != site.current {
			gaps = append(gaps, doubts(site, l)...)
			for _, v := range site.limits[l].exposes {
				gaps = append(gaps, fmt.Sprintf("going back to %s %s opens %s again", site.label(), site.versions[l], v))
			}
		}
	}
	return met, gaps
}

// doubts are what a site's own target rests on without proof.
func doubts(s site, l int) []string {
	var out []string
	r, name := s.reach[l], s.label()+" "+string(s.versions[l])
	if !r.Verified {
		out = append(out, fmt.Sprintf("nobody saw %s live and healthy before", name))
	}
	switch r.Loss {
	case backout.LossSome:
		out = append(out, fmt.Sprintf("going back to %s loses %s", name, cmp.Or(r.Lost, "something that its actuator does not name")))
	case backout.LossNone:
	default:
		out = append(out, fmt.Sprintf("nobody checked what going back to %s loses%s", name, reasonOf(r.Lost)))
	}
	return out
}

// related reports whether two components can meet at all although no contract
// says so: parts of one service, or code that calls or reads the other's.
func (m model) related(i, j int) bool {
	a, b := m.sites[i].component, m.sites[j].component
	if a.Environment != b.Environment || a.Location != b.Location || a.Service == "" || b.Service == "" {
		return false
	}
	if a.Service == b.Service {
		return touches(a.Kind) && touches(b.Kind) && (a.Kind == backout.KindDeployment || b.Kind == backout.KindDeployment)
	}
	runs := func(k backout.ComponentKind) bool { return k == backout.KindDeployment || k == backout.KindSchema }
	return runs(a.Kind) && runs(b.Kind) && (m.calls[[2]backout.ServiceID{a.Service, b.Service}] || m.calls[[2]backout.ServiceID{b.Service, a.Service}])
}

func touches(k backout.ComponentKind) bool {
	return k != backout.KindTraffic && k != backout.KindInfrastructure
}

// meetings are the pairs of versions of i and j that the plan makes meet.
func (m model) meetings(s solution, i, j int) []meeting {
	x, y := m.sites[i], m.sites[j]
	a, b := s.target[i], s.target[j]
	cells := [][2]int{{a, b}}
	if a != x.current && b != y.current {
		if s.depth[i] <= s.depth[j] {
			cells = append(cells, [2]int{a, y.current})
		}
		if s.depth[j] <= s.depth[i] {
			cells = append(cells, [2]int{x.current, b})
		}
	}
	var out []meeting
	for _, c := range cells {
		for _, va := range x.at(c[0]) {
			for _, vb := range y.at(c[1]) {
				if va != "" && vb != "" {
					out = append(out, meeting{i, j, va, vb})
				}
			}
		}
	}
	return out
}

// spans are the times before end at which a version ran, from its first exposure
// to the last stage of the change after it.
func (s site) spans(v backout.Version, end time.Time) [][2]time.Time {
	var out [][2]time.Time
	for l, lv := range s.versions {
		if lv != v {
			continue
		}
		span := [2]time.Time{{}, end}
		if l > 0 {
			span[0] = s.changes[l-1].Exposure.Start()
		}
		if l < len(s.changes) {
			if st := s.changes[l].Exposure.Stages; len(st) > 0 && st[len(st)-1].At.Before(end) {
				span[1] = st[len(st)-1].At
			}
		}
		out = append(out, span)
	}
	return out
}
