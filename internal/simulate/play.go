package simulate

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	backout "github.com/backout-dev/backout"
)

// Play is a world that goes on: asked minute by minute, and changed by whoever takes
// something back. Until then it shows what the [Case] of its seed shows, and after it
// the same luck. It is not safe for concurrent use.
type Play struct {
	w       *world
	truth   Truth
	changes []backout.Observation // of the sources, over all its time
	taken   []backout.Observation // what was taken back
	window  backout.Window        // of all its time, as it would be if nobody did anything more
	drain   float64
}

// Begin makes the world of a seed and lets it go on for so long after its case ends.
func Begin(split Split, seed uint64, beyond time.Duration) *Play {
	w := newWorld(split, seed)
	w.acts = true
	w.beyond = math.Ceil(beyond.Minutes()/w.step) * w.step
	return w.begin()
}

func (w *world) begin() *Play {
	p := &Play{w: w, changes: w.observations(), window: w.measure()}
	changes, _ := backout.Fold(p.changes)
	p.truth = w.truth(changes)
	p.drain = .5 + 3*newStream(w.seed, w.split, "drain").Float64()
	return p
}

// Truth is what really happened; see [Truth].
func (p *Play) Truth() Truth { return p.truth }

// Graph is as it was written down.
func (p *Play) Graph() backout.Graph { return p.w.told() }

// Start and End bound what is measured; Step is between two samples.
func (p *Play) Start() time.Time    { return p.window.From }
func (p *Play) End() time.Time      { return p.window.Now }
func (p *Play) Step() time.Duration { return p.window.Step }

// Told is what the sources had reported by a moment, our own doings among it.
func (p *Play) Told(until time.Time) []backout.Observation {
	var out []backout.Observation
	for _, o := range slices.Concat(p.changes, p.taken) {
		if !o.At.After(until) {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b backout.Observation) int { return a.At.Compare(b.At) })
	return out
}

// Window is what was measured after from and until to.
func (p *Play) Window(from, to time.Time) backout.Window {
	out := backout.Window{From: from, Now: to, Step: p.window.Step, Missing: map[backout.SignalName]string{}}
	for _, s := range p.window.Series {
		i := sort.Search(len(s.Samples), func(i int) bool { return s.Samples[i].At.After(from) })
		j := sort.Search(len(s.Samples), func(j int) bool { return s.Samples[j].At.After(to) })
		if i < j {
			s.Samples = s.Samples[i:j]
			out.Series = append(out.Series, s)
		}
	}
	return out
}

// Share is how much of a component has the version of its change at a moment, in [0,1].
func (p *Play) Share(id backout.ComponentID, at time.Time) float64 {
	for _, d := range p.w.drafts {
		if d.component != id {
			continue
		}
		share, back := 0.0, 0.0
		for _, s := range d.stages {
			if !p.w.when(s.minute).After(at) {
				share = s.share
			}
		}
		for _, s := range d.back.stages {
			if !p.w.when(s.minute).After(at) {
				back = s.share
			}
		}
		return share * (1 - back)
	}
	return 0
}

// Versions are what a component had before its change and what with it; false for one
// that nobody changed.
func (p *Play) Versions(id backout.ComponentID) (from, to backout.Version, ok bool) {
	for _, d := range p.w.drafts {
		if d.component == id {
			return d.from(), d.to(), true
		}
	}
	return "", "", false
}

// coldSlow and coldMinutes are what restarting costs a service for a while: caches are
// empty.
const (
	coldSlow    = .3
	coldMinutes = 2.0
)

// TakeBack brings a component to the version before its change as far as a share, in
// [0,1], at a moment, for an attempt; 0 puts the change forward again. Taking back the
// culprit ends the trouble as far as it goes; moving a deployment restarts it, whoever
// is guilty. A component that nobody changed stays as it is.
func (p *Play) TakeBack(id backout.ComponentID, share float64, at time.Time, attempt backout.AttemptID) {
	minute := p.w.end + at.Sub(p.w.at).Minutes()
	for i := range p.w.drafts {
		d := &p.w.drafts[i]
		if d.component != id {
			continue
		}
		d.back.stages = append(d.back.stages, stage{minute, share})
		d.back.drain = p.drain
		if d.guilty {
			p.relieve(d.back)
		}
		if d.kind == backout.KindDeployment {
			x := p.w.nodes[d.node]
			x.unrelated = append(x.unrelated, influence{&course{slow: coldSlow, begin: minute, end: minute + coldMinutes}, 1, 0})
		}
		o := backout.Observation{Source: "backout", NativeID: fmt.Sprintf("%s/%s/%d", attempt, id, len(d.back.stages)), At: at,
			Component: id, From: d.to(), To: d.from(), Share: share, Attempt: attempt}
		if share == 0 {
			o.From, o.To, o.Share = o.To, o.From, 1
		}
		p.taken = append(p.taken, o)
		p.window = p.w.measure()
	}
}

// Hold keeps whoever rolls out a component from going further after a moment, as a
// deploy lock does.
func (p *Play) Hold(id backout.ComponentID, at time.Time) {
	minute := p.w.end + at.Sub(p.w.at).Minutes()
	for i := range p.w.drafts {
		d := &p.w.drafts[i]
		if d.component != id {
			continue
		}
		n := slices.IndexFunc(d.stages, func(s stage) bool { return s.minute > minute })
		if n < 1 { // all done, or nothing yet
			continue
		}
		d.stages = d.stages[:n]
		if d.guilty && len(p.w.cause.course.stages) > 0 {
			p.each(func(c *course) { c.stages = d.stages })
		}
		p.changes, p.window = p.w.observations(), p.w.measure()
	}
}

// relieve lets every effect of the cause end with the culprit.
func (p *Play) relieve(back retreat) { p.each(func(c *course) { c.back = back }) }

// each visits the courses of the cause.
func (p *Play) each(visit func(*course)) {
	visit(p.w.cause.course)
	for _, x := range p.w.nodes {
		for _, i := range x.influences {
			visit(i.course)
		}
		for _, c := range x.calls {
			for _, i := range c.bad {
				visit(i.course)
			}
		}
	}
}

// Drain is how long the trouble takes to leave once its culprit is back.
func (p *Play) Drain() time.Duration { return time.Duration(p.drain * float64(time.Minute)) }

// Over is when the trouble of the culprit has gone where it began, as things stand; false
// while it would go on.
func (p *Play) Over() (time.Time, bool) {
	i := slices.IndexFunc(p.w.drafts, func(d draft) bool { return d.guilty })
	if i < 0 || len(p.w.drafts[i].back.stages) == 0 {
		return time.Time{}, false
	}
	stages := p.w.drafts[i].back.stages
	last := stages[len(stages)-1]
	return p.w.when(last.minute + p.drain), last.share >= 1
}
