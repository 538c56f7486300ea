package attribute

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	backout "github.com/backout-dev/backout"
)

// telling is the least weight of evidence worth a sentence.
const telling = 0.3

// explain says in words what speaks for and against a change, strongest first.
func (t *trial) explain(i, onset int) (pro, con []backout.Evidence) {
	c := &t.causes[i]
	all := []backout.Evidence{t.timeEvidence(c, onset)}
	all = append(all, t.spaceEvidence(c, onset)...)
	all = append(all, t.callerEvidence(c, onset)...)
	switch {
	case c.arms.known && c.audience != "":
		all = append(all, t.audienceText(c, onset))
	case c.arms.known:
		all = append(all, t.armsText(c, onset))
	}
	if c.dose != nil {
		all = append(all, doseText(c.dose[onset]))
	}
	if n := c.arms.silent; n > 0 && silenceEvidence(n) >= telling {
		all = append(all, backout.Evidence{Kind: backout.EvidenceArms, LogBF: silenceEvidence(n),
			Text: fmt.Sprintf("its new version has answered nothing for %s in which the old one did", count(n, "minute"))})
	}
	if r := kindRisk(c.change.Kind, t.q.World.Priors); math.Abs(math.Log(r)) >= telling {
		text := fmt.Sprintf("changes of kind %s hurt %.1fx as often as others", c.change.Kind, r)
		all = append(all, backout.Evidence{Kind: backout.EvidencePrior, LogBF: math.Log(r), Text: text})
	}
	all = append(all, t.outcomeEvidence(c)...)
	pro, con = []backout.Evidence{}, []backout.Evidence{}
	for _, e := range all {
		switch {
		case e.Text == "":
		case e.LogBF >= 0:
			pro = append(pro, e)
		default:
			con = append(con, e)
		}
	}
	slices.SortStableFunc(pro, func(a, b backout.Evidence) int { return cmp.Compare(b.LogBF, a.LogBF) })
	slices.SortStableFunc(con, func(a, b backout.Evidence) int { return cmp.Compare(a.LogBF, b.LogBF) })
	return pro, con
}

// timeEvidence compares the delay with a start at any moment of 90 minutes.
func (t *trial) timeEvidence(c *cause, onset int) backout.Evidence {
	e := backout.Evidence{Kind: backout.EvidenceTime, LogBF: math.Log(c.delay[onset] * horizon)}
	stages := c.exposure.Stages
	if len(stages) == 0 {
		e.Text = "when it was exposed is unknown"
		return e
	}
	// The end of the minute: the first sample that shows trouble.
	seen := t.panel.clock.start(onset + 1)
	last := -1
	for i, s := range stages {
		if s.At.Before(seen) {
			last = i
		}
	}
	if last < 0 && stages[0].At.Sub(seen) < t.panel.clock.minute {
		e.Text = "trouble began just before it was exposed"
		return e
	}
	if last < 0 {
		e.Text = fmt.Sprintf("trouble began %s before it was exposed", span(stages[0].At.Sub(seen)))
		return e
	}
	after := span(seen.Sub(stages[last].At))
	switch {
	case c.audience != "":
		e.Text = fmt.Sprintf("trouble began %s after it reached %s", after, c.audience)
	case len(stages) == 1 && stages[0].Share >= 1:
		e.Text = fmt.Sprintf("trouble began %s after it", after)
	default:
		e.Text = fmt.Sprintf("trouble began %s after it reached %s", after, t.shareText(c.change, stages[last].Share))
	}
	return e
}

