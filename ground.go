package backout

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Ground is one fact that a plan rests on: What of Of Is so. All of them together
// are hashed into the world's fingerprint; a plan carries them along, so that one
// that has gone stale can say what moved and not only that something did.
type Ground struct {
	Of   string `json:"of"` // a component, a contract or "policy"
	What string `json:"what"`
	Is   string `json:"is"`
}

// Moved is one ground that is not so any more. Was is "" for what is new, Is is ""
// for what has gone.
type Moved struct {
	Of   string `json:"of"`
	What string `json:"what"`
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// String is the sentence for people.
func (m Moved) String() string {
	return fmt.Sprintf("%s of %s: was %s, is %s", m.What, m.Of, cmp.Or(m.Was, "not there"), cmp.Or(m.Is, "gone"))
}

// Grounds lists what a plan over these components rests on: their live versions,
// changes, reachable levels and holds, those of their neighbours under contracts
// and forbidding lines, the contracts, those lines, what limits their way back, and the
// policy's version. Metrics and the time are left out, so they stay equal while nothing
// relevant moved.
func (w World) Grounds(touched []ComponentID) []Ground {
	near := slices.Clone(touched)
	out := []Ground{}
	for _, c := range w.Contracts {
		if slices.Contains(touched, c.Consumer) || slices.Contains(touched, c.Provider) {
			near = append(near, c.Consumer, c.Provider)
			out = append(out, Ground{"contract " + c.ID, "rules", fmt.Sprintf("%s with %s: %s", c.Consumer, c.Provider, rulesText(c.Rules))})
		}
	}
	for _, l := range w.linesOf(touched) {
		near = append(near, l.Consumer, l.Provider)
		out = append(out, Ground{fmt.Sprintf("what is %s", l.Source.Words()), l.String(), "not together"})
	}
	slices.Sort(near)
	near = slices.Compact(near)
	for _, id := range near {
		out = append(out, w.groundsOf(id)...)
	}
	out = append(out, w.Graph.limits(near)...)
	out = append(out, Ground{"policy", "version", w.Policy.Version}, Ground{"policy", "kill switch", fmt.Sprint(w.Policy.KillSwitch)})
	slices.SortFunc(out, func(a, b Ground) int {
		return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.What, b.What), cmp.Compare(a.Is, b.Is))
	})
	return out
}

func (w World) groundsOf(id ComponentID) []Ground {
	of := string(id)
	out := []Ground{{of, "live version", string(w.Live[id].Version())}}
	for _, c := range w.Stack(id) {
		out = append(out, Ground{of, "change " + string(c.ID), fmt.Sprintf("%s to %s", cmp.Or(c.From, "unknown"), c.To)})
		if c.Security != "" {
			out = append(out, Ground{of, "what " + string(c.ID) + " closed", c.Security})
		}
	}
	for _, r := range w.Reversals[id].Levels {
		out = append(out, Ground{of, fmt.Sprintf("way back to level %d", r.Level), fmt.Sprintf("%s, %s", r.Version, r.Loss)})
	}
	for _, h := range w.Holds {
		if h.Component == id {
			out = append(out, Ground{of, "hold by " + h.Owner, "keeps away " + cmp.Or(string(h.BadTo), "everything")})
		}
	}
	return out
}

// limits are the grounds of what limits the way back of some components. A graph
// without limits gives none.
func (g Graph) limits(near []ComponentID) []Ground {
	var out []Ground
	say := func(of, what, format string, args ...any) {
		out = append(out, Ground{of, what, fmt.Sprintf(format, args...)})
	}
	for _, c := range g.Components {
		if !slices.Contains(near, c.ID) {
			continue
		}
		if c.MinAvailable > 0 || c.MaxSurge > 0 {
			say(string(c.ID), "disruption budget", "%d of %d instances stay, surge %d", c.MinAvailable, c.Instances, c.MaxSurge)
		}
		for _, p := range g.Pools {
			if p.Has(c) {
				say(string(c.ID), "pool "+p.ID, "quota %d, at most %d out", p.Quota, p.MaxUnavailable)
			}
		}
	}
	for _, f := range g.Formats {
		if slices.Contains(near, f.Reader) {
			say(string(f.Reader), "data format "+f.ID, "written by %s %s..%s, read by %s..%s, else %s", f.Writer, f.Writes.From, f.Writes.To, f.Reads.From, f.Reads.To, f.Loss)
		}
	}
	for _, p := range g.NoReturns {
		if slices.Contains(near, p.Component) {
			say(string(p.Component), "point of no return "+p.ID, "%s..%s after %s or %d rows, then %s", p.Versions.From, p.Versions.To, p.After, p.Rows, p.Loss)
		}
	}
	for _, u := range g.Consumers {
		if slices.Contains(near, u.Component) {
			say(string(u.Component), "consumer "+u.ID, "lossy above %g, forbidden above %g", u.LossyAbove, u.ForbiddenAbove)
		}
	}
	for _, s := range g.Switches {
		if slices.ContainsFunc(s.Members, func(id ComponentID) bool { return slices.Contains(near, id) }) {
			say("switch "+s.ID, "members", "%v by %s", s.Members, s.Router)
		}
	}
	return out
}

func rulesText(rules []ContractRule) string {
	out := []string{}
	for _, r := range rules {
		out = append(out, fmt.Sprintf("%s..%s needs %s..%s", r.When.From, r.When.To, r.Needs.From, r.Needs.To))
	}
	return strings.Join(out, "; ")
}

// FingerprintOf hashes grounds; their order does not matter.
func FingerprintOf(grounds []Ground) string {
	lines := []string{}
	for _, g := range grounds {
		lines = append(lines, fmt.Sprintf("%q %q %q\n", g.Of, g.What, g.Is))
	}
	slices.Sort(lines)
	h := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(h[:])[:32]
}

// Fingerprint hashes what a plan over these components rests on: see
// [World.Grounds].
func (w World) Fingerprint(touched []ComponentID) string {
	return FingerprintOf(w.Grounds(touched))
}

// MovedBetween lists how two sets of grounds differ, by what they are about.
func MovedBetween(was, is []Ground) []Moved {
	type key struct{ of, what string }
	found := map[key]*Moved{}
	keys := []key{}
	note := func(grounds []Ground, into func(*Moved) *string) {
		for _, g := range grounds {
			k := key{g.Of, g.What}
			if found[k] == nil {
				found[k], keys = &Moved{Of: g.Of, What: g.What}, append(keys, k)
			}
			text := into(found[k])
			*text = strings.TrimPrefix(*text+" and "+cmp.Or(g.Is, "unknown"), " and ")
		}
	}
	note(was, func(m *Moved) *string { return &m.Was })
	note(is, func(m *Moved) *string { return &m.Is })
	out := []Moved{}
	for _, k := range keys {
		if m := *found[k]; m.Was != m.Is {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b Moved) int { return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.What, b.What)) })
	return out
}
