// Package report writes what is left to read after an incident: one document for
// a leader, an engineer and an auditor alike, as Markdown or as one HTML file that
// needs nothing else.
//
// The document is built once ([Facts] to parts) and then written in either format,
// so that both have the same words and numbers. Every picture's numbers stand in a
// table beside it. Nothing is decided here, and nothing is said that is not in the
// facts.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/render/picture"
)

// Facts are what a report is about.
type Facts struct {
	At       time.Time // when it was written
	Incident backout.Incident
	Runs     []backout.Run
	Audit    []backout.AuditEntry
	Messages []backout.Delivery
	Holds    []backout.Hold // those of this incident that are in force
	Graph    backout.Graph
	Check    backout.AuditCheck
}

// make builds the document.
func (f Facts) document() document {
	past := backout.PastOf(f.Incident, f.Runs)
	glyph, word, _ := render.StateMark(f.Incident.State)
	d := document{title: string(f.Incident.ID), state: glyph + " " + word}
	f.summary(&d, past)
	f.cause(&d)
	f.forecast(&d)
	f.plan(&d)
	f.gates(&d)
	f.alternatives(&d)
	f.left(&d)
	f.people(&d)
	f.followUps(&d)
	f.timeline(&d)
	f.records(&d)
	return d
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func clock(t time.Time) string { return render.Clock(t) }

// summary is what a leader reads.
func (f Facts) summary(d *document, p backout.Past) {
	d.begin("In short")
	inc := f.Incident
	lasted := "and is not over"
	if !p.EndedAt.IsZero() {
		lasted = "and ended after " + render.Span(p.EndedAt.Sub(p.Onset))
	}
	d.say("%s It began at %s %s. %s", f.hurt(p), day(p.Onset), lasted, f.ending(p))
	d.say("%s", strings.TrimSpace(f.blame(p)+" "+f.price(p)))
	d.draw(picture.Milestones(p))
	rows := [][]string{{"onset", day(p.Onset), ""}}
	for _, m := range []struct {
		word string
		at   *backout.Duration
	}{{"detected", p.Detected}, {"decided", p.Decided}, {"first effect", p.FirstEffect}, {"verified", p.Verified}} {
		if m.at != nil {
			rows = append(rows, []string{m.word, day(p.Onset.Add(m.at.Std())), render.Span(m.at.Std())})
		} else {
			rows = append(rows, []string{m.word, "never", ""})
		}
	}
	d.table([]string{"milestone", "when", "after the onset"}, rows)
	for _, x := range inc.Degraded {
		d.say("! %s", render.Degraded(x, f.At))
	}
}

func (f Facts) hurt(p backout.Past) string {
	journeys, services := []string{}, []string{}
	for _, x := range f.Incident.Findings {
		if j := string(x.ID.Subject.Journey); j != "" && !slices.Contains(journeys, j) {
			journeys = append(journeys, j)
		}
	}
	for _, s := range p.Services {
		services = append(services, string(s))
	}
	what := "The product was hurt"
	switch {
	case len(journeys) > 0:
		what = "Customers were hurt in " + some(journeys)
	case len(services) > 0:
		what = "Services were ill: " + some(services)
	}
	return what + "."
}

// some lists a few names and counts the rest.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// ending says how it ended: what was verified, and what only done.
func (f Facts) ending(p backout.Past) string {
	back := []string{}
	for _, b := range p.TakenBack {
		back = append(back, fmt.Sprintf("%s from %s to %s", render.ShortName(b.Component), b.From, b.To))
	}
	text := "Nothing was taken back."
	if len(back) > 0 {
		text = "Taken back: " + strings.Join(back, ", ") + "."
	}
	if p.Verified != nil {
		return "Recovery was verified by the signals." + render.StillIll(p.Unproven) + " " + text
	}
	return fmt.Sprintf("It ended as %s: %s. %s", strings.ReplaceAll(string(p.State), "_", " "), strings.TrimSuffix(render.Readable(p.Why), "."), text)
}

func (f Facts) blame(p backout.Past) string {
	switch {
	case p.Cause != "" && p.P < .4:
		return fmt.Sprintf("We do not know which change did it; best guess %s (%s).", render.What(p.Cause, p.CauseTo), render.Percent(p.P))
	case p.Cause != "":
		return fmt.Sprintf("Cause: %s, %s.", render.What(p.Cause, p.CauseTo), render.Chance(p.P))
	case p.PNone > 0:
		return fmt.Sprintf("Most likely no change did it: %s.", render.Chance(p.PNone))
	}
	return "Nobody was found to have caused it."
}

func (f Facts) price(p backout.Past) string {
	text := "What it cost was not measured."
	if p.CostPerMinute.P90.Minor > 0 {
		text = fmt.Sprintf("It cost %s while it lasted.", render.Rate(p.CostPerMinute))
	}
	if p.CostNothing.Minor > p.Cost.Minor && p.CostPerMinute.P90.Minor > 0 {
		text += fmt.Sprintf(" The plan's estimate when it began: %s with it, %s doing nothing.", render.Amount(p.Cost), render.Amount(p.CostNothing))
	}
	return text
}

// cause has every suspect worth a line with what speaks for and against it.
func (f Facts) cause(d *document) {
	a := f.Incident.Attribution
	d.begin("Who did it")
	if a == nil {
		d.say("It was not attributed.")
		return
	}
	d.draw(picture.Suspects(*a))
	rows := [][]string{}
	for i, s := range a.Suspects {
		if i > 0 && s.P < .01 || i > 9 {
			rows = append(rows, []string{render.Plural(len(a.Suspects)-i, "other change"), "", "", ""})
			break
		}
		rows = append(rows, []string{render.What(s.Component, s.To), render.Percent(s.P), facts("+ ", s.For), facts("− ", s.Against)})
	}
	none := ""
	if len(a.Origins) > 0 {
		none = a.Origins[0].Text
	}
	rows = append(rows, []string{"no change at all", render.Percent(a.PNone), none, ""})
	d.table([]string{"suspect", "probability", "for", "against"}, rows)
	if l := f.Incident.Likeness; l != nil {
		d.say("Seen before: %s.", render.Likeness(*l, f.Incident.Onset))
		if text := render.Drifted(*l); text != "" {
			d.say("Drift: %s.", text)
		}
	}
	if c := f.Incident.Calibration; c != nil {
		d.say("What this probability is worth: %s.", render.Calibrated(*c))
	}
}

func facts(mark string, all []backout.Evidence) string {
	out := []string{}
	for _, e := range all {
		out = append(out, mark+e.Text)
	}
	return strings.Join(out, "\n")
}

// forecast holds what was said before anything was done against what came.
func (f Facts) forecast(d *document) {
	d.begin("What was expected, and what came")
	said := cmp.Or(f.Incident.FirstForecast, f.Incident.Forecast)
	if said == nil {
		d.say("There was no forecast.")
		return
	}
	d.draw(picture.Cascade(*said, f.Graph))
	d.say("Said at %s for the %s that followed, should nobody act.", clock(said.At), render.Span(said.Horizon.Std()))
	rows := [][]string{}
	for i, h := range said.Hits {
		if i == 15 {
			rows = append(rows, []string{fmt.Sprintf("%d more", len(said.Hits)-i), "", "", ""})
			break
		}
		expected, when := render.Percent(h.P), render.Span(h.P50.Std())+" ("+render.Span(h.P10.Std())+"-"+render.Span(h.P90.Std())+")"
		if !h.HitAt.IsZero() {
			expected, when = "hit already", clock(h.HitAt)
		}
		rows = append(rows, []string{string(h.Kind) + " " + h.Target, expected, when, f.came(h)})
	}
	d.table([]string{"target", "said", "likely in", "what came"}, rows)
}

// came says whether a target was hit in the end, by the newest forecast, which
// knows all findings.
func (f Facts) came(h backout.Hit) string {
	if f.Incident.Forecast != nil {
		for _, now := range f.Incident.Forecast.Hits {
			if now.Target == h.Target && now.Kind == h.Kind && !now.HitAt.IsZero() {
				return "hit at " + clock(now.HitAt)
			}
		}
	}
	for _, x := range f.Incident.Findings {
		s := x.ID.Subject
		if h.Kind == backout.TargetService && string(s.Service) == h.Target || h.Kind == backout.TargetJourney && string(s.Journey) == h.Target {
			return "hit at " + clock(x.Onset)
		}
	}
	return "not hit"
}

// plan shows each attempt as it went; without any, the plan that was made.
func (f Facts) plan(d *document) {
	d.begin("The way back")
	begun := false
	for _, at := range f.Incident.Attempts {
		if at.StartedAt.IsZero() {
			continue
		}
		begun = true
		end := "still runs"
		if !at.EndedAt.IsZero() {
			end = fmt.Sprintf("ended %s as %s", clock(at.EndedAt), at.Result)
			if at.Why != "" {
				end += ": " + render.Readable(at.Why)
			}
		}
		d.say("Attempt %s, started %s, %s. %s", at.ID.Number(), clock(at.StartedAt), strings.TrimSuffix(end, "."), render.Readable(at.Plan.Summary))
		f.steps(d, at.Plan, f.runOf(at.ID).Entries)
	}
	if begun {
		return
	}
	if f.Incident.Plan == nil {
		d.say("No plan was made.")
		return
	}
	d.say("Not carried out: %s", render.Readable(f.Incident.Plan.Summary))
	f.steps(d, *f.Incident.Plan, nil)
}

func (f Facts) runOf(id backout.AttemptID) backout.Run {
	for _, r := range f.Runs {
		if r.Attempt == id {
			return r
		}
	}
	return backout.Run{}
}

func (f Facts) steps(d *document, p backout.Plan, entries []backout.Entry) {
	if len(p.Waves) == 0 {
		return
	}
	d.draw(picture.Plan(p, entries))
	name, rows := render.Names(p.Touched()), [][]string{}
	for i, w := range p.Waves {
		for _, st := range w.Steps {
			rows = append(rows, []string{fmt.Sprintf("W%d", i+1), name(st.Component), fmt.Sprintf("%s → %s", st.From, st.To), became(st, entries), render.Readable(st.Why)})
		}
	}
	d.table([]string{"wave", "component", "from, to", "what became of it", "why"}, rows)
	proven := "It was not proven safe."
	if p.Certificate.Safe {
		proven = "Proven safe by an independent checker before it ran"
		if p.Certificate.Optimal {
			proven += ", and the cheapest: no safe plan has a lower expected loss"
		}
		proven += "."
	}
	d.say("%s Digest %s.", proven, p.Digest)
	reasons := slices.Clone(p.OrderReasons)
	for i := range reasons {
		reasons[i] = "order: " + render.Readable(reasons[i])
	}
	for _, g := range p.Gaps {
		reasons = append(reasons, "not proven: "+render.Readable(g))
	}
	d.list(reasons)
}

// became is the last that the journal says of a step.
func became(st backout.Step, entries []backout.Entry) string {
	out := "not begun"
	for _, e := range entries {
		if e.Step != st.ID {
			continue
		}
		switch {
		case e.Kind == backout.EntryIntent:
			out = "requested at " + clock(e.At)
		case e.Kind == backout.EntryReversed:
			out = "undone again at " + clock(e.At)
		case e.Kind == backout.EntrySkipped:
			out = "was there already"
		case e.Outcome == backout.OutcomeDone:
			out = fmt.Sprintf("%.0f %% done at %s", 100*e.Share, clock(e.At))
		case e.Outcome == backout.OutcomeUnknown:
			out = "may or may not have happened: " + e.Text
		case e.Outcome == backout.OutcomeNotDone:
			out = "not done: " + e.Text
		}
	}
	return out
}

func (f Facts) gates(d *document) {
	rows := [][]string{}
	for _, r := range f.Runs {
		after := "" // what was moved before the gate spoke
		for _, e := range r.Entries {
			switch {
			case e.Kind == backout.EntryGate:
				rows = append(rows, []string{clock(e.At), after, string(e.Verdict), render.Readable(e.Text)})
			case e.Outcome == backout.OutcomeDone && e.Component != "":
				after = fmt.Sprintf("%s at %.0f %%", render.ShortName(e.Component), 100*e.Share)
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	d.begin("Gates")
	d.table([]string{"when", "after", "verdict", "what it saw"}, rows)
}

func (f Facts) alternatives(d *document) {
	p := f.newest()
	if p == nil || len(p.Alternatives) == 0 {
		return
	}
	d.begin("What else was weighed")
	rows := [][]string{}
	for _, a := range p.Alternatives {
		name := a.Name
		if a.Chosen {
			name += " (chosen)"
		}
		rows = append(rows, []string{name, render.Amount(a.Cost), render.Readable(a.Why)})
	}
	d.table([]string{"way", "expected loss", "why"}, rows)
}

// newest is the plan that was carried out last, or the one that waits.
func (f Facts) newest() *backout.Plan {
	for i := len(f.Incident.Attempts) - 1; i >= 0; i-- {
		if !f.Incident.Attempts[i].StartedAt.IsZero() {
			return &f.Incident.Attempts[i].Plan
		}
	}
	return f.Incident.Plan
}

func (f Facts) people(d *document) {
	d.begin("Who decided, and who was told")
	rows := [][]string{}
	for _, at := range f.Incident.Attempts {
		for _, a := range at.Approvals {
			said := "no"
			if a.Yes {
				said = "yes"
			}
			rows = append(rows, []string{day(a.At), a.By.Name, said, fmt.Sprintf("%.12s", a.Digest), a.Reason})
		}
	}
	if len(rows) == 0 {
		d.say("Nobody was asked to approve anything that was carried out.")
	}
	d.table([]string{"when", "who", "said", "to the digest", "reason"}, rows)
	rows = [][]string{}
	for _, m := range f.Messages {
		rows = append(rows, []string{clock(m.Message.At), fmt.Sprintf("%s by %s", m.Message.Audience, m.Channel), fate(m), render.Readable(m.Message.Text)})
	}
	if len(rows) == 0 {
		d.say("Nobody was told.")
	}
	d.table([]string{"when", "to", "arrived", "what"}, rows)
}

func fate(m backout.Delivery) string {
	switch {
	case !m.At.IsZero():
		return "✔\u00a0" + clock(m.At)
	case m.GivenUp:
		return "✖ given up: " + m.Note
	case m.Tries > 0:
		return "! not yet: " + m.Note
	}
	return "○ not sent yet"
}

// timeline has what was decided and done; messages have their own table.
func (f Facts) timeline(d *document) {
	d.begin("Timeline")
	rows := [][]string{}
	for _, e := range backout.Timeline(f.Audit, f.Runs, nil) {
		text := render.Readable(e.Text)
		if e.Entry != nil {
			text = render.Entry(*e.Entry, render.Style{})
		}
		rows = append(rows, []string{clock(e.At), string(e.Source) + ", " + e.Of, text})
	}
	d.table([]string{"when (UTC)", "stands in", "what"}, rows)
}

// records says what the report rests on, and whether it was changed since.
func (f Facts) records(d *document) {
	d.begin("Records")
	if n := len(f.Audit); n > 0 {
		d.say("The audit log's head is entry %d, hash %s.", f.Audit[n-1].Seq, f.Audit[n-1].Hash)
	}
	d.say("%s", strings.Join(strings.Fields(render.AuditCheck(f.Check, render.Style{Width: 1 << 20})), " "))
	d.say("Check it yourself: backout audit verify %s. Written %s from the records of backout.", f.Incident.ID, day(f.At))
}
