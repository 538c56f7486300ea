package plan

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// proven solves a problem and has the checker accept the answer and its proof.
func proven(t testing.TB, in *instance, effort int) (backout.Answer, backout.Proof) {
	t.Helper()
	p := in.problem()
	a, proof, err := Solve(p, effort)
	if err != nil {
		t.Fatal(err)
	}
	if found := check.Optimum(p, a, proof); len(found) > 0 {
		t.Fatalf("the checker says %v", found)
	}
	return a, proof
}

func TestSolve_goldenWithProofs(t *testing.T) {
	for k, g := range goldens(t) {
		a, proof := proven(t, g.instance(), 0)
		if a.Cost != g.Optimum || proof.Lower != g.Optimum {
			t.Errorf("plan %d: cost %d, proven %d; want %d", k, a.Cost, proof.Lower, g.Optimum)
		}
	}
}

// Larger instances of every family, proven to the end or cut off: the checker
// accepts both, and never a bound above the cost.
func TestSolve_proofsAreAccepted(t *testing.T) {
	kinds := map[backout.CaseKind]int{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(8, seed))
		in := random(r, shape{n: 12 + int(seed%40), degree: 1 + float64(seed%4)/2, hot: .6, holes: float64(seed%4) * .13, band: seed%2 == 0})
		effort := 0
		if seed%5 == 0 {
			effort = 3
		}
		_, proof := proven(t, in, effort)
		for _, part := range proof.Parts {
			for _, c := range part.Cases {
				kinds[c.Kind]++
			}
		}
	}
	for _, k := range []backout.CaseKind{backout.CaseSplit, backout.CaseStrike, backout.CaseBound} {
		if kinds[k] == 0 {
			t.Errorf("no proof had a case of kind %s: %v", k, kinds)
		}
	}
	t.Log(kinds)
}

// Three moves that pay well and wait for each other in a ring: the proof has to say
// that not all of them can be made.
func TestSolve_provesACycle(t *testing.T) {
	first := [][]bool{{true, true}, {false, true}}
	in := &instance{
		current: []int{1, 1, 1}, duration: []int{1, 1, 1}, effect: []int{1, 1, 1}, domain: []levels{3, 3, 3},
		fixed: [][]int64{{0, 10}, {0, 20}, {0, 30}}, rate: [][]int64{{0, 0}, {0, 0}, {0, 0}},
		edges: []edge{{0, 1, first}, {1, 2, first}, {2, 0, first}},
	}
	_, proof := proven(t, in, 0)
	cycles := 0
	for k, c := range proof.Parts[0].Cases {
		if c.Kind != backout.CaseCycle {
			continue
		}
		cycles++
		forged := copied(proof)
		slices.Reverse(forged.Parts[0].Cases[k].Cycle)
		a, _, _ := Solve(in.problem(), 0)
		if found := check.Optimum(in.problem(), a, forged); len(found) == 0 {
			t.Error("a cycle told backwards was accepted")
		}
	}
	if cycles == 0 {
		t.Errorf("no cycle in %+v", proof.Parts[0].Cases)
	}
}

// Four components must go to one of three levels, no two to the same, unless the first
// pays for a fourth level: while it does not, no case has anything left in the end.
func TestSolve_provesEmptyCases(t *testing.T) {
	in := &instance{}
	apart := make([][]bool, 5)
	for a := range apart {
		apart[a] = make([]bool, 5)
		for b := range apart[a] {
			apart[a][b] = a != b || a > 2
		}
	}
	for i := range 4 {
		in.current, in.duration, in.effect = append(in.current, 4), append(in.duration, 1), append(in.effect, 1)
		in.domain = append(in.domain, 0b00111)
		in.fixed, in.rate = append(in.fixed, []int64{0, 1, 2, 500, 0}), append(in.rate, make([]int64, 5))
		for j := range i {
			in.edges = append(in.edges, edge{j, i, apart})
		}
	}
	in.domain[0] = 0b01001
	a, proof := proven(t, in, 0)
	if a.Cost != 503 {
		t.Errorf("cost %d, want 503", a.Cost)
	}
	cases := proof.Parts[0].Cases
	k := slices.IndexFunc(cases, func(c backout.Case) bool { return c.Kind == backout.CaseEmpty })
	if k < 0 {
		t.Fatalf("no empty case in %+v", cases)
	}
	forged := copied(proof)
	forged.Parts[0].Cases = slices.Delete(forged.Parts[0].Cases, k, k+1)
	if found := check.Optimum(in.problem(), a, forged); len(found) == 0 {
		t.Error("an empty case left out was accepted")
	}
}

