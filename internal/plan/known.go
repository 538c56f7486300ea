package plan

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// rank orders sources, best first. Whatever a better one says about two versions
// wins over what a worse one says, also where it forbids.
func rank(s backout.ContractSource) int {
	switch s {
	case backout.ContractDeclared:
		return 0
	case backout.ContractSpec:
		return 1
	case backout.ContractMigration:
		return 2
	case backout.ContractObserved:
		return 3
	case backout.ContractSkew:
		return 5
	}
	return 4
}

// statement is what one source says about one consumer's version and its
// provider's. The zero value says nothing.
type statement struct {
	source     backout.ContractSource
	confidence float64
	allows     bool
	contract   backout.Contract // who says it; of a line what it would be as a contract
	line       bool
	reason     string
	silent     bool // the contract asks nothing of these versions: anybody else who speaks of them decides
	known      bool
}

// order is the statement's place among those on the same two versions.
func (s statement) order() int {
	if s.silent {
		return rank("") + 2
	}
	return rank(s.source)
}

// asContract is a line as a contract about its one pair of versions, for words.
func asContract(l backout.Line) backout.Contract {
	c := backout.Contract{ID: fmt.Sprintf("%s (%s)", l.Source.Words(), percent(l.Confidence)), Consumer: l.Consumer, Provider: l.Provider, Source: l.Source, Reason: l.Reason}
	r := backout.ContractRule{When: backout.VersionRange{From: l.ConsumerVersion, To: l.ConsumerVersion}}
	if !l.Allows {
		r.Needs = other
	}
	c.Rules = []backout.ContractRule{r}
	return c
}

// other is a range that no version lies in.
var other = backout.VersionRange{From: "1", To: "0"}

// directed is a consumer with its provider, pairing the two with their versions.
type directed struct{ consumer, provider backout.ComponentID }

type pairing struct {
	directed
	cv, pv backout.Version
}

// knowledge is the world's contracts and lines by what they speak of.
type knowledge struct {
	contracts map[directed][]backout.Contract
	lines     map[pairing][]backout.Line
}

func know(w backout.World) knowledge {
	k := knowledge{map[directed][]backout.Contract{}, map[pairing][]backout.Line{}}
	for _, c := range w.Contracts {
		d := directed{c.Consumer, c.Provider}
		k.contracts[d] = append(k.contracts[d], c)
	}
	for _, l := range w.Lines {
		p := pairing{directed{l.Consumer, l.Provider}, l.ConsumerVersion, l.ProviderVersion}
		k.lines[p] = append(k.lines[p], l)
	}
	return k
}

// of are the statements about two versions in one direction.
func (k knowledge) of(d directed, cv, pv backout.Version) iter.Seq[statement] {
	return func(yield func(statement) bool) {
		for _, c := range k.contracts[d] {
			s := statement{source: c.Source, allows: c.Allows(cv, pv), contract: c, reason: c.Reason, silent: !c.Speaks(cv), known: true}
			if c.Source == backout.ContractDeclared {
				s.confidence = 1
			}
			if !yield(s) {
				return
			}
		}
		for _, l := range k.lines[pairing{d, cv, pv}] {
			if !yield(statement{source: l.Source, confidence: l.Confidence, allows: l.Allows, contract: asContract(l), line: true, reason: l.Reason, known: true}) {
				return
			}
		}
	}
}

// says is what the best source has to say of two versions in one direction. Of
// several of that source one that forbids wins.
func (k knowledge) says(d directed, cv, pv backout.Version) statement {
	var best statement
	for s := range k.of(d, cv, pv) {
		order := cmp.Compare(s.order(), best.order())
		if !best.known || order < 0 || order == 0 && best.allows && !s.allows {
			best = s
		}
	}
	return best
}

// meeting is two sites' versions that a plan brings together.
type meeting struct {
	i, j   int
	va, vb backout.Version
}

func (m model) pairName(at meeting) string {
	return fmt.Sprintf("%s %s with %s %s", m.sites[at.i].component.ID, at.va, m.sites[at.j].component.ID, at.vb)
}

