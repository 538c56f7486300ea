package recall

import (
	"math"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

var (
	signalKinds = []backout.SignalKind{backout.SignalLatency, backout.SignalErrors, backout.SignalSaturation, backout.SignalTraffic, backout.SignalKPI}
	reaches     = []backout.Reach{backout.ReachOrigin, backout.ReachCallers, backout.ReachCallees}
	causeKinds  = []backout.ComponentKind{backout.KindDeployment, backout.KindConfig, backout.KindFlag, backout.KindSchema, backout.KindTraffic, backout.KindInfrastructure, backout.CauseNone}
	// lagEdges are the upper limits, in model minutes, of the buckets in which lags and
	// ages are compared: a minute more matters at one and not at an hour.
	lagEdges = []float64{1, 2, 5, 10, 20, 40, 90}
)

const (
	cells  = 15 // signalKinds x reaches
	causes = 7  // causeKinds
	firsts = 5  // services whose onsets are compared
)

// vector is a signature in numbers: words as small integers in ascending order, so that
// a hundred thousand can be compared in a few milliseconds.
type vector struct {
	profile  [cells]float32
	known    uint16 // bit i: profile[i] was measured
	n        int8   // onsets
	age      int8   // bucket; -1 = unknown
	lag      [firsts]int8
	onset    [firsts]int32
	cause    [causes]float32
	caused   bool
	services []int32
	tokens   []int32
	weight   float32 // of all services
}

// words numbers services and tokens and counts in how many precedents each occurs.
type words struct {
	ids map[string]int32
	df  []float64
	n   float64 // signatures counted
	idf []float64
}

func newWords() *words { return &words{ids: map[string]int32{}} }

// number gives a word's number. One that nobody has counted gets one beyond all
// others, from fresh.
func (w *words) number(kind, word string, count bool, fresh map[string]int32) int32 {
	key := kind + word
	if id, ok := w.ids[key]; ok {
		if count {
			w.df[id]++
		}
		return id
	}
	if !count {
		if _, ok := fresh[key]; !ok {
			fresh[key] = int32(len(w.ids) + len(fresh))
		}
		return fresh[key]
	}
	id := int32(len(w.ids))
	w.ids[key], w.df = id, append(w.df, 1)
	return id
}

// vector gives a signature's numbers; count = it is one of the precedents.
func (w *words) vector(s backout.Signature, count bool) vector {
	v := vector{age: -1}
	fresh := map[string]int32{}
	for _, c := range s.Profile {
		k, r := slices.Index(signalKinds, c.Kind), slices.Index(reaches, c.Reach)
		if k < 0 || r < 0 || math.IsNaN(c.Level) {
			continue
		}
		i := k*len(reaches) + r
		v.profile[i], v.known = float32(max(-1, min(1, c.Level))), v.known|1<<i
	}
	ill := slices.Clone(s.Services)
	for _, o := range s.Onsets {
		ill = append(ill, o.Service)
	}
	for _, id := range unique(ill) {
		v.services = append(v.services, w.number("s ", string(id), count, fresh))
	}
	for _, t := range unique(s.Tokens) {
		v.tokens = append(v.tokens, w.number("t ", strings.ToLower(t), count, fresh))
	}
	for _, o := range s.Onsets {
		if int(v.n) == firsts {
			break
		}
		id := w.number("s ", string(o.Service), false, fresh)
		if slices.Contains(v.onset[:v.n], id) {
			continue // the first one counts
		}
		v.onset[v.n], v.lag[v.n] = id, bucket(o.Lag)
		v.n++
	}
	for k, p := range s.Causes {
		if i := slices.Index(causeKinds, k); i >= 0 && p > 0 {
			v.cause[i], v.caused = float32(p), true
		}
	}
	if s.Age != nil {
		v.age = bucket(*s.Age)
	}
	slices.Sort(v.services)
	slices.Sort(v.tokens)
	v.services, v.tokens = slices.Compact(v.services), slices.Compact(v.tokens)
	if count {
		w.n++
	}
	return v
}

func unique[T ~string](in []T) []T {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(x T) bool { return x == "" })
}

func bucket(minutes float64) int8 {
	i := 0
	for i < len(lagEdges) && minutes >= lagEdges[i] {
		i++
	}
	return int8(i)
}

// weights gives every word's inverse document frequency, log(1 + n/df), for comparing
// with q as well: a service that is ill each time tells little.
func (w *words) weights(q *vector) []float64 {
	top := int32(len(w.df))
	for _, ids := range [][]int32{q.services, q.tokens, q.onset[:q.n]} {
		for _, id := range ids {
			top = max(top, id+1)
		}
	}
	idf := make([]float64, top)
	for i := range idf {
		df := 1.0
		if i < len(w.df) {
			df = max(1, w.df[i])
		}
		idf[i] = math.Log1p(max(1, w.n) / df)
	}
	q.weight = sum(q.services, idf)
	return idf
}

// weigh sums up a precedent's services once all are counted.
func (w *words) weigh(v *vector) {
	if w.idf == nil {
		w.idf = w.weights(&vector{})
	}
	v.weight = sum(v.services, w.idf)
}

func sum(ids []int32, idf []float64) float32 {
	total := 0.0
	for _, id := range ids {
		total += idf[id]
	}
	return float32(total)
}
