package plan

// relaxation is the minimum-cut relaxation of a problem under given domains. Each
// component with several levels left becomes a chain of nodes, one for each step
// between a level and the next higher one: a node on the low side of the cut means
// "below that step". Going below brings a gain or a loss. Of each table only the
// implications "i at least a, so j at least b" are kept, which describe the smallest
// relation closed under minimum and maximum that contains the table: read backwards
// they say whom a component drags along when it goes below. So the cut never costs
// more than the best true plan, for any table, and is exact for the usual kind
// (windows that move upwards).
//
// The flow along each implication is kept from one bound to the next. It is part of
// the proof of the bound (see [backout.Case]), and where the next bound starts from.
// The other part are shifts between the prices of a tie's levels (see [search.even]),
// which know of a table what no implication says.
type relaxation struct {
	p *problem
	carried
	g     network
	node  []int32   // by component: its first node
	price [][]int64 // by component and level, with the shifts
	pick  []int     // the assignment that the cut chose
	slot  []int     // by edge: where its entries begin in flow and shift, i's levels and then j's
	carry []int     // by arc that is no chain: its slot
	arc   []int     // by arc that is no chain: its number in the network
	// charge gives, by component and level, the edge whose shifts may use up the wait,
	// or -1; charged says which edges have any.
	charge  [][]int
	charged []bool
}

// carried is what one bound leaves to the next: flow and shifts by edge, side and
// level of that side, and by component and level the begin that they reckon with.
type carried struct {
	flow, shift []int64
	begin       [][]int
}

func newCarried(p *problem) carried {
	var c carried
	size := 0
	for _, e := range p.edges {
		size += len(p.fixed[e.i]) + len(p.fixed[e.j])
	}
	c.flow, c.shift = make([]int64, size), make([]int64, size)
	for i := range p.fixed {
		c.begin = append(c.begin, make([]int, len(p.fixed[i])))
	}
	return c
}

func (c *carried) copyFrom(o *carried) {
	copy(c.flow, o.flow)
	copy(c.shift, o.shift)
	for i, ticks := range o.begin {
		copy(c.begin[i], ticks)
	}
}

func newRelaxation(p *problem) *relaxation {
	n := len(p.current)
	r := &relaxation{
		p: p, carried: newCarried(p), node: make([]int32, n), price: make([][]int64, n), pick: make([]int, n),
		slot: make([]int, len(p.edges)), charge: make([][]int, n), charged: make([]bool, len(p.edges)),
	}
	for i := range n {
		r.price[i], r.charge[i] = make([]int64, len(p.fixed[i])), make([]int, len(p.fixed[i]))
		for l := range r.charge[i] {
			r.charge[i][l] = -1
		}
	}
	size := 0
	for k, e := range p.edges {
		r.slot[k] = size
		size += len(p.fixed[e.i]) + len(p.fixed[e.j])
	}
	return r
}

// bound returns a lower bound on the cost of every plan within the domains. The
// assignment that the relaxation would choose is then in pick, the flow in flow.
func (r *relaxation) bound(s *state) int64 {
	r.reprice(s)
	r.layOut(s)
	for k, e := range r.p.edges {
		r.imply(s, k, 0, e.i, e.j)
		r.imply(s, k, 1, e.j, e.i)
	}
	r.g.fill()
	for a, slot := range r.carry {
		r.flow[slot] = r.g.flow(r.arc[a])
	}
	var value int64
	for i, d := range s.domain {
		r.pick[i] = d.lowest()
		v := r.node[i]
		for rest := d & (d - 1); rest != 0 && r.g.layer[v] < 0; rest &= rest - 1 {
			r.pick[i] = rest.lowest()
			v++
		}
		value += r.price[i][r.pick[i]]
	}
	return value
}

// reprice gives every level that is left the price of a move that begins as soon as
// it can, with the shifts. What is left to the neighbours of a decided component has
// been narrowed to what suits it, so there only the waits that it is charged with are
// shifted, to those who cause them.
func (r *relaxation) reprice(s *state) {
	for i, d := range s.domain {
		for ; d != 0; d &= d - 1 {
			l := d.lowest()
			r.price[i][l] = r.p.price(i, l, s.earliest[i][l])
			r.putOff(i, l, s.earliest[i][l])
		}
	}
	for k, e := range r.p.edges {
		x, y := r.sides(r.shift, k)
		if s.domain[e.i].single() || s.domain[e.j].single() {
			clear(x)
			clear(y)
			if r.charged[k] {
				r.blame(s, k, x, y)
			}
		}
		addTo(r.price[e.i], x)
		addTo(r.price[e.j], y)
	}
}

