package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// ClassCalm says that nothing of ours went wrong: a day has no culprit.
const ClassCalm Class = "calm"

// Event is trouble of a calm day that no change made.
type Event struct {
	Class  Class // ClassExternal, ClassSpontaneous or ClassSurge
	Origin backout.ServiceID
	From   time.Time
	Until  time.Time
}

// dayMinutes is a day, preceded by the usual calm hours for baselines.
const dayMinutes = 24 * 60

// dayServices is how many services a day has: few enough that a thousand days are
// played in minutes, enough that trouble travels.
var dayServices = [2]int{12, 17}

// Chances of a day's troubles, and of a change shortly before one of them among those
// that it reaches: a coincidence that looks like guilt.
const (
	outages      = .35 // a provider fails
	breakdowns   = .30 // a service breaks by itself
	surges       = .40 // more demand than some services can bear
	coincidences = .5
	rushed       = .6 // somebody ships a change because of the trouble
	// A service that breaks by itself was left alone for so long. If it had just been
	// changed nobody could say that the change did not do it: such a day would not be a
	// calm one.
	leftAlone = 90.0
)

// Day makes a day in which no change does harm: changes all day and most of them in
// working hours, the day's demand with peaks, and, on most days, trouble that no
// change made. Equal arguments give equal days; Truth names nobody.
func Day(split Split, seed uint64) (*Play, []Event) {
	r := rand.New(rand.NewPCG(seed, split.stream()^0x646179))
	w := &world{r: r, seed: seed, split: split, terms: split.terms(), cause: cause{class: ClassCalm, origin: -1, course: &course{}}}
	w.terms.services = dayServices
	w.step = time.Minute.Minutes()
	w.wire()
	w.disturb()
	w.end, w.beyond = window, dayMinutes-window
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(28))
	w.at = midnight.Add(window * time.Minute)
	// The lowest demand is at three in the morning.
	w.load = load{phase: -2 * math.Pi * 9 / 24, swing: .15 + .25*r.Float64(), wander: .03 * r.Float64(), wanderPhase: 7 * r.Float64()}
	w.peak()
	w.deploy()
	events := w.befall()
	w.name()
	w.misstate()
	return w.begin(), events
}

// peak adds rises of demand that hurt nobody: a campaign, a batch of somebody's.
func (w *world) peak() {
	for range w.r.IntN(4) {
		begin := dayMinutes * w.r.Float64()
		w.load.rises = append(w.load.rises, rise{begin: begin, lasts: 1 + 30*w.r.Float64(), by: .15 + .35*w.r.Float64(), until: begin + 60 + 120*w.r.Float64()})
	}
}

// deploy draws the day's changes, three in four of them between 8 and 18 o'clock.
func (w *world) deploy() {
	for range 8 + w.r.IntN(18) {
		minute := dayMinutes * w.r.Float64()
		if w.r.Float64() < .75 {
			minute = 60 * (8 + 10*w.r.Float64())
		}
		w.drafts = append(w.drafts, w.drawDraft(w.pick(w.changeable), minute))
	}
}

// befall draws the day's troubles, in order of time. They don't overlap.
func (w *world) befall() []Event {
	var out []Event
	at := 60 * w.r.Float64()
	for _, kind := range []struct {
		class  Class
		chance float64
	}{{ClassExternal, outages}, {ClassSpontaneous, breakdowns}, {ClassSurge, surges}} {
		if w.r.Float64() >= kind.chance {
			continue
		}
		c := w.drawCourse()
		c.begin = at + 300*w.r.Float64()
		c.end = c.begin + 10 + 50*w.r.Float64()
		if origin, ok := w.strikeCalm(kind.class, c); ok {
			e := Event{Class: kind.class, From: w.when(c.begin), Until: w.when(c.end)}
			if origin >= 0 {
				e.Origin = w.nodes[origin].id
			}
			out = append(out, e)
			w.around(kind.class, origin, c)
		}
		at = c.end + 60
	}
	slices.SortFunc(out, func(a, b Event) int { return a.From.Compare(b.From) })
	return out
}

// strikeCalm lets a trouble of no change act and travel; -1 is everywhere. It reports
// false where no service is fit.
func (w *world) strikeCalm(class Class, c *course) (origin int, ok bool) {
	start := map[int]influence{}
	catches := func(x *node, by influence) { x.unrelated = append(x.unrelated, by) }
	switch class {
	case ClassSurge:
		w.load.rises = append(w.load.rises, rise{begin: c.begin - 2, lasts: 2 + 4*w.r.Float64(), by: .5 + .8*w.r.Float64(), until: c.end})
		c.slow, c.fail, c.ramp = max(c.slow, .3), 0, 2+6*w.r.Float64()
		share := .08 + .17*w.r.Float64()
		for i, x := range w.nodes {
			if x.kind != backout.ServiceExternal && (w.r.Float64() < share || len(start) == 0 && i > len(w.nodes)/3) {
				start[i] = influence{c, .5 + w.r.Float64(), 2 * w.r.Float64()}
				catches(x, start[i])
			}
		}
		w.pass(start, catches)
		return -1, true
	case ClassExternal:
		origin = w.pick(func(i int) bool { return w.nodes[i].kind == backout.ServiceExternal })
		c.fail = max(c.fail, .05)
		w.mustPass(origin, 2)
	default:
		alone := w.all(func(x *node) bool { return x.kind != backout.ServiceExternal && w.untouched(x, c.begin) })
		if len(alone) == 0 {
			return -1, false
		}
		origin = alone[w.r.IntN(len(alone))]
	}
	start[origin] = influence{c, 1, 0}
	catches(w.nodes[origin], start[origin])
	w.pass(start, catches)
	return origin, true
}

// untouched reports whether nobody changed a service shortly before a minute.
func (w *world) untouched(x *node, minute float64) bool {
	return !slices.ContainsFunc(w.drafts, func(d draft) bool {
		last := d.stages[len(d.stages)-1].minute
		return w.nodes[d.node] == x && d.stages[0].minute < minute+1 && last > minute-leftAlone
	})
}

// around adds the changes that make a trouble hard to read: coincidences before it,
// on services that suffer from it but did not start it, and those of people in a hurry.
func (w *world) around(class Class, origin int, c *course) {
	ill := w.all(func(x *node) bool {
		return x.kind != backout.ServiceExternal && slices.ContainsFunc(x.unrelated, func(i influence) bool { return i.course == c })
	})
	if class == ClassSpontaneous {
		ill = slices.DeleteFunc(ill, func(i int) bool { return i == origin })
	}
	if len(ill) == 0 {
		return
	}
	if w.r.Float64() < coincidences {
		w.drafts = append(w.drafts, w.drawDraft(ill[w.r.IntN(len(ill))], c.begin-1-14*w.r.Float64()))
	}
	if w.r.Float64() < rushed {
		w.drafts = append(w.drafts, w.drawDraft(ill[w.r.IntN(len(ill))], c.begin+4+15*w.r.Float64()))
	}
}
