package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// trust is how much a source counts: the most trusted one that speaks of two
// versions decides about them, and what it forbids no other can allow.
var trust = map[backout.ContractSource]int{
	backout.ContractDeclared: 6, backout.ContractSpec: 5, backout.ContractMigration: 4, backout.ContractObserved: 2, backout.ContractSkew: 1,
}

// unnamed is the trust in a contract that does not say where it comes from.
const unnamed = 3

func trusted(s backout.ContractSource) int {
	if t, ok := trust[s]; ok {
		return t
	}
	return unnamed
}

// book holds what is written about two components, whoever of them is the consumer.
type book struct {
	contracts []backout.Contract
	lines     []backout.Line
}

func books(w backout.World) map[[2]backout.ComponentID]book {
	out := map[[2]backout.ComponentID]book{}
	for _, k := range w.Contracts {
		b := out[key(k.Consumer, k.Provider)]
		b.contracts = append(b.contracts, k)
		out[key(k.Consumer, k.Provider)] = b
	}
	for _, l := range w.Lines {
		b := out[key(l.Consumer, l.Provider)]
		b.lines = append(b.lines, l)
		out[key(l.Consumer, l.Provider)] = b
	}
	return out
}

// vote is one source's word on two versions.
type vote struct {
	yes        bool
	source     backout.ContractSource
	confidence float64
	by         string
	silent     bool // a contract without a rule for the consumer's version: any other word decides
}

func (v vote) weight() int {
	if v.silent {
		return 0
	}
	return trusted(v.source)
}