// met reports whether two versions are known to get along, or were at least seen
// to.
func (m model) met(i int, va backout.Version, j int, vb backout.Version) bool {
	_, missing := m.ground(meeting{i, j, va, vb})
	return missing == ""
}

// strangers are the pairs of versions of i and j that the plan makes meet though
// the policy trusts nobody about them.
func (m model) strangers(s solution, i, j int) []string {
	var out []string
	for _, at := range m.meetings(s, i, j) {
		if _, missing := m.ground(at); missing != "" {
			out = append(out, missing)
		}
	}
	return out
}

// roads are the directions in which two sites need each other: code needs its
// own flags, configuration and schema, and callers need whom they call.
func (m model) roads(i, j int) []directed {
	a, b := m.sites[i].component, m.sites[j].component
	if a.Service == b.Service {
		if a.Kind != backout.KindDeployment {
			a, b = b, a
		}
		return []directed{{a.ID, b.ID}}
	}
	var out []directed
	if m.calls[[2]backout.ServiceID{a.Service, b.Service}] {
		out = append(out, directed{a.ID, b.ID})
	}
	if m.calls[[2]backout.ServiceID{b.Service, a.Service}] {
		out = append(out, directed{b.ID, a.ID})
	}
	return out
}

// ground is what a meeting rests on: the weakest of its directions' best sources.
// missing says why a person must look; "" when the policy trusts what there is.
func (m model) ground(at meeting) (g backout.Meeting, missing string) {
	g = backout.Meeting{A: m.sites[at.i].component.ID, AVersion: at.va, B: m.sites[at.j].component.ID, BVersion: at.vb}
	roads := m.ways(at.i, at.j)
	if len(roads) == 0 {
		roads = m.roads(at.i, at.j)
	}
	enough := true
	var weakest statement
	for _, d := range roads {
		best, ok := m.support(at, d)
		if !best.known {
			return g, m.pairName(at) + ": no contract, and never seen live together"
		}
		if !weakest.known || best.order() > weakest.order() {
			weakest = best
		}
		enough = enough && ok
	}
	g.Source, g.Confidence = weakest.source, weakest.confidence
	g.Text = fmt.Sprintf("%s: %s", m.pairName(at), weakest.words())
	if !enough {
		missing = fmt.Sprintf("%s: only %s, which the policy does not take for enough", m.pairName(at), weakest.words())
	}
	return g, missing
}

// words says what a meeting rests on.
func (s statement) words() string {
	text := s.source.Words()
	switch {
	case s.silent:
		return fmt.Sprintf("contract %s, %s, asks nothing of these versions", s.contract.ID, text)
	case s.contract.ID != "" && !s.line && s.source == backout.ContractDeclared:
		return fmt.Sprintf("contract %s, %s", s.contract.ID, text)
	case s.contract.ID != "" && !s.line:
		return fmt.Sprintf("contract %s, %s, confidence not stated", s.contract.ID, text)
	case s.reason != "":
		text += " (" + s.reason + ")"
	}
	return fmt.Sprintf("%s, confidence %s", text, percent(s.confidence))
}

