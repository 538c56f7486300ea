package render

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout"
)

// mostLeft is how many of the changes that stay are named.
const mostLeft = 4

// Plan writes a plan for somebody who has not seen one before. Each part answers
// one question: what happens and in what order, what stands in the way, why it is
// safe, what it costs, what is lost, what stays, what is asked of the reader. The
// marks are Terraform's.
func Plan(p backout.Plan, s Style) string {
	w := sheet{Style: s, name: Names(mentioned(p))}
	w.say(0, "", p.Summary)
	w.steps(p)
	if len(p.Impossible) > 0 { // the others stand among what stays
		w.impossible(p.Impossible[0], p.Summary)
	}
	w.safety(p)
	w.costs(p)
	w.lost(p)
	w.stays(p)
	w.asked(p)
	return w.String()
}

// sheet is a page under the pen.
type sheet struct {
	strings.Builder
	Style
	name func(backout.ComponentID) string
}

// head begins a part.
func (w *sheet) head(title string) { w.WriteString("\n" + w.Paint(InkBold, title) + "\n") }

// say writes a line, wrapped at the style's width: what follows the first line
// stands under where the text began.
func (w *sheet) say(indent int, mark, text string) {
	hang := indent + visible(mark)
	w.WriteString(strings.Repeat(" ", indent) + mark)
	at := hang
	for k, word := range strings.Fields(Readable(text)) {
		if k > 0 && at+1+visible(word) > cmp.Or(w.Width, 78) {
			w.WriteString("\n" + strings.Repeat(" ", hang))
			at = hang
		} else if k > 0 {
			w.WriteByte(' ')
			at++
		}
		w.WriteString(word)
		at += visible(word)
	}
	w.WriteByte('\n')
}

// visible counts the columns of a text, without its colours.
func visible(text string) int {
	n, colour := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			colour = true
		case colour:
			colour = r != 'm'
		default:
			n++
		}
	}
	return n
}

// exact is an amount as [backout.Money] writes it.
var exact = regexp.MustCompile(`(-?\d+)\.(\d\d) ([A-Z]{3})\b`)

// Readable rounds the amounts in a sentence as people do, and replaces full component
// ids by the names that people use.
func Readable(text string) string {
	text = exact.ReplaceAllStringFunc(text, func(amount string) string {
		part := exact.FindStringSubmatch(amount)
		minor, err := strconv.ParseInt(part[1]+part[2], 10, 64)
		if err != nil {
			return amount
		}
		return Amount(backout.Money{Minor: minor, Currency: part[3]})
	})
	words, ids := strings.Split(text, " "), []backout.ComponentID{}
	for _, word := range words {
		if id := backout.ComponentID(strings.TrimRight(word, ":,;.")); id.Kind() != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return text
	}
	name := Names(ids)
	for k, word := range words {
		if id := backout.ComponentID(strings.TrimRight(word, ":,;.")); id.Kind() != "" {
			words[k] = name(id) + strings.TrimPrefix(word, string(id))
		}
	}
	return strings.Join(words, " ")
}

// mentioned are the components that a plan moves or leaves.
func mentioned(p backout.Plan) []backout.ComponentID {
	ids := p.Touched()
	for _, l := range p.Left {
		ids = append(ids, l.Component)
	}
	return ids
}

func (w *sheet) steps(p backout.Plan) {
	if len(p.Waves) == 0 {
		return
	}
	w.head("What happens, in this order")
	fmt.Fprintf(w, "  %s take a version back   %s switch in place\n", w.Paint(InkBad, "-"), w.Paint(InkWaits, "~"))
	for i, wave := range p.Waves {
		for j, st := range wave.Steps {
			lead := "  "
			if j == 0 {
				lead = fmt.Sprintf("W%d", i+1)
			}
			w.step(lead, st)
		}
	}
	if len(p.Waves) > 1 {
		w.say(2, "", "A wave (W1, W2, ...) begins when the one before has passed its checks.")
	}
	w.say(2, "", "Where watching shows that things get worse, it stops and nothing further is done.")
}

