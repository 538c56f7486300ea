package backout

import (
	"fmt"
	"slices"
)

// Problem is the question a plan answers, without words: to which level each
// component goes, and when. Time is in whole ticks and cost in whole units of the
// asker's choice, so that "cheapest" is exact.
type Problem struct {
	Movables []Movable `json:"movables"`
	Ties     []Tie     `json:"ties"`
}

// Movable is one component of a problem. It stands at Current. Staying there costs
// Fixed[Current]; a move to level l that begins at tick t costs
// Fixed[l] + Rate[l] x (t + Effect), and occupies the ticks from t to t + Duration,
// during which both the old and the new level are live.
type Movable struct {
	Current  int     `json:"current"`
	Levels   []int   `json:"levels"` // where it may be in the end, ascending
	Duration int     `json:"duration_ticks"`
	Effect   int     `json:"effect_ticks"` // from the begin until the move is felt
	Fixed    []int64 `json:"fixed"`        // by level
	Rate     []int64 `json:"rate"`         // by level, a tick
}

// Tie is two movables of a problem that can meet: Allowed[a][b] says that movable I
// at level a and movable J at level b may be live together. The levels they stand at
// when the plan begins are never held against it.
type Tie struct {
	I       int      `json:"i"`
	J       int      `json:"j"`
	Allowed [][]bool `json:"allowed"`
}

// Answer is a plan for a problem: by movable its level in the end and the tick at
// which its move begins (0 where it stays), and the cost of it all.
type Answer struct {
	Targets []int `json:"targets"`
	Starts  []int `json:"starts"`
	Cost    int64 `json:"cost"`
}

// Limits of what a problem may hold, so that sums of costs can't overflow.
const (
	mostLevels = 64
	mostTicks  = 1 << 30
	mostCost   = 1 << 60
)

// Valid says what is wrong with a problem, naming the field; nil when nothing is.
func (p Problem) Valid() error {
	var ticks, effect int
	for i, m := range p.Movables {
		if err := m.valid(); err != nil {
			return &Error{Code: CodeInvalid, Message: fmt.Sprintf("movable %d: %s", i, err)}
		}
		ticks, effect = ticks+m.Duration, max(effect, m.Effect)
		if ticks > mostTicks {
			return &Error{Code: CodeInvalid, Message: fmt.Sprintf("movable %d: durations sum to more than %d ticks", i, mostTicks)}
		}
	}
	var most float64 // a float's rounding does not matter at this size, its range does
	for _, m := range p.Movables {
		most += m.dearest(ticks + effect)
	}
	if most*float64(len(p.Movables)+1) >= mostCost {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf("costs are too large: the dearest plan times the number of movables must stay below %d", mostCost)}
	}
	for k, t := range p.Ties {
		if err := p.validTie(t); err != nil {
			return &Error{Code: CodeInvalid, Message: fmt.Sprintf("tie %d: %s", k, err)}
		}
	}
	return nil
}

// valid checks a movable by itself.
func (m Movable) valid() error {
	n := len(m.Fixed)
	switch {
	case n == 0 || n > mostLevels:
		return fmt.Errorf("fixed has %d levels, expected 1 to %d", n, mostLevels)
	case len(m.Rate) != n:
		return fmt.Errorf("rate has %d levels, fixed has %d", len(m.Rate), n)
	case m.Current < 0 || m.Current >= n:
		return fmt.Errorf("current is %d, expected a level from 0 to %d", m.Current, n-1)
	case m.Duration < 1 || m.Duration > mostTicks:
		return fmt.Errorf("duration is %d ticks, expected 1 to %d", m.Duration, mostTicks)
	case m.Effect < 0 || m.Effect > mostTicks:
		return fmt.Errorf("effect is %d ticks, expected 0 to %d", m.Effect, mostTicks)
	case len(m.Levels) == 0:
		return fmt.Errorf("levels is empty, expected at least one level to be at")
	}
	for k, l := range m.Levels {
		if l < 0 || l >= n || k > 0 && l <= m.Levels[k-1] {
			return fmt.Errorf("levels[%d] is %d, expected ascending levels from 0 to %d", k, l, n-1)
		}
	}
	if k := slices.IndexFunc(m.Rate, func(r int64) bool { return r < 0 }); k >= 0 {
		return fmt.Errorf("rate[%d] is %d, expected 0 or more: waiting never pays", k, m.Rate[k])
	}
	return nil
}

// dearest is the greatest cost by amount that the movable can add.
func (m Movable) dearest(ticks int) float64 {
	most := 0.0
	for l := range m.Fixed {
		most = max(most, max(float64(m.Fixed[l]), -float64(m.Fixed[l]))+float64(m.Rate[l])*float64(ticks))
	}
	return most
}

func (p Problem) validTie(t Tie) error {
	n := len(p.Movables)
	if t.I < 0 || t.I >= n || t.J < 0 || t.J >= n || t.I == t.J {
		return fmt.Errorf("it ties %d and %d, expected two different movables from 0 to %d", t.I, t.J, n-1)
	}
	rows, columns := len(p.Movables[t.I].Fixed), len(p.Movables[t.J].Fixed)
	if len(t.Allowed) != rows {
		return fmt.Errorf("allowed has %d rows, movable %d has %d levels", len(t.Allowed), t.I, rows)
	}
	for a, row := range t.Allowed {
		if len(row) != columns {
			return fmt.Errorf("allowed[%d] has %d cells, movable %d has %d levels", a, len(row), t.J, columns)
		}
	}
	return nil
}