// shareText counts instances where their number is known.
func (t *trial) shareText(c *backout.Change, share float64) string {
	if comp, ok := t.q.World.Graph.Component(c.Component); ok && comp.Instances > 0 {
		return fmt.Sprintf("%d of %d instances", int(math.Ceil(share*float64(comp.Instances)-1e-9)), comp.Instances)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// spaceEvidence names the ill that it explains, the quiet that it should have
// reached and the ill that it can't reach.
func (t *trial) spaceEvidence(c *cause, onset int) []backout.Evidence {
	var ill, quiet, alien []string
	illBF, quietBF, alienBF := 0.0, 0.0, 0.0
	reached := map[int]bool{}
	b := c.blast
	silent := c.audience == "" && t.panel.silentAt(b, onset) // one audience's fault is not asked whether it is
	if silent {
		b = b.silently()
	}
	adds := t.panel.contributions(b, onset)
	for k, th := range c.blast.readings {
		r := &t.panel.readings[th.reading]
		if r.ill() {
			reached[th.reading] = true
		}
		lr := tempering * adds[k]
		switch {
		case lr >= telling && r.ill():
			ill, illBF = append(ill, r.at.name()), illBF+lr
		case lr <= -telling && !r.ill():
			quiet, quietBF = append(quiet, r.at.name()), quietBF+lr
		case lr <= -telling:
			alien, alienBF = append(alien, r.at.name()+" (at another time)"), alienBF+lr
		}
	}
	for _, i := range t.panel.ill {
		if r := &t.panel.readings[i]; !reached[i] && !t.throughCalls(c, r.at, onset) {
			alien, alienBF = append(alien, r.at.name()), alienBF-tempering*min(r.peak, 8)
		}
	}
	space := func(bf float64, format string, names []string) backout.Evidence {
		if len(names) == 0 {
			return backout.Evidence{}
		}
		return backout.Evidence{Kind: backout.EvidenceSpace, LogBF: bf, Text: fmt.Sprintf(format, list(names), are(names))}
	}
	out := []backout.Evidence{
		space(illBF, "%s %s ill, as it would cause", ill),
		space(quietBF, "%s, which it would disturb, %s quiet", quiet),
		space(alienBF, "%s %s ill, which it does not explain", alien),
	}
	if silent {
		out = append(out, t.silentText(b, onset))
	}
	return out
}

// throughCalls says that a place looks ill only in the calls this cause makes.
func (t *trial) throughCalls(c *cause, at place, onset int) bool {
	for _, b := range c.blast.badCalls {
		if b.call.callee == at.service && t.panel.calls[b.call].hop(0)[onset] > 1 {
			return true
		}
	}
	return false
}

// callerEvidence looks at the callees of the changed services: who else fails on
// them, or that nobody else does.
func (t *trial) callerEvidence(c *cause, onset int) []backout.Evidence {
	var out []backout.Evidence
	for _, b := range c.blast.badCalls {
		mine := t.panel.calls[b.call]
		if !mine.ill() {
			continue
		}
		callee := b.call.callee
		others, failing := 0, 0
		for _, k := range t.panel.callsTo[callee] {
			if k.location != b.call.location || slices.Contains(c.change.Services, k.caller) {
				continue
			}
			others++
			if t.panel.calls[k].ill() && !t.changed(k.caller, onset) {
				failing++
			}
		}
		bf := tempering * math.Log1p(b.p*(mine.hop(0)[onset]-1))
		switch {
		case failing > 0:
			out = append(out, backout.Evidence{Kind: backout.EvidenceSpace, LogBF: -tempering * min(8, mine.peak) * float64(failing),
				Text: fmt.Sprintf("%s of %s fail%s too, and did not change", count(failing, "other caller"), callee, third(failing))})
		case others > 0 && bf >= telling && t.healthyTo(callee, c):
			out = append(out, backout.Evidence{Kind: backout.EvidenceCallers, LogBF: bf,
				Text: fmt.Sprintf("its calls to %s fail while %s of %s succeed%s", callee, count(others, "other caller"), callee, third(others))})
		}
	}
	return out
}

func (t *trial) healthyTo(callee backout.ServiceID, c *cause) bool {
	for _, k := range t.panel.callsTo[callee] {
		if !slices.Contains(c.change.Services, k.caller) && t.panel.calls[k].ill() {
			return false
		}
	}
	return true
}

// changed says that a service had a change of its own before the trouble.
func (t *trial) changed(s backout.ServiceID, onset int) bool {
	return slices.ContainsFunc(t.q.World.Changes, func(c backout.Change) bool {
		return slices.Contains(c.Services, s) && t.panel.clock.since(onset, c.Exposure.Start()) > 0
	})
}

func (t *trial) armsText(c *cause, onset int) backout.Evidence {
	best := armsEvidence(c.arms.logBF[onset])
	e := backout.Evidence{Kind: backout.EvidenceArms, LogBF: best}
	verb := "slower"
	if c.arms.worst == backout.SignalErrors {
		verb = "failing more"
	}
	switch {
	case best <= -telling:
		e.Text = fmt.Sprintf("its new and old versions did alike side by side for %s", count(c.arms.minutes, "minute"))
	case best < telling:
	case c.arms.factor >= 1.1 && c.arms.worst == backout.SignalErrors:
		e.Text = fmt.Sprintf("its new version fails %s as often as the old one side by side", times(c.arms.factor))
	case c.arms.factor >= 1.1:
		e.Text = fmt.Sprintf("its new version is %s slower than the old one side by side", times(c.arms.factor))
	default:
		e.Text = fmt.Sprintf("its new version is %s than the old one side by side, by %.1f standard deviations", verb, c.arms.meanDiff)
	}
	return e
}

// audienceText says how the clients of an audience fare beside all others.
func (t *trial) audienceText(c *cause, onset int) backout.Evidence {
	e := backout.Evidence{Kind: backout.EvidenceArms, LogBF: armsEvidence(c.arms.logBF[onset])}
	verb := "are slower"
	if c.arms.worst == backout.SignalErrors {
		verb = "fail more"
	}
	switch {
	case e.LogBF <= -telling:
		e.Text = fmt.Sprintf("%s, who met it, fares as everybody else for %s", c.audience, count(c.arms.minutes, "minute"))
	case e.LogBF < telling:
	case c.arms.factor >= 1.1:
		e.Text = fmt.Sprintf("the requests of %s, who met it, %s than those of others, %s", c.audience, verb, times(c.arms.factor))
	default:
		e.Text = fmt.Sprintf("the requests of %s, who met it, %s than those of others, by %.1f standard deviations", c.audience, verb, c.arms.meanDiff)
	}
	return e
}

func (t *trial) outcomeEvidence(c *cause) []backout.Evidence {
	var out []backout.Evidence
	for _, tr := range t.q.Tried {
		if !slices.Contains(tr.Changes, c.change.ID) {
			continue
		}
		bf := math.Log(resultChance(t.q.World.Priors, tr, c.change) / resultChance(t.q.World.Priors, tr, nil))
		what := "taking it back"
		if tr.Share < 1 {
			what = fmt.Sprintf("taking back %.0f %% of it", 100*tr.Share)
		}
		said := map[backout.VerdictValue]string{
			backout.VerdictRecovered: "helped", backout.VerdictWorse: "made it worse", backout.VerdictInconclusive: "did not help yet",
		}[tr.Result]
		if said != "" {
			out = append(out, backout.Evidence{Kind: backout.EvidenceOutcome, LogBF: bf, Text: what + " " + said})
		}
	}
	return out
}

// originText says what the trouble would be if no change did it.
func (t *trial) originText(c *cause, onset int) string {
	switch {
	case c.kind == backout.OriginSurge:
		return t.surgeText()
	case c.rest > 0:
		return restText(c.rest)
	case c.kind == backout.OriginExternal:
		return fmt.Sprintf("the provider %s%s", c.service, t.callersSee(c.service))
	}
	change := "which did not change before"
	if t.changed(c.service, onset) {
		change = "though it also changed"
	}
	return fmt.Sprintf("%s broke by itself, %s%s", c.service, change, t.callersSee(c.service))
}

func restText(n int) string {
	return fmt.Sprintf("%s that show%s nothing", count(n, "other service"), third(n))
}

func (t *trial) surgeText() string {
	up := slices.ContainsFunc(t.panel.trafficOrder, func(at place) bool {
		return slices.Max(t.panel.traffic[at]) > math.Log(600)
	})
	switch {
	case len(t.panel.trafficOrder) == 0:
		return "more demand than capacity; demand is not measured"
	case !up:
		return "something that many services share (hosts, network) is short: traffic is as ever"
	}
	return "more demand than capacity: traffic is up"
}

// callersSee is a clause about what its callers see of a service.
func (t *trial) callersSee(s backout.ServiceID) string {
	fail, all := 0, 0
	for _, k := range t.panel.callsTo[s] {
		all++
		if t.panel.calls[k].ill() {
			fail++
		}
	}
	switch {
	case all == 0:
		return ""
	case fail == 0:
		return ": its callers see nothing wrong with it"
	case all == 1:
		return ": its only caller sees it fail"
	case fail == all:
		return fmt.Sprintf(": all %d of its callers see it fail", all)
	}
	return fmt.Sprintf(": %d of its %d callers see%s it fail", fail, all, third(fail))
}

func (p place) name() string {
	name := string(p.service)
	switch {
	case p.journey != "":
		name = "journey " + string(p.journey)
	case p.service == "":
		name = "the product's KPI"
	}
	if p.location != "" {
		return name + " in " + string(p.location)
	}
	return name
}

// list names up to three things and counts the rest.
func list(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
}

func are(names []string) string {
	if len(names) == 1 {
		return "is"
	}
	return "are"
}

func third(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func times(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0fx", f)
	}
	return fmt.Sprintf("%.1fx", f)
}

// span rounds a duration for people.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
