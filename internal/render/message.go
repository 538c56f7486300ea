package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Moment is what a message needs beside the incident.
type Moment struct {
	Now time.Time
	// Next is when the audience hears again at the latest.
	Next time.Time
	// Run is the running attempt's journal, where there is one.
	Run *backout.Run
}

// Message says to one audience, in its own words, where an incident stands; ""
// when that audience has nothing to hear. The words stand alone: no picture, link
// or colour is needed. Past tense is kept for what is done and verified.
func Message(a backout.Audience, inc backout.Incident, m Moment) string {
	text := standing(a, inc, m)
	if text == "" || inc.State.Terminal() {
		return text
	}
	return text + degradedNote(a, inc.Degraded)
}

// standing is the message without what could not be seen.
func standing(a backout.Audience, inc backout.Incident, m Moment) string {
	switch a {
	case backout.AudienceOnCall:
		return strings.TrimSpace(onCall(inc, m) + halted(inc))
	case backout.AudienceSupport:
		return support(inc, m)
	case backout.AudienceExecutive:
		return executive(inc, m)
	case backout.AudienceStatusPage:
		return statusPage(inc, m)
	case backout.AudienceMachines:
		return fmt.Sprintf("%s %s: %s", inc.ID, inc.State, inc.Why)
	}
	return ""
}

// halted says that nothing goes on, however far it has come.
func halted(inc backout.Incident) string {
	if inc.Stop == nil || inc.State.Terminal() {
		return ""
	}
	return " ‖ " + inc.Stop.Words() + "; what runs waits where it is."
}

func onCall(inc backout.Incident, m Moment) string {
	glyph, _, _ := StateMark(inc.State)
	switch inc.State {
	case backout.StateDetected:
		return fmt.Sprintf("✖ %s: trouble since %s: %s. Nothing has been changed.", inc.ID, clockUTC(inc.Onset), inc.Why)
	case backout.StateWaiting:
		return waiting(glyph, inc)
	case backout.StateExecuting:
		return glyph + " " + string(inc.ID) + progress(inc, m) + ends(inc)
	case backout.StateFrozen:
		return fmt.Sprintf("%s %s is frozen: backout can't see: %s. Nothing further is done until it can.", glyph, inc.ID, inc.Why)
	case backout.StateRecovered:
		return fmt.Sprintf("✔ %s recovered at %s, verified by the signals, %s after it began. Taken back: %s.%s", inc.ID, clockUTC(inc.UpdatedAt), Span(inc.UpdatedAt.Sub(inc.Onset)), takenBack(inc), stillIll(inc)+leftAlone(inc))
	case backout.StateSelfRecovered:
		return fmt.Sprintf("✔ %s went away by itself: %s%s%s", inc.ID, sentence(inc.Why), stays(inc), untouched(inc))
	case backout.StateNoAction:
		return fmt.Sprintf("◇ %s: nothing to take back.%s %s The trouble is not over; backout does nothing further by itself.%s", inc.ID, suspicion(inc), sentence(inc.Why), untouched(inc))
	case backout.StateTakenOver:
		return fmt.Sprintf("◇ %s is in a person's hands: %s%s What is held stays held. backout does nothing further by itself.%s", inc.ID, sentence(inc.Why), stays(inc), untouched(inc))
	case backout.StateHalted, backout.StateAborted:
		return fmt.Sprintf("◇ %s has not recovered (%s): %s%s A person decides. Nothing further will happen by itself.%s", inc.ID, word(inc.State), sentence(inc.Why), stays(inc), untouched(inc))
	case backout.StateShadowed:
		return fmt.Sprintf("○ %s: %s Nothing was changed.", inc.ID, sentence(inc.Why))
	case backout.StateFalseAlarm:
		return fmt.Sprintf("✔ %s was a false alarm: %s", inc.ID, sentence(inc.Why))
	}
	return ""
}

// waiting says what is asked of a person, or what is waited for instead.
func waiting(glyph string, inc backout.Incident) string {
	plan := *inc.Plan
	head := fmt.Sprintf("%s %s", glyph, inc.ID)
	switch {
	case plan.Action == backout.ActionRollForward:
		return fmt.Sprintf("%s waits for a fix until %s: %s If the trouble is still there then, another plan is made.", head, clockUTC(inc.Deadline), sentence(plan.Summary))
	case len(plan.Waves) == 0:
		return fmt.Sprintf("%s needs you: %s%s There is no safe plan to approve, and nothing is changed by backout. `backout fix announce %s --eta 20m --confidence 0.7` if you mend it, `backout abort %s` ends it.",
			head, sentence(plan.Summary), outlook(inc), inc.ID, inc.ID)
	}
	return fmt.Sprintf("%s waits for you until %s; if nobody decides, nothing is changed.%s%s Plan %.8s: %s Why a person: %s. `backout approve %s --digest %.8s --reason \"...\"`",
		head, clockUTC(inc.Deadline), suspicion(inc), outlook(inc)+ends(inc), plan.Digest, proposal(plan), strings.TrimPrefix(inc.Why, "a person must decide: "), inc.ID, plan.Digest)
}

