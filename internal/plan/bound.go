package plan

import "math/bits"

// relaxation is the minimum-cut relaxation of a problem under given domains. Each
// component with several levels left becomes a chain of nodes, one for each step
// from a level to the next higher one: node on the source's side means "at least
// that high". A cut then is an assignment, and its value the assignment's cost.
// Of each table only the implications "i at least a, so j at least b" are kept,
// which describe the smallest relation closed under minimum and maximum that
// contains the table. So the cut never costs more than the best true plan, for
// any table, and is exact for the usual kind (windows that move upwards).
type relaxation struct {
	p      *problem
	g      network
	values [][]int // by component: the levels left, ascending
	node   []int   // by component: its first node
	prices [][]int64
}

// bound returns a lower bound on the cost of every plan within the domains, and
// the assignment that the relaxation would choose. start holds lower bounds on
// the start of decided components.
func (r *relaxation) bound(domain []levels, start []int) (int64, []int) {
	r.layOut(domain, start)
	var base int64
	for i, vals := range r.values {
		base += r.prices[i][0]
		for t := 1; t < len(vals); t++ {
			x := r.node[i] + t - 1
			if t > 1 {
				r.g.connect(x, x-1, infinite)
			}
			switch rise := r.prices[i][t] - r.prices[i][t-1]; {
			case rise > 0:
				r.g.connect(x, sink, rise)
			case rise < 0:
				base += rise
				r.g.connect(source, x, -rise)
			}
		}
	}
	for k, e := range r.p.edges {
		r.imply(e.i, e.j, r.p.support[k][0])
		r.imply(e.j, e.i, r.p.support[k][1])
	}
	value := base + r.g.fill()
	pick := make([]int, len(r.values))
	for i, vals := range r.values {
		at := 0
		for t := 1; t < len(vals) && r.g.level[r.node[i]+t-1] >= 0; t++ {
			at = t
		}
		pick[i] = vals[at]
	}
	return value, pick
}

// layOut numbers the nodes and prices every level that is left.
func (r *relaxation) layOut(domain []levels, start []int) {
	n := len(domain)
	if r.values == nil {
		r.values, r.node, r.prices = make([][]int, n), make([]int, n), make([][]int64, n)
	}
	nodes := 2
	for i, d := range domain {
		r.values[i], r.prices[i] = r.values[i][:0], r.prices[i][:0]
		for rest := uint64(d); rest != 0; rest &= rest - 1 {
			l := bits.TrailingZeros64(rest)
			r.values[i] = append(r.values[i], l)
			r.prices[i] = append(r.prices[i], r.p.price(i, l, r.earliest(domain, start, i, l)))
		}
		r.node[i] = nodes
		nodes += len(r.values[i]) - 1
	}
	r.g.reset(nodes)
}

// earliest is a lower bound on the start of i's move to l: it waits at least for
// its decided neighbours that must go first.
func (r *relaxation) earliest(domain []levels, start []int, i, l int) int {
	if domain[i].single() || l == r.p.current[i] {
		return start[i]
	}
	at := 0
	for _, k := range r.p.touching[i] {
		e := r.p.edges[k]
		if e.i == i && domain[e.j].single() && r.p.relations[k][l][domain[e.j].lowest()] == jFirst {
			at = max(at, start[e.j]+r.p.duration[e.j])
		}
		if e.j == i && domain[e.i].single() && r.p.relations[k][domain[e.i].lowest()][l] == iFirst {
			at = max(at, start[e.i]+r.p.duration[e.i])
		}
	}
	return at
}

// imply adds the arcs "x at least a, so y at least b" for one direction of an
// edge. For each a only the strongest b is needed: the chains give the weaker.
func (r *relaxation) imply(x, y int, support []levels) {
	xs, ys := r.values[x], r.values[y]
	if len(xs) < 2 || len(ys) < 2 {
		return // decided components were taken care of by reduce
	}
	least := len(ys)
	for a := len(xs) - 1; a >= 1; a-- {
		for b := 0; b < least; b++ {
			if support[xs[a]].has(ys[b]) {
				least = b
			}
		}
		if least == 0 {
			return
		}
		if least < len(ys) {
			r.g.connect(r.node[x]+a-1, r.node[y]+least-1, infinite)
		}
	}
}

// accounted is the price of one component that the bound has reckoned with.
func (r *relaxation) accounted(i, level int) int64 {
	for k, l := range r.values[i] {
		if l == level {
			return r.prices[i][k]
		}
	}
	return 0
}
