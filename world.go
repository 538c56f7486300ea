package backout

import (
	"cmp"
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
	Minute Duration `json:"minute"`
	// Step is the time between two samples of a signal: how soon a gate can know. 0 = half
	// a Minute.
	Step      Duration                 `json:"step,omitempty"`
	Graph     Graph                    `json:"graph"`
	Changes   []Change                 `json:"changes"` // of the window, oldest first
	Responses []Response               `json:"responses"`
	Live      map[ComponentID]Live     `json:"live"`
	Contracts []Contract               `json:"contracts"`
	Lines     []Line                   `json:"lines"` // inferred, about single pairs of versions
	Pairs     []Pair                   `json:"pairs"`
	Reversals map[ComponentID]Reversal `json:"reversals"`
	Holds     []Hold                   `json:"holds"`
	Policy    Policy                   `json:"policy"`
	Priors    Priors                   `json:"priors"`
	// Stop is the kill switch as it is turned at runtime; Policy.KillSwitch is set with it.
	Stop Stop `json:"stop,omitzero"`
	// Spent are the attempts of the last model day that ran without a person's yes.
	Spent []Spent `json:"spent,omitempty"`
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

// linesOf are the lines that forbid something to one of the components, in a fixed
// order. What a line allows can only spare a plan a person's look, which is asked
// for anew before each step.
func (w World) linesOf(touched []ComponentID) []Line {
	in := map[ComponentID]bool{}
	for _, id := range touched {
		in[id] = true
	}
	var out []Line
	for _, l := range w.Lines {
		if !l.Allows && (in[l.Consumer] || in[l.Provider]) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.String(), b.String()), cmp.Compare(a.Source, b.Source))
	})
	return out
}
