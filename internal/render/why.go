package render

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// Account is what "why?" is answered from.
type Account struct {
	Format   int              `json:"format"`
	Incident backout.Incident `json:"incident"`
	Runs     []backout.Run    `json:"runs"`
	Review   *backout.Review  `json:"review,omitempty"` // nil = nothing was learnt from it
}

// screen is how many lines an answer has at most on 100 columns.
const screen = 40

// Why answers on one screen: what changed, what speaks for and against each suspect,
// what would change the mind, what was done and what it taught, and which past incident
// it is like. Where all of it is too long, the least telling goes first.
func Why(a Account, s Style) string {
	out := ""
	for detail := 3; detail >= 0; detail-- {
		w := why{sheet{Style: s}, a, detail}
		w.answer()
		w.changed()
		w.mind()
		w.done()
		w.pastOf()
		if out = w.String(); strings.Count(out, "\n") <= screen {
			break
		}
	}
	return out
}

type why struct {
	sheet
	a      Account
	detail int // 3 = everything worth a line, 0 = the least
}

// brief cuts a text that would take more than its share of the screen.
func (w *why) brief(text string) string {
	most := []int{85, 130, 180, 400}[w.detail]
	if r := []rune(text); len(r) > most {
		cut := "…"
		if w.ASCII {
			cut = "..."
		}
		return strings.TrimSpace(string(r[:most-len([]rune(cut))])) + cut
	}
	return text
}

func (w *why) answer() {
	inc := w.a.Incident
	glyph, word, ink := StateMark(inc.State)
	fmt.Fprintf(w, "%s  %s  since %s\n", w.Paint(InkBold, string(inc.ID)), w.Paint(ink, w.Glyph(glyph)+" "+word), inc.Onset.UTC().Format("2006-01-02 15:04:05 UTC"))
	w.say(0, "", w.verdict())
}

// leader is the likeliest suspect; nil where "no change" is likelier.
func leader(inc backout.Incident) *backout.Suspect {
	if a := inc.Attribution; a != nil && len(a.Suspects) > 0 && a.Suspects[0].P >= a.PNone {
		return &a.Suspects[0]
	}
	return nil
}

func (w *why) verdict() string {
	inc := w.a.Incident
	switch top := leader(inc); {
	case inc.Attribution == nil:
		return "Nobody knows yet: nothing was weighed before it ended or since it began."
	case top != nil && top.P >= .5:
		return fmt.Sprintf("%s did it: %s.", What(top.Component, top.To), Chance(top.P))
	case top != nil:
		return fmt.Sprintf("We do not know. Best guess %s: %s.", What(top.Component, top.To), Chance(top.P))
	}
	text := fmt.Sprintf("None of your changes did it: %s.", Chance(inc.Attribution.PNone))
	if o := inc.Attribution.Origins; len(o) > 0 {
		text += fmt.Sprintf(" Likeliest instead, with %s: %s.", Percent(o[0].P), cmp.Or(o[0].Text, originWords(o[0])))
	}
	return text
}

func originWords(o backout.Origin) string {
	of := ""
	if o.Service != "" {
		of = " of " + string(o.Service)
	}
	switch o.Kind {
	case backout.OriginExternal:
		return "a provider" + strings.Replace(of, " of ", ", ", 1)
	case backout.OriginSurge:
		return "more demand than capacity" + of
	}
	return "a fault" + of + " by itself"
}

// changed lists the changes in reach with their evidence, likeliest first, and "no
// change" at its place.
func (w *why) changed() {
	att := w.a.Incident.Attribution
	if att == nil {
		return
	}
	w.head("What changed; for (+) and against (" + w.Glyph("−") + ") it; x3: three times as likely")
	w.name = Names(componentsOf(att.Suspects))
	told, rest := false, 0.0
	n := 0
	for i, x := range att.Suspects {
		if !told && att.PNone > x.P {
			w.nobody(*att)
			told = true
		}
		if i > 0 && (i > w.detail || x.P < .005) {
			n, rest = n+1, rest+x.P
			continue
		}
		w.suspect(x, i)
	}
	if n > 0 {
		w.say(2, "", fmt.Sprintf("%s: %s together", Plural(n, "other change"), Percent(rest)))
	}
	if !told {
		w.nobody(*att)
	}
}

func componentsOf(all []backout.Suspect) []backout.ComponentID {
	out := []backout.ComponentID{}
	for _, x := range all {
		out = append(out, x.Component)
	}
	return out
}

