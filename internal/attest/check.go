package attest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Log is the records of one incident as they are stored.
type Log struct {
	Incident backout.IncidentID
	Entries  [][]byte // of the audit log, in order of their numbers
	Journals map[backout.AttemptID][][]byte
}

// Copy is anchors that were kept outside of the database.
type Copy struct {
	Name    string // such as its file's
	Anchors [][]byte
}

// Checker looks at logs one after the other, so that all of them need not be in
// memory at once. It is not safe for concurrent use.
type Checker struct {
	out backout.AuditCheck
	// seen lists for each incident what anchors say about its log, oldest first.
	seen map[backout.IncidentID][]sighting
	done map[backout.IncidentID]bool
}

// sighting is one head in one anchor.
type sighting struct {
	backout.AnchorHead
	anchor int64
	at     time.Time
	in     string
}

// database names the anchors that lie beside the logs.
const database = "the database"

// New begins with the anchors: those of the database, and copies of them.
func New(anchors [][]byte, copies ...Copy) *Checker {
	c := &Checker{
		out:  backout.AuditCheck{Broken: []backout.AuditBreak{}, Notes: []string{}, Copies: len(copies)},
		seen: map[backout.IncidentID][]sighting{}, done: map[backout.IncidentID]bool{},
	}
	own := c.anchors(database, anchors)
	c.out.Anchors = len(own)
	for _, a := range own {
		c.sight(database, a)
	}
	for _, k := range copies {
		c.copied(own, len(own) == len(anchors), k)
	}
	return c
}

// anchors checks one chain of anchors and gives those before its first break.
func (c *Checker) anchors(in string, stored [][]byte) []backout.Anchor {
	good := []backout.Anchor{}
	for i, b := range stored {
		want := int64(i + 1)
		if len(good) > 0 {
			want = good[i-1].Seq + 1
		}
		a, why := read[backout.Anchor](b)
		if i == 0 && in != database && why == "" {
			want = a.Seq // a copy may have been begun later
		}
		x := backout.AuditBreak{Record: "anchors in " + in, Seq: want}
		sealed, _, err := Anchor(a)
		switch {
		case why != "" || err != nil:
			x.Why, x.Expected, x.Found = fmt.Sprintf("anchor %d was changed: %s", want, why), "the anchor as it was written", clipped(b)
		case a.Seq != want:
			x.Why, x.Expected, x.Found = fmt.Sprintf("anchor %d is missing", want), fmt.Sprintf("anchor %d", want), fmt.Sprintf("anchor %d", a.Seq)
		case i > 0 && a.Previous != good[i-1].Hash, i == 0 && want == 1 && a.Previous != "":
			x.Why, x.Expected, x.Found = fmt.Sprintf("anchor %d does not follow anchor %d", want, want-1), "previous "+hashBefore(good), "previous "+a.Previous
		case a.Hash != sealed.Hash:
			x.Why, x.Expected, x.Found = fmt.Sprintf("anchor %d was changed", want), "contents with hash "+a.Hash, "contents with hash "+sealed.Hash
		default:
			good = append(good, a)
			continue
		}
		c.out.Broken = append(c.out.Broken, x)
		return good
	}
	return good
}

func hashBefore(good []backout.Anchor) string {
	if len(good) == 0 {
		return "of nothing"
	}
	return good[len(good)-1].Hash
}

// sight remembers what an anchor says about logs.
func (c *Checker) sight(in string, a backout.Anchor) {
	for _, h := range a.Heads {
		c.seen[h.Incident] = append(c.seen[h.Incident], sighting{h, a.Seq, a.At, in})
	}
}

// copied compares a copy with the database's anchors. What only the copy has
// counts as said: that is what copies are for.
func (c *Checker) copied(own []backout.Anchor, whole bool, k Copy) {
	theirs := c.anchors(k.Name, k.Anchors)
	broken := false
	for _, a := range theirs {
		at := int(a.Seq) - 1
		if at < len(own) && own[at].Hash == a.Hash {
			continue
		}
		c.sight(k.Name, a)
		if broken || at >= len(own) && !whole {
			continue // the database's own break is named already
		}
		broken = true
		x := backout.AuditBreak{Record: "anchors in " + database, Seq: a.Seq, Expected: fmt.Sprintf("hash %s, as %s has it", a.Hash, k.Name), Found: "nothing", Why: fmt.Sprintf("anchor %d of %s is missing: it is in %s", a.Seq, stamp(a.At), k.Name)}
		if at < len(own) {
			x.Found, x.Why = "hash "+own[at].Hash, fmt.Sprintf("anchor %d is not the one that %s has: anchors were written anew", a.Seq, k.Name)
		}
		c.out.Broken = append(c.out.Broken, x)
	}
	if len(theirs) == len(k.Anchors) { // else its break is named already
		c.lag(own, theirs, k.Name)
	}
}

