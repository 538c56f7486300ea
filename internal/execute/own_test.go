package execute

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func TestDid_fromTheJournal(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	const cart = backout.ComponentID("deployment:cart@production/eu-1")
	p := backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a", Component: cart, From: "2", To: "1"}, {ID: "b", Component: "flag:x@production/eu-1", From: "on", To: "off"}}}}}
	entry := func(m int, kind backout.EntryKind, step, key string, o backout.Outcome) backout.Entry {
		return backout.Entry{At: at(m), Kind: kind, Step: step, Key: "INC-1/1/" + key, Outcome: o}
	}
	const intent, effect, reversed, skipped = backout.EntryIntent, backout.EntryEffect, backout.EntryReversed, backout.EntrySkipped
	const done, not, unknown = backout.OutcomeDone, backout.OutcomeNotDone, backout.OutcomeUnknown
	own := func(key string, to backout.Version, from, until int) backout.OwnEffect {
		e := backout.OwnEffect{Attempt: "INC-1/1", Key: "INC-1/1/" + key, Component: cart, To: to, Began: at(from)}
		if until >= 0 {
			e.Ended = at(until)
		}
		return e
	}
	for name, c := range map[string]struct {
		state   backout.RunState
		entries []backout.Entry
		want    []backout.OwnEffect
	}{
		"two stages":          {backout.RunActive, []backout.Entry{entry(0, intent, "a", "a/0", ""), entry(1, effect, "a", "a/0", done), entry(5, intent, "a", "a/1", ""), entry(6, effect, "a", "a/1", done)}, []backout.OwnEffect{own("a/1", "1", 0, 6)}},
		"under way":           {backout.RunActive, []backout.Entry{entry(0, intent, "a", "a/0", "")}, []backout.OwnEffect{own("a/0", "1", 0, -1)}},
		"second under way":    {backout.RunActive, []backout.Entry{entry(0, intent, "a", "a/0", ""), entry(1, effect, "a", "a/0", done), entry(5, intent, "a", "a/1", "")}, []backout.OwnEffect{own("a/0", "1", 0, -1)}},
		"cut off":             {backout.RunAborted, []backout.Entry{entry(0, intent, "a", "a/0", ""), entry(3, backout.EntryEnded, "", "", "")}, []backout.OwnEffect{own("a/0", "1", 0, 3)}},
		"not done":            {backout.RunHalted, []backout.Entry{entry(0, intent, "a", "a/0", ""), entry(1, effect, "a", "a/0", not)}, nil},
		"nobody knows":        {backout.RunHalted, []backout.Entry{entry(0, intent, "a", "a/0", ""), entry(1, effect, "a", "a/0", unknown)}, []backout.OwnEffect{own("a/0", "1", 0, 1)}},
		"it was there":        {backout.RunActive, []backout.Entry{entry(0, skipped, "b", "b/0", done)}, nil},
		"taken back":          {backout.RunHalted, []backout.Entry{entry(0, intent, "a", "a/0", ""), entry(1, effect, "a", "a/0", done), entry(4, intent, "a", "a/back", ""), entry(5, reversed, "a", "a/back", done)}, []backout.OwnEffect{own("a/0", "1", 0, 1), own("a/back", "2", 4, 5)}},
		"a step that is none": {backout.RunActive, []backout.Entry{entry(0, intent, "z", "z/0", "")}, nil},
	} {
		if d := cmp.Diff(c.want, did(p, backout.Run{Attempt: "INC-1/1", State: c.state, Entries: c.entries})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
