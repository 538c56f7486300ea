package check

import (
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// prover follows a proof through its cases. It keeps what may still be, and takes it
// back when a case is done.
type prover struct {
	problem backout.Problem
	may     []set   // by movable: the levels that are left
	begin   [][]int // by movable and level: no safe plan of the case begins a move there sooner
	ties    []sides
	at      [][]int // by movable: its ties
	active  []bool  // by tie: the part at hand may use it
	limit   int     // begins are not put off beyond this
	before  []change
	queue   []int // movables whose neighbours are to be looked at
	later   int   // begins put off since narrowing began
	waiting []bool
	counted map[[2]int]int // by movable and level: the tie at which its wait is counted
	price   [][]int64      // by movable and level: its price after the shifts of a case
	// The part at hand.
	members []int
	scale   int64
	cases   []backout.Case
}

// sides is what a tie allows, from either side: meet[0][a] are the levels of J that I
// may end up with at a, whoever goes first, and after[0][a] those of them that J must
// be at before I sets out. meet[1] and after[1] are the same seen from J.
type sides struct{ meet, after [2][]set }

func newProver(p backout.Problem) *prover {
	n := len(p.Movables)
	v := &prover{
		problem: p, may: make([]set, n), begin: make([][]int, n), price: make([][]int64, n), at: make([][]int, n),
		ties: make([]sides, len(p.Ties)), active: make([]bool, len(p.Ties)), waiting: make([]bool, n), members: make([]int, n), scale: 1, counted: map[[2]int]int{},
	}
	for i, m := range p.Movables {
		for _, l := range m.Levels {
			v.may[i] |= 1 << l
		}
		v.begin[i], v.price[i] = make([]int, len(m.Fixed)), make([]int64, len(m.Fixed))
		v.limit += m.Duration
		v.members[i] = i
	}
	for k, t := range p.Ties {
		v.ties[k] = bothSides(p, t)
		v.at[t.I], v.at[t.J] = append(v.at[t.I], k), append(v.at[t.J], k)
		v.active[k] = true
	}
	return v
}

// bothSides tries the two orders of every two levels. If I goes first, its new level
// meets J's old one; if J goes first, the reverse. The levels of the beginning are not
// held against anybody.
func bothSides(p backout.Problem, t backout.Tie) sides {
	x, y := p.Movables[t.I], p.Movables[t.J]
	allowed := func(a, b int) bool { return t.Allowed[a][b] || a == x.Current && b == y.Current }
	var s sides
	s.meet = [2][]set{make([]set, len(x.Fixed)), make([]set, len(y.Fixed))}
	s.after = [2][]set{make([]set, len(x.Fixed)), make([]set, len(y.Fixed))}
	for a := range x.Fixed {
		for b := range y.Fixed {
			first, second := allowed(a, y.Current), allowed(x.Current, b)
			if !allowed(a, b) || !first && !second {
				continue
			}
			s.meet[0][a] |= 1 << b
			s.meet[1][b] |= 1 << a
			if a == x.Current || b == y.Current {
				continue // one of them stays: there is no order
			}
			if !first {
				s.after[0][a] |= 1 << b
			}
			if !second {
				s.after[1][b] |= 1 << a
			}
		}
	}
	return s
}

// lower works out what a proof shows.
func (v *prover) lower(proof backout.Proof) (int64, error) {
	if !v.narrow(v.members) {
		return 0, fmt.Errorf("the problem has no plan at all, so there is nothing to prove")
	}
	spoken := make([]bool, len(v.may))
	var sum int64
	for k, part := range proof.Parts {
		if err := v.enter(part, spoken); err != nil {
			return 0, fmt.Errorf("part %d of the proof: %w", k+1, err)
		}
		mark := len(v.before)
		least, err := v.follow()
		v.takeBack(mark)
		if err == nil && len(v.cases) > 0 {
			err = fmt.Errorf("%d cases too many", len(v.cases))
		}
		if err != nil {
			return 0, fmt.Errorf("part %d of the proof: %w", k+1, err)
		}
		if least == never {
			return 0, fmt.Errorf("part %d of the proof shows that there is no plan at all", k+1)
		}
		sum += floor(least, v.scale)
	}
	for i, m := range v.problem.Movables {
		if !spoken[i] {
			sum += cheapest(m, v.may[i])
		}
	}
	return sum, nil
}

// cheapest is what a movable costs at least, whatever the others do.
func cheapest(m backout.Movable, may set) int64 {
	least := never
	for ; may != 0; may &= may - 1 {
		l := may.least()
		cost := m.Fixed[l]
		if l != m.Current {
			cost += m.Rate[l] * int64(m.Effect)
		}
		least = min(least, cost)
	}
	return least
}

// never is the cost of what can't be, most what all shifts of a case may move: with
// the problem's own limits no sum of them overflows.
const (
	never = int64(1) << 61
	most  = int64(1) << 60
)

// floor divides rounding down.
func floor(a, b int64) int64 {
	if q := a / b; a%b < 0 {
		return q - 1
	} else {
		return q
	}
}

// enter turns to one part: its members, and the ties among them.
func (v *prover) enter(part backout.PartProof, spoken []bool) error {
	for _, k := range v.tiesOf(v.members) {
		v.active[k] = false
	}
	v.members, v.cases, v.scale = part.Members, part.Cases, int64(len(part.Members)+1)
	if len(part.Members) == 0 {
		return fmt.Errorf("it has no members")
	}
	for _, i := range part.Members {
		if i < 0 || i >= len(spoken) || spoken[i] {
			return fmt.Errorf("movable %d is not one, or is spoken of twice", i)
		}
		spoken[i] = true
	}
	among := map[int]bool{}
	for _, i := range part.Members {
		among[i] = true
	}
	for _, k := range v.tiesOf(v.members) {
		v.active[k] = among[v.problem.Ties[k].I] && among[v.problem.Ties[k].J]
	}
	return nil
}

func (v *prover) tiesOf(members []int) []int {
	var out []int
	for _, i := range members {
		out = append(out, v.at[i]...)
	}
	return out
}

// follow takes the next case and those below it, and returns what every plan in it
// costs at least, in the part's units.
func (v *prover) follow() (int64, error) {
	if len(v.cases) == 0 {
		return 0, fmt.Errorf("it ends in the middle: a case is missing")
	}
	c := v.cases[0]
	v.cases = v.cases[1:]
	switch c.Kind {
	case backout.CaseSplit:
		return v.split(c)
	case backout.CaseStrike, backout.CaseBound:
		return v.bound(c)
	case backout.CaseCycle:
		return never, v.cycle(c.Cycle)
	case backout.CaseEmpty:
		return 0, fmt.Errorf("it says that a case is empty, but every tie has levels left")
	}
	return 0, fmt.Errorf("a case of kind %q, expected split, strike, bound, empty or cycle", c.Kind)
}

// split follows both branches, which together are the whole case.
func (v *prover) split(c backout.Case) (int64, error) {
	if !v.isMember(c.Movable) || c.Level < 0 || c.Level >= len(v.price[c.Movable]) {
		return 0, fmt.Errorf("it splits by level %d of movable %d, which is not in it", c.Level, c.Movable)
	}
	least, there := never, set(1)<<c.Level
	for _, branch := range [2]set{there, ^there} {
		mark := len(v.before)
		bound, err := v.branch(c.Movable, v.may[c.Movable]&branch)
		v.takeBack(mark)
		if err != nil {
			return 0, err
		}
		least = min(least, bound)
	}
	return least, nil
}

// branch follows what is below a case once a movable has only some levels left.
func (v *prover) branch(i int, left set) (int64, error) {
	v.leave(i, left)
	if left != 0 && v.narrow([]int{i}) {
		return v.follow()
	}
	if len(v.cases) == 0 || v.cases[0].Kind != backout.CaseEmpty {
		return 0, fmt.Errorf("a case without any plan is not said to be empty")
	}
	v.cases = v.cases[1:]
	return never, nil
}

func (v *prover) isMember(i int) bool {
	_, ok := slices.BinarySearch(v.members, i)
	return ok
}

// bound prices every level by itself, lets the shifts change the prices, and adds up
// what is cheapest. A strike goes on without the levels it rules out.
func (v *prover) bound(c backout.Case) (int64, error) {
	v.reprice()
	if err := v.count(c.Charges); err != nil {
		return 0, err
	}
	var moved int64
	for _, s := range c.Shifts {
		if err := v.shift(s, &moved); err != nil {
			return 0, err
		}
	}
	var sum int64
	for _, i := range v.members {
		sum += v.cheapestAt(i)
	}
	if c.Kind == backout.CaseBound {
		return sum, nil
	}
	return v.strike(c, sum)
}

func (v *prover) cheapestAt(i int) int64 {
	least := never
	for d := v.may[i]; d != 0; d &= d - 1 {
		least = min(least, v.price[i][d.least()])
	}
	return least
}

// strike rules levels out: a plan with one of them is bound by its price after the
// shifts and everybody else's cheapest.
func (v *prover) strike(c backout.Case, sum int64) (int64, error) {
	if len(c.Struck) == 0 {
		return 0, fmt.Errorf("a strike strikes nothing")
	}
	least := never
	var dirty []int
	for _, s := range c.Struck {
		if !v.isMember(s.Movable) || s.Level < 0 || s.Level >= len(v.price[s.Movable]) || !v.may[s.Movable].has(s.Level) {
			return 0, fmt.Errorf("it strikes level %d of movable %d, which is not in it", s.Level, s.Movable)
		}
	}
	for _, s := range c.Struck {
		least = min(least, sum-v.cheapestAt(s.Movable)+v.price[s.Movable][s.Level])
	}
	for _, s := range c.Struck {
		dirty = append(dirty, s.Movable)
		v.leave(s.Movable, v.may[s.Movable]&^(1<<s.Level))
		if v.may[s.Movable] == 0 {
			return 0, fmt.Errorf("it strikes every level of movable %d", s.Movable)
		}
	}
	if !v.narrow(dirty) {
		if len(v.cases) == 0 || v.cases[0].Kind != backout.CaseEmpty {
			return 0, fmt.Errorf("a case without any plan is not said to be empty")
		}
		v.cases = v.cases[1:]
		return least, nil
	}
	below, err := v.follow()
	return min(least, below), err
}

// reprice gives each level that is left the price of a move that begins as soon as
// it can.
func (v *prover) reprice() {
	for _, i := range v.members {
		m := v.problem.Movables[i]
		for d := v.may[i]; d != 0; d &= d - 1 {
			l := d.least()
			cost := m.Fixed[l] * v.scale
			if l != m.Current {
				cost += m.Rate[l]*v.scale*int64(v.begin[i][l]+m.Effect) + 1
			}
			v.price[i][l] = cost
		}
	}
}

// shift changes the prices at both ends of a tie, if no two levels that may meet get
// dearer together. moved sums up the amounts, so that nothing overflows.
func (v *prover) shift(s backout.Shift, moved *int64) error {
	if s.Tie < 0 || s.Tie >= len(v.ties) || !v.active[s.Tie] {
		return fmt.Errorf("a shift along tie %d, which is not among the part's", s.Tie)
	}
	t := v.problem.Ties[s.Tie]
	if len(s.I) != len(v.price[t.I]) || len(s.J) != len(v.price[t.J]) {
		return fmt.Errorf("a shift along tie %d has %d and %d levels, its movables have %d and %d", s.Tie, len(s.I), len(s.J), len(v.price[t.I]), len(v.price[t.J]))
	}
	for _, amounts := range [2][]int64{s.I, s.J} {
		for _, a := range amounts {
			if a < -most || a > most {
				return fmt.Errorf("a shift of %d along tie %d, which is beyond all costs", a, s.Tie)
			}
			if *moved += max(a, -a); *moved > most {
				return fmt.Errorf("the shifts of a case add up to more than all costs")
			}
		}
	}
	for d := v.may[t.I]; d != 0; d &= d - 1 {
		a := d.least()
		for with := v.ties[s.Tie].meet[0][a] & v.may[t.J]; with != 0; with &= with - 1 {
			if b := with.least(); s.I[a]+s.J[b] > v.wait(s.Tie, 0, t.I, a, t.J, b)+v.wait(s.Tie, 1, t.J, b, t.I, a) {
				return fmt.Errorf("a shift along tie %d makes levels %d and %d dearer than they can be, which may meet", s.Tie, a, b)
			}
		}
		v.price[t.I][a] += s.I[a]
	}
	for d := v.may[t.J]; d != 0; d &= d - 1 {
		v.price[t.J][d.least()] += s.J[d.least()]
	}
	return nil
}

// count notes at which tie the wait of a level is counted: at one at most.
func (v *prover) count(charges []backout.Charge) error {
	clear(v.counted)
	for _, c := range charges {
		if c.Tie < 0 || c.Tie >= len(v.ties) || !v.active[c.Tie] {
			return fmt.Errorf("a wait is charged to tie %d, which is not among the part's", c.Tie)
		}
		at := [2]int{c.Movable, c.Level}
		if _, twice := v.counted[at]; twice {
			return fmt.Errorf("the wait of movable %d at level %d is charged twice", c.Movable, c.Level)
		}
		v.counted[at] = c.Tie
	}
	return nil
}

// wait is what movable i pays at least, beyond its price, for going to level l after
// movable j has gone to another, if that wait is counted at their tie and has to be.
func (v *prover) wait(tie, side, i, l, j, other int) int64 {
	if len(v.counted) == 0 || !v.ties[tie].after[side][l].has(other) {
		return 0
	}
	if at, ok := v.counted[[2]int{i, l}]; !ok || at != tie {
		return 0
	}
	ticks := v.begin[j][other] + v.problem.Movables[j].Duration - v.begin[i][l]
	return v.problem.Movables[i].Rate[l] * v.scale * int64(max(0, ticks))
}

// cycle checks that decided moves wait for each other in a ring.
func (v *prover) cycle(ring []int) error {
	if len(ring) < 2 {
		return fmt.Errorf("a cycle of %d moves", len(ring))
	}
	for k, i := range ring {
		if next := ring[(k+1)%len(ring)]; !v.isMember(i) || !v.isMember(next) || !v.waits(i, next) {
			return fmt.Errorf("in a cycle movable %d does not have to wait for movable %d", i, next)
		}
	}
	return nil
}

// waits reports whether both are decided and i has to wait for other.
func (v *prover) waits(i, other int) bool {
	if v.may[i]&(v.may[i]-1) != 0 || v.may[other]&(v.may[other]-1) != 0 {
		return false
	}
	return slices.ContainsFunc(v.at[i], func(k int) bool {
		t, side := v.problem.Ties[k], 0
		if t.J == i {
			side = 1
		}
		return t.I+t.J-i == other && v.ties[k].after[side][v.may[i].least()].has(v.may[other].least())
	})
}