func (w *sheet) step(lead string, st backout.Step) {
	mark := w.Paint(InkBad, "-")
	if st.Kind == backout.KindFlag || st.Kind == backout.KindConfig || st.Kind == backout.KindTraffic {
		mark = w.Paint(InkWaits, "~")
	}
	fmt.Fprintf(w, "%s %s %s   %s %s %s\n", lead, mark, w.Paint(InkBold, w.name(st.Component)), st.From, w.Glyph("→"), st.To)
	w.say(7, "why: ", st.Why)
	when := "starts at once"
	if st.Start > 0 {
		when = "starts after " + Span(st.Start.Std())
	}
	w.say(7, "how: ", fmt.Sprintf("%s, takes %s: %s", when, Span(st.Takes.Std()), stages(st)))
	for _, e := range st.SideEffects {
		w.say(7, "by itself: ", SideEffect(e))
	}
	if st.WayBack != "" {
		w.say(7, "to undo it: ", st.WayBack)
	}
}

// stages says how much of a step is done at a time.
func stages(st backout.Step) string {
	of := "of the instances"
	if st.Kind == backout.KindFlag || st.Kind == backout.KindConfig {
		of = "of the audience"
	}
	if st.Kind == backout.KindTraffic {
		of = "of the traffic"
	}
	if len(st.Stages) == 0 {
		return "all at once"
	}
	var out []string
	for _, g := range st.Stages {
		watched := fmt.Sprintf(", watched for at least %s", Span(g.Bake.Std()))
		switch {
		case g.Audience != "" && g.Share >= 1:
			out = append(out, "for "+g.Audience+" alone (everybody else keeps what they have)"+watched)
		case g.Share >= 1 && len(st.Stages) == 1:
			out = append(out, "all at once"+watched)
		case g.Share >= 1:
			out = append(out, "all"+watched)
		default:
			out = append(out, fmt.Sprintf("%.0f %% %s", g.Share*100, of)+watched)
		}
	}
	return strings.Join(out, "; if nothing is worse, ")
}

// impossible shows why a change can't go back, as a small table, and what would help.
// The reason is not repeated when it was told already.
func (w *sheet) impossible(o backout.Impossibility, told string) {
	w.head(fmt.Sprintf("What keeps %s %s (%s) from going back", ShortName(o.Component), o.To, Percent(o.P)))
	if !strings.Contains(told, o.Why) {
		w.say(2, w.Paint(InkBad, w.Glyph("✖"))+" ", o.Why+".")
	}
	for _, x := range o.Waits {
		w.say(4, "", fmt.Sprintf("%s must go back before %s: contract %s forbids %s", ShortName(x.First), ShortName(x.Then), sourced(x.Contract, x.Source), x.Words))
	}
	w.cells(o.Cells)
	if len(o.WaysOut) > 0 {
		w.say(2, "", "What would help:")
	}
	for k, way := range o.WaysOut {
		w.say(4, fmt.Sprintf("%d. ", k+1), way.Words)
	}
}

// cells draws the states of a pair, one a line.
func (w *sheet) cells(cells []backout.Cell) {
	if len(cells) == 0 {
		return
	}
	a, b := ShortName(cells[0].A), ShortName(cells[0].B)
	wide, other := len(a), len(b)
	for _, c := range cells {
		wide, other = max(wide, len(c.AVersion)), max(other, len(c.BVersion))
	}
	row := func(x, y string) string { return fmt.Sprintf("%-*s  %-*s  ", wide, x, other, y) }
	w.say(4, row(a, b), "together")
	for k, c := range cells {
		text := "allowed"
		switch {
		case c.Now:
			text = "what runs now"
		case !c.Allowed:
			text = "not allowed by contract " + sourced(c.Contract, c.Source)
		}
		state := []string{"", ", if " + a + " goes back alone", ", if " + b + " goes back alone", ", once both have gone back"}[min(k, 3)]
		if _, reason, ok := strings.Cut(c.Words, ": "); ok {
			state += ": " + reason
		}
		w.say(4, row(string(c.AVersion), string(c.BVersion)), text+state)
	}
}