func (w *why) suspect(x backout.Suspect, rank int) {
	bar := ""
	if w.Width >= withBars {
		bar = w.Bar(x.P, 12) + " "
	}
	w.say(2, "", fmt.Sprintf("%s %s%s", w.Paint(InkBold, w.name(x.Component)+" "+string(x.To)), bar, Percent(x.P)))
	most := 1
	if rank == 0 {
		most = max(1, w.detail)
	}
	w.evidence(x.For, most, "+", InkBad)
	w.evidence(x.Against, max(1, most-1), w.Glyph("−"), InkOK)
	switch {
	case len(x.For) == 0 && len(x.Against) == 0:
		w.say(4, w.Paint(InkMuted, w.Glyph("·"))+" ", "nothing was measured that tells of it")
	case len(x.Against) == 0 && rank == 0:
		w.say(4, w.Paint(InkMuted, w.Glyph("·"))+" ", "nothing speaks against it")
	}
}

// evidence writes the weightiest of it.
func (w *why) evidence(all []backout.Evidence, most int, mark string, ink Ink) {
	for _, e := range heaviest(all)[:min(most, len(all))] {
		w.say(4, w.Paint(ink, fmt.Sprintf("%s %-7s", mark, times(e.LogBF)))+" ", w.brief(e.Text))
	}
}

func heaviest(all []backout.Evidence) []backout.Evidence {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b backout.Evidence) int { return cmp.Compare(math.Abs(b.LogBF), math.Abs(a.LogBF)) })
	return out
}

// times writes a Bayes factor: "x12", or "÷3" where it speaks against.
func times(logBF float64) string {
	sign, f := "x", math.Exp(min(30, math.Abs(logBF)))
	if logBF < 0 {
		sign = "1/"
	}
	switch {
	case f > 1000:
		return sign + ">1000"
	case f >= 10:
		return fmt.Sprintf("%s%.0f", sign, f)
	}
	return sign + strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
}

func (w *why) nobody(att backout.Attribution) {
	bar := ""
	if w.Width >= withBars {
		bar = w.Bar(att.PNone, 12) + " "
	}
	w.say(2, "", fmt.Sprintf("%s %s%s", w.Paint(InkBold, "no change did this"), bar, Percent(att.PNone)))
	for _, o := range att.Origins[:min(len(att.Origins), max(1, w.detail))] {
		if o.P >= .01 {
			w.say(4, w.Paint(InkMuted, fmt.Sprintf("%s %-7s", w.Glyph("·"), Percent(o.P)))+" ", w.brief(cmp.Or(o.Text, originWords(o))))
		}
	}
}

// mind says what would have to be otherwise for another answer.
func (w *why) mind() {
	att := w.a.Incident.Attribution
	if att == nil {
		return
	}
	w.head("What would change our mind")
	point := w.Paint(InkMuted, w.Glyph("·")) + " "
	top := leader(w.a.Incident)
	if top == nil {
		if len(att.Suspects) == 0 {
			w.say(2, point, "a change that nobody told us of: backout change list shows those that are known")
			return
		}
		x := att.Suspects[0]
		w.say(2, point, fmt.Sprintf("a fact %s times likelier if %s did it than if no change did would make both even", ratio(att.PNone, x.P), What(x.Component, x.To)))
		if e := heaviest(x.Against); len(e) > 0 {
			w.say(2, point, fmt.Sprintf("%s would stand at about %s without %s", What(x.Component, x.To), Percent(lacking(*att, 0, e[0].Kind)), drawnFrom[e[0].Kind]))
		}
		return
	}
	sources := evidenceKinds(top.For)
	for _, k := range sources[:min(len(sources), max(1, w.detail-1))] {
		w.say(2, point, fmt.Sprintf("it would stand at about %s without %s", Percent(lacking(*att, 0, k)), drawnFrom[k]))
	}
	next, p := "no change", att.PNone
	if len(att.Suspects) > 1 && att.Suspects[1].P > p {
		next, p = What(att.Suspects[1].Component, att.Suspects[1].To), att.Suspects[1].P
	}
	w.say(2, point, fmt.Sprintf("a fact %s times likelier if %s did it would make both even", ratio(top.P, p), next))
	if len(w.a.Incident.Attempts) == 0 || w.a.Incident.Attempts[0].StartedAt.IsZero() {
		w.say(2, point, "taking it back: recovery speaks for it, none against it, and the next answer counts that")
	}
}

// drawnFrom says what each kind of evidence is drawn from.
var drawnFrom = map[backout.EvidenceKind]string{
	backout.EvidenceTime: "the timing", backout.EvidenceSpace: "who is ill and who is not", backout.EvidenceArms: "old against new instances", backout.EvidenceCallers: "its calls beside those of others",
	backout.EvidencePrior: "how often such changes hurt", backout.EvidenceOutcome: "what came of what was tried",
}

// evidenceKinds lists the kinds of evidence by their weight.
func evidenceKinds(all []backout.Evidence) []backout.EvidenceKind {
	var out []backout.EvidenceKind
	for _, e := range heaviest(all) {
		if !slices.Contains(out, e.Kind) {
			out = append(out, e.Kind)
		}
	}
	return out
}

