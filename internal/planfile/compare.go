package planfile

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout"
)

// Difference is how two plans differ. Where it says Same, carrying out the one is
// carrying out the other, whatever the words around them.
type Difference struct {
	Format int  `json:"format"`
	Same   bool `json:"same"` // the executable parts are equal
	// Executable names what would be done differently: steps, order, stages, grounds.
	Executable []Detail `json:"executable"`
	// Words names what is said differently of the same deeds: reasons, probabilities,
	// money, gaps, ruling.
	Words []Detail `json:"words"`
}

// Detail is one difference. A or B is "" where only the other plan has something.
type Detail struct {
	What string `json:"what"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// Compare says how b differs from a. Steps are matched by their component, since
// their ids follow from their place.
func Compare(a, b backout.PlanFile) Difference {
	d := Difference{Format: 1, Executable: []Detail{}, Words: []Detail{}}
	p, q := a.Plan, b.Plan
	d.deed("action", string(p.Action), string(q.Action))
	steps, others := placed(p), placed(q)
	for _, id := range both(steps, others) {
		d.step(string(id), steps[id], others[id])
	}
	for _, m := range backout.MovedBetween(p.Grounds, q.Grounds) {
		d.deed(m.What+" of "+m.Of, m.Was, m.Is)
	}
	d.word("plan", string(p.ID), string(q.ID))
	d.word("made", p.MadeAt.UTC().Format("2006-01-02 15:04:05"), q.MadeAt.UTC().Format("2006-01-02 15:04:05"))
	d.word("summary", p.Summary, q.Summary)
	d.word("success", fmt.Sprintf("%.2f", p.Success), fmt.Sprintf("%.2f", q.Success))
	d.word("takes", p.Takes.String(), q.Takes.String())
	d.word("expected loss", p.Cost.String(), q.Cost.String())
	d.word("expected loss if nobody acts", p.CostNothing.String(), q.CostNothing.String())
	d.word("what stays", left(p), left(q))
	d.word("not proven", strings.Join(p.Gaps, "; "), strings.Join(q.Gaps, "; "))
	d.word("reasons of the order", strings.Join(p.OrderReasons, "; "), strings.Join(q.OrderReasons, "; "))
	d.word("what can't go back", impossible(p), impossible(q))
	d.word("alternatives", alternatives(p), alternatives(q))
	d.word("timing", timing(p.Timing), timing(q.Timing))
	d.word("proven safe", fmt.Sprint(p.Certificate.Safe), fmt.Sprint(q.Certificate.Safe))
	d.word("policy", ruling(p.Ruling), ruling(q.Ruling))
	d.word("error", a.Error, b.Error)
	d.Same = p.ExecutableDigest() == q.ExecutableDigest()
	return d
}

func (d *Difference) deed(what, a, b string) {
	if a != b {
		d.Executable = append(d.Executable, Detail{what, a, b})
	}
}

func (d *Difference) word(what, a, b string) {
	if a != b {
		d.Words = append(d.Words, Detail{what, a, b})
	}
}

// place is a step with the number of its wave.
type place struct {
	backout.Step
	wave int
}

func (d *Difference) step(id string, a, b *place) {
	switch {
	case a == nil:
		d.deed("step "+id, "", move(b.Step))
		return
	case b == nil:
		d.deed("step "+id, move(a.Step), "")
		return
	}
	d.deed("step "+id, move(a.Step), move(b.Step))
	d.deed("wave of "+id, fmt.Sprint(a.wave), fmt.Sprint(b.wave))
	d.deed("number of "+id, a.ID, b.ID)
	d.deed("stages of "+id, stages(a.Stages), stages(b.Stages))
	d.deed("levels of "+id, fmt.Sprintf("%d to %d", a.FromLevel, a.ToLevel), fmt.Sprintf("%d to %d", b.FromLevel, b.ToLevel))
	d.word("reason for "+id, a.Why, b.Why)
	d.word("probability of "+id, fmt.Sprintf("%.2f", a.P), fmt.Sprintf("%.2f", b.P))
	d.word("loss of "+id, strings.TrimSpace(string(a.Loss)+" "+a.Lost), strings.TrimSpace(string(b.Loss)+" "+b.Lost))
	d.word("side effects of "+id, sideEffects(a.SideEffects), sideEffects(b.SideEffects))
	d.word("start of "+id, a.Start.String(), b.Start.String())
}

func move(s backout.Step) string { return fmt.Sprintf("%s to %s", s.From, s.To) }

func stages(all []backout.Stage) string {
	out := []string{}
	for _, g := range all {
		percent := strconv.FormatFloat(math.Round(g.Share*1e6)/1e4, 'f', -1, 64) // as fine as the digest sees
		text := fmt.Sprintf("%s %% for %s", percent, g.Bake)
		if g.Audience != "" {
			text += " for " + g.Audience
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func left(p backout.Plan) string {
	out := []string{}
	for _, l := range p.Left {
		out = append(out, fmt.Sprintf("%s: %s", l.Change, l.Why))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func alternatives(p backout.Plan) string {
	out := []string{}
	for _, a := range p.Alternatives {
		out = append(out, fmt.Sprintf("%s at %s: %s", a.Name, a.Cost, a.Why))
	}
	return strings.Join(out, "; ")
}

func impossible(p backout.Plan) string {
	out := []string{}
	for _, o := range p.Impossible {
		out = append(out, fmt.Sprintf("%s: %s", o.Change, o.Why))
	}
	return strings.Join(out, "; ")
}

func sideEffects(all []backout.SideEffect) string {
	out := []string{}
	for _, e := range all {
		out = append(out, e.Words)
	}
	return strings.Join(out, "; ")
}

func timing(t *backout.Timing) string {
	if t == nil {
		return ""
	}
	return t.Words
}

func ruling(r backout.Ruling) string {
	return fmt.Sprintf("automatic %t, forbidden %t, %d approvers: %s", r.Automatic, r.Forbidden, r.Approvers, strings.Join(r.Reasons, "; "))
}

// placed finds the steps by component; a component that a plan moves twice, which
// no checked plan does, is told by its number too.
func placed(p backout.Plan) map[backout.ComponentID]*place {
	out := map[backout.ComponentID]*place{}
	for w, wave := range p.Waves {
		for _, s := range wave.Steps {
			id := s.Component
			if out[id] != nil {
				id += backout.ComponentID(" (" + s.ID + ")")
			}
			out[id] = &place{s, w + 1}
		}
	}
	return out
}

// both lists the components of two plans in the order in which they move.
func both(a, b map[backout.ComponentID]*place) []backout.ComponentID {
	out := []backout.ComponentID{}
	first := map[backout.ComponentID]int{}
	for _, steps := range []map[backout.ComponentID]*place{a, b} {
		for id, s := range steps {
			if _, ok := first[id]; !ok {
				out = append(out, id)
				first[id] = s.wave
			}
		}
	}
	slices.SortFunc(out, func(x, y backout.ComponentID) int { return cmp.Or(first[x]-first[y], cmp.Compare(x, y)) })
	return out
}
