package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// What an alternative's price is made of, in the order in which people ask.
const (
	termNone   = "if no change did it"
	termStays  = "if a change that stays did it"
	termEffect = "until the steps take effect"
	termRisk   = "if a step fails"
	termVain   = "for what is taken away in vain"
	termLoss   = "for what going back loses"
	termDoubt  = "for versions that nobody saw healthy"
	termAside  = "for what going back does by itself"
	termEffort = "to carry it out"
)

// terms splits the price of a solution, started as given, into its parts. Those of
// nothing are left out.
func (m model) terms(s solution, starts []int, actions []action, rest int64) []backout.Term {
	var sum bill
	var effect int64
	for i, l := range s.target {
		b := m.bill(m.sites[i], actions[i], l)
		sum.stays += b.stays
		if l == m.sites[i].current {
			continue
		}
		effect += b.rate * int64(starts[i]+actions[i].effect+m.lag)
		sum.vain, sum.risk, sum.effort = sum.vain+b.vain, sum.risk+b.risk, sum.effort+b.effort
		sum.loss, sum.doubt, sum.aside = sum.loss+b.loss, sum.doubt+b.doubt, sum.aside+b.aside
	}
	out := []backout.Term{}
	for _, t := range []struct {
		name string
		cost int64
	}{
		{termNone, rest}, {termStays, sum.stays}, {termEffect, effect}, {termRisk, sum.risk},
		{termVain, sum.vain}, {termLoss, sum.loss}, {termDoubt, sum.doubt}, {termAside, sum.aside}, {termEffort, sum.effort},
	} {
		if t.cost != 0 {
			out = append(out, backout.Term{Name: t.name, Cost: m.money(t.cost)})
		}
	}
	return out
}

// apart says, term by term, what makes one price differ from another: the larger
// differences first, three at most, as many as it takes to tell nearly all of it.
func apart(a, b backout.Alternative) string {
	type difference struct {
		name string
		cost backout.Money
	}
	var all []difference
	for _, name := range []string{termNone, termStays, termEffect, termRisk, termVain, termLoss, termDoubt, termAside, termEffort} {
		if d := minor(a.Terms, name) - minor(b.Terms, name); d != 0 {
			all = append(all, difference{name, backout.Money{Minor: d, Currency: a.Cost.Currency}})
		}
	}
	slices.SortStableFunc(all, func(x, y difference) int { return cmp.Compare(abs(y.cost.Minor), abs(x.cost.Minor)) })
	total, told := int64(0), int64(0)
	for _, d := range all {
		total += abs(d.cost.Minor)
	}
	var parts []string
	for _, d := range all {
		if told*10 >= total*9 || len(parts) == 3 {
			break
		}
		told += abs(d.cost.Minor)
		word := "more"
		if d.cost.Minor < 0 {
			word, d.cost.Minor = "less", -d.cost.Minor
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", d.cost, word, d.name))
	}
	return strings.Join(parts, ", ")
}

func minor(terms []backout.Term, name string) int64 {
	for _, t := range terms {
		if t.Name == name {
			return t.Cost.Minor
		}
	}
	return 0
}

func abs(x int64) int64 { return max(x, -x) }
