package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Frame is what a live view shows at one moment.
type Frame struct {
	Now time.Time
	// AsOf is when the server last answered; Lost is set while it does not.
	AsOf time.Time
	Lost bool
	// Mode and Ready are what the server says of itself.
	Mode, Ready string
	Degraded    []backout.Degradation
	Undelivered []string
	Minute      time.Duration     // how long a model minute lasts; 0 = a minute
	Incident    *backout.Incident // nil = there is none
	Run         *backout.Run      // of its newest attempt; nil = none was started
	Holds       []backout.Hold
	Why         bool   // show who did it, and why we think so
	Keys        bool   // somebody can press keys
	Prompt      string // what is asked or was answered, on a line of its own
}

// Widths below which a live view leaves things out.
const (
	withBars  = 100
	onOneLine = 60
)

// Watch writes a frame as lines, none wider than the style's width.
func Watch(f Frame, s Style) []string {
	v := view{Style: s, f: f}
	v.Width = cmp.Or(s.Width, 78)
	v.head()
	if inc := f.Incident; inc != nil {
		v.facts(*inc)
		v.plan(*inc)
		if f.Why && inc.Attribution != nil {
			v.add("", strings.Split(strings.TrimRight(Suspects(*inc.Attribution, s, 5), "\n"), "\n")...)
		}
	}
	for _, d := range few(degradedNames(f.Degraded)) {
		v.wrap(0, v.Paint(InkWaits, "!")+" ", d)
	}
	for _, u := range few(f.Undelivered) {
		v.wrap(0, v.Paint(InkWaits, "!")+" ", "not delivered: "+u)
	}
	v.foot()
	for i, l := range v.lines {
		v.lines[i] = s.fit(l, v.Width)
	}
	return v.lines
}

type view struct {
	Style
	f     Frame
	lines []string
}

func (v *view) add(first string, rest ...string) {
	if first != "" {
		v.lines = append(v.lines, first)
	}
	v.lines = append(v.lines, rest...)
}

// row puts parts on one line, or each on a line of its own where it is narrow.
func (v *view) row(parts ...string) {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	if v.Width < onOneLine {
		v.add("", parts...)
		return
	}
	line := ""
	for _, p := range parts {
		switch {
		case line == "":
			line = p
		case visible(line)+3+visible(p) <= v.Width:
			line += "   " + p
		default:
			v.add(line)
			line = "       " + p
		}
	}
	v.add(line)
}

