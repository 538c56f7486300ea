package plan

// schedule is an order of moves: when each starts, how deep it lies in the
// order, and which moves it waits for. A schedule with a cycle has no times.
type schedule struct {
	start  []int
	depth  []int   // length of the longest chain of moves before it: its wave
	before [][]int // the moves that must have finished
	cycle  []int   // components that wait for each other in a ring; nil when there is none
}

// order finds the earliest start of every move (theorem 1 of the package
// comment). level gives each component's target, or -1 while it is undecided; an
// undecided component demands nothing, so times are then lower bounds.
func (p *problem) order(level []int) schedule {
	n := len(p.current)
	s := schedule{start: make([]int, n), depth: make([]int, n), before: make([][]int, n)}
	after := make([][]int, n)
	for k, e := range p.edges {
		a, b := level[e.i], level[e.j]
		if a < 0 || b < 0 {
			continue
		}
		first, second := e.i, e.j
		switch p.relations[k][a][b] {
		case jFirst:
			first, second = e.j, e.i
		case iFirst:
		default:
			continue
		}
		s.before[second] = append(s.before[second], first)
		after[first] = append(after[first], second)
	}
	waits := make([]int, n)
	ready := make([]int, 0, n)
	for i := range n {
		if waits[i] = len(s.before[i]); waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	for at := 0; at < len(ready); at++ {
		i := ready[at]
		for _, j := range after[i] {
			s.start[j] = max(s.start[j], s.start[i]+p.duration[i])
			s.depth[j] = max(s.depth[j], s.depth[i]+1)
			if waits[j]--; waits[j] == 0 {
				ready = append(ready, j)
			}
		}
	}
	if len(ready) < n {
		s.cycle = ring(s.before, waits)
	}
	return s
}

// ring walks backwards among the components that never became ready until one
// comes up twice; what lies between is a cycle, returned in the order of waiting.
func ring(before [][]int, waits []int) []int {
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
		for _, b := range before[at] {
			if waits[b] > 0 {
				at = b
				break
			}
		}
	}
}
