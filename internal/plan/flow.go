package plan

// infinite is a capacity that no cut of a real cost reaches. Costs are clamped
// far below it when the instance is built, so sums cannot overflow.
const infinite = int64(1) << 61

// network is a flow network solved by Dinic's algorithm (1970): the greatest
// flow from source to sink equals the cheapest cut between them. It is emptied
// and filled again for each bound, to spare the allocations.
type network struct {
	out   [][]int32 // by node: indices into arcs; arc k's reverse is k^1
	arcs  []arc
	level []int32 // distance from the source in the last residual graph; -1 = cut off
	next  []int32
	queue []int32
}

type arc struct {
	to   int32
	room int64
}

const (
	source = 0
	sink   = 1
)

func (g *network) reset(nodes int) {
	for len(g.out) < nodes {
		g.out = append(g.out, nil)
		g.level = append(g.level, 0)
		g.next = append(g.next, 0)
	}
	for i := range nodes {
		g.out[i] = g.out[i][:0]
	}
	g.arcs = g.arcs[:0]
	g.level, g.next, g.out = g.level[:nodes], g.next[:nodes], g.out[:nodes]
}

func (g *network) connect(from, to int, room int64) {
	g.out[from] = append(g.out[from], int32(len(g.arcs)))
	g.out[to] = append(g.out[to], int32(len(g.arcs)+1))
	g.arcs = append(g.arcs, arc{int32(to), room}, arc{int32(from), 0})
}

// fill pushes as much flow as possible and returns its amount. Afterwards the
// nodes with level >= 0 are the source's side of the cut.
func (g *network) fill() int64 {
	var total int64
	for g.layer() {
		clear(g.next)
		for {
			pushed := g.push(source, infinite)
			if pushed == 0 {
				break
			}
			total += pushed
		}
	}
	return total
}

// layer numbers the nodes by distance over arcs with room.
func (g *network) layer() bool {
	for i := range g.level {
		g.level[i] = -1
	}
	g.level[source] = 0
	g.queue = append(g.queue[:0], source)
	for at := 0; at < len(g.queue); at++ {
		u := g.queue[at]
		for _, k := range g.out[u] {
			if a := g.arcs[k]; a.room > 0 && g.level[a.to] < 0 {
				g.level[a.to] = g.level[u] + 1
				g.queue = append(g.queue, a.to)
			}
		}
	}
	return g.level[sink] >= 0
}

// push sends flow along one path of ascending layers.
func (g *network) push(u int32, amount int64) int64 {
	if u == sink {
		return amount
	}
	for ; int(g.next[u]) < len(g.out[u]); g.next[u]++ {
		k := g.out[u][g.next[u]]
		a := g.arcs[k]
		if a.room == 0 || g.level[a.to] != g.level[u]+1 {
			continue
		}
		if pushed := g.push(a.to, min(amount, a.room)); pushed > 0 {
			g.arcs[k].room -= pushed
			g.arcs[k^1].room += pushed
			return pushed
		}
	}
	return 0
}
