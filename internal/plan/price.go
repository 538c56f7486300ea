package plan

import (
	"math"
	"time"

	"github.com/backout-dev/backout"
)

// ticksPerMinute makes the tick, the solver's unit of time, a sixtieth of a model minute. Money that is
// lost per model minute is then whole in units of a sixtieth of a minor unit,
// which is the solver's unit of cost.
const ticksPerMinute = 60

// greatest is where single costs are clamped, so that no sum can overflow.
const greatest = 1 << 42

// defaults are the prices of an action where the catalog says nothing, in minor
// units, and its prior chance to work. They are meant to be of the right order:
// what decides is the money that the incident loses.
type defaults struct {
	effort int64   // to carry it out and to put it forward again
	value  int64   // of what the change brought, lost when it was innocent
	works  float64 // prior chance that taking it back works technically
}

var byKind = map[backout.ComponentKind]defaults{
	backout.KindFlag:           {effort: 500, value: 10000, works: .99},
	backout.KindConfig:         {effort: 1000, value: 10000, works: .98},
	backout.KindTraffic:        {effort: 1000, value: 5000, works: .98},
	backout.KindDeployment:     {effort: 2500, value: 30000, works: .95},
	backout.KindInfrastructure: {effort: 10000, value: 50000, works: .90},
	backout.KindSchema:         {effort: 20000, value: 100000, works: .85},
}

const (
	lossPrice    = 500000 // going back to a level that loses data, or may
	exposePrice  = 500000 // opening a vulnerability again that a change has closed
	doubtPrice   = 5000   // going back to a version that nobody saw healthy
	nominalRate  = 1000   // lost per model minute when no journey has a value
	failMinutes  = 5      // of full loss, when an action itself fails
	priorTrials  = 10     // how many trials the prior chance to work counts for
	humanMinutes = 15     // until a paged person has decided
	lagMinutes   = 2      // from effect to the signals' recovery, until learnt
	// A change less likely than leastSuspicion, or than leastShare of the likeliest, is
	// never taken back for suspicion, however dear the minutes are: a plan is surgical
	// or it is not trusted. If the likely ones don't help, the next plan knows that.
	leastSuspicion = .05
	leastShare     = .5
)

// suspicion is the probability from which on a change may be taken back.
func suspicion(a backout.Attribution) float64 {
	least := leastSuspicion
	for _, s := range a.Suspects {
		least = max(least, s.P*leastShare)
	}
	return least
}

// stakes are the rates at which an incident loses money.
type stakes struct {
	currency string
	rate     int64 // minor units per model minute while the cause is in place
	assumed  bool  // the rate is nominal: nothing in the catalog has a value
	horizon  int   // ticks until a person would have mended it
	lag      int   // ticks from effect to recovery
	mended   int   // ticks until an announced fix is expected to have ended it; horizon without any
}

// until is how many ticks of trouble are expected if a change did it and stays. An
// announced fix that mends it arrives with its confidence, else a person mends it
// by the horizon. "" asks about trouble that no change caused.
func (m model) until(c backout.ChangeID) int {
	if m.request.Fix.Mends(c) {
		return m.mended
	}
	return m.horizon
}

// stakesOf reads the money rate off the forecast: the mean of now and horizon.
// The symptoms are what they are whichever change caused them, so the rate is the
// same for each suspect.
func stakesOf(req Request) stakes {
	now, then := req.Forecast.CostNow.P50, req.Forecast.CostHorizon.P50
	out := stakes{currency: now.Currency, rate: (now.Minor + then.Minor) / 2, horizon: 45 * ticksPerMinute, lag: lagMinutes * ticksPerMinute}
	for _, j := range req.World.Graph.Journeys {
		if out.currency == "" {
			out.currency = j.ValuePerMinute.Currency
		}
	}
	if out.currency == "" {
		out.currency = then.Currency
	}
	if out.currency == "" {
		out.currency = "XXX" // ISO 4217: no currency
	}
	if out.rate <= 0 {
		out.rate, out.assumed = max(1, fast(nominalRate, req.minute())), true
	}
	out.rate = min(out.rate, 1<<28)
	if h := req.Forecast.Horizon; h > 0 {
		out.horizon = max(ticksPerMinute, ticks(h.Std(), req.minute()))
	}
	if m := req.World.Priors.EffectLags; m.N > 0 {
		w := m.N / (m.N + 3)
		seconds := math.Exp(w*m.Sum/m.N + (1-w)*math.Log(lagMinutes*60))
		out.lag = int(math.Round(min(seconds, 3600)))
	}
	out.mended = out.horizon
	if f := req.Fix; f.Pending(req.World.Now) {
		arrives := min(out.horizon, ticks(f.ETA.Sub(req.World.Now), req.minute())+out.lag)
		out.mended = int(math.Round(f.Confidence*float64(arrives) + (1-f.Confidence)*float64(out.horizon)))
	}
	return out
}

