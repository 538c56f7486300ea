package attribute

import (
	"math"
	"slices"

	backout "github.com/backout-dev/backout"
)

// cause is one hypothesis: a change, or an origin without one.
type cause struct {
	change   *backout.Change  // nil for origins
	audience string           // the one that it hurts; "" = everybody who met it
	exposure backout.Exposure // of the change, to that audience
	kind     backout.OriginKind
	service  backout.ServiceID
	quiet    bool // nothing near the service looks ill
	rest     int  // origins that nothing distinguishes, told as one
	prior    float64
	delay    []float64 // probability per minute, given that it is the cause
	blast    blast
	evidence []float64 // Λ by minute
	arms     comparison
	dose     []float64 // log evidence by minute that the trouble grew with the exposure; nil = unknown
	outcome  float64   // log likelihood of what came of actions taken
	// weight is the logarithm of all parts multiplied, by minute.
	weight []float64
}

// trial is the state of one ranking: what was asked, measured and supposed.
type trial struct {
	q       Question
	panel   *panel
	roads   roads
	arms    arms
	clients clients
	causes  []cause
	// noticed is the log likelihood, by minute of the onset, of noticing it when it was.
	noticed []float64
}

func newTrial(q Question) *trial {
	t := &trial{q: q, panel: newPanel(q)}
	t.roads = newRoads(q.World.Graph, q.World.Priors, t.panel.callOrder)
	t.arms, t.clients = newArms(q, t.panel.clock), newClients(q, t.panel.clock)
	t.noticed = noticing(q, t.panel.clock)
	t.addChanges()
	t.addOrigins()
	each(len(t.causes), func(i int) { t.weigh(&t.causes[i]) })
	return t
}

// spot is what changes of the same services in the same place have in common.
type spot struct {
	services string
	loc      backout.Location
}

// shown is how a cause would show, and whether it does.
type shown struct {
	blast    blast
	evidence []float64
}

func (t *trial) addChanges() {
	changes := t.q.World.Changes
	byKind, at := map[backout.ComponentKind]delays{}, map[spot]int{}
	spots, first := make([]int, len(changes)), []int{}
	for i, c := range changes {
		if _, ok := byKind[c.Kind]; !ok {
			byKind[c.Kind] = newDelays(t.q.World.Priors.Delays[c.Kind])
		}
		k := spot{joined(c.Services), t.location(c.Component)}
		if _, ok := at[k]; !ok {
			at[k] = len(first)
			first = append(first, i)
		}
		spots[i] = at[k]
	}
	all := mapped(len(first), func(i int) shown {
		c := changes[first[i]]
		b := t.panel.blastOf(t.q.World.Graph, t.roads, c.Services, t.location(c.Component))
		return shown{b, t.panel.guilt(b)}
	})
	t.causes = append(t.causes, slices.Concat(mapped(len(changes), func(i int) []cause {
		return t.causesOf(&changes[i], byKind[changes[i].Kind], all[spots[i]])
	})...)...)
}

// causesOf are the hypotheses about one change.
func (t *trial) causesOf(c *backout.Change, d delays, sh shown) []cause {
	loc := t.location(c.Component)
	var out []cause
	for _, h := range hypotheses(*c) {
		x := cause{
			change: c, audience: h.audience, exposure: h.exposure, prior: h.share * kindRisk(c.Kind, t.q.World.Priors), delay: hazard(h.exposure, d, t.panel.clock),
			blast: sh.blast, evidence: sh.evidence, outcome: outcome(t.q, *c),
		}
		if h.audience == "" {
			x.arms = t.compare(*c, loc)
			x.dose = t.panel.dose(c.Services, h.exposure, loc)
		} else {
			x.blast = fainter(sh.blast)
			x.evidence, x.arms = t.panel.evidence(x.blast), t.clients.compare(h, h.exposure.Start())
		}
		out = append(out, x)
	}
	return out
}

// compare sets the arms of a change side by side. Arms are versions of code; a
// value of a flag or a setting that is called like a release has no arms.
func (t *trial) compare(c backout.Change, loc backout.Location) comparison {
	if c.Kind != backout.KindDeployment && slices.ContainsFunc(t.q.World.Changes, func(d backout.Change) bool {
		return d.Kind == backout.KindDeployment && d.To == c.To && slices.ContainsFunc(d.Services, func(s backout.ServiceID) bool { return slices.Contains(c.Services, s) })
	}) {
		return comparison{}
	}
	return t.arms.compare(c, loc)
}

// location is where a component's changes show; "" when they show everywhere, or
// when no series tells its location.
func (t *trial) location(id backout.ComponentID) backout.Location {
	_, _, _, loc, err := id.Split()
	if err != nil || everywhere(loc) || len(t.panel.where) == 0 {
		return ""
	}
	return loc
}