func (w *sheet) safety(p backout.Plan) {
	if len(p.Waves) == 0 {
		return
	}
	w.head("Why it is safe")
	if p.Certificate.Safe {
		w.say(2, w.Paint(InkOK, w.Glyph("✔"))+" ", fmt.Sprintf("proven safe by an independent checker (%s): versions that must not meet never run at the same time, neither at the end nor at any moment on the way",
			Plural(len(p.Certificate.Checks), "check")))
	} else {
		w.say(2, w.Paint(InkWaits, "!")+" ", "not proven safe: nothing is carried out")
	}
	if rests := Meetings(p.Meetings); rests != "" {
		w.say(2, "  ", rests)
	}
	for _, r := range p.OrderReasons {
		w.say(2, "order: ", r)
	}
	for _, g := range p.Gaps {
		if !strings.HasPrefix(g, "going back to ") { // that is a loss, and stands there
			w.say(2, w.Paint(InkWaits, "!")+" ", "not proven: "+g)
		}
	}
}

// costs says what the plan costs and, the cheapest first, why each other way lost.
func (w *sheet) costs(p backout.Plan) {
	w.head("What it costs")
	if len(p.Waves) > 0 {
		w.say(2, "", fmt.Sprintf("%s in %s, about %s in all. It ends the trouble with a probability of %s.",
			Plural(len(p.Steps()), "step"), Plural(len(p.Waves), "wave"), Span(p.Takes.Std()), Percent(p.Success)))
		w.say(2, "", fmt.Sprintf("Expected loss from now on: %s with this plan, %s if nobody acts.", Amount(p.Cost), Amount(p.CostNothing)))
	} else {
		w.say(2, "", fmt.Sprintf("Expected loss from now on: %s.", Amount(p.CostNothing)))
	}
	for _, a := range p.Alternatives {
		if !a.Chosen {
			continue
		}
		var parts []string
		for _, t := range a.Terms {
			parts = append(parts, Amount(t.Cost)+" "+t.Name)
		}
		if len(parts) > 1 {
			w.say(4, "", "of that "+strings.Join(parts, ", "))
		}
		for _, n := range a.Notes {
			w.say(4, "", n)
		}
		w.say(2, "chosen: ", fmt.Sprintf("%s, %s: %s", a.Name, Amount(a.Cost), a.Why))
	}
	for _, a := range p.Alternatives {
		if !a.Chosen {
			w.say(2, "not chosen: ", fmt.Sprintf("%s, %s: %s", a.Name, Amount(a.Cost), a.Why))
		}
	}
	if line := cheapest(p); line != "" {
		w.say(2, w.Paint(InkOK, w.Glyph("✔"))+" ", line)
	}
	if p.Timing != nil {
		w.say(2, "why now: ", p.Timing.Words)
	}
}

// cheapest says what the checker accepted about a plan's cost; "" when nothing.
func cheapest(p backout.Plan) string {
	switch c := p.Certificate; {
	case len(p.Waves) == 0 || c.LowerCost.Currency == "":
		return ""
	case c.Optimal:
		return "proven cheapest by the same checker: no safe plan has a lower expected loss"
	default:
		return fmt.Sprintf("proven by the same checker: no safe plan has an expected loss more than %s lower", Amount(c.Gap))
	}
}

// people says who must agree.
func people(r backout.Ruling) string {
	switch one := "one of " + strings.Join(r.Among, ", "); {
	case len(r.Among) == 0 && r.Approvers <= 1:
		return "One person"
	case len(r.Among) == 0:
		return fmt.Sprintf("%d different people", r.Approvers)
	case r.Approvers <= 1:
		return "O" + one[1:]
	default:
		return fmt.Sprintf("%d different people, among them %s,", r.Approvers, one)
	}
}

