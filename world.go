package backout

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// World is everything a decision may depend on, at one moment, as values.
type World struct {
	Now time.Time `json:"now"`
	// Minute is how long one model minute lasts. It is a minute for real
	// products; rehearsals run faster so that nobody waits. Delays, bakes and
	// money rates are all in model minutes.
	Minute    Duration                 `json:"minute"`
	Graph     Graph                    `json:"graph"`
	Changes   []Change                 `json:"changes"` // of the window, oldest first
	Responses []Response               `json:"responses"`
	Live      map[ComponentID]Live     `json:"live"`
	Contracts []Contract               `json:"contracts"`
	Pairs     []Pair                   `json:"pairs"`
	Reversals map[ComponentID]Reversal `json:"reversals"`
	Holds     []Hold                   `json:"holds"`
	Policy    Policy                   `json:"policy"`
	Priors    Priors                   `json:"priors"`
	// Loads are the metrics' answers about components that can go back.
	Loads map[ComponentID]Load `json:"loads,omitempty"`
}

// Live is what runs of one component right now: shares by version, summing to 1.
type Live struct {
	Shares  map[Version]float64 `json:"shares_ratio"`
	Healthy bool                `json:"healthy"` // the target says that it is ready
	At      time.Time           `json:"at"`
}

// Version is the version with the largest share; of equals the later one. It is
// "" when nothing is known.
func (l Live) Version() Version {
	best, share := Version(""), -1.0
	for _, v := range slices.SortedFunc(maps.Keys(l.Shares), func(a, b Version) int {
		return cmp.Or(CompareVersions(a, b), cmp.Compare(a, b))
	}) {
		if l.Shares[v] >= share {
			best, share = v, l.Shares[v]
		}
	}
	return best
}

// Stack is the recent changes of one component, oldest first: level l is the
// state after the first l of them, and the current level is their number.
func (w World) Stack(id ComponentID) []Change {
	var out []Change
	for _, c := range w.Changes {
		if c.Component == id {
			out = append(out, c)
		}
	}
	return out
}

// VersionAt is the version of a component at a level, and whether it is known.
// Levels without changes are the live version.
func (w World) VersionAt(id ComponentID, l Level) (Version, bool) {
	st := w.Stack(id)
	switch {
	case l < 0 || int(l) > len(st):
		return "", false
	case len(st) == 0:
		live, ok := w.Live[id]
		return live.Version(), ok
	case l == 0:
		return st[0].From, st[0].From != ""
	}
	return st[l-1].To, true
}

// Fingerprint hashes what a plan over these components rests on: their live
// versions, changes, reachable levels and holds, those of their neighbours under
// contracts, what limits their way back, and the policy's version. Metrics and the time are left out, so it
// stays equal while nothing relevant moved.
func (w World) Fingerprint(touched []ComponentID) string {
	near := map[ComponentID]bool{}
	for _, id := range touched {
		near[id] = true
	}
	h := sha256.New()
	var contracts []Contract // few of them, where the world is large
	for _, c := range w.Contracts {
		if near[c.Consumer] || near[c.Provider] {
			contracts = append(contracts, c)
		}
	}
	slices.SortStableFunc(contracts, func(a, b Contract) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range contracts {
		near[c.Consumer], near[c.Provider] = true, true
		fmt.Fprintf(h, "contract %s %s %s %v\n", c.ID, c.Consumer, c.Provider, c.Rules)
	}
	for _, id := range slices.Sorted(maps.Keys(near)) {
		fmt.Fprintf(h, "component %s live %s\n", id, w.Live[id].Version())
		for _, c := range w.Stack(id) {
			fmt.Fprintf(h, " change %s %s>%s\n", c.ID, c.From, c.To)
			if c.Security != "" {
				fmt.Fprintf(h, " security %s\n", c.Security)
			}
		}
		for _, r := range w.Reversals[id].Levels {
			fmt.Fprintf(h, " level %d %s %s\n", r.Level, r.Version, r.Loss)
		}
		for _, hold := range w.Holds {
			if hold.Component == id {
				fmt.Fprintf(h, " hold %s %s\n", hold.Owner, hold.BadTo)
			}
		}
	}
	w.Graph.fingerprint(h, near)
	fmt.Fprintf(h, "policy %s kill %t\n", w.Policy.Version, w.Policy.KillSwitch)
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// fingerprint writes down what limits the way back of some components. A graph
// without limits writes nothing.
func (g Graph) fingerprint(h io.Writer, near map[ComponentID]bool) {
	for _, c := range g.Components {
		if near[c.ID] && (c.MinAvailable > 0 || c.MaxSurge > 0) {
			fmt.Fprintf(h, "capacity %s %d %d %d\n", c.ID, c.Instances, c.MinAvailable, c.MaxSurge)
		}
		for _, p := range g.Pools {
			if near[c.ID] && p.Has(c) {
				fmt.Fprintf(h, "pool %s %s %d %d\n", p.ID, c.ID, p.Quota, p.MaxUnavailable)
			}
		}
	}
	for _, f := range g.Formats {
		if near[f.Reader] {
			fmt.Fprintf(h, "format %s %s %v %s %v %s\n", f.ID, f.Writer, f.Writes, f.Reader, f.Reads, f.Loss)
		}
	}
	for _, p := range g.NoReturns {
		if near[p.Component] {
			fmt.Fprintf(h, "no return %s %s %v %s %d %s\n", p.ID, p.Component, p.Versions, p.After, p.Rows, p.Loss)
		}
	}
	for _, c := range g.Consumers {
		if near[c.Component] {
			fmt.Fprintf(h, "consumer %s %s %g %g\n", c.ID, c.Component, c.LossyAbove, c.ForbiddenAbove)
		}
	}
	for _, s := range g.Switches {
		if slices.ContainsFunc(s.Members, func(id ComponentID) bool { return near[id] }) {
			fmt.Fprintf(h, "switch %s %v %s\n", s.ID, s.Members, s.Router)
		}
	}
}
