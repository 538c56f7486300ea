package plan

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// action is how one component would be moved, whatever the level.
type action struct {
	stages   []backout.Stage
	takes    time.Duration // from start to the end of the last bake
	duration int           // takes in ticks
	effect   int           // ticks of full trouble that its course amounts to
	fails    float64       // chance that the action itself fails
	damage   float64       // minor units lost if it fails with everything exposed
	effort   int64
	settle   time.Duration // how long after each stage signals can't speak yet
	// effects are what moving does by itself, by the level it goes to.
	effects map[int][]backout.SideEffect
	// What going back to a level costs that loses data, or that nobody saw healthy.
	loss, doubt int64
	exposed     int64 // what opening one vulnerability again costs
}

// Bakes are the least time that a gate watches a stage: a verdict needs five samples and
// the first may be of before, healthy levels are recognised in about ten. Whoever
// measures seldom waits no longer than the model minutes that follow the number, and
// nobody less than a third of them, since caches and queues don't mind samples.
const (
	bakeSamples, bakePart       = 6, 3
	bakeWholeSamples, bakeWhole = 10, 5
)

// bakes are the least bakes of a part and of the whole.
func (m model) bakes() (part, whole time.Duration) {
	step := cmp.Or(m.world.Step.Std(), m.minute/2)
	least := func(samples, minutes time.Duration) time.Duration {
		longest := minutes * m.minute
		return max(longest/3, min(longest, samples*step))
	}
	return least(bakeSamples, bakePart), least(bakeWholeSamples, bakeWhole)
}

// menu lists the staging plans on offer for a kind, the careful one first. The
// share of a schema can't be split: expand and contract is its only staging. What
// takes effect at once, is not suspected and others wait for may go whole: a canary
// of it would prove nothing and keep the trouble going.
func menu(k backout.ComponentKind, enabling bool) [][]float64 {
	switch k {
	case backout.KindFlag, backout.KindConfig:
		if enabling {
			return [][]float64{{.10, 1}, {.50, 1}, {1}}
		}
		return [][]float64{{.10, 1}, {.50, 1}}
	case backout.KindDeployment, backout.KindTraffic:
		return [][]float64{{.05, .25, 1}, {.50, 1}}
	}
	return [][]float64{{1}}
}

// stage chooses the staging of a site's move. pressure is the money lost per
// model minute while the move has not taken full effect, its own and that of the
// moves that wait for it. Of the menu the plan is taken with the least sum of
// pressure times the area above the exposure curve and of the damage that the
// first stage exposes if the action fails.
func (m model) stage(s site, pressure float64, waited float64) action {
	c := s.component
	base := action{
		fails:  1 - works(c, m.world.Priors),
		damage: float64(m.rate) * failMinutes,
		effort: m.fast(byKind[c.Kind].effort), settle: m.settles(s), loss: m.fast(lossPrice), doubt: m.fast(doubtPrice), exposed: m.fast(exposePrice),
	}
	each := s.reversal.Takes.Std()
	if each <= 0 {
		each = m.minute / 2
	}
	fits := roomOf(c, m.world.Graph.Pools, m.free)
	var best action
	least := math.Inf(1)
	options := menu(c.Kind, waited > pressure)
	if m.isTurned(c.ID) {
		options = [][]float64{{1}} // a switch is turned at once
	}
	for _, shares := range options {
		a := base
		if shares, ok := fits.gentle(offered(shares, c.Instances, s.reversal.Shares), s.reversal.Shares, c.Instances); ok {
			a.run(s, shares, each, m)
		} else {
			a.run(s, []float64{1}, each, m) // barred, see [conditions.cramped]
		}
		if waited > pressure {
			a.hasten(m)
		}
		cost := (pressure*float64(a.effect)+waited*float64(a.duration))/ticksPerMinute + a.fails*a.damage*a.stages[0].Share
		if cost < least {
			best, least = a, cost
		}
	}
	if audience := s.audience(); audience != "" && !m.tied(s) {
		best.run(s, []float64{1}, each, m)
		best.stages[0].Audience = audience
	}
	return best
}

// hasten shortens the last bake of a step that others wait for: its gate asks
// whether things got worse, not whether they recovered.
func (a *action) hasten(m model) {
	part, _ := m.bakes()
	last := &a.stages[len(a.stages)-1]
	saved := last.Bake.Std() - part - a.settle
	last.Bake -= backout.Duration(saved)
	a.takes -= saved
	a.duration = max(1, ticks(a.takes, m.minute))
}

// run lays the stages out in time. A gate that spoke before caches are warm and
// queues have drained would take the way back for the trouble, so bakes last
// longer by that much.
func (a *action) run(s site, shares []float64, each time.Duration, m model) {
	part, whole := m.bakes()
	a.stages, a.takes = nil, 0
	var area time.Duration
	before := 0.0
	for _, share := range shares {
		bake := part + a.settle
		if share == 1 {
			bake = whole + a.settle
		}
		brings, _ := s.brings(share-before, each)
		a.stages = append(a.stages, backout.Stage{Share: share, Bake: backout.Duration(bake)})
		a.takes += brings + bake
		area += time.Duration((1-before)*float64(brings) + (1-share)*float64(bake))
		before = share
	}
	a.duration, a.effect = max(1, ticks(a.takes, m.minute)), ticks(area, m.minute)
}

// offered fits wished shares to what there is: whole instances, at least one, and
// the shares that the actuator can bring about.
func offered(wished []float64, instances int, on []float64) []float64 {
	var out []float64
	for _, share := range wished {
		if instances > 0 {
			share = math.Ceil(share*float64(instances)-1e-9) / float64(instances)
		}
		fit := onOffer(share, on)
		if len(out) == 0 || fit > out[len(out)-1]+1e-9 {
			out = append(out, fit)
		}
	}
	if out[len(out)-1] != 1 {
		out = append(out, 1)
	}
	return out
}

// onOffer is the offered share that comes closest to a wish from above; where only
// everything is left above a partial wish, the largest part on offer, since a part
// first is what staging is for.
func onOffer(wish float64, on []float64) float64 {
	fit, part := 1.0, 0.0
	for _, o := range on {
		if o >= wish-1e-9 && o < fit {
			fit = o
		}
		if o < 1-1e-9 {
			part = max(part, o)
		}
	}
	if fit == 1 && wish < 1-1e-9 && part > 0 {
		return part
	}
	return fit
}

// audience is the one audience that taking the site back need touch: the only one
// that its changes were meant for, or the only one that they hurt. It is "" when
// everybody is concerned.
func (s site) audience() string {
	if s.component.Kind != backout.KindFlag || s.wanted != nil {
		return ""
	}
	var meant, hurt []string
	for x, ch := range s.changes[:min(s.current, len(s.changes))] {
		hurt = append(hurt, s.hurts[x])
		for _, st := range ch.Exposure.Stages {
			meant = append(meant, st.Audience)
		}
	}
	return cmp.Or(only(hurt), only(meant))
}

// only is the one value that all have; "" when they differ.
func only(all []string) string {
	if len(all) == 0 || slices.ContainsFunc(all, func(x string) bool { return x != all[0] }) {
		return ""
	}
	return all[0]
}

// tied reports whether a contract ties a site to another that may move: then a part
// of its audience left as it was could meet what it must not.
func (m model) tied(s site) bool {
	return slices.ContainsFunc(m.ties, func(t tie) bool {
		a, b := m.sites[t.i], m.sites[t.j]
		return a.component.ID == s.component.ID && len(b.reach) > 0 || b.component.ID == s.component.ID && len(a.reach) > 0
	})
}