// A forger who changes anything that matters is found out.
func TestOptimum_mutations(t *testing.T) {
	tried := map[string]int{}
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(13, seed))
		in := random(r, shape{n: 10 + int(seed%20), degree: 1.8, hot: .7, holes: float64(seed%3) * .1, band: true})
		p := in.problem()
		a, proof := proven(t, in, 0)
		for name, change := range mutations {
			b, forged := copiedAnswer(a), copied(proof)
			if !change(r, p, &b, &forged) {
				continue
			}
			tried[name]++
			if found := check.Optimum(p, b, forged); len(found) == 0 && b.Cost == forged.Lower {
				t.Fatalf("seed %d: %s was accepted as optimal\nanswer %+v", seed, name, a)
			}
		}
	}
	for name := range mutations {
		if tried[name] < 10 {
			t.Errorf("%s was tried %d times only", name, tried[name])
		}
	}
	t.Log(tried)
}

// Waits that shifts make use of have to be charged, each at one tie.
func TestOptimum_needsItsCharges(t *testing.T) {
	refused := 0
	for seed := range uint64(60) {
		in := random(rand.New(rand.NewPCG(17, seed)), shape{n: 40, degree: 1.6, hot: .6, band: true})
		p := in.problem()
		a, proof := proven(t, in, 0)
		forged := copied(proof)
		for k := range forged.Parts {
			for j, c := range forged.Parts[k].Cases {
				if len(c.Charges) > 1 {
					forged.Parts[k].Cases[j].Charges = c.Charges[:1]
				}
			}
		}
		if len(check.Optimum(p, a, forged)) > 0 {
			refused++
		}
	}
	if refused < 5 {
		t.Errorf("%d of 60 proofs were refused without their charges", refused)
	}
}

// mutations are what a forger may try. Each reports whether there was occasion.
var mutations = map[string]func(r *rand.Rand, p backout.Problem, a *backout.Answer, proof *backout.Proof) bool{
	"swap two waits": func(_ *rand.Rand, p backout.Problem, a *backout.Answer, _ *backout.Proof) bool {
		for _, t := range p.Ties {
			early, late := t.I, t.J
			if a.Starts[early] > a.Starts[late] {
				early, late = late, early
			}
			if mustWait(p, t, a) && a.Starts[early] < a.Starts[late] {
				a.Starts[early], a.Starts[late] = a.Starts[late], a.Starts[early]
				a.Cost = costOf(p, *a)
				return true
			}
		}
		return false
	},
	"drop a wait": func(_ *rand.Rand, p backout.Problem, a *backout.Answer, _ *backout.Proof) bool {
		for i := range a.Starts {
			if a.Starts[i] > 0 {
				a.Starts[i] = 0
				a.Cost = costOf(p, *a)
				return true
			}
		}
		return false
	},
	"leave a component as it was": func(_ *rand.Rand, p backout.Problem, a *backout.Answer, _ *backout.Proof) bool {
		for i, m := range p.Movables {
			if a.Targets[i] != m.Current {
				a.Targets[i], a.Starts[i] = m.Current, 0
				a.Cost = costOf(p, *a)
				return true
			}
		}
		return false
	},
	"understate the cost": func(_ *rand.Rand, _ backout.Problem, a *backout.Answer, _ *backout.Proof) bool {
		a.Cost--
		return true
	},
	"understate the bound": func(_ *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		proof.Lower--
		return true
	},
	"overstate the bound": func(_ *rand.Rand, _ backout.Problem, a *backout.Answer, proof *backout.Proof) bool {
		proof.Lower++
		a.Cost++
		return true
	},
	"forge a flow": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		return onShift(r, proof, func(amounts []int64) {
			for l := range amounts {
				amounts[l] += 1 << 50
			}
		})
	},
	"take a flow away from everything": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		return onShift(r, proof, func(amounts []int64) {
			for l := range amounts {
				amounts[l] -= 1 << 50
			}
		})
	},
	"let a flow go round in circles": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		return onShift(r, proof, func(amounts []int64) { amounts[r.IntN(len(amounts))] = 1 << 62 })
	},
	"put a flow on another tie": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		return onCase(r, proof, backout.CaseBound, true, func(c *backout.Case) { c.Shifts[r.IntN(len(c.Shifts))].Tie = -1 })
	},
	"shift between fewer levels": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		return onCase(r, proof, backout.CaseBound, true, func(c *backout.Case) {
			s := &c.Shifts[r.IntN(len(c.Shifts))]
			s.I = s.I[1:]
		})
	},
	"drop a branch": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		for k, part := range proof.Parts {
			if n := len(part.Cases); n > 1 {
				proof.Parts[k].Cases = part.Cases[:n-1]
				return true
			}
		}
		return false
	},
	"call a case empty": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		return onCase(r, proof, backout.CaseBound, false, func(c *backout.Case) { c.Kind = backout.CaseEmpty })
	},
	"strike nothing": func(r *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		return onCase(r, proof, backout.CaseStrike, true, func(c *backout.Case) { c.Struck = nil })
	},
	"speak of a component twice": func(_ *rand.Rand, _ backout.Problem, _ *backout.Answer, proof *backout.Proof) bool {
		if len(proof.Parts) == 0 {
			return false
		}
		proof.Parts = append(proof.Parts, proof.Parts[0])
		return true
	},
}

