package simulate

import "time"

// Split is one of three sets of worlds.
type Split string

// The splits.
const (
	Train   Split = "train"   // for choosing numbers
	Test    Split = "test"    // the same distribution, for reporting
	Shifted Split = "shifted" // another distribution, for honesty
)

// stream separates the splits: it is half of the state in which a generator starts,
// the seed the other half, so that no two splits start alike, whatever their seeds.
func (s Split) stream() uint64 {
	switch s {
	case Train:
		return 0x7261696e
	case Test:
		return 0x74657374
	}
	return 0x73686966
}

// terms are the numbers of a split. Times are minutes.
type terms struct {
	families []family
	steps    []time.Duration
	services [2]int // at least, fewer than
	changes  [2]int // innocent ones, besides those that the story adds
	// classes are weights of what goes wrong.
	classes []weight
	// transmits is the chance that trouble passes a hard dependency; a soft one
	// passes it half as often. hop is the mean delay of it.
	transmits, hop float64
	// Noise of log latency: range of the standard deviation, of the correlation a
	// minute later, share of wild innovations, share of hiccups.
	noise, phi    [2]float64
	wild, hiccups float64
	// Effects: median and spread (log) of the relative slowdown, and the largest
	// share of failures.
	slow, slowSpread, fail float64
	// delay is the mean time from exposure to effect, late the share of changes
	// for which it is anything up to lateMost.
	delay, late, lateMost float64
	unrelated             float64 // services with trouble of their own meanwhile
	jobs                  float64 // services with jobs every quarter to half an hour
	missing, invented     float64 // dependencies not written down; per service, such as don't exist
	near                  [3]float64
}

type weight struct {
	class Class
	share float64
}

// Indices of terms.near: shares of innocent changes on the origin itself, on its
// neighbours, and on services with unrelated trouble.
const (
	nearOrigin = iota
	nearNeighbour
	nearUnrelated
)

func (s Split) terms() terms {
	if s == Shifted {
		return shifted()
	}
	return usual()
}

// usual are the terms of training and test.
func usual() terms {
	return terms{
		families: []family{{"layered", layered}, {"hub", hub}, {"chain", chain}, {"mesh", mesh}},
		steps:    []time.Duration{time.Minute},
		services: [2]int{44, 57}, changes: [2]int{13, 21},
		classes: []weight{{ClassChange, .34}, {ClassCreeping, .08}, {ClassSilent, .16}, {ClassBadCalls, .07},
			{ClassExternal, .13}, {ClassSpontaneous, .10}, {ClassSurge, .12}},
		transmits: .75, hop: 1,
		noise: [2]float64{.05, .11}, phi: [2]float64{.2, .5}, wild: .015, hiccups: .0015,
		slow: 1.1, slowSpread: .8, fail: .45,
		delay: 2.5, late: .22, lateMost: 30,
		unrelated: .01, jobs: .03, missing: .10, invented: .10,
		near: [3]float64{.01, .06, .01},
	}
}

// shifted are the terms of a world that nothing was chosen for.
func shifted() terms {
	t := usual()
	t.families = []family{{"tree", tree}, {"cells", cells}}
	t.steps = []time.Duration{30 * time.Second, 2 * time.Minute}
	t.services, t.changes = [2]int{36, 70}, [2]int{10, 30}
	t.classes = []weight{{ClassChange, .20}, {ClassCreeping, .06}, {ClassSilent, .20}, {ClassBadCalls, .04},
		{ClassExternal, .18}, {ClassSpontaneous, .17}, {ClassSurge, .15}}
	t.transmits, t.hop = .5, 1.5
	t.noise, t.phi, t.wild, t.hiccups = [2]float64{.06, .2}, [2]float64{.3, .8}, .05, .01
	t.slow, t.fail = .45, .25
	t.delay, t.late, t.lateMost = 4, .35, 50
	t.unrelated, t.jobs = .07, .1
	t.missing, t.invented = .25, .15
	return t
}