// lag says what a copy lacks. The newest anchor is written to copies a moment after
// it was made, so one may be missing after a crash; more than one was taken away,
// or could not be written for long.
func (c *Checker) lag(own, theirs []backout.Anchor, name string) {
	last := int64(0)
	if n := len(theirs); n > 0 {
		last = theirs[n-1].Seq
	}
	newest := int64(len(own))
	switch {
	case newest == last+1:
		c.out.Notes = append(c.out.Notes, fmt.Sprintf("anchor %d is not in %s yet; the running backout writes it there within a minute", newest, name))
	case newest > last:
		c.out.Broken = append(c.out.Broken, backout.AuditBreak{Record: "anchors in " + name, Seq: last + 1, Expected: fmt.Sprintf("anchors %d to %d, as the database has them", last+1, newest), Found: "nothing",
			Why: fmt.Sprintf("anchors %d to %d are missing: they were removed, or could not be written there", last+1, newest)})
	}
}

// Add checks one incident's log, its sealed journals, and what anchors say of it.
func (c *Checker) Add(l Log) {
	c.done[l.Incident] = true
	c.out.Logs++
	c.out.Entries += len(l.Entries)
	entries, bad := chain(l)
	if bad == nil {
		bad = c.anchored(l.Incident, entries)
	}
	if bad != nil {
		c.out.Broken = append(c.out.Broken, *bad)
	}
	if n := c.latest(l.Incident); bad == nil {
		c.out.Anchored += int(n)
	}
	c.journals(l, entries)
}

// latest is the newest entry of a log that an anchor names.
func (c *Checker) latest(id backout.IncidentID) int64 {
	n := int64(0)
	for _, s := range c.seen[id] {
		n = max(n, s.Seq)
	}
	return n
}

// chain checks a log by itself and gives the entries before its first break.
func chain(l Log) ([]backout.AuditEntry, *backout.AuditBreak) {
	good, previous := []backout.AuditEntry{}, ""
	for i, b := range l.Entries {
		x := backout.AuditBreak{Incident: l.Incident, Record: "audit log of " + string(l.Incident), Seq: int64(i + 1)}
		e, why := read[backout.AuditEntry](b)
		sealed, _, err := Entry(e)
		switch {
		case why != "" || err != nil:
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d was changed: %s", i+1, why), "the entry as it was written", clipped(b)
		case e.Seq != int64(i+1):
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d is missing", i+1), fmt.Sprintf("entry %d", i+1), fmt.Sprintf("entry %d", e.Seq)
		case e.Incident != l.Incident:
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d is another incident's", i+1), "an entry of "+string(l.Incident), "an entry of "+string(e.Incident)
		case e.Previous != previous:
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d does not follow entry %d", i+1, i), "previous "+previous, "previous "+e.Previous
		case e.Hash != sealed.Hash:
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d was changed", i+1), "contents with hash "+e.Hash, "contents with hash "+sealed.Hash
		default:
			good, previous = append(good, e), e.Hash
			continue
		}
		return good, &x
	}
	if len(good) == 0 {
		return good, &backout.AuditBreak{Incident: l.Incident, Record: "audit log of " + string(l.Incident), Seq: 1, Why: "entry 1 is missing", Expected: "an entry that says how the incident began", Found: "no entry"}
	}
	return good, nil
}

// anchored holds a log against what anchors say of it. The lowest entry that is not
// as an anchor saw it is named; everything from the anchor before on may be changed.
func (c *Checker) anchored(id backout.IncidentID, entries []backout.AuditEntry) *backout.AuditBreak {
	all := slices.Clone(c.seen[id])
	slices.SortStableFunc(all, func(a, b sighting) int { return int(a.Seq - b.Seq) })
	for _, s := range all {
		x := &backout.AuditBreak{Incident: id, Record: "audit log of " + string(id), Seq: s.Seq, Expected: "hash " + s.Hash + fmt.Sprintf(", as anchor %d of %s in %s has it", s.anchor, stamp(s.at), s.in)}
		switch {
		case s.Seq > int64(len(entries)):
			x.Seq = int64(len(entries) + 1)
			x.Found = fmt.Sprintf("a log that ends with entry %d", len(entries))
			x.Why = fmt.Sprintf("entries %d to %d are missing at the end", len(entries)+1, s.Seq)
			return x
		case s.Seq < 1 || entries[s.Seq-1].Hash != s.Hash:
			if s.Seq > 0 {
				x.Found = "hash " + entries[s.Seq-1].Hash
			}
			x.Why = fmt.Sprintf("entry %d is not the one that was anchored: the log was written anew from an entry up to it on", s.Seq)
			return x
		}
	}
	return nil
}

