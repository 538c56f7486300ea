package plan

// endless is a capacity that no flow of real costs fills. Costs stay far below it
// (see [backout.Problem.Valid]), so sums can't overflow.
const endless = int64(1) << 61

// network is a flow network solved by Dinic's algorithm (1970). Its nodes bring their
// own supply or demand in place of a source and a sink: a node with a positive gain
// has that much to give, one with a negative gain takes so much. Flow runs along arcs
// without limit, and back along them as far as it went forth. A network may start with
// flow on its arcs, whatever the nodes make of it, so the flow of a similar network is
// a good start. It is emptied and filled again without allocating.
type network struct {
	gain   []int64
	first  []int32 // by node: its first arc, or -1
	arcs   []arc   // arc k's reverse is k^1
	layer  []int32 // distance from what still has something to give; -1 = out of reach
	cursor []int32
	queue  []int32
	effort int // arcs looked at
}

type arc struct {
	to, next int32
	room     int64
}

func (g *network) reset(nodes int) {
	if cap(g.gain) < nodes {
		g.gain, g.first = make([]int64, nodes), make([]int32, nodes)
		g.layer, g.cursor = make([]int32, nodes), make([]int32, nodes)
	}
	g.gain, g.first, g.layer, g.cursor = g.gain[:nodes], g.first[:nodes], g.layer[:nodes], g.cursor[:nodes]
	for v := range g.first {
		g.first[v] = -1
	}
	g.arcs = g.arcs[:0]
}

// connect adds an arc that carries some flow already, which the caller has taken
// into account in the gains of its ends.
func (g *network) connect(from, to int32, flow int64) {
	k := int32(len(g.arcs))
	g.arcs = append(g.arcs, arc{to, g.first[from], endless}, arc{from, g.first[to], flow})
	g.first[from], g.first[to] = k, k+1
}

// count is the number of arcs so far.
func (g *network) count() int { return len(g.arcs) / 2 }

// flow is what arc number k carries, counted in the order of connecting.
func (g *network) flow(k int) int64 { return g.arcs[2*k+1].room }

// fill sends as much as possible from gains to losses. Afterwards the nodes with
// layer >= 0 are those that what could not be sent can reach.
func (g *network) fill() {
	for g.spread() {
		copy(g.cursor, g.first)
		for v, gain := range g.gain {
			if gain > 0 {
				g.gain[v] -= g.push(int32(v), gain)
			}
		}
	}
}

// spread numbers the nodes by distance from the gains, up to the nearest losses. It
// reports whether it met any.
func (g *network) spread() bool {
	g.queue = g.queue[:0]
	for v, gain := range g.gain {
		g.layer[v] = -1
		if gain > 0 {
			g.layer[v] = 0
			g.queue = append(g.queue, int32(v))
		}
	}
	nearest := int32(-1)
	for at := 0; at < len(g.queue); at++ {
		v := g.queue[at]
		if nearest >= 0 && g.layer[v] >= nearest {
			break
		}
		for k := g.first[v]; k >= 0; k = g.arcs[k].next {
			g.effort++
			a := &g.arcs[k]
			if a.room == 0 || g.layer[a.to] >= 0 {
				continue
			}
			g.layer[a.to] = g.layer[v] + 1
			g.queue = append(g.queue, a.to)
			if g.gain[a.to] < 0 {
				nearest = g.layer[a.to]
			}
		}
	}
	return nearest >= 0
}

// push sends up to an amount from a node down the layers and returns what arrived.
func (g *network) push(v int32, amount int64) (sent int64) {
	if g.gain[v] < 0 {
		sent = min(amount, -g.gain[v])
		g.gain[v] += sent
		return sent
	}
	for ; g.cursor[v] >= 0; g.cursor[v] = g.arcs[g.cursor[v]].next {
		k := g.cursor[v]
		a := g.arcs[k]
		g.effort++
		if a.room == 0 || g.layer[a.to] != g.layer[v]+1 {
			continue
		}
		arrived := g.push(a.to, min(amount-sent, a.room))
		g.arcs[k].room -= arrived
		g.arcs[k^1].room += arrived
		if sent += arrived; sent == amount {
			return sent
		}
	}
	return sent
}