// lost says what going back takes away for good.
func (w *sheet) lost(p backout.Plan) {
	if len(p.Waves) == 0 {
		return
	}
	w.head("What is lost")
	nothing := true
	for _, st := range p.Steps() {
		name := w.name(st.Component)
		switch st.Loss {
		case backout.LossNone, "":
		case backout.LossUnknown:
			nothing = false
			text := fmt.Sprintf("%s: nobody checked what going back to %s loses", name, st.To)
			if st.Lost != "" {
				text += ": " + st.Lost
			}
			w.say(2, w.Paint(InkWaits, "!")+" ", text)
		default:
			nothing = false
			w.say(2, w.Paint(InkWaits, "!")+" ", fmt.Sprintf("%s: %s", name, cmp.Or(st.Lost, "something that its actuator does not name")))
		}
		for _, e := range st.SideEffects {
			if e.Kind == backout.SideEffectData {
				nothing = false
				w.say(2, w.Paint(InkWaits, "!")+" ", fmt.Sprintf("%s: %s", name, e.Words))
			}
		}
	}
	for _, st := range p.Steps() {
		for _, v := range st.Exposes {
			w.say(2, w.Paint(InkBad, w.Glyph("✖"))+" ", fmt.Sprintf("%s: %s is open again, which %s had closed", w.name(st.Component), v, st.From))
		}
	}
	if nothing {
		w.say(2, "", "No data, as far as anybody knows.")
	}
	var away []string
	for _, st := range p.Steps() {
		if st.Demanded {
			away = append(away, w.name(st.Component)+" "+string(st.From))
		}
	}
	if len(away) > 0 {
		w.say(2, "", "What these brought, though they are probably innocent, until they are put forward again: "+strings.Join(away, ", ")+".")
	}
}

func (w *sheet) stays(p backout.Plan) {
	if len(p.Left) == 0 {
		return
	}
	w.head("What stays as it is")
	for i, l := range p.Left {
		if i == mostLeft {
			w.say(2, "= ", Plural(len(p.Left)-mostLeft, "more change"))
			return
		}
		why := l.Why
		if len(p.Impossible) > 0 && p.Impossible[0].Change == l.Change {
			why = "it can't go back, see above"
		}
		w.say(2, "= ", fmt.Sprintf("%s: %s", strings.TrimSpace(w.name(l.Component)+" "+string(l.To)), why))
	}
}

// asked says what the reader is to do.
func (w *sheet) asked(p backout.Plan) {
	w.head("What is asked of you")
	r := p.Ruling
	switch {
	case r.Forbidden:
		w.say(2, "", "Nothing can be approved: the plan may not be carried out.")
	case p.Action == backout.ActionNone || p.Action == backout.ActionRollForward:
		w.say(2, "", "Nothing: no change is made.")
		return
	case p.Action == backout.ActionAsk:
		w.say(2, "", "A decision: backout changes nothing by itself here. Choose one of the ways above, or another of your own.")
		return
	case r.Automatic:
		w.say(2, "", "Nothing: it runs by itself, and you can pause or abort it at any time.")
	case r.Approvers == 0:
		w.say(2, "", "Not known yet: the policy has not ruled on it.")
	default:
		w.say(2, "", fmt.Sprintf("%s must approve or reject it; until then nothing is changed. Digest to approve: %.8s.", people(r), p.Digest))
	}
	told := false
	for _, why := range r.Reasons {
		if slices.Contains(p.Gaps, strings.TrimPrefix(why, "not proven: ")) {
			if !told {
				w.say(4, "", "because of what is not proven or is lost, see above")
			}
			told = true
			continue
		}
		w.say(4, "because ", why)
	}
}