// journals holds the journals against their seals.
func (c *Checker) journals(l Log, entries []backout.AuditEntry) {
	checked := map[backout.AttemptID]bool{}
	for _, e := range entries {
		if e.Journal == nil || checked[e.Journal.Attempt] {
			continue
		}
		checked[e.Journal.Attempt] = true
		c.out.Journals++
		if bad := c.journal(l, *e.Journal, e.Seq); bad != nil {
			c.out.Broken = append(c.out.Broken, *bad)
		}
	}
}

func (c *Checker) journal(l Log, seal backout.Seal, by int64) *backout.AuditBreak {
	stored := l.Journals[seal.Attempt]
	run := backout.Run{Attempt: seal.Attempt}
	x := &backout.AuditBreak{Incident: l.Incident, Record: "journal of " + string(seal.Attempt)}
	for i, b := range stored {
		e, why := read[backout.Entry](b)
		x.Seq = int64(i + 1)
		switch {
		case why != "":
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d was changed: %s", i+1, why), "the entry as it was written", clipped(b)
			return x
		case e.Seq != int64(i+1) || e.Attempt != seal.Attempt:
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d is missing", i+1), fmt.Sprintf("entry %d of %s", i+1, seal.Attempt), fmt.Sprintf("entry %d of %s", e.Seq, e.Attempt)
			return x
		case int64(i) >= seal.Entries && e.Kind == backout.EntryControl:
			// Somebody's word may have crossed the end of the run.
			c.out.Notes = append(c.out.Notes, fmt.Sprintf("%s: entry %d came after the end and is not sealed: %s", x.Record, i+1, e.Text))
		case int64(i) >= seal.Entries:
			x.Why, x.Expected, x.Found = fmt.Sprintf("entry %d was added after the end", i+1), fmt.Sprintf("%d entries, as entry %d of the audit log has it", seal.Entries, by), clipped(b)
			return x
		default:
			run.Entries = append(run.Entries, e)
		}
	}
	got, err := run.Seal()
	if err == nil && got == seal {
		return nil
	}
	x.Seq, x.Why = got.Entries+1, fmt.Sprintf("entries %d to %d are missing at the end", got.Entries+1, seal.Entries)
	if got.Entries == seal.Entries {
		x.Seq, x.Why = 1, fmt.Sprintf("an entry between 1 and %d was changed", seal.Entries)
	}
	x.Expected, x.Found = fmt.Sprintf("%d entries with hash %s, as entry %d of the audit log has it", seal.Entries, seal.Hash, by), fmt.Sprintf("%d entries with hash %s", got.Entries, got.Hash)
	return x
}

// Result says what came of it. all is set when every incident there is was added:
// then an incident that anchors know and nobody added is missing altogether.
func (c *Checker) Result(all bool) backout.AuditCheck {
	out := c.out
	out.Broken, out.Notes = slices.Clone(out.Broken), slices.Clone(out.Notes)
	if all {
		missing := []backout.IncidentID{}
		for id := range c.seen {
			if !c.done[id] {
				missing = append(missing, id)
			}
		}
		slices.Sort(missing)
		for _, id := range missing {
			out.Broken = append(out.Broken, *c.anchored(id, nil))
		}
	}
	if n := out.Entries - out.Anchored; n > 0 && len(out.Broken) == 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d of %d entries came after the newest anchor that covers their log: were they cut off, nobody would see it yet", n, out.Entries))
	}
	out.Whole = len(out.Broken) == 0
	return out
}

// Lines takes a file of records apart, one a line.
func Lines(b []byte) [][]byte {
	out := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	if len(out) == 1 && len(out[0]) == 0 {
		return nil
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clipped shows the beginning of what was found.
func clipped(b []byte) string {
	const most = 120
	if len(b) > most {
		return fmt.Sprintf("%q...", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