// onShift changes the amounts at one end of one shift of a bound.
func onShift(r *rand.Rand, proof *backout.Proof, change func(amounts []int64)) bool {
	return onCase(r, proof, backout.CaseBound, true, func(c *backout.Case) {
		s := c.Shifts[r.IntN(len(c.Shifts))]
		change([2][]int64{s.I, s.J}[r.IntN(2)])
	})
}

// onCase changes one case of a kind, with shifts if they are needed.
func onCase(r *rand.Rand, proof *backout.Proof, kind backout.CaseKind, shifts bool, change func(*backout.Case)) bool {
	var at []*backout.Case
	for k := range proof.Parts {
		for j := range proof.Parts[k].Cases {
			if c := &proof.Parts[k].Cases[j]; c.Kind == kind && (!shifts || len(c.Shifts) > 0) {
				at = append(at, c)
			}
		}
	}
	if len(at) > 0 {
		change(at[r.IntN(len(at))])
	}
	return len(at) > 0
}

// mustWait reports whether both ends of a tie move and some order of them is unsafe.
func mustWait(p backout.Problem, t backout.Tie, a *backout.Answer) bool {
	x, y := p.Movables[t.I].Current, p.Movables[t.J].Current
	moved := a.Targets[t.I] != x && a.Targets[t.J] != y
	return moved && (!t.Allowed[a.Targets[t.I]][y] || !t.Allowed[x][a.Targets[t.J]])
}

func costOf(p backout.Problem, a backout.Answer) (sum int64) {
	for i, m := range p.Movables {
		if sum += m.Fixed[a.Targets[i]]; a.Targets[i] != m.Current {
			sum += m.Rate[a.Targets[i]] * int64(a.Starts[i]+m.Effect)
		}
	}
	return sum
}

func copiedAnswer(a backout.Answer) backout.Answer {
	return backout.Answer{Targets: slices.Clone(a.Targets), Starts: slices.Clone(a.Starts), Cost: a.Cost}
}

func copied(p backout.Proof) backout.Proof {
	out := backout.Proof{Lower: p.Lower}
	for _, part := range p.Parts {
		q := backout.PartProof{Members: part.Members}
		for _, c := range part.Cases {
			c.Struck, c.Cycle = slices.Clone(c.Struck), slices.Clone(c.Cycle)
			c.Shifts = slices.Clone(c.Shifts)
			for k, s := range c.Shifts {
				c.Shifts[k].I, c.Shifts[k].J = slices.Clone(s.I), slices.Clone(s.J)
			}
			q.Cases = append(q.Cases, c)
		}
		out.Parts = append(out.Parts, q)
	}
	return out
}
