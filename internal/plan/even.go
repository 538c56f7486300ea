package plan

// even raises the bound by what tables say that no implication does. After the flow
// each level has a price of its own. At a tie, each end is offered for each of its
// levels the cheapest pair with it, and the two share it evenly: no pair gets dearer
// by that than its ends and the wait charged to the tie, and the sum of the cheapest
// levels no lower (max-product linear programming, Globerson and Jaakkola 2007). It
// returns the bound that results.
func (s *search) even() int64 {
	s.reprice()
	if s.clash || s.charge {
		for range sweeps {
			for k := range s.p.edges {
				s.share(k)
			}
		}
	}
	var sum int64
	for i, d := range s.state.domain {
		least := endless
		for ; d != 0; d &= d - 1 {
			least = min(least, s.price[i][d.lowest()])
		}
		sum += least
	}
	return sum
}

// sweeps is how often a bound goes over all ties; more cost about what they save.
const sweeps = 3

// share evens out one tie.
func (s *search) share(k int) {
	e := s.p.edges[k]
	di, dj := s.state.domain[e.i], s.state.domain[e.j]
	if di.single() || dj.single() {
		return
	}
	x, y := s.relax.sides(s.relax.shift, k)
	for a := range di.all() {
		s.price[e.i][a] -= x[a]
	}
	for b := range dj.all() {
		s.price[e.j][b] -= y[b]
	}
	for a := range di.all() {
		x[a] = endless
	}
	for b := range dj.all() {
		y[b] = endless
	}
	for a := range di.all() {
		for d := s.p.suits[k][0][a] & dj; d != 0; d &= d - 1 {
			b, wait := d.lowest(), int64(0)
			if s.state.effort++; s.relax.charged[k] {
				wait = s.relax.waiting(s.state, k, a, b)
			}
			x[a] = min(x[a], s.price[e.j][b]+wait)
			y[b] = min(y[b], s.price[e.i][a]+wait)
		}
	}
	s.halve(e.i, di, x, 0)
	s.halve(e.j, dj, y, 1)
}

// halve turns the prices of partners into shifts: own and partner's price together,
// half of it for this end. Of an odd sum one end rounds down and the other up.
func (s *search) halve(i int, left levels, amounts []int64, up int64) {
	for l := range left.all() {
		own := s.price[i][l]
		half := (own + amounts[l] + up) >> 1
		amounts[l] = half - own
		s.price[i][l] = half
	}
}

// reprice gives each level that is left its price after shifts and passes.
func (s *search) reprice() {
	r := s.relax
	for i, price := range r.price {
		copy(s.price[i], price)
	}
	s.eachPass(func(k, x, y, a, b int, amount int64) {
		for l := range (s.state.domain[x] >> a << a).all() {
			s.price[x][l] += amount
		}
		for l := range (s.state.domain[y] >> b << b).all() {
			s.price[y][l] -= amount
		}
	})
}