// lacking is a suspect's probability had one kind of evidence told nothing about any of
// them: every suspect's odds against "no change" without it, made to sum to one. What is
// too slight to be listed stays in, so it is about right only.
func lacking(att backout.Attribution, who int, kind backout.EvidenceKind) float64 {
	none := math.Log(max(att.PNone, 1e-12))
	logs, most := make([]float64, len(att.Suspects)), none
	for i, x := range att.Suspects {
		logs[i] = math.Log(max(x.P, 1e-12))
		for _, e := range slices.Concat(x.For, x.Against) {
			if e.Kind == kind {
				logs[i] -= e.LogBF
			}
		}
		most = max(most, logs[i])
	}
	sum := math.Exp(none - most)
	for _, l := range logs {
		sum += math.Exp(l - most)
	}
	return math.Exp(logs[who]-most) / sum
}

func ratio(a, b float64) string {
	switch r := a / max(b, 1e-9); {
	case r > 1000:
		return "more than 1000"
	case r >= 10:
		return fmt.Sprintf("%.0f", r)
	default:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", r), ".0")
	}
}

// done says what was tried and what it taught.
func (w *why) done() {
	inc := w.a.Incident
	w.head("What was done, and what it taught")
	any := false
	for i, at := range inc.Attempts {
		if at.StartedAt.IsZero() || i < len(inc.Attempts)-2-w.detail {
			continue
		}
		any = true
		by := "by itself"
		if !at.ByItself() {
			by = "approved by " + at.Approvals[len(at.Approvals)-1].By.Name
		}
		mark, ink := "✔", InkOK
		if at.Result != backout.RunCompleted && at.Result != backout.RunStopped {
			mark, ink = "▶", InkRunning
			if !at.EndedAt.IsZero() {
				mark, ink = "✖", InkBad
			}
		}
		text := fmt.Sprintf("%s, attempt %d, %s: %s", Clock(at.StartedAt), i+1, by, wentBack(at.TakenBack))
		if !at.EndedAt.IsZero() {
			text += fmt.Sprintf("; ended after %s: %s", Span(at.EndedAt.Sub(at.StartedAt)), at.Why)
		}
		w.say(2, w.Paint(ink, w.Glyph(mark))+" ", w.brief(text))
	}
	if !any {
		w.say(2, w.Paint(InkMuted, w.Glyph("·"))+" ", "backout changed nothing: "+w.brief(inc.Why))
	}
	for _, t := range inc.Tried[max(0, len(inc.Tried)-1-w.detail):] {
		w.say(2, w.Paint(InkMuted, w.Glyph("·"))+" ", fmt.Sprintf("taking back %s of %s was %s: counted in the next answer", Percent(t.Share), Plural(len(t.Changes), "change"), t.Result))
	}
	w.say(2, w.Paint(InkMuted, w.Glyph("·"))+" ", lesson(w.a.Review, inc))
}

// lesson says what was learnt for those to come.
func lesson(r *backout.Review, inc backout.Incident) string {
	switch {
	case r == nil && !inc.State.Terminal():
		return "nothing is learnt before it has ended"
	case r == nil:
		return fmt.Sprintf("nothing was learnt: nobody has said what it was (backout close %s --as reviewed --cause ... does)", inc.ID)
	case r.Simulated:
		return "a rehearsal: nothing is learnt from it"
	case r.Label == backout.LabelChange:
		text := fmt.Sprintf("learnt (%s): %s did it", r.By, Plural(len(r.Culprits), "change"))
		if len(r.Delays) > 0 {
			text += fmt.Sprintf(", %s after it went out", Span(r.Delays[0].Delay.Std()))
		}
		if r.EffectLag > 0 {
			text += fmt.Sprintf("; going back took %s to be felt", Span(r.EffectLag.Std()))
		}
		return text
	case r.Label == backout.LabelNone:
		return fmt.Sprintf("learnt (%s): no change did it", r.By)
	case r.Label == backout.LabelFalseAlarm:
		return fmt.Sprintf("%s called it a false alarm: nothing is learnt about changes", r.By)
	}
	return "nobody knows the cause: nothing is learnt from it"
}

func (w *why) pastOf() {
	l := w.a.Incident.Likeness
	w.head("Seen before?")
	point := w.Paint(InkMuted, w.Glyph("·")) + " "
	if l == nil {
		w.say(2, point, "it was not compared with others")
		return
	}
	w.say(2, point, w.brief(Likeness(*l, w.a.Incident.Onset)))
	for i, n := range l.Nearest {
		if i > 0 && i < w.detail && n.Distance <= alike {
			w.say(2, point, w.brief("also like "+Neighbour(n, w.a.Incident.Onset)))
		}
	}
	if text := Drifted(*l); text != "" {
		w.say(2, w.Paint(InkWaits, "!")+" ", text)
	}
	if c := w.a.Incident.Calibration; c != nil {
		w.say(2, point, Calibrated(*c))
	}
}
