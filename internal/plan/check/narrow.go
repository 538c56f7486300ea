package check

import (
	"math/bits"
	"slices"
)

// set is a set of levels, a bit each.
type set uint64

func (s set) has(l int) bool { return s>>l&1 == 1 }

// least is the lowest level of a set that is not empty.
func (s set) least() int { return bits.TrailingZeros64(uint64(s)) }

// change is one thing to be taken back.
type change struct {
	movable, level int // level < 0: of what may be
	may            set
	begin          int
}

// leave leaves a movable only some of its levels.
func (v *prover) leave(i int, left set) {
	if left != v.may[i] {
		v.before = append(v.before, change{movable: i, level: -1, may: v.may[i]})
		v.may[i] = left
	}
}

// takeBack takes back everything since a mark.
func (v *prover) takeBack(mark int) {
	for _, c := range slices.Backward(v.before[mark:]) {
		if c.level < 0 {
			v.may[c.movable] = c.may
		} else {
			v.begin[c.movable][c.level] = c.begin
		}
	}
	v.before = v.before[:mark]
}

// narrow works out what follows from some movables having lost levels: a level that
// meets no level left at the other end of a tie is not in any safe plan, and a move
// that has to come after the other one, wherever that goes, can't begin before the
// soonest end of it. It reports whether every movable has a level left.
func (v *prover) narrow(changed []int) bool {
	v.queue = append(v.queue[:0], changed...)
	alive := true
	v.later = 0
	for next := 0; next < len(v.queue); next++ {
		i := v.queue[next]
		v.waiting[i] = false
		for _, k := range v.at[i] {
			alive = alive && (!v.active[k] || v.across(k, i))
		}
	}
	return alive
}

// across looks at the other end of a tie from movable i.
func (v *prover) across(k, i int) bool {
	t, side, j := v.problem.Ties[k], 1, v.problem.Ties[k].J
	if i == t.J {
		side, j = 0, t.I
	}
	left, later := v.may[j], false
	for d := v.may[j]; d != 0; d &= d - 1 {
		l := d.least()
		partners := v.ties[k].meet[side][l] & v.may[i]
		if partners == 0 {
			left &^= 1 << l
			continue
		}
		if partners&^v.ties[k].after[side][l] == 0 && v.putOff(j, l, i, partners) {
			later = true
		}
	}
	if (left != v.may[j] || later) && !v.waiting[j] {
		v.waiting[j] = true
		v.queue = append(v.queue, j)
	}
	v.leave(j, left)
	return left != 0
}

// putOff lets j's move to l begin no sooner than i's move ends, whichever of some
// levels i moves to.
func (v *prover) putOff(j, l, i int, levels set) bool {
	soonest := v.limit
	for ; levels != 0; levels &= levels - 1 {
		soonest = min(soonest, v.begin[i][levels.least()]+v.problem.Movables[i].Duration)
	}
	if soonest <= v.begin[j][l] || v.later > 1000+100*len(v.members) {
		return false // a ring of short moves beside long ones would go round for ever
	}
	v.later++
	v.before = append(v.before, change{movable: j, level: l, begin: v.begin[j][l]})
	v.begin[j][l] = soonest
	return true
}
