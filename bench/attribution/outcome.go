package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// outcome is a set measured.
type outcome struct {
	Set   string `json:"set"`
	Until string `json:"until,omitempty"` // of recorded sets: asked so long after the notice
	Seed  uint64 `json:"seed,omitempty"`  // of generated sets: the first
	N     int    `json:"n"`
	// Caused is how many of them have something to rank: a change, or in sets without
	// changes a service, that did it. Ranking figures are about these.
	Caused int `json:"caused"`
	accuracy
	calibration
	// Specificity is the share of calm windows without an incident, of CalmWindows;
	// null where the set has no calm recording.
	Specificity *float64 `json:"specificity"`
	CalmWindows int      `json:"calm_windows"`
	// Detected is the share of generated cases in which the detector's finding stands
	// at the end; null for recorded ones, which begin with a complaint.
	Detected *float64          `json:"detected,omitempty"`
	MedianMS float64           `json:"median_ms"` // loading the world and attributing, by case
	MaxMS    float64           `json:"max_ms"`
	PNone    float64           `json:"p_none"` // mean
	Faults   map[string]*class `json:"faults"` // by kind of fault, where it is known
	// Told is the same for a ranking that is told when the trouble was noticed, which
	// the path does not tell it yet.
	Told      *accuracy           `json:"told,omitempty"`
	Baselines map[string]accuracy `json:"baselines"`
	misses    []string
}

// class is how the cases of one kind of fault end. What is not Right is one of the
// last three.
type class struct {
	N               int        `json:"n"`
	AC1             *float64   `json:"ac1,omitempty"` // of the ranking, where there is something to rank
	AC1CI           [2]float64 `json:"ac1_ci,omitzero"`
	Right           float64    `json:"right"` // first answer, "no change" included
	RightCI         [2]float64 `json:"right_ci"`
	SaidNone        float64    `json:"said_none"`         // although a change did it
	BlamedInnocent  float64    `json:"blamed_innocent"`   // instead of the change that did it
	BlamedAnyChange float64    `json:"blamed_any_change"` // although none did it
	hits, rights    []float64
}

// answer is what was said of one case.
type answer struct {
	id, class  string
	candidates []candidate
	scores     map[string]float64 // probability by candidate; nil = nobody was asked
	truth      string             // candidate; empty = no change did it
	none       float64            // probability of no change
	noneCounts bool               // "no change" is an answer; false where no change is known at all
	tookMS     float64
	peer       peer
}

// first is the likeliest answer; empty is "no change".
func (a answer) first() (id string, p float64) {
	if a.noneCounts {
		p = a.none
	}
	for _, c := range a.candidates {
		if q := a.scores[c.id]; q > p {
			id, p = c.id, q
		}
	}
	return id, p
}

func (a answer) claim() claim {
	id, p := a.first()
	c := claim{top: p, right: id == a.truth, change: id != "", truth: a.scores[a.truth]}
	if a.truth == "" {
		c.truth = a.none
	}
	if a.noneCounts {
		y := one(a.truth == "")
		c.squares = (a.none - y) * (a.none - y)
	}
	for _, k := range a.candidates {
		y := one(k.id == a.truth)
		c.squares += (a.scores[k.id] - y) * (a.scores[k.id] - y)
	}
	return c
}

// miss says in a line what was ranked instead.
func (a answer) miss() string {
	ids := slices.Clone(a.candidates)
	slices.SortFunc(ids, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(a.scores[y.id], a.scores[x.id]), cmp.Compare(x.id, y.id))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: place %.1f, none %.2f:", a.id, a.class, ranking{a.scores, a.truth}.rank(), a.none)
	for _, c := range ids[:min(4, len(ids))] {
		mark := ""
		if c.id == a.truth {
			mark = "*"
		}
		fmt.Fprintf(&b, " %s%s %.3f", mark, c.id, a.scores[c.id])
	}
	return b.String()
}

// tally gathers answers and gives the outcome of all.
type tally struct {
	out            outcome
	mine, informed []ranking
	claims         []claim
	took           []float64
	theirs         map[string][]ranking
}

func newTally(set string) *tally {
	return &tally{out: outcome{Set: set, Baselines: map[string]accuracy{}, Faults: map[string]*class{}}, theirs: map[string][]ranking{}}
}

func (t *tally) add(a answer) {
	t.out.N++
	if a.truth != "" {
		t.out.Caused++
		for _, m := range peers {
			if score := m.score(a.peer); score != nil {
				t.theirs[m.name] = append(t.theirs[m.name], rankBy(a, score))
			}
		}
	}
	if a.scores == nil {
		return
	}
	c := a.claim()
	t.claims, t.took, t.out.PNone = append(t.claims, c), append(t.took, a.tookMS), t.out.PNone+a.none
	k := t.out.Faults[a.class]
	if k == nil {
		k = &class{}
		t.out.Faults[a.class] = k
	}
	k.add(a, c)
	if a.truth != "" {
		t.mine = append(t.mine, ranking{a.scores, a.truth})
	}
	if !c.right || a.truth != "" && (ranking{a.scores, a.truth}).hit(1) < 1 {
		t.out.misses = append(t.out.misses, a.miss())
	}
}

func (k *class) add(a answer, c claim) {
	k.N++
	if a.truth != "" {
		k.hits = append(k.hits, ranking{a.scores, a.truth}.hit(1))
	}
	k.rights = append(k.rights, one(c.right))
	switch {
	case c.right:
	case !c.change:
		k.SaidNone++
	case a.truth == "":
		k.BlamedAnyChange++
	default:
		k.BlamedInnocent++
	}
}

// rankBy scores the candidates by another method.
func rankBy(a answer, score func(candidate) float64) ranking {
	out := ranking{map[string]float64{}, a.truth}
	for _, c := range a.candidates {
		if out.scores[c.id] = score(c); math.IsInf(out.scores[c.id], -1) {
			out.scores[c.id] = -math.MaxFloat64
		}
	}
	return out
}

// outcome counts everything up.
func (t *tally) outcome() outcome {
	out := t.out
	for name, rs := range t.theirs {
		out.Baselines[name] = accuracyOf(rs)
	}
	if len(t.informed) > 0 {
		told := accuracyOf(t.informed)
		out.Told = &told
	}
	delete(out.Faults, "") // the set does not say
	for _, k := range out.Faults {
		n := float64(k.N)
		k.AC1, k.AC1CI = meanOf(k.hits), interval(k.hits)
		k.Right, k.RightCI = mean(k.rights), interval(k.rights)
		k.SaidNone, k.BlamedInnocent, k.BlamedAnyChange = k.SaidNone/n, k.BlamedInnocent/n, k.BlamedAnyChange/n
	}
	if len(t.claims) == 0 {
		return out
	}
	out.accuracy, out.calibration = accuracyOf(t.mine), calibrationOf(t.claims)
	out.PNone /= float64(len(t.claims))
	slices.Sort(t.took)
	out.MedianMS, out.MaxMS = t.took[len(t.took)/2], t.took[len(t.took)-1]
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
