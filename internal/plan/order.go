package plan

// schedule is an order of moves: when each starts, how deep it lies in the
// order, and which moves it waits for. A schedule with a cycle has no times.
type schedule struct {
	start  []int
	depth  []int   // length of the longest chain of moves before it: its wave
	before [][]int // the moves that must have finished
	cycle  []int   // components that wait for each other in a ring; nil when there is none
}

// order finds the earliest start of every move (theorem 1 of the package comment)
// for the target level of each component.
func (p *problem) order(target []int) schedule {
	var c clock
	s := schedule{before: make([][]int, len(target))}
	s.cycle = c.run(p, target)
	s.start, s.depth = c.start, c.depth
	for i := range target {
		for _, k := range p.touching[i] {
			if b := p.waitsFor(k, i, target); b >= 0 {
				s.before[i] = append(s.before[i], b)
			}
		}
	}
	return s
}

// waitsFor is the component at the far end of edge k that i has to wait for, or -1.
func (p *problem) waitsFor(k, i int, target []int) int {
	other, side := p.edges[k].other(i)
	if p.waits[k][side][target[i]].has(target[other]) {
		return other
	}
	return -1
}

// clock computes schedules; it keeps its memory between them.
type clock struct {
	start, depth, waits, ready []int
}

// run times every move. If some wait for each other it returns them, in the order of
// waiting, and the times mean nothing.
func (c *clock) run(p *problem, target []int) (cycle []int) {
	n := len(target)
	if len(c.start) != n {
		c.start, c.depth, c.waits, c.ready = make([]int, n), make([]int, n), make([]int, n), make([]int, 0, n)
	}
	clear(c.start)
	clear(c.depth)
	clear(c.waits)
	c.ready = c.ready[:0]
	for k, e := range p.edges {
		a, b := target[e.i], target[e.j]
		if p.waits[k][0][a].has(b) {
			c.waits[e.i]++
		} else if p.waits[k][1][b].has(a) {
			c.waits[e.j]++
		}
	}
	for i, w := range c.waits {
		if w == 0 {
			c.ready = append(c.ready, i)
		}
	}
	for at := 0; at < len(c.ready); at++ {
		c.finish(p, target, c.ready[at])
	}
	if len(c.ready) < n {
		return p.ring(target, c.waits)
	}
	return nil
}

// finish lets go on what waited for i.
func (c *clock) finish(p *problem, target []int, i int) {
	for _, k := range p.touching[i] {
		j, side := p.edges[k].other(i)
		if !p.waits[k][1-side][target[j]].has(target[i]) {
			continue
		}
		c.start[j] = max(c.start[j], c.start[i]+p.duration[i])
		c.depth[j] = max(c.depth[j], c.depth[i]+1)
		if c.waits[j]--; c.waits[j] == 0 {
			c.ready = append(c.ready, j)
		}
	}
}

// ring walks backwards among the components that never became ready until one
// comes up twice; what lies between is a cycle, returned in the order of waiting.
func (p *problem) ring(target, waits []int) []int {
	at := 0
	for waits[at] == 0 {
		at++
	}
	place := map[int]int{}
	var path []int
	for {
		if first, ok := place[at]; ok {
			return path[first:]
		}
		place[at] = len(path)
		path = append(path, at)
		for _, k := range p.touching[at] {
			if b := p.waitsFor(k, at, target); b >= 0 && waits[b] > 0 {
				at = b
				break
			}
		}
	}
}

// critical is the move whose end lets i start, or -1 when i starts at once.
func (c *clock) critical(p *problem, target []int, i int) int {
	for _, k := range p.touching[i] {
		if b := p.waitsFor(k, i, target); b >= 0 && c.start[b]+p.duration[b] == c.start[i] {
			return b
		}
	}
	return -1
}
