package simulate

import (
	"math"

	backout "github.com/backout-dev/backout"
)

// course is how trouble goes at its source, by minute.
type course struct {
	slow, fail float64 // at its height: relative slowdown, share of failures
	begin      float64
	ramp       float64 // minutes until its height
	end        float64 // 0 = it stays
	stages     []stage // who meets it; none = everybody
	back       retreat // of whom it was taken back from
}

// stage says that from a minute on a share of the instances, or the users, has the
// change.
type stage struct{ minute, share float64 }

// full is the trouble of those who meet it.
func (c *course) full(t float64) (slow, fail float64) {
	if t < c.begin || c.end > 0 && t >= c.end {
		return 0, 0
	}
	k := 1.0
	if c.ramp > 0 {
		k = min(1, (t-c.begin)/c.ramp)
	}
	return k * c.slow, k * c.fail
}

// at is the trouble on average over everybody.
func (c *course) at(t float64) (slow, fail float64) {
	slow, fail = c.full(t)
	k := exposed(c.stages, t)
	if len(c.back.stages) > 0 {
		k *= 1 - c.back.at(t)
	}
	return k * slow, k * fail
}

// exposed is the share that has a change at a minute; 1 without stages.
func exposed(stages []stage, t float64) float64 {
	if len(stages) == 0 {
		return 1
	}
	share := 0.0
	for _, s := range stages {
		if s.minute > t {
			break
		}
		share = s.share
	}
	return share
}

// influence is how a course shows somewhere.
type influence struct {
	course   *course
	strength float64
	lag      float64 // minutes later
}

func (i influence) at(t float64) (slow, fail float64) {
	slow, fail = i.course.at(t - i.lag)
	return i.strength * slow, i.strength * fail
}

// sum of influences; failures never are everything.
func sum(in []influence, t float64) (slow, fail float64) {
	for _, i := range in {
		s, f := i.at(t)
		slow, fail = slow+s, fail+f
	}
	return slow, min(.9, fail)
}

// cause is the one thing that goes wrong.
type cause struct {
	class  Class
	origin int // index of a node; -1 for a surge
	course *course
	change draft // of the culprit
}

// happen draws what goes wrong and lets it travel.
func (w *world) happen() {
	w.cause = cause{class: w.drawClass(), origin: -1}
	c := &w.cause
	c.course = w.drawCourse()
	switch c.class {
	case ClassExternal:
		c.origin = w.pick(func(i int) bool { return w.nodes[i].kind == backout.ServiceExternal })
		c.course.fail = max(c.course.fail, .05)
		w.mustPass(c.origin, 2)
	case ClassSurge:
		c.course.ramp, c.course.fail = 2+6*w.r.Float64(), 0
		w.overload()
		return
	case ClassSilent:
		c.origin = w.pick(func(i int) bool { return w.changeable(i) && len(w.callers(i)) > 0 })
		w.mustPass(c.origin, 1)
	case ClassBadCalls:
		c.origin = w.pick(func(i int) bool { return w.changeable(i) && len(w.nodes[i].calls) > 0 })
		c.course.slow, c.course.fail = 0, max(c.course.fail, .05)
	default:
		c.origin = w.pick(w.changeable)
	}
	if c.class.byChange() {
		w.expose()
	}
	if c.class == ClassCreeping {
		c.course.ramp = 10 + 15*w.r.Float64()
	}
	w.strike()
}

func (w *world) drawClass() Class {
	total, u := 0.0, w.r.Float64()
	for _, c := range w.terms.classes {
		total += c.share
	}
	for _, c := range w.terms.classes {
		if u -= c.share / total; u < 0 {
			return c.class
		}
	}
	return w.terms.classes[0].class
}

// pick draws one of the nodes that are fit; every family has some of each.
func (w *world) pick(fit func(int) bool) int {
	var all []int
	for i := range w.nodes {
		if fit(i) {
			all = append(all, i)
		}
	}
	return all[w.r.IntN(len(all))]
}

// changeable services are ours.
func (w *world) changeable(i int) bool { return w.nodes[i].kind != backout.ServiceExternal }

// drawCourse draws how bad it is: slower, failing, or both.
func (w *world) drawCourse() *course {
	r, t := w.r, w.terms
	c := &course{}
	if r.Float64() < .5 {
		c.ramp = 1 + 5*r.Float64()
	}
	slower := r.Float64() < .7
	if slower {
		c.slow = t.slow * math.Exp(t.slowSpread*r.NormFloat64())
	}
	if !slower || r.Float64() < .35 {
		c.fail = .01 + t.fail*r.Float64()*r.Float64()
	}
	return c
}

// expose draws when the culprit reached whom: its first stage some minutes before
// the onset. A schema is there for everybody at once.
func (w *world) expose() {
	r, t := w.r, w.terms
	delay := t.delay * r.ExpFloat64()
	if r.Float64() < t.late {
		delay = t.lateMost * r.Float64()
	}
	w.cause.change = w.drawDraft(w.cause.origin, -delay)
	w.cause.change.guilty = true
	if d := w.cause.change; d.kind != backout.KindSchema {
		w.cause.course.stages = d.stages
	}
}