// ways are the directions between two sites that contracts speak of. A contract
// speaks of all versions, so nothing more is asked of the other direction.
func (m model) ways(i, j int) []directed {
	var out []directed
	a, b := m.sites[i].component.ID, m.sites[j].component.ID
	for _, d := range []directed{{a, b}, {b, a}} {
		if len(m.known.contracts[d]) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// support is the best source that lets a meeting be in one direction, and whether
// one of those that agree with it is enough without a person.
func (m model) support(at meeting, d directed) (best statement, enough bool) {
	cv, pv := at.va, at.vb
	if d.consumer != m.sites[at.i].component.ID {
		cv, pv = pv, cv
	}
	if said := m.known.says(d, cv, pv); said.known && !said.allows {
		return best, false // a worse source that allows it has no say
	}
	agree := slices.Collect(m.known.of(d, cv, pv))
	if seen := m.sighting(at); seen.known {
		agree = append(agree, seen)
	} else if m.withinSkew(at) {
		agree = append(agree, statement{source: backout.ContractSkew, confidence: backout.SkewConfidence, allows: true, known: true,
			reason: fmt.Sprintf("N-%d", m.world.Policy.Skew)})
	}
	for _, s := range agree {
		if !s.allows {
			continue
		}
		if !best.known || s.order() < best.order() {
			best = s
		}
		enough = enough || m.world.Policy.Enough(s.source, s.confidence)
	}
	return best, enough
}

// sighting is what is known from two versions having run together: seen healthy
// by somebody, live together now, or both live for a model minute before the
// trouble began.
func (m model) sighting(at meeting) statement {
	x, y := m.sites[at.i], m.sites[at.j]
	best := backout.Pair{Healthy: true}
	found := slices.Contains(x.live, at.va) && slices.Contains(y.live, at.vb)
	better := func(p backout.Pair) {
		if !found || p.Confidence(m.world.Minute) > best.Confidence(m.world.Minute) {
			best, found = p, true
		}
	}
	for _, p := range m.seen[unordered(x.component.ID, y.component.ID)] {
		straight := p.A == x.component.ID && p.AVersion == at.va && p.BVersion == at.vb
		if straight || p.B == x.component.ID && p.BVersion == at.va && p.AVersion == at.vb {
			better(p)
		}
	}
	if own := m.overlap(x, at.va, y, at.vb); own.Times > 0 {
		better(own)
	}
	if !found {
		return statement{}
	}
	return statement{source: backout.ContractObserved, confidence: best.Confidence(m.world.Minute), allows: true, known: true, reason: sight(best)}
}

// sight says how often and how long a pair was seen.
func sight(p backout.Pair) string {
	switch {
	case p.Times == 0:
		return ""
	case p.Lasted >= longest:
		return fmt.Sprintf("for a day or more, in %s", count(p.Times, "spell"))
	}
	return fmt.Sprintf("for %s, in %s", p.Lasted.Std().Round(time.Second), count(p.Times, "spell"))
}

// longest is how long a sighting whose beginning nobody knows counts.
const longest = backout.Duration(24 * time.Hour)

// overlap is when two versions were live side by side before the trouble began,
// for at least a model minute at a time.
func (m model) overlap(x site, va backout.Version, y site, vb backout.Version) backout.Pair {
	out := backout.Pair{Healthy: true}
	for _, s := range x.spans(va, m.onset) {
		for _, o := range y.spans(vb, m.onset) {
			from, to := s[0], s[1]
			if o[0].After(from) {
				from = o[0]
			}
			if o[1].Before(to) {
				to = o[1]
			}
			if d := to.Sub(from); d >= m.minute {
				out.Times++
				out.Lasted += min(backout.Duration(d), longest)
			}
		}
	}
	return out
}

// withinSkew reports whether the policy's skew lets two versions meet: one of them
// ran together with the other but for a few releases.
func (m model) withinSkew(at meeting) bool {
	n := m.world.Policy.Skew
	if n <= 0 || at.va == "" || at.vb == "" {
		return false
	}
	for _, v := range m.sites[at.i].around(at.va, n) {
		if m.sighting(meeting{at.i, at.j, v, at.vb}).known {
			return true
		}
	}
	for _, v := range m.sites[at.j].around(at.vb, n) {
		if m.sighting(meeting{at.i, at.j, at.va, v}).known {
			return true
		}
	}
	return false
}

// around are the versions at most n releases from one of a site's versions.
func (s site) around(v backout.Version, n int) []backout.Version {
	var out []backout.Version
	for l, at := range s.versions {
		if at == v {
			out = append(out, s.versions[max(l-n, 0):min(l+n+1, len(s.versions))]...)
		}
	}
	return out
}

// unordered names two components whichever comes first.
func unordered(a, b backout.ComponentID) directed {
	return directed{min(a, b), max(a, b)}
}

// sightings are the world's healthy pairs by their components.
func sightings(w backout.World) map[directed][]backout.Pair {
	out := map[directed][]backout.Pair{}
	for _, p := range w.Pairs {
		if p.Healthy {
			out[unordered(p.A, p.B)] = append(out[unordered(p.A, p.B)], p)
		}
	}
	return out
}