// putOff takes back from a charged level's shifts what is in its own price now that
// it can't begin before a tick.
func (r *relaxation) putOff(i, l, begin int) {
	if k := r.charge[i][l]; k >= 0 && begin > r.begin[i][l] {
		x, y := r.sides(r.shift, k)
		if i == r.p.edges[k].j {
			x = y
		}
		x[l] -= r.p.rate[i][l] * int64(begin-r.begin[i][l])
	}
	r.begin[i][l] = begin
}

// blame shifts the waits along an edge with a decided end to the other end.
func (r *relaxation) blame(s *state, k int, x, y []int64) {
	e := r.p.edges[k]
	if di := s.domain[e.i]; di.single() {
		for b := range s.domain[e.j].all() {
			y[b] = r.waiting(s, k, di.lowest(), b)
		}
		return
	}
	b := s.domain[e.j].lowest()
	for a := range s.domain[e.i].all() {
		x[a] = r.waiting(s, k, a, b)
	}
}

// waiting is what the waits that are charged to an edge cost at least when its ends go
// to two levels, beyond what is in their prices.
func (r *relaxation) waiting(s *state, k, a, b int) int64 {
	e := r.p.edges[k]
	switch {
	case r.charge[e.i][a] == k && r.p.waits[k][0][a].has(b):
		return r.p.rate[e.i][a] * int64(max(0, s.earliest[e.j][b]+r.p.duration[e.j]-s.earliest[e.i][a]))
	case r.charge[e.j][b] == k && r.p.waits[k][1][b].has(a):
		return r.p.rate[e.j][b] * int64(max(0, s.earliest[e.i][a]+r.p.duration[e.i]-s.earliest[e.j][b]))
	}
	return 0
}

func addTo(price, amounts []int64) {
	for l, a := range amounts {
		price[l] += a
	}
}

// sides are an edge's entries by level of i and by level of j.
func (r *relaxation) sides(of []int64, k int) (x, y []int64) {
	e := r.p.edges[k]
	middle := r.slot[k] + len(r.p.fixed[e.i])
	return of[r.slot[k]:middle], of[middle : middle+len(r.p.fixed[e.j])]
}

// layOut makes the chains of nodes.
func (r *relaxation) layOut(s *state) {
	nodes := int32(0)
	for i, d := range s.domain {
		r.node[i] = nodes
		nodes += int32(d.count() - 1)
	}
	r.g.reset(int(nodes))
	r.carry, r.arc = r.carry[:0], r.arc[:0]
	for i, d := range s.domain {
		v, below := r.node[i], -1
		for ; d != 0; d &= d - 1 {
			l := d.lowest()
			if below >= 0 {
				r.g.gain[v] = r.price[i][l] - r.price[i][below]
				if v > r.node[i] {
					r.g.connect(v-1, v, 0) // below a step is below the next higher one
				}
				v++
			}
			below = l
		}
	}
}

// link makes an implication an arc: what goes below the step from drags along what
// would stay above the step to, and pays for it.
func (r *relaxation) link(from, to int32, slot int) {
	r.carry, r.arc = append(r.carry, slot), append(r.arc, r.g.count())
	r.g.connect(from, to, r.flow[slot])
	r.g.gain[from] -= r.flow[slot]
	r.g.gain[to] += r.flow[slot]
}

// imply adds the implications "x at least a, so y at least b" of one side of an
// edge, with the flow that is left from before. For each a only the strongest b is
// needed: the chains give the weaker. The flow of a level that is gone moves to the
// next higher one, which now says the same. Decided components were taken care of by
// narrowing.
func (r *relaxation) imply(s *state, k, side, x, y int) {
	at := r.slot[k]
	if side == 1 {
		at += len(r.p.fixed[y])
	}
	flow, xs, ys := r.flow[at:at+len(r.p.fixed[x])], s.domain[x], s.domain[y]
	if xs.single() || ys.single() {
		clear(flow)
		return
	}
	lift(flow, xs)
	var with levels // what is left to y that goes with x from a on
	step := r.node[x] + int32(xs.count()) - 2
	for rest := xs; !rest.single(); step-- { // from the top down
		a := rest.highest()
		rest &^= 1 << a
		with |= r.p.suits[k][side][a] & ys
		b := with.lowest()
		if rank := (ys & (1<<b - 1)).count(); rank > 0 {
			r.link(r.node[y]+int32(rank)-1, step, at+a)
		} else {
			flow[a] = 0
		}
	}
}

// lift moves the flow of levels that are gone to the next higher one that is left.
// At the lowest one there is nothing to imply.
func lift(flow []int64, left levels) {
	var moved int64
	for l := range flow {
		moved += flow[l]
		flow[l] = 0
		if left.has(l) {
			flow[l], moved = moved, 0
		}
	}
	flow[left.lowest()] = 0
}