// strike sets the cause's influences: at its origin, and from there on.
func (w *world) strike() {
	c, o := &w.cause, w.nodes[w.cause.origin]
	switch c.class {
	case ClassSilent:
		witnessed := w.r.Float64() < .8
		for _, u := range w.callers(c.origin) {
			if k := w.calls(u, c.origin); witnessed && k.passes {
				k.bad = append(k.bad, influence{&course{fail: max(.1, c.course.fail), begin: c.course.begin, ramp: c.course.ramp, stages: c.course.stages}, .5 + .5*w.r.Float64(), 0})
			}
		}
	case ClassBadCalls:
		k := o.calls[w.r.IntN(len(o.calls))]
		k.bad = append(k.bad, influence{c.course, 1, 0})
		o.influences = append(o.influences, influence{c.course, .3 + .5*w.r.Float64(), 0})
	default:
		o.influences = append(o.influences, influence{c.course, 1, 0})
	}
	w.travel(map[int]influence{c.origin: {c.course, 1, 0}})
}

// travel lets trouble pass from callee to caller, and from caller to callee along
// dependencies that hold resources. Each service catches it once, from who comes
// first.
func (w *world) travel(from map[int]influence) {
	w.pass(from, func(x *node, by influence) { x.influences = append(x.influences, by) })
}

// pass is travel with the word of what becomes of each service that catches it.
func (w *world) pass(from map[int]influence, catches func(*node, influence)) {
	var queue []int
	for i := range w.nodes {
		if _, ok := from[i]; ok {
			queue = append(queue, i)
		}
	}
	pass := func(to int, c *call, by influence) {
		if _, caught := from[to]; caught || !c.passes || w.nodes[to].kind == backout.ServiceExternal {
			return
		}
		next := influence{by.course, by.strength * c.gain, by.lag + c.lag}
		from[to] = next
		catches(w.nodes[to], next)
		queue = append(queue, to)
	}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for _, u := range w.callers(i) {
			pass(u, w.calls(u, i), from[i])
		}
		for _, c := range w.nodes[i].calls {
			if c.holds {
				pass(c.to, c, from[i])
			}
		}
	}
}

// mustPass makes sure that trouble of a service reaches so many callers.
func (w *world) mustPass(of, callers int) {
	all := w.callers(of)
	w.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, u := range all[:min(callers, len(all))] {
		w.calls(u, of).passes = true
	}
}

// overload makes services ill that have too little capacity, and their callers.
func (w *world) overload() {
	start, share := map[int]influence{}, .08+.17*w.r.Float64()
	for i, x := range w.nodes {
		if x.kind != backout.ServiceExternal && (w.r.Float64() < share || len(start) == 0 && i > len(w.nodes)/3) {
			by := influence{w.cause.course, .5 + w.r.Float64(), 2 * w.r.Float64()}
			start[i] = by
			x.influences = append(x.influences, by)
		}
	}
	w.cause.course.slow = max(w.cause.course.slow, .3)
	w.travel(start)
}

// disturb gives some services trouble that has nothing to do with the cause. It
// does not travel far enough to be told from noise elsewhere.
func (w *world) disturb() {
	for _, x := range w.nodes {
		if x.kind == backout.ServiceExternal || w.r.Float64() >= w.terms.unrelated {
			continue
		}
		c := w.drawCourse()
		c.begin = -50 + 60*w.r.Float64()
		c.end = c.begin + 3 + 25*w.r.Float64()
		if c.end == 0 {
			c.end = 1
		}
		x.unrelated = append(x.unrelated, influence{c, .6, 0})
	}
}

// Complaints come when something stands out by so many standard deviations, after
// noticing on average so many minutes later; then somebody looks at it.
const (
	standsOut   = 5.0
	noticing    = 1.5
	mostPatient = 30.0
)

// notice finds when somebody complains. What nobody would ever complain of is no
// incident: it is made worse until somebody does.
func (w *world) notice() {
	t, seen := w.firstSeen()
	for !seen {
		w.cause.course.slow *= 1.5
		w.cause.course.fail = min(.9, 1.5*w.cause.course.fail)
		if w.cause.course.slow == 0 {
			w.cause.course.slow = .05
		}
		t, seen = w.firstSeen()
	}
	w.noticed = t + noticing*w.r.ExpFloat64()
	w.end = w.noticed + 3 + 7*w.r.Float64()
}

// firstSeen is the first half minute in which a service of ours stands out by what
// the cause does to it.
func (w *world) firstSeen() (float64, bool) {
	for t := .5; t < mostPatient; t += .5 {
		for _, x := range w.nodes {
			if x.kind == backout.ServiceExternal || len(x.influences) == 0 {
				continue
			}
			slow, fail := sum(x.influences, t)
			n := x.demand * w.step
			if math.Log1p(slow)/x.spread(w.step) > standsOut || n*fail/math.Sqrt(n*(x.failing+fail)+1) > standsOut {
				return t, true
			}
		}
	}
	return 0, false
}

// perRequest is the spread of single requests' log latency.
const perRequest = .6

// spread is the standard deviation of a sample's log latency in health.
func (x *node) spread(step float64) float64 {
	return math.Sqrt(x.noise*x.noise + perRequest*perRequest/(x.demand*step+1))
}
