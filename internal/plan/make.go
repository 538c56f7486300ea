package plan

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Request is everything that a plan depends on.
type Request struct {
	// ID names the plan; empty = derived from its digest.
	ID       backout.PlanID
	Incident backout.IncidentID
	World    backout.World
	// Attribution gives p, Forecast the money rate and the horizon.
	Attribution backout.Attribution
	Forecast    backout.Forecast
	// Forbidden names components that policy does not let us move, each with the
	// sentence that says why.
	Forbidden map[backout.ComponentID]string
	// Wanted are targets that a person demands. They are met whatever the odds, with
	// everything that contracts then demand, or the plan says why they can't be.
	Wanted map[backout.ComponentID]backout.Version
	// Fix is a forward fix that somebody announced, if any.
	Fix *backout.Fix
	// Nodes bounds the effort of each search; 0 = [Effort]. A plan from a search that
	// met the limit is safe all the same; its certificate shows the gap that is left.
	Nodes int
	// late are moves that were found to end too late, each with why.
	late map[move]limit
}

func (r Request) minute() time.Duration {
	if r.World.Minute > 0 {
		return r.World.Minute.Std()
	}
	return time.Minute
}

// model is a request compiled: the sites, what ties them, and the stakes. Once it is
// settled it is not changed.
type model struct {
	stakes
	request   Request
	world     backout.World
	onset     time.Time
	minute    time.Duration
	sites     []site
	known     knowledge
	seen      map[directed][]backout.Pair // healthy ones, by their components
	ties      []tie
	edges     []edge // of the ties, in their order
	calls     map[[2]backout.ServiceID]bool
	callers   map[backout.ServiceID][]int // by service: the sites of the code that calls it
	spoken    map[[2]int]bool             // pairs of sites that a contract speaks of
	actions   []action                    // how each site would be moved, as last settled
	in        *instance                   // priced with them
	together  []turn                      // what moves at once or not at all
	free      map[string]int              // what each pool's quota leaves while nothing moves
	instances int                         // of everything
	none      float64                     // probability that nothing here is the cause
	least     float64                     // probability from which on a change may be taken back
	refused   string                      // why a wanted target can't be met, whatever the contracts
}

// Make finds the cheapest safe way back. When the likeliest explanation is that
// no change did it, or undoing costs more than it is expected to save, the plan
// is to take no action; when the likeliest cause can't be taken back safely, it is
// to ask a person. Both have no steps and say why. Make fails only on input that
// makes no sense, with [backout.CodeInvalid].
func Make(req Request) (backout.Plan, error) {
	p, _, err := Derive(req)
	return p, err
}

// Derive is [Make] that shows its sums: the priced problem, the answer and the proof
// that no safe plan is cheaper, or how much cheaper one could be. Package check says
// whether they hold; until then the plan's certificate claims nothing.
func Derive(req Request) (backout.Plan, backout.Derivation, error) {
	if err := valid(req); err != nil {
		return backout.Plan{}, backout.Derivation{}, err
	}
	m, actions, in, s, none := inTime(req)
	if none != nil && len(req.Wanted) == 0 {
		return backout.Plan{}, backout.Derivation{}, &backout.Error{Code: backout.CodeInternal, Message: "make plan: staying as it is was not among the plans"}
	}
	d := m.decide(in, s, none)
	kept := s
	if d.action != backout.ActionRollBack {
		kept = m.stay(in)
	}
	p := backout.Plan{
		Format: 1, ID: req.ID, Incident: req.Incident, MadeAt: req.World.Now,
		Action: d.action, Summary: d.summary,
		Waves: m.waves(in, kept, actions), OrderReasons: slices.Concat(m.orderReasons(kept), m.paceReasons(kept), m.turnReasons(kept)),
		Ruling: backout.Ruling{Reasons: []string{}},
	}
	p.Left, p.Impossible = m.left(in, kept)
	if d.blocked != nil && !slices.ContainsFunc(p.Impossible, func(o backout.Impossibility) bool { return o.Component == d.blocked.Component }) {
		p.Impossible = append([]backout.Impossibility{*d.blocked}, p.Impossible...)
	}
	p.Meetings, p.Gaps = rests(m, kept)
	p.Gaps = append(p.Gaps, losses(p.Waves)...)
	if d.gap != "" {
		p.Gaps = append(p.Gaps, d.gap)
	}
	p.Success, p.Takes = m.success(kept, actions), m.takes(kept, actions)
	m.score(&p, in, s, kept, actions)
	p.Grounds = req.World.Grounds(p.Touched())
	p.Fingerprint = backout.FingerprintOf(p.Grounds)
	p.Digest = p.ExecutableDigest()
	if p.ID == "" {
		p.ID = backout.PlanID("P-" + p.Digest[:8])
	}
	if none != nil {
		return p, backout.Derivation{}, nil // there is no plan to prove anything about
	}
	return p, m.derivation(in, s, kept, actions), nil
}

