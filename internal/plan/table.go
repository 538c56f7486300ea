package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// counting are the contracts of a consumer with a provider that count: those of
// the best source there is, since what somebody wrote down beats what was
// inferred, and that beats what was merely observed.
func counting(contracts []backout.Contract, consumer, provider backout.ComponentID) []backout.Contract {
	var out []backout.Contract
	for _, c := range contracts {
		if c.Consumer == consumer && c.Provider == provider {
			out = append(out, c)
		}
	}
	if len(out) < 2 {
		return out
	}
	best := slices.MinFunc(out, func(a, b backout.Contract) int { return cmp.Compare(rank(a.Source), rank(b.Source)) })
	return slices.DeleteFunc(out, func(c backout.Contract) bool { return rank(c.Source) > rank(best.Source) })
}

func rank(s backout.ContractSource) int {
	switch s {
	case backout.ContractDeclared:
		return 0
	case backout.ContractInferred:
		return 1
	}
	return 2
}

// tie is two sites (i < j) with the contracts between them, both ways.
type tie struct {
	i, j      int
	contracts []backout.Contract
}

// ties pairs up the sites that contracts speak of, in the order of sites.
func ties(sites []site, contracts []backout.Contract) []tie {
	place := map[backout.ComponentID]int{}
	for k, s := range sites {
		place[s.component.ID] = k
	}
	byPair := map[[2]int][]backout.Contract{}
	var pairs [][2]int
	for _, c := range contracts {
		i, ok1 := place[c.Consumer]
		j, ok2 := place[c.Provider]
		if !ok1 || !ok2 || i == j {
			continue
		}
		key := [2]int{min(i, j), max(i, j)}
		if _, seen := byPair[key]; !seen {
			pairs = append(pairs, key)
		}
		byPair[key] = append(byPair[key], c)
	}
	slices.SortFunc(pairs, func(a, b [2]int) int { return cmp.Or(a[0]-b[0], a[1]-b[1]) })
	var out []tie
	for _, key := range pairs {
		a, b := sites[key[0]].component.ID, sites[key[1]].component.ID
		out = append(out, tie{key[0], key[1], append(counting(byPair[key], a, b), counting(byPair[key], b, a)...)})
	}
	return out
}

// broken is the first contract that forbids two sites to be at two levels at the
// same time, with the versions that clash.
func (t tie) broken(sites []site, a, b int) (backout.Contract, string, bool) {
	x, y := sites[t.i], sites[t.j]
	for _, c := range t.contracts {
		if x.counted && c.Consumer == x.component.ID || y.counted && c.Consumer == y.component.ID {
			continue // whom it breaks is counted and priced, see [conditions.claim]
		}
		for _, va := range x.at(a) {
			for _, vb := range y.at(b) {
				consumer, provider := va, vb
				if c.Consumer == y.component.ID {
					consumer, provider = vb, va
				}
				if !c.Allows(consumer, provider) {
					return c, fmt.Sprintf("%s %s with %s %s", label(c.Consumer), consumer, label(c.Provider), provider), true
				}
			}
		}
	}
	return backout.Contract{}, "", false
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

// gaps names every pair of versions that the plan brings together although no
// contract speaks of the two components and nobody saw that pair live together.
func gaps(m model, s solution) []string {
	out := []string{}
	s.depth = m.waveOf(s) // when moves run, not how early they might
	spoken := map[[2]int]bool{}
	for _, t := range m.ties {
		spoken[[2]int{t.i, t.j}] = true
		x, y := m.sites[t.i], m.sites[t.j]
		if s.target[t.i] != x.current && len(y.live) == 0 || s.target[t.j] != y.current && len(x.live) == 0 {
			out = append(out, fmt.Sprintf("contract %s can't be checked between %s and %s: what runs of one of them is not known",
				t.contracts[0].ID, x.component.ID, y.component.ID))
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
			if j > i && !spoken[[2]int{i, j}] && m.related(i, j) {
				out = append(out, m.strangers(s, i, j)...)
			}
		}
	}
	for i, site := range m.sites {
		if l := s.target[i]; l != site.current {
			out = append(out, doubts(site, l)...)
			for _, v := range site.limits[l].exposes {
				out = append(out, fmt.Sprintf("going back to %s %s opens %s again", site.label(), site.versions[l], v))
			}
		}
	}
	return out
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

// strangers are the pairs of versions of i and j that the plan makes meet and
// that never met before.
func (m model) strangers(s solution, i, j int) []string {
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
	var out []string
	for _, c := range cells {
		for _, va := range x.at(c[0]) {
			for _, vb := range y.at(c[1]) {
				if va != "" && vb != "" && !m.met(i, va, j, vb) {
					out = append(out, fmt.Sprintf("%s %s with %s %s: no contract, and never seen live together", x.component.ID, va, y.component.ID, vb))
				}
			}
		}
	}
	return out
}

// met reports whether two versions were live together: seen healthy by somebody,
// live together now, or both live for a model minute before the trouble began.
func (m model) met(i int, va backout.Version, j int, vb backout.Version) bool {
	x, y := m.sites[i], m.sites[j]
	if slices.Contains(x.live, va) && slices.Contains(y.live, vb) {
		return true
	}
	for _, p := range m.world.Pairs {
		if p.Healthy && (p.A == x.component.ID && p.B == y.component.ID && p.AVersion == va && p.BVersion == vb ||
			p.B == x.component.ID && p.A == y.component.ID && p.BVersion == va && p.AVersion == vb) {
			return true
		}
	}
	for _, s := range x.spans(va, m.onset) {
		for _, o := range y.spans(vb, m.onset) {
			from, to := s[0], s[1]
			if o[0].After(from) {
				from = o[0]
			}
			if o[1].Before(to) {
				to = o[1]
			}
			if to.Sub(from) >= m.minute {
				return true
			}
		}
	}
	return false
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
