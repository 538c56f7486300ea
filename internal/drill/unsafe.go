package drill

import "github.com/backout-dev/backout"

// UnsafeStates walks an attempt's journal and counts the states in which two
// versions were live together that a contract forbids. While a stage is below
// everything, old and new version of its component are both live. A pair that was
// forbidden before the attempt began is not counted: the attempt found it so.
func UnsafeStates(w backout.World, p backout.Plan, entries []backout.Entry) int {
	steps := map[string]backout.Step{}
	live := map[backout.ComponentID][]backout.Version{}
	for id, l := range w.Live {
		live[id] = []backout.Version{l.Version()}
	}
	for _, s := range p.Steps() {
		steps[s.ID] = s
		live[s.Component] = []backout.Version{s.From}
	}
	known := forbidden(w.Contracts, live)
	n := 0
	for _, e := range entries {
		s, ok := steps[e.Step]
		moved := e.Kind == backout.EntryEffect && e.Outcome != backout.OutcomeNotDone || e.Kind == backout.EntrySkipped
		if !ok || !moved && e.Kind != backout.EntryReversed {
			continue
		}
		switch {
		case e.Kind == backout.EntryReversed:
			live[s.Component] = []backout.Version{s.From}
		case e.Share >= 1:
			live[s.Component] = []backout.Version{s.To}
		default:
			live[s.Component] = []backout.Version{s.From, s.To}
		}
		for pair := range forbidden(w.Contracts, live) {
			if !known[pair] {
				n++
			}
		}
	}
	return n
}

type cell struct {
	contract           string
	consumer, provider backout.Version
}

func forbidden(contracts []backout.Contract, live map[backout.ComponentID][]backout.Version) map[cell]bool {
	out := map[cell]bool{}
	for _, c := range contracts {
		for _, a := range live[c.Consumer] {
			for _, b := range live[c.Provider] {
				if !c.Allows(a, b) {
					out[cell{c.ID, a, b}] = true
				}
			}
		}
	}
	return out
}