// wrap writes a text over as many lines as it needs.
func (v *view) wrap(indent int, mark, text string) {
	w := sheet{Style: v.Style}
	w.say(indent, mark, text)
	v.add("", strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")...)
}

func (v *view) head() {
	clock := Clock(v.f.Now) + " UTC"
	if v.f.Lost {
		clock = v.Paint(InkWaits, v.Glyph("○")+" reconnecting, as of "+Clock(v.f.AsOf))
	}
	inc := v.f.Incident
	if inc == nil {
		v.row(v.Paint(InkOK, v.Glyph("✔"))+" all quiet: no incident", "mode "+v.f.Mode, clock)
		v.add(v.f.Ready)
		return
	}
	glyph, word, ink := StateMark(inc.State)
	if inc.Paused {
		glyph, word, ink = "‖", "paused", InkHeld
	}
	lasted := v.f.Now
	if inc.State.Terminal() {
		lasted = inc.UpdatedAt
	}
	v.row(v.Paint(InkBold, string(inc.ID)), v.Paint(ink, v.Glyph(glyph)+" "+word), "since "+Clock(inc.Onset)+" ("+Span(lasted.Sub(inc.Onset))+")", clock)
}

func (v *view) facts(inc backout.Incident) {
	v.wrap(0, v.label("now"), inc.Why)
	if a := inc.Attribution; a != nil {
		none := "no change " + Percent(a.PNone)
		if len(a.Suspects) > 0 {
			v.row(v.label("cause")+What(a.Suspects[0].Component, a.Suspects[0].To)+" "+Percent(a.Suspects[0].P), "("+none+")")
		} else {
			v.add(v.label("cause") + none)
		}
	}
	if inc.Likeness != nil {
		v.wrap(0, v.label("past"), Likeness(*inc.Likeness, inc.Onset))
	}
	if f := inc.Forecast; f != nil && f.CostNow.P90.Minor > 0 && !inc.State.Terminal() {
		minutes := float64(v.f.Now.Sub(inc.Onset)) / float64(cmp.Or(v.f.Minute, time.Minute))
		sofar := backout.Money{Minor: int64(float64(f.CostNow.P50.Minor) * minutes), Currency: f.CostNow.P50.Currency}
		v.row(v.label("cost")+Rate(f.CostNow), "at this rate about "+Amount(sofar)+" so far")
	}
	if at := v.running(inc); at != nil {
		end := at.StartedAt.Add(at.Plan.Takes.Std())
		back := "back by about " + Clock(end)
		if v.f.Now.After(end) {
			back = "planned to end at " + Clock(end) + ", takes longer"
		}
		if e := ending(inc); e != nil {
			back = Ends(*e)
		}
		v.row(v.label("end")+back, v.nextGate(*at))
	} else if inc.State == backout.StateWaiting {
		v.row(v.label("asks")+"approve by "+Clock(inc.Deadline)+", else nothing is changed", v.decideBy(inc))
	}
}

// pad makes all symbols as wide as the widest, which in ASCII has two letters.
func (v *view) pad(symbol string) string {
	if v.ASCII && len(symbol) < 2 {
		return symbol + " "
	}
	return symbol
}

func (v *view) label(word string) string {
	if v.Width < onOneLine {
		return word + " "
	}
	return fmt.Sprintf("%-6s ", word)
}

func (v *view) decideBy(inc backout.Incident) string {
	if inc.Plan == nil || len(inc.Plan.Waves) == 0 {
		return ""
	}
	return fmt.Sprintf("$ backout approve %s --digest %.8s", inc.ID, inc.Plan.Digest)
}

// running is the attempt that is under way.
func (v *view) running(inc backout.Incident) *backout.Attempt {
	if n := len(inc.Attempts); n > 0 && !inc.Attempts[n-1].StartedAt.IsZero() && inc.Attempts[n-1].EndedAt.IsZero() {
		return &inc.Attempts[n-1]
	}
	return nil
}

// plan shows the newest attempt as it went, or the plan that waits.
func (v *view) plan(inc backout.Incident) {
	p := inc.Plan
	if n := len(inc.Attempts); n > 0 && !inc.Attempts[n-1].StartedAt.IsZero() {
		p = &inc.Attempts[n-1].Plan
	}
	if p == nil {
		return
	}
	name := Names(p.Touched())
	wide := 0
	for _, st := range p.Steps() {
		wide = max(wide, visible(v.titleOf(name, st)))
	}
	for i, wave := range p.Waves {
		for j, st := range wave.Steps {
			lead := "   "
			if j == 0 {
				lead = fmt.Sprintf("%-3s", fmt.Sprintf("W%d", i+1))
			}
			v.step(lead, v.titleOf(name, st), min(wide, 44), v.progressOf(st, i))
		}
		if g := v.gateOf(p, i); g.Text != "" {
			v.wrap(3, v.Paint(InkRunning, v.pad(v.Glyph("◆")))+" ", Clock(g.At)+" "+g.Text)
		}
	}
	for _, h := range v.f.Holds {
		v.wrap(3, v.Paint(InkHeld, v.pad(v.Glyph("‖")))+" ", fmt.Sprintf("%s held until %s: %s", What(h.Component, h.BadTo), h.Until.UTC().Format("02 Jan 15:04"), cmp.Or(h.Release, h.Reason)))
	}
}

func (v *view) titleOf(name func(backout.ComponentID) string, st backout.Step) string {
	sign := "-"
	if st.Kind == backout.KindFlag || st.Kind == backout.KindConfig || st.Kind == backout.KindTraffic {
		sign = "~"
	}
	return fmt.Sprintf("%s %s %s %s %s", sign, name(st.Component), st.From, v.Glyph("→"), st.To)
}

func (v *view) step(lead, title string, wide int, g going) {
	mark := v.Paint(g.ink, v.pad(v.Glyph(g.glyph)))
	if v.Width < onOneLine {
		v.add(fmt.Sprintf("%s%s %s", lead, mark, title))
		v.wrap(5, "", whole(g.share)+" "+g.text)
		return
	}
	title += strings.Repeat(" ", max(0, wide-visible(title)))
	bar := ""
	if v.Width >= withBars {
		bar = v.Bar(g.share, 12) + " "
	}
	line := fmt.Sprintf("%s%s %s   %s%4s", lead, mark, title, bar, whole(g.share))
	if visible(line)+2+visible(g.text) <= v.Width {
		v.add(line + "  " + g.text)
		return
	}
	v.add(line)
	v.wrap(7, "", g.text)
}

// whole writes a share that may be nothing or everything.
func whole(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

// going is how far one step is.
type going struct {
	glyph string
	ink   Ink
	share float64
	text  string
}

// progressOf reads the journal for one step: requested is not done, and done is not
// verified before its gate.
func (v *view) progressOf(st backout.Step, wave int) going {
	g := going{glyph: "○", ink: InkMuted}
	if v.f.Run == nil {
		if wave == 0 {
			g.text = "ahead"
		} else {
			g.text = fmt.Sprintf("waits for W%d", wave)
		}
		return g
	}
	g.text = fmt.Sprintf("waits for W%d", wave)
	if wave == 0 {
		g.text = "is about to begin"
	}
	var first, last time.Time
	gated := false
	for _, e := range v.f.Run.Entries {
		if e.Kind == backout.EntryGate && !last.IsZero() {
			gated = gated || passed(e)
		}
		if e.Step != st.ID {
			continue
		}
		if first.IsZero() {
			first = e.At
		}
		switch {
		case e.Kind == backout.EntryIntent:
			g.glyph, g.ink, g.text = "▶", InkRunning, fmt.Sprintf("requested: %s, %s ago", whole(e.Share), Span(v.f.Now.Sub(e.At)))
		case e.Kind == backout.EntryReversed:
			g = going{"✖", InkBad, 0, "taken back again"}
		case e.Outcome == backout.OutcomeDone:
			last, gated = e.At, false
			g.glyph, g.ink, g.share, g.text = "▶", InkRunning, e.Share, v.baking(st, e)
		case e.Outcome == backout.OutcomeUnknown:
			g.glyph, g.ink, g.text = "?", InkWaits, "may or may not have happened: "+e.Text
		case e.Outcome == backout.OutcomeNotDone:
			g.glyph, g.ink, g.text = "✖", InkBad, e.Text
		}
	}
	switch over := v.f.Run.State.Terminal(); {
	case g.glyph == "▶" && g.share >= 1 && gated:
		g.glyph, g.ink, g.text = "✔", InkOK, "done, its gate passed, took "+Span(last.Sub(first))
		if v.f.Run.State == backout.RunHalted && over {
			g.text = "done, and stays so"
		}
	case over && g.share > 0 && g.glyph == "▶":
		g.glyph, g.ink, g.text = "◇", InkWaits, "stays at "+whole(g.share)
	case over && g.share == 0 && g.glyph == "○":
		g.text = "was not begun"
	}
	return g
}

// passed reports whether a gate let the run go on, or end well.
func passed(e backout.Entry) bool {
	return strings.HasPrefix(e.Text, "gate passed") || strings.HasPrefix(e.Text, "gate stops")
}

// baking says how long a stage is watched yet.
func (v *view) baking(st backout.Step, e backout.Entry) string {
	if e.Stage < 0 || e.Stage >= len(st.Stages) {
		return "watched"
	}
	if left := e.At.Add(st.Stages[e.Stage].Bake.Std()).Sub(v.f.Now); left > 0 {
		return "bake " + Span(left.Round(time.Second)) + " left"
	}
	return "baked, its gate is looking"
}

// nextGate says when the next gate may speak at the earliest.
func (v *view) nextGate(at backout.Attempt) string {
	if v.f.Run == nil {
		return ""
	}
	steps, next, open := at.Plan.Steps(), time.Time{}, false
	for _, e := range v.f.Run.Entries {
		if e.Kind == backout.EntryGate {
			open = false
		}
		i := slices.IndexFunc(steps, func(s backout.Step) bool { return s.ID == e.Step })
		if i < 0 || e.Outcome != backout.OutcomeDone || e.Stage < 0 || e.Stage >= len(steps[i].Stages) {
			continue
		}
		if due := e.At.Add(steps[i].Stages[e.Stage].Bake.Std()); !open || due.After(next) {
			next, open = due, true
		}
	}
	switch {
	case !open:
		return ""
	case next.After(v.f.Now):
		return "next gate " + Clock(next)
	}
	return "the gate is looking"
}

// gateOf is the last word of a wave's gates.
func (v *view) gateOf(p *backout.Plan, wave int) backout.Entry {
	if v.f.Run == nil {
		return backout.Entry{}
	}
	ids := map[string]int{}
	for i, w := range p.Waves {
		for _, st := range w.Steps {
			ids[st.ID] = i
		}
	}
	at, last := -1, backout.Entry{}
	for _, e := range v.f.Run.Entries {
		if i, ok := ids[e.Step]; ok && e.Step != "" {
			at = i
		}
		if e.Kind == backout.EntryGate && at == wave {
			last = e
		}
	}
	return last
}

func (v *view) foot() {
	inc := v.f.Incident
	if v.f.Keys {
		keys := []string{}
		if inc != nil && v.running(*inc) != nil {
			if inc.Paused {
				keys = append(keys, "[p] resume: the plan goes on")
			} else {
				keys = append(keys, "[p]ause: it stays as it is now")
			}
			keys = append(keys, "[x] abort: nothing further is changed")
		}
		if inc != nil && inc.Attribution != nil {
			keys = append(keys, "[w]hy")
		}
		v.row(append(keys, "[q]uit")...)
	}
	if v.f.Prompt != "" {
		v.add(v.Paint(InkBold, v.f.Prompt))
	}
}

// fit cuts a line that is too wide: a name in its middle would be best, but what
// matters stands at the beginning of our lines, so the end goes. Colours stay
// closed.
func (s Style) fit(line string, width int) string {
	if visible(line) <= width {
		return line
	}
	var b strings.Builder
	n, colour, painted := 0, false, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			colour, painted = true, true
		case colour:
			colour = r != 'm'
		default:
			if n++; n > width-1 {
				continue
			}
		}
		if n <= width-1 {
			b.WriteRune(r)
		}
	}
	if s.ASCII {
		b.WriteByte('~')
	} else {
		b.WriteString("…")
	}
	if painted {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// degradedNames says in a few words what backout can't see or do; what that means and
// what to do stands in backout status.
func degradedNames(all []backout.Degradation) []string {
	out := []string{}
	for _, d := range all {
		if d.Source == "" {
			out = append(out, "can't see now: "+d.Why)
		} else {
			out = append(out, degradedLead(d.Source)+": "+d.String())
		}
	}
	return out
}

// few keeps a list short, and says how long it is.
func few(all []string) []string {
	const most = 3
	if len(all) <= most+1 {
		return all
	}
	return append(slices.Clone(all[:most]), fmt.Sprintf("%d more, see backout status", len(all)-most))
}