// votes are all words on a consumer's and its provider's version, most trusted
// first and of equally trusted ones the refusals first, so that the first decides.
func (b book) votes(consumer backout.ComponentID, cv backout.Version, provider backout.ComponentID, pv backout.Version) []vote {
	var out []vote
	for _, k := range b.contracts {
		if k.Consumer != consumer || k.Provider != provider {
			continue
		}
		sure := 0.0
		if k.Source == backout.ContractDeclared {
			sure = 1
		}
		out = append(out, vote{k.Allows(cv, pv), k.Source, sure, "contract " + k.ID, !k.Speaks(cv)})
	}
	for _, l := range b.lines {
		if l.Consumer == consumer && l.Provider == provider && l.ConsumerVersion == cv && l.ProviderVersion == pv {
			out = append(out, vote{l.Allows, l.Source, l.Confidence, fmt.Sprintf("the %s line (%s)", l.Source, l.Reason), false})
		}
	}
	slices.SortStableFunc(out, func(x, y vote) int {
		return cmp.Or(y.weight()-x.weight(), boolean(x.yes)-boolean(y.yes))
	})
	return out
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// refusal finds what forbids two versions to meet, whoever is the consumer.
func (b book) refusal(a backout.ComponentID, va backout.Version, o backout.ComponentID, vo backout.Version) string {
	for _, votes := range [][]vote{b.votes(a, va, o, vo), b.votes(o, vo, a, va)} {
		if len(votes) == 0 || votes[0].yes {
			continue
		}
		text := votes[0].by + " forbids it"
		if k := slices.IndexFunc(votes, func(v vote) bool { return v.yes && !v.silent }); k > 0 {
			text += fmt.Sprintf("; that %s allows it counts less", votes[k].by)
		}
		return text
	}
	return ""
}

// proven reports whether two versions are known to get along by a source that
// needs no person's look: in each direction that contracts speak of, or else in
// each in which the graph says that one needs the other.
func (c *checker) proven(a backout.ComponentID, va backout.Version, o backout.ComponentID, vo backout.Version) bool {
	b := c.books[key(a, o)]
	directions := map[bool]bool{} // whether a is the consumer
	for _, k := range b.contracts {
		directions[k.Consumer == a] = true
	}
	if len(directions) == 0 {
		if directions = c.needs(a, o); len(directions) == 0 {
			return true
		}
	}
	for straight := range directions {
		votes := b.votes(o, vo, a, va)
		if straight {
			votes = b.votes(a, va, o, vo)
		}
		votes = append(votes, c.past(a, va, o, vo)...)
		if !slices.ContainsFunc(votes, func(v vote) bool { return v.yes && c.w.Policy.Enough(v.source, v.confidence) }) {
			return false
		}
	}
	return true
}

// needs says in which directions two components need each other by the graph:
// true stands for a being the consumer. Of two parts of one service the code is.
func (c *checker) needs(a, o backout.ComponentID) map[bool]bool {
	out := map[bool]bool{}
	x, y := c.parts[a], c.parts[o]
	if !samePlace(x, y) || x.Service == "" || y.Service == "" {
		return out
	}
	if x.Service == y.Service {
		if sameService(x, y) {
			out[x.Kind == backout.KindDeployment] = true
		}
		return out
	}
	if runs(x.Kind) && runs(y.Kind) {
		for straight, d := range map[bool][2]backout.ServiceID{true: {x.Service, y.Service}, false: {y.Service, x.Service}} {
			if c.calls[d] {
				out[straight] = true
			}
		}
	}
	return out
}

// past is what is known of two versions without anything written: that they ran
// together, or are few enough releases from such that the policy assumes it.
func (c *checker) past(a backout.ComponentID, va backout.Version, o backout.ComponentID, vo backout.Version) []vote {
	var out []vote
	for _, p := range c.sightings(a, va, o, vo) {
		out = append(out, vote{true, backout.ContractObserved, p.Confidence(c.w.Minute), "a sighting", false})
	}
	if c.w.Policy.Skew <= 0 {
		return out
	}
	assumed := vote{true, backout.ContractSkew, backout.SkewConfidence, "the policy's skew", false}
	for _, v := range c.near(a, va) {
		if len(c.sightings(a, v, o, vo)) > 0 {
			return append(out, assumed)
		}
	}
	for _, v := range c.near(o, vo) {
		if len(c.sightings(a, va, o, v)) > 0 {
			return append(out, assumed)
		}
	}
	return out
}

// near are the versions of a component from which a version is no more releases
// away than the policy's skew.
func (c *checker) near(id backout.ComponentID, v backout.Version) []backout.Version {
	stack := c.w.Stack(id)
	if len(stack) == 0 {
		return nil
	}
	line := []backout.Version{c.first(id, stack)}
	for _, ch := range stack {
		line = append(line, ch.To)
	}
	var out []backout.Version
	for i, x := range line {
		for j, y := range line {
			if x == v && i != j && max(i-j, j-i) <= c.w.Policy.Skew {
				out = append(out, y)
			}
		}
	}
	return out
}

// sightings are the times that two versions were seen together: by somebody who
// found them healthy, live together now, or both exposed according to the changes.
func (c *checker) sightings(a backout.ComponentID, va backout.Version, o backout.ComponentID, vo backout.Version) []backout.Pair {
	var out []backout.Pair
	if slices.Contains(c.live[a], va) && slices.Contains(c.live[o], vo) {
		out = append(out, backout.Pair{Healthy: true})
	}
	for _, p := range c.seen[key(a, o)] {
		if p.A == a && p.AVersion == va && p.BVersion == vo || p.B == a && p.BVersion == va && p.AVersion == vo {
			out = append(out, p)
		}
	}
	lived := backout.Pair{Healthy: true}
	for _, x := range c.lives(a, va) {
		for _, y := range c.lives(o, vo) {
			if from, to := later(x.from, y.from), earlier(x.to, y.to); from.Before(to) {
				lived.Times++
				lived.Lasted += backout.Duration(min(to.Sub(from), 1000*time.Hour))
			}
		}
	}
	if lived.Times > 0 {
		out = append(out, lived)
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// meetings checks what the plan says its meetings rest on: that the source it names does
// speak for the two versions, and that none that is trusted more decides.
func (c *checker) meetings() {
	for _, g := range c.p.Meetings {
		b := c.books[key(g.A, g.B)]
		name := fmt.Sprintf("%s %s with %s %s", g.A, g.AVersion, g.B, g.BVersion)
		written := append(b.votes(g.A, g.AVersion, g.B, g.BVersion), b.votes(g.B, g.BVersion, g.A, g.AVersion)...)
		found := false
		for _, v := range append(written, c.past(g.A, g.AVersion, g.B, g.BVersion)...) {
			found = found || v.yes && v.source == g.Source
		}
		if !found {
			c.report(ReasonSource, "", "the plan rests %s on what is %s, which says no such thing", name, g.Source.Words())
		}
		if why := b.refusal(g.A, g.AVersion, g.B, g.BVersion); why != "" {
			c.report(ReasonSource, "", "the plan rests %s on what is %s, but %s", name, g.Source.Words(), why)
		}
	}
}
