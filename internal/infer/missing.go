package infer

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// Know lists what a world knows about components, and which related ones it knows
// nothing of, dearest first.
func Know(w backout.World) backout.Knowing {
	out := backout.Knowing{Known: known(w), Missing: []backout.Missing{}, Problems: []string{}}
	spoken := map[[2]backout.ComponentID]bool{}
	for _, k := range out.Known {
		if k.Source != backout.ContractObserved {
			spoken[[2]backout.ComponentID{k.Consumer, k.Provider}] = true
		}
	}
	seen := map[[2]backout.ComponentID]bool{}
	for _, p := range w.Pairs {
		seen[[2]backout.ComponentID{p.A, p.B}], seen[[2]backout.ComponentID{p.B, p.A}] = true, true
	}
	worth := stakes(w.Graph)
	for _, pair := range related(w.Graph) {
		c, p := pair[0], pair[1]
		key := [2]backout.ComponentID{c.ID, p.ID}
		if spoken[key] || spoken[[2]backout.ComponentID{p.ID, c.ID}] && c.Service == p.Service {
			continue
		}
		m := backout.Missing{Consumer: c.ID, Provider: p.ID, AtStake: worth(c.Service, p.Service), Close: remedy(w.Graph, c, p)}
		switch {
		case seen[key]:
			m.Best = backout.ContractObserved
		case w.Policy.Skew > 0:
			m.Best = backout.ContractSkew
		}
		out.Missing = append(out.Missing, m)
	}
	slices.SortStableFunc(out.Missing, func(a, b backout.Missing) int {
		return cmp.Or(cmp.Compare(b.AtStake.Minor, a.AtStake.Minor), cmp.Compare(len(a.Best), len(b.Best)), cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Provider, b.Provider))
	})
	return out
}

// known lists contracts, lines and sightings.
func known(w backout.World) []backout.Known {
	out := []backout.Known{}
	for _, c := range w.Contracts {
		for _, r := range c.Rules {
			k := backout.Known{Consumer: c.Consumer, Provider: c.Provider, Source: c.Source, Allows: true, Reason: c.Reason,
				What: fmt.Sprintf("contract %s: %s needs %s", c.ID, span(r.When), span(r.Needs))}
			if c.Source == backout.ContractDeclared {
				k.Confidence = 1
			}
			out = append(out, k)
		}
	}
	for _, l := range w.Lines {
		out = append(out, backout.Known{Consumer: l.Consumer, Provider: l.Provider, Source: l.Source, Confidence: l.Confidence, Allows: l.Allows,
			What: fmt.Sprintf("%s with %s", l.ConsumerVersion, l.ProviderVersion), Reason: l.Reason})
	}
	for _, p := range w.Pairs {
		if p.Healthy {
			out = append(out, backout.Known{Consumer: p.A, Provider: p.B, Source: backout.ContractObserved, Confidence: p.Confidence(w.Minute), Allows: true,
				What: fmt.Sprintf("%s with %s", p.AVersion, p.BVersion)})
		}
	}
	slices.SortStableFunc(out, func(a, b backout.Known) int {
		return cmp.Or(cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Provider, b.Provider))
	})
	return out
}

// span writes a range of versions.
func span(r backout.VersionRange) string {
	switch {
	case r.From == "" && r.To == "":
		return "any version"
	case r.From == r.To:
		return string(r.From)
	case r.To == "":
		return string(r.From) + " or later"
	case r.From == "":
		return string(r.To) + " or earlier"
	}
	return fmt.Sprintf("%s to %s", r.From, r.To)
}

// related are the components that can meet, the consumer first: callers with whom
// they call, and code with the flags, configuration and schema of its service.
func related(g backout.Graph) [][2]backout.Component {
	parts := map[backout.ServiceID][]backout.Component{}
	for _, c := range g.Components {
		if c.Service != "" {
			parts[c.Service] = append(parts[c.Service], c)
		}
	}
	runs := func(c backout.Component) bool {
		return c.Kind == backout.KindDeployment || c.Kind == backout.KindSchema
	}
	var out [][2]backout.Component
	for _, d := range g.Dependencies {
		for _, c := range parts[d.From] {
			for _, p := range parts[d.To] {
				if d.From != d.To && c.Kind == backout.KindDeployment && runs(p) && near(c, p) {
					out = append(out, [2]backout.Component{c, p})
				}
			}
		}
	}
	for _, c := range g.Components {
		for _, p := range parts[c.Service] {
			apart := p.Kind == backout.KindDeployment || p.Kind == backout.KindTraffic || p.Kind == backout.KindInfrastructure
			if c.Kind == backout.KindDeployment && !apart && near(c, p) {
				out = append(out, [2]backout.Component{c, p})
			}
		}
	}
	return out
}

// stakes gives what a minute of the journeys through one of two services is worth.
func stakes(g backout.Graph) func(a, b backout.ServiceID) backout.Money {
	return func(a, b backout.ServiceID) backout.Money {
		var sum backout.Money
		for _, j := range g.Journeys {
			if slices.Contains(j.Services, a) || slices.Contains(j.Services, b) {
				sum.Minor += j.ValuePerMinute.Minor
				sum.Currency = cmp.Or(sum.Currency, j.ValuePerMinute.Currency)
			}
		}
		return sum
	}
}

// remedy says what closes a gap.
func remedy(g backout.Graph, c, p backout.Component) string {
	hand := fmt.Sprintf("write a Contract with consumer %s and provider %s", c.ID, p.ID)
	record := "backout change record --component " + string(p.ID) + " --to VERSION"
	switch {
	case p.Kind == backout.KindSchema && owns(g, c, p):
		return fmt.Sprintf("record its migrations: %s --migration FILE; or %s", record, hand)
	case p.Kind == backout.KindDeployment:
		return fmt.Sprintf("record its API: %s --spec FILE; or %s", record, hand)
	}
	return hand
}