// fast restates a price in the money of a model minute. Where time runs fast, a
// model minute has a fraction of a minute's money in it, and so the prices of
// actions shrink alike: a rehearsal decides what the real day would.
func fast(minor int64, minute time.Duration) int64 {
	return clamp(float64(minor) * min(1, float64(minute)/float64(time.Minute)))
}

func (m model) fast(minor int64) int64 { return fast(minor, m.minute) }

// ticks turns real time into model time.
func ticks(d, minute time.Duration) int {
	return int(min(float64(d)/float64(minute)*ticksPerMinute, 1<<20))
}

// works is the chance that taking a component back works, the kind's record
// shrunk to the prior and the service's own record shrunk to the kind's.
func works(c backout.Component, priors backout.Priors) float64 {
	d, ok := byKind[c.Kind]
	if !ok {
		d.works = .9
	}
	chance := d.works
	for _, key := range []string{string(c.Kind), string(c.Kind) + "/" + string(c.Service)} {
		r := priors.Actions[key]
		chance = (chance*priorTrials + r.Worked) / (priorTrials + r.Tried)
	}
	return min(max(chance, .01), .999)
}

// value is what is lost when a component's change is taken back in vain: what the
// feature behind it would have earned until somebody puts it forward again, and
// the work that went into it.
func (m model) value(c backout.Component) int64 {
	v := float64(m.fast(byKind[c.Kind].value))
	for _, f := range m.world.Graph.Features {
		if f.Flag == c.ID {
			v += float64(f.ValuePerMinute.Minor) * float64(m.horizon) / ticksPerMinute
		}
	}
	return clamp(v)
}

func clamp(v float64) int64 {
	return int64(math.Round(min(max(v, -greatest), greatest)))
}

// instance prices every level of every site and compiles the contracts.
func (m model) instance(actions []action) *instance {
	in := &instance{edges: m.edges}
	for i, s := range m.sites {
		in.current = append(in.current, s.current)
		in.domain = append(in.domain, s.domain())
		in.duration = append(in.duration, actions[i].duration)
		in.effect = append(in.effect, actions[i].effect+m.lag)
		fixed, rate := m.prices(s, actions[i])
		in.fixed, in.rate = append(in.fixed, fixed), append(in.rate, rate)
	}
	return in
}

// bill is what one level of a site costs, item by item, in the solver's unit.
type bill struct {
	stays  int64 // the trouble goes on, when a change that stays did it
	vain   int64 // what innocent changes had brought
	risk   int64 // the action fails: the trouble goes on, and the attempt does harm
	effort int64
	loss   int64 // what going there loses
	doubt  int64 // nobody saw that version healthy
	aside  int64 // what going there does by itself
	rate   int64 // per tick until the move takes effect
}

func (b bill) fixed() int64 {
	return clamp(float64(b.stays + b.vain + b.risk + b.effort + b.loss + b.doubt + b.aside))
}

// bill prices one level of a site.
func (m model) bill(s site, a action, l int) bill {
	r, value, least := float64(m.rate), float64(m.value(s.component))*ticksPerMinute, m.least
	var stays, vain, risk, w float64
	for x := range s.current {
		p, h := s.p[x], float64(m.until(s.changes[x].ID))
		switch {
		case x < l:
			stays += p * r * h
		case p < least: // taking it back counts for nothing
			stays += p * r * h
			vain += (1 - p) * value
		default:
			risk += p * r * a.fails * h
			vain += (1 - p) * value
			w += p * r * (1 - a.fails)
		}
	}
	b := bill{stays: clamp(stays), vain: clamp(vain), rate: clamp(min(w, 1<<28))}
	if l == s.current {
		return b
	}
	b.aside = a.aside(l) * ticksPerMinute
	b.effort, b.risk = a.effort*ticksPerMinute, clamp(risk+a.fails*a.damage*a.stages[0].Share*ticksPerMinute)
	if to, ok := s.reach[l]; ok {
		b.loss = a.going(s.limits[l]) * ticksPerMinute
		if !to.Verified {
			b.doubt = a.doubt * ticksPerMinute
		}
	}
	return b
}

// going is what going to a level loses: data, the service of some users, a hole that
// had been closed.
func (a action) going(l limit) int64 {
	sum := l.price + int64(len(l.exposes))*a.exposed
	if l.dear {
		sum += a.loss
	}
	return sum
}

// prices are the fixed cost and the cost per tick of each level of a site.
func (m model) prices(s site, a action) (fixed, rate []int64) {
	for l := range s.versions {
		b := m.bill(s, a, l)
		fixed, rate = append(fixed, b.fixed()), append(rate, b.rate)
	}
	return fixed, rate
}

// money turns the solver's cost into an amount.
func (m model) money(cost int64) backout.Money {
	return backout.Money{Minor: floorDiv(cost+ticksPerMinute/2, ticksPerMinute), Currency: m.currency}
}