// addOrigins supposes that no change did it. Together these causes get the
// learnt share of incidents without a culprit, spread over 90 minutes like the
// changes are. All are looked at one by one; only where there are very many services,
// those that are neither ill nor needed within two hops by an ill one are not, and
// count as if nothing were known of them.
func (t *trial) addOrigins() {
	g, n := t.q.World.Graph, t.panel.clock.n
	near := t.nearIll()
	var own, external []backout.ServiceID
	for _, s := range g.Services {
		if s.Kind == backout.ServiceExternal {
			external = append(external, s.ID)
		} else {
			own = append(own, s.ID)
		}
	}
	none := nonePrior(t.q.World.Priors)
	odds := none / (1 - none) * float64(max(4, min(40, len(t.q.World.Changes))))
	const spontaneous, provider, surge = 0.45, 0.35, 0.20 // shares of what no change causes
	flat := func(p float64) []float64 { return repeat(p/horizon, n) }
	rest := 0
	var origins []cause
	for _, s := range own {
		if !near[s] && len(own) > oneByOne {
			rest++
			continue
		}
		origins = append(origins, cause{kind: backout.OriginSpontaneous, service: s, prior: odds * spontaneous / float64(len(own)), delay: flat(1), quiet: !near[s]})
	}
	for _, s := range external {
		origins = append(origins, cause{kind: backout.OriginExternal, service: s, prior: odds * provider / float64(max(3, len(external))), delay: flat(1)})
	}
	t.causes = append(t.causes, slices.Concat(mapped(len(origins), func(i int) []cause { return t.located(origins[i]) })...)...)
	if rest > 0 {
		t.causes = append(t.causes, cause{kind: backout.OriginSpontaneous, rest: rest,
			prior: odds * spontaneous * float64(rest) / float64(len(own)), delay: flat(1), evidence: make([]float64, n), outcome: outcomeNone(t.q)})
	}
	t.causes = append(t.causes, cause{kind: backout.OriginSurge, prior: odds * surge, delay: flat(1),
		evidence: t.surgeEvidence(), outcome: outcomeNone(t.q)})
}

// located are an origin everywhere, and in each of the places where it may have broken
// alone.
func (t *trial) located(o cause) []cause {
	locations := []backout.Location{""}
	if len(t.panel.where) > 1 && o.kind == backout.OriginSpontaneous {
		locations = append(locations, t.panel.where...)
	}
	o.prior /= float64(len(locations))
	o.outcome = outcomeNone(t.q)
	out := make([]cause, len(locations))
	for i, loc := range locations {
		o.blast = t.panel.blastOf(t.q.World.Graph, t.roads, []backout.ServiceID{o.service}, loc)
		o.evidence = t.panel.evidence(o.blast)
		out[i] = o
	}
	return out
}

// nearIll are the services that look ill and what could have made them so within
// two hops.
func (t *trial) nearIll() map[backout.ServiceID]bool {
	causesOf := map[backout.ServiceID][]backout.ServiceID{}
	for v, rs := range t.roads {
		for _, r := range rs {
			causesOf[r.to] = append(causesOf[r.to], v)
		}
	}
	out := map[backout.ServiceID]bool{}
	var front []backout.ServiceID
	for _, r := range t.panel.readings {
		if r.at.service != "" && r.ill() {
			front = append(front, r.at.service)
		}
	}
	for range 3 {
		var next []backout.ServiceID
		for _, s := range front {
			if !out[s] {
				out[s] = true
				next = append(next, causesOf[s]...)
			}
		}
		front = next
	}
	return out
}

// weigh multiplies the parts: prior × delay × evidence^η × arms × outcome.
func (t *trial) weigh(c *cause) {
	c.weight = make([]float64, t.panel.clock.n)
	for i := range c.weight {
		w := t.noticed[i] + math.Log(c.prior) + math.Log(c.delay[i]) + tempering*c.evidence[i] + c.outcome
		if c.dose != nil {
			w += c.dose[i]
		}
		if c.arms.known && t.panel.clock.since(i, c.exposure.Start()) > 0 {
			w += armsEvidence(c.arms.logBF[i])
		}
		if c.arms.silent > 0 && t.panel.clock.since(i, c.change.Exposure.Start()) > 0 {
			w += silenceEvidence(c.arms.silent)
		}
		c.weight[i] = w
	}
}

// armsEvidence is log(0.85·BF^η + 0.15): a fault may be invisible on the changed
// instances, so even perfectly equal arms don't acquit.
func armsEvidence(logBF float64) float64 {
	return logAdd(math.Log(armsVisible)+tempering*logBF, math.Log(1-armsVisible))
}

// silenceEvidence is the log evidence of a new version that has answered nothing for
// so many minutes in which the old one did: a bad one may be dead on arrival, a good
// one is still starting, or nothing was routed to it.
func silenceEvidence(minutes int) float64 {
	fine := stillSilent + (1-stillSilent)*math.Exp(-float64(minutes)/startMinutes)
	return math.Log((stillborn + (1-stillborn)*fine) / fine)
}

// ill says that a reading is better explained by trouble than by the background,
// clearly: by a factor of 20.
func (r *reading) ill() bool { return r.peak > clearlyIll }

// clearlyIll is the logarithm of twenty.
const clearlyIll = 2.995732273553991

func repeat(x float64, n int) []float64 {
	out := make([]float64, n)
	fill(out, x)
	return out
}

func fill(out []float64, x float64) {
	for i := range out {
		out[i] = x
	}
}

func joined(ids []backout.ServiceID) string {
	sorted := slices.Sorted(slices.Values(ids))
	out := ""
	for _, s := range sorted {
		out += string(s) + "\x00"
	}
	return out
}
