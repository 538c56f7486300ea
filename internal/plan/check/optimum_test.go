package check

import (
	"slices"
	"testing"

	"github.com/backout-dev/backout"
)

// Taking movable 0 back saves 100. Its old version needs movable 1's old one, which
// costs 30 to take back and 5 ticks, and has to be there first: 10 ticks at a rate of
// 1 for movable 0. So the best plan costs 100 (what stays lost) - 100 + 30 + 10 + 5.
func byHand() (backout.Problem, backout.Answer, backout.Proof) {
	p := backout.Problem{
		Movables: []backout.Movable{
			{Current: 1, Levels: []int{0, 1}, Duration: 5, Effect: 5, Fixed: []int64{0, 100}, Rate: []int64{1, 0}},
			{Current: 1, Levels: []int{0, 1}, Duration: 10, Effect: 10, Fixed: []int64{30, 0}, Rate: []int64{0, 0}},
		},
		Ties: []backout.Tie{{I: 0, J: 1, Allowed: [][]bool{{true, false}, {true, true}}}},
	}
	a := backout.Answer{Targets: []int{0, 0}, Starts: []int{10, 0}, Cost: 45}
	// In the part's units (times 3, and 1 a move): movable 0 costs 46 at level 0 (it
	// can't begin before tick 10) and 300 at level 1, movable 1 costs 91 and 0. Level 0
	// of movable 0 meets level 0 of movable 1 only, so the 91 may go there: 137, 300
	// and 0, 0. That is a bound of 137, and 45 in whole costs.
	proof := backout.Proof{Lower: 45, Parts: []backout.PartProof{{Members: []int{0, 1}, Cases: []backout.Case{
		{Kind: backout.CaseBound, Shifts: []backout.Shift{{Tie: 0, I: []int64{91, 0}, J: []int64{-91, 0}}}},
	}}}}
	return p, a, proof
}

func TestOptimum_byHand(t *testing.T) {
	p, a, proof := byHand()
	if found := Optimum(p, a, proof); len(found) > 0 {
		t.Fatal(found)
	}
	bound := func(proof *backout.Proof) *backout.Case { return &proof.Parts[0].Cases[0] }
	for name, tt := range map[string]struct {
		want   Reason
		change func(p *backout.Problem, a *backout.Answer, proof *backout.Proof)
	}{
		"too early": {ReasonIncompatible, func(_ *backout.Problem, a *backout.Answer, _ *backout.Proof) { a.Starts[0], a.Cost = 9, 44 }},
		"too cheap": {ReasonCost, func(_ *backout.Problem, a *backout.Answer, _ *backout.Proof) { a.Cost = 44 }},
		"out of reach": {ReasonTarget, func(p *backout.Problem, _ *backout.Answer, _ *backout.Proof) {
			p.Movables[1].Levels = []int{1}
		}},
		"for ever":   {ReasonCost, func(_ *backout.Problem, a *backout.Answer, _ *backout.Proof) { a.Starts[0] = 1 << 40 }},
		"no problem": {ReasonCost, func(p *backout.Problem, _ *backout.Answer, _ *backout.Proof) { p.Ties[0].J = 0 }},
		"dearer pair": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			bound(proof).Shifts[0].I[0] = 92
		}},
		"too little":  {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) { bound(proof).Shifts[0].I[0] = 80 }},
		"understated": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) { proof.Lower-- }},
		"overflow": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			bound(proof).Shifts[0].J = []int64{-1 << 63, -1 << 63}
		}},
		"round the clock": {ReasonProof, func(_ *backout.Problem, a *backout.Answer, proof *backout.Proof) {
			// Sixteen times -2^60 is nothing in 64 bits, while the other end gains: staying
			// would look like the optimum.
			*a = backout.Answer{Targets: []int{1, 1}, Starts: []int{0, 0}, Cost: 100}
			proof.Lower = 100
			for k := range 16 {
				gain := int64(10)
				if k == 0 {
					gain = 14
				}
				bound(proof).Shifts = append(bound(proof).Shifts, backout.Shift{I: []int64{-most, -most}, J: []int64{gain, gain}})
			}
		}},
		"no shift": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) { bound(proof).Shifts = nil }},
		"a wait twice": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			bound(proof).Charges = []backout.Charge{{Tie: 0, Movable: 0, Level: 0}, {Tie: 0, Movable: 0, Level: 0}}
		}},
		"a wait that is in the price": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			bound(proof).Charges = []backout.Charge{{Tie: 0, Movable: 0, Level: 0}}
			bound(proof).Shifts[0].I[0] += 10
			proof.Lower += 3
		}},
		"stranger": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) { proof.Parts[0].Members[1] = 7 }},
		"half a split": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			proof.Parts[0].Cases = append([]backout.Case{{Kind: backout.CaseSplit}}, proof.Parts[0].Cases...)
		}},
		"strike all": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			c := *bound(proof)
			c.Kind, c.Struck = backout.CaseStrike, []backout.Struck{{Movable: 0, Level: 0}, {Movable: 0, Level: 1}}
			proof.Parts[0].Cases[0] = c
		}},
		"unheard of": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) { bound(proof).Kind = "trust me" }},
		"no ring": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			*bound(proof) = backout.Case{Kind: backout.CaseCycle, Cycle: []int{0, 1}}
		}},
		"case too many": {ReasonProof, func(_ *backout.Problem, _ *backout.Answer, proof *backout.Proof) {
			proof.Parts[0].Cases = append(proof.Parts[0].Cases, proof.Parts[0].Cases[0])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, a, proof := byHand()
			tt.change(&p, &a, &proof)
			found := Optimum(p, a, proof)
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Reason == tt.want }) {
				t.Errorf("violations %v, want one of %s", found, tt.want)
			}
		})
	}
}

// The order of events is looked at, not believed: a proof of what the answer costs
// does not make it safe.
func TestOptimum_allOfIt(t *testing.T) {
	p, a, proof := byHand()
	a.Starts[0], a.Cost, proof.Lower = 0, 35, 35
	found := Optimum(p, a, proof)
	if len(found) != 2 {
		t.Errorf("violations %v, want the unsafe pair and the bound that is not shown", found)
	}
}
