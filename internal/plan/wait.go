package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// How the next minute's evidence is imagined.
const (
	waitDraws  = 64
	waitWorth  = .01 // changes below this probability are not imagined guilty
	usualNats  = .5  // what a minute usually tells, as information about each suspect
	leastNats  = .05
	mostNats   = 2
	waitSeed   = 1
	tryAgainBy = 2 // a wrong try costs its own time and that of the next
)

// Weigh says whether to act on an attribution now or to look a minute longer: it
// compares what the minute costs with what its evidence is expected to save
// (preposterior analysis, Raiffa and Schlaifer 1961). before is the attribution of
// a while ago, by whose difference it is judged how much a minute tells; its zero
// value means that this is not known.
//
// Draws of the next minute's evidence come from the present probabilities: each
// suspect's evidence is normal, with its mean up for the guilty one and down for the
// others (a Gaussian shift). Each draw makes other probabilities; what the best
// plan costs by these is compared with what it costs by the present ones, both against
// the plan in hand, which keeps the noise of the draws out. First-order: one further
// minute is imagined, a wrong try is made good by the next one.
func Weigh(req Request, before backout.Attribution) (backout.Timing, error) {
	if err := valid(req); err != nil {
		return backout.Timing{}, err
	}
	req.World.Changes = concerned(req)
	m, actions, in, s, none := inTime(req)
	if none != nil {
		return backout.Timing{Words: "there is no plan to wait with"}, nil
	}
	m.horizon = min(m.horizon, tryAgainBy*(ticks(m.takes(s, actions).Std(), m.minute)+m.lag))
	m.mended = min(m.mended, m.horizon)
	out := backout.Timing{Price: m.money(m.later(in, s, actions))}
	now, short := m.believing(m.likely()).best(s, actions)
	var saved int64
	changed := 0
	for _, p := range m.imagine(before) {
		then, less := m.believing(p).best(s, actions)
		if saved += less - short; !slices.Equal(then, now) {
			changed++
		}
	}
	out.Gain, out.Changes = m.money(max(saved, 0)/waitDraws), float64(changed)/waitDraws
	out.Wait = out.Gain.Minor > out.Price.Minor
	out.Words = words(out)
	return out, nil
}

// best is the cheapest target by what is believed, and how much less it costs than the
// plan in hand. What the plan in hand falls short of by present beliefs already is no
// gain of knowing more.
func (m model) best(inHand solution, actions []action) (target []int, less int64) {
	in := m.instance(actions)
	have := in.cost(inHand.target, m.starts(inHand, actions))
	s, none := m.solve(in, m.request.Nodes)
	if none != nil {
		return inHand.target, 0
	}
	return s.target, have - in.cost(s.target, m.starts(s, actions))
}

// concerned are the changes that a suspicion can reach: on the suspects' components
// and on those that contracts tie to them, directly or through others that changed.
func concerned(req Request) []backout.Change {
	changed := map[backout.ComponentID]bool{}
	for _, c := range req.World.Changes {
		changed[c.Component] = true
	}
	tied := map[backout.ComponentID][]backout.ComponentID{}
	for _, c := range req.World.Contracts {
		tied[c.Consumer], tied[c.Provider] = append(tied[c.Consumer], c.Provider), append(tied[c.Provider], c.Consumer)
	}
	reached, queue := map[backout.ComponentID]bool{}, []backout.ComponentID{}
	reach := func(id backout.ComponentID) {
		if changed[id] && !reached[id] {
			reached[id] = true
			queue = append(queue, id)
		}
	}
	for _, s := range req.Attribution.Suspects {
		if s.P >= waitWorth {
			reach(s.Component)
		}
	}
	for at := 0; at < len(queue); at++ {
		for _, id := range tied[queue[at]] {
			reach(id)
		}
	}
	var out []backout.Change
	for _, c := range req.World.Changes {
		if reached[c.Component] {
			out = append(out, c)
		}
	}
	return out
}