func valid(req Request) error {
	total := req.Attribution.PNone
	for _, s := range req.Attribution.Suspects {
		if !(s.P >= 0 && s.P <= 1) { // nor is NaN
			return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("make plan: suspect %s has probability %v, expected 0 to 1", s.Change, s.P)}
		}
		total += s.P
	}
	if !(req.Attribution.PNone >= 0 && total <= 1.001) {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("make plan: probabilities of the attribution sum to %.3f, expected at most 1", total)}
	}
	if f := req.Fix; f != nil && !(f.Confidence > 0 && f.Confidence <= 1) {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("make plan: the fix has confidence %v, expected above 0 and at most 1", f.Confidence)}
	}
	if req.Nodes < 0 {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("make plan: node limit %d, expected 0 or more", req.Nodes)}
	}
	return nil
}

func newModel(req Request) model {
	if req.Nodes == 0 {
		req.Nodes = Effort
	}
	m := model{
		request: req, world: req.World, stakes: stakesOf(req), minute: req.minute(),
		known: know(req.World), seen: sightings(req.World), calls: map[[2]backout.ServiceID]bool{}, none: 1, onset: req.Attribution.Onset,
	}
	m.free = freeOf(req.World.Graph)
	for _, c := range req.World.Graph.Components {
		m.instances += c.Instances
	}
	if m.onset.IsZero() {
		m.onset = req.World.Now
	}
	for _, d := range req.World.Graph.Dependencies {
		m.calls[[2]backout.ServiceID{d.From, d.To}] = true
	}
	m.sites = survey(req, m.known)
	m.ties = ties(m.sites, req.World, m.known)
	m.callers, m.spoken = callersOf(m.sites, req.World.Graph), map[[2]int]bool{}
	for _, t := range m.ties {
		m.spoken[[2]int{t.i, t.j}] = len(m.ways(t.i, t.j)) > 0
		m.edges = append(m.edges, t.table(m.sites))
	}
	m.together = m.turns()
	for _, s := range m.sites {
		for x := range s.current {
			m.none -= s.p[x]
		}
	}
	m.none, m.least = max(m.none, 0), suspicion(req.Attribution)
	m.refused = m.want()
	return m
}

// want pins the sites that a person demands a version of. It says why one of them
// can't be met; "" when all can.
func (m model) want() string {
	for _, id := range slices.Sorted(maps.Keys(m.request.Wanted)) {
		to := m.request.Wanted[id]
		i := slices.IndexFunc(m.sites, func(s site) bool { return s.component.ID == id })
		if i < 0 {
			return fmt.Sprintf("%s has no recent change to take back", label(id))
		}
		s := &m.sites[i]
		for l := s.current - 1; l >= 0 && s.wanted == nil; l-- {
			if _, ok := s.reach[l]; s.versions[l] == to && ok {
				s.wanted = &l
			} else if s.versions[l] == to {
				return s.barred[l]
			}
		}
		if s.wanted == nil {
			return fmt.Sprintf("%s has no earlier version %s among its recent changes", s.label(), to)
		}
	}
	return ""
}

// settle solves, and solves again with stagings fit for the pressure that the
// solution puts on each move: a step that others wait for should not dawdle. The
// optimum is that of the last round's stagings.
func (m model) settle() ([]action, *instance, solution, *conflict) {
	own, waited := make([]float64, len(m.sites)), make([]float64, len(m.sites))
	for i, s := range m.sites {
		for x := range s.current {
			own[i] += s.p[x] * float64(m.rate)
		}
	}
	var actions []action
	var goes []bool // which sites go back, by the last round's solution
	for round := 0; ; round++ {
		next := make([]action, len(m.sites))
		same := actions != nil
		for i, s := range m.sites {
			next[i] = m.stage(s, own[i], waited[i])
			next[i].effects = m.afterwards(i, next[i], goes)
			same = same && slices.Equal(next[i].stages, actions[i].stages) && sameEffects(next[i], actions[i])
		}
		actions = next
		in := m.instance(actions)
		s, why := m.solve(in, m.request.Nodes)
		if why != nil {
			return actions, in, m.stay(in), why
		}
		if same || round == 2 {
			return actions, in, s, nil
		}
		waited, goes = m.pressure(in, s), m.moving(s)
	}
}

// pressure is the money lost per model minute by what waits for each move.
func (m model) pressure(in *instance, s solution) []float64 {
	waited := make([]float64, len(m.sites))
	order := make([]int, len(m.sites))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return s.depth[b] - s.depth[a] })
	for _, i := range order { // deepest first, so that pressure adds up on the way
		for _, b := range s.before[i] {
			waited[b] += waited[i] + float64(in.rate[i][s.target[i]])
		}
	}
	return waited
}

// stay is the solution in which nothing moves.
func (m model) stay(in *instance) solution {
	n := len(in.current)
	s := solution{target: slices.Clone(in.current), schedule: schedule{start: make([]int, n), depth: make([]int, n), before: make([][]int, n)}}
	s.cost = in.cost(s.target, s.start)
	return s
}