func word(s backout.State) string { _, w, _ := StateMark(s); return w }

func clockUTC(t time.Time) string { return Clock(t) + " UTC" }

// sentence ends a text with a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}

// suspicion names the likeliest explanation with its probability.
func suspicion(inc backout.Incident) string {
	a := inc.Attribution
	switch {
	case a == nil:
		return ""
	case len(a.Suspects) == 0 || a.PNone > a.Suspects[0].P:
		return fmt.Sprintf(" Most likely no change did this: %s.", Chance(a.PNone))
	case a.Suspects[0].P < .4:
		return fmt.Sprintf(" We do not know which change. Best guess %s (%s).", What(a.Suspects[0].Component, a.Suspects[0].To), Percent(a.Suspects[0].P))
	}
	return fmt.Sprintf(" Suspect: %s, %s.", What(a.Suspects[0].Component, a.Suspects[0].To), Chance(a.Suspects[0].P))
}

// outlook names the next hit that is expected.
func outlook(inc backout.Incident) string {
	if inc.Forecast == nil {
		return ""
	}
	for _, h := range inc.Forecast.Hits {
		if h.HitAt.IsZero() && h.P >= .1 {
			return fmt.Sprintf(" Next: %s %s in about %s, %s.", h.Kind, h.Target, Span(h.P50.Std()), Chance(h.P))
		}
	}
	return ""
}

// ends is [Expected] as a sentence of a message.
func ends(inc backout.Incident) string {
	if said := Expected(inc); said != "" {
		return " " + said + "."
	}
	return ""
}

// proposal is a plan's summary with its size.
func proposal(p backout.Plan) string {
	if len(p.Steps()) == 0 {
		return sentence(p.Summary)
	}
	return fmt.Sprintf("%s (%s, about %s).", strings.TrimSuffix(p.Summary, "."), Plural(len(p.Steps()), "step"), Span(p.Takes.Std()))
}

// progress says how far a run has come: requested is not done, and done is not
// verified before its gate says so.
func progress(inc backout.Incident, m Moment) string {
	steps := attempted(inc).Steps()
	last, gate := backout.Entry{}, backout.Entry{}
	if m.Run != nil {
		for _, e := range m.Run.Entries {
			switch {
			case e.Kind == backout.EntryEffect && e.Outcome == backout.OutcomeDone:
				last, gate = e, backout.Entry{}
			case e.Kind == backout.EntryGate:
				gate = e
			}
		}
	}
	i := slices.IndexFunc(steps, func(s backout.Step) bool { return s.ID == last.Step })
	if i < 0 {
		return fmt.Sprintf(" starts the way back: %s Nothing is done yet.", proposal(attempted(inc)))
	}
	text := fmt.Sprintf(" step %d of %d: %.0f %% of %s is at %s.", i+1, len(steps), last.Share*100, ShortName(last.Component), steps[i].To)
	if gate.Text == "" {
		return text + " Not verified yet: the signals are being watched."
	}
	return text + " Last gate: " + sentence(gate.Text)
}

func attempted(inc backout.Incident) backout.Plan {
	if n := len(inc.Attempts); n > 0 {
		return inc.Attempts[n-1].Plan
	}
	return backout.Plan{}
}

func takenBack(inc backout.Incident) string {
	var out []string
	if n := len(inc.Attempts); n > 0 {
		for _, b := range inc.Attempts[n-1].TakenBack {
			s := fmt.Sprintf("%s from %s to %s", ShortName(b.Component), b.From, b.To)
			if b.Share < 1 {
				s += fmt.Sprintf(" (%.0f %% of it)", b.Share*100)
			}
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// stays says what a run that did not bring recovery has left behind.
func stays(inc backout.Incident) string {
	if back := takenBack(inc); back != "nothing" {
		return " Moved and not moved back: " + back + "."
	}
	return ""
}

func leftAlone(inc backout.Incident) string {
	text := ""
	if n := len(attempted(inc).Left); n > 0 {
		text = fmt.Sprintf(" Left: %s.", Plural(n, "other change"))
	}
	if n := len(inc.Attempts); n > 0 {
		held := []string{}
		for _, b := range inc.Attempts[n-1].TakenBack {
			held = append(held, What(b.Component, b.From))
		}
		if len(held) > 0 {
			text += fmt.Sprintf(" Not to be shipped again for now: %s.", strings.Join(held, ", "))
		}
	}
	return text
}

// stillIll names what was not brought back when the rest was.
func stillIll(inc backout.Incident) string {
	if len(inc.Attempts) == 0 {
		return ""
	}
	return StillIll(inc.Attempts[len(inc.Attempts)-1].Unproven)
}

// StillIll is a sentence, after a space, about signals that were not back when the rest
// was; "" where there are none.
func StillIll(ids []backout.SeriesID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", id.Subject.Service, id.Subject.Journey, id.Signal)), " ")
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" Not back, and taken for another trouble: %s.", strings.Join(names, ", "))
}

// untouched says so when no attempt was started.
func untouched(inc backout.Incident) string {
	for _, at := range inc.Attempts {
		if !at.StartedAt.IsZero() {
			return ""
		}
	}
	return " Nothing was changed."
}