func words(t backout.Timing) string {
	verdict := "it is time to act"
	if t.Wait {
		verdict = "it is worth the wait"
	}
	if t.Changes == 0 {
		return fmt.Sprintf("another minute of evidence would not change the plan and costs %s: %s", t.Price, verdict)
	}
	return fmt.Sprintf("another minute of evidence would change the plan with %s; it is expected to save %s and costs %s: %s", percent(t.Changes), t.Gain, t.Price, verdict)
}

// later is what putting a plan off by a minute costs.
func (m model) later(in *instance, s solution, actions []action) int64 {
	starts := m.starts(s, actions)
	now := in.cost(s.target, starts)
	for i := range starts {
		starts[i] += ticksPerMinute
	}
	return in.cost(s.target, starts) - now
}

// imagine draws what the probabilities may be a minute from now. The guilty one is
// drawn systematically, so that each is guilty as often as it is likely.
func (m model) imagine(before backout.Attribution) [][]float64 {
	now := m.likely()
	nats := learning(before, m.request.Attribution, m.minute)
	r := rand.New(rand.NewPCG(waitSeed, waitDraws))
	out := make([][]float64, waitDraws)
	for d := range out {
		guilty := pick(now, (float64(d)+.5)/waitDraws)
		then, sum := make([]float64, len(now)), 0.0
		for h, p := range now {
			mean := -nats / 2
			if h == guilty {
				mean = nats / 2
			}
			then[h] = p * math.Exp(mean+math.Sqrt(nats)*r.NormFloat64())
			sum += then[h]
		}
		for h := range then {
			then[h] /= sum
		}
		out[d] = then
	}
	return out
}

// likely are the probabilities of the suspects in the attribution's order, those
// not worth imagining at zero, and last that of no change.
func (m model) likely() []float64 {
	out, rest := []float64{}, 1.0
	for _, s := range m.request.Attribution.Suspects {
		p := s.P
		if p < waitWorth {
			p = 0
		}
		out, rest = append(out, p), rest-p
	}
	return append(out, max(rest, 0))
}

func pick(p []float64, u float64) int {
	for h, x := range p {
		if u -= x; u < 0 {
			return h
		}
	}
	return len(p) - 1
}

// learning is how much a model minute has told lately: twice the information that
// the last attribution gained over the one before (Kullback and Leibler 1951), per
// minute, averaged with what is usual.
func learning(before, now backout.Attribution, minute time.Duration) float64 {
	minutes := float64(now.At.Sub(before.At)) / float64(minute)
	if before.At.IsZero() || minutes <= 0 {
		return usualNats
	}
	was := map[backout.ChangeID]float64{}
	for _, s := range before.Suspects {
		was[s.Change] = s.P
	}
	const least = 1e-3
	term := func(p, q float64) float64 {
		if p < least {
			return 0
		}
		return p * math.Log(p/max(q, least))
	}
	gained := term(now.PNone, before.PNone)
	for _, s := range now.Suspects {
		gained += term(s.P, was[s.Change])
	}
	return min(max((usualNats+2*max(gained, 0)/minutes)/2, leastNats), mostNats)
}

// believing is the model with other probabilities for the suspects.
func (m model) believing(p []float64) model {
	at := map[backout.ChangeID]float64{}
	suspects := slices.Clone(m.request.Attribution.Suspects)
	for k := range suspects {
		suspects[k].P = p[k]
		at[suspects[k].Change] = p[k]
	}
	m.request.Attribution.Suspects, m.request.Attribution.PNone = suspects, p[len(p)-1]
	sites := slices.Clone(m.sites)
	for i := range sites {
		if len(sites[i].p) == 0 {
			continue
		}
		sites[i].p = slices.Clone(sites[i].p)
		for x, c := range sites[i].changes {
			sites[i].p[x] = at[c.ID]
		}
	}
	m.sites, m.none, m.least = sites, p[len(p)-1], 0 // what is imagined is judged by money alone
	return m
}
