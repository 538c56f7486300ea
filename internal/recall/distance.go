package recall

import (
	"math"

	"github.com/backout-dev/backout"
)

// The parts' weights.
const (
	weighProfile  = .35
	weighServices = .25
	weighOrder    = .15
	weighCause    = .15
	weighTokens   = .10
)

// Distance compares two signatures: the weighted mean, in [0,1], of the distances of
// those parts that both know, and the weight of these parts in [0,1]. With no part in
// common it is 1 on a basis of 0. It is symmetric, and 0 of a signature to itself.
//
//   - profile: L1 over the cells that both measured, by the sum of both norms
//   - services: 1 - Jaccard, a service weighing log(1 + n/df) among these two
//   - order: Kendall's share of discordant pairs among services that both have, lags in
//     buckets; a pair tied in one only counts half
//   - cause: total variation between the kinds' probabilities, and a quarter by age
//   - tokens: 1 - Jaccard
func Distance(a, b backout.Signature) (d, basis float64) {
	w := newWords()
	w.vector(a, true)
	w.vector(b, true)
	x, y := w.vector(a, false), w.vector(b, false) // again, now that each knows all words
	w.weigh(&x)
	w.weigh(&y)
	return compare(&x, &y, w.idf, math.Inf(1))
}

// compare stops early with +Inf once the distance can't be within the limit.
func compare(a, b *vector, idf []float64, limit float64) (d, basis float64) {
	total, weight := 0.0, 0.0
	if both := a.known & b.known; both != 0 {
		total, weight = weighProfile*profileApart(a, b, both), weighProfile
	}
	if len(a.services) > 0 && len(b.services) > 0 {
		total += weighServices * servicesApart(a, b, idf)
		weight += weighServices
	}
	// What is left can add weight without distance at best.
	if total > limit*(weight+weighOrder+weighCause+weighTokens) {
		return math.Inf(1), weight
	}
	if apart, ok := orderApart(a, b); ok {
		total, weight = total+weighOrder*apart, weight+weighOrder
	}
	if a.caused && b.caused {
		total, weight = total+weighCause*causeApart(a, b), weight+weighCause
	}
	if len(a.tokens) > 0 && len(b.tokens) > 0 {
		n := shared(a.tokens, b.tokens)
		total += weighTokens * (1 - float64(n)/float64(len(a.tokens)+len(b.tokens)-n))
		weight += weighTokens
	}
	if weight == 0 {
		return 1, 0
	}
	return min(1, total/weight), weight
}

func profileApart(a, b *vector, both uint16) float64 {
	var apart, norms float32
	for i := range cells {
		if both&(1<<i) == 0 {
			continue
		}
		x, y := a.profile[i], b.profile[i]
		apart += abs(x - y)
		norms += abs(x) + abs(y)
	}
	if norms == 0 {
		return 0
	}
	return float64(apart / norms)
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func servicesApart(a, b *vector, idf []float64) float64 {
	common := 0.0
	for i, j := 0, 0; i < len(a.services) && j < len(b.services); {
		switch x, y := a.services[i], b.services[j]; {
		case x == y:
			common += idf[x]
			i, j = i+1, j+1
		case x < y:
			i++
		default:
			j++
		}
	}
	union := float64(a.weight) + float64(b.weight) - common
	if union <= 0 {
		return 0
	}
	return max(0, 1-common/union)
}

func shared(a, b []int32) int {
	n := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			n, i, j = n+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return n
}

// orderApart is unknown with fewer than two services in common.
func orderApart(a, b *vector) (float64, bool) {
	var lags [firsts][2]int8
	n := 0
	for i := range int(a.n) {
		for j := range int(b.n) {
			if a.onset[i] == b.onset[j] {
				lags[n] = [2]int8{a.lag[i], b.lag[j]}
				n++
			}
		}
	}
	if n < 2 {
		return 0, false
	}
	apart, pairs := 0.0, 0.0
	for i := range n {
		for j := range i {
			x, y := sign(lags[i][0]-lags[j][0]), sign(lags[i][1]-lags[j][1])
			apart, pairs = apart+math.Abs(x-y)/2, pairs+1
		}
	}
	return apart / pairs, true
}

func sign(x int8) float64 {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

func causeApart(a, b *vector) float64 {
	var apart float32
	for i := range causes {
		apart += abs(a.cause[i] - b.cause[i])
	}
	d := float64(apart) / 2
	if a.age >= 0 && b.age >= 0 {
		d = .75*d + .25*math.Abs(float64(a.age-b.age))/float64(len(lagEdges))
	}
	return d
}
