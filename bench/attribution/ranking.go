package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// ranking is one case ranked by one method: a score for each candidate, the more
// the more suspect, and which of them it was.
type ranking struct {
	scores map[string]float64
	truth  string
}

// place counts the candidates that are strictly more suspect than the truth, and
// the others that are tied with it. A method that does not rank the truth at all
// puts it behind everything.
func (r ranking) place() (better, tied int) {
	mine, ok := r.scores[r.truth]
	for id, s := range r.scores {
		switch {
		case id == r.truth:
		case !ok || s > mine:
			better++
		case s == mine:
			tied++
		}
	}
	return better, tied
}

// hit is the chance that the truth is among the first k when ties are broken by
// lot.
func (r ranking) hit(k int) float64 {
	b, t := r.place()
	return max(0, min(1, float64(k-b)/float64(t+1)))
}

// rank is the expected place of the truth, from 1; reciprocal is the expectation
// of 1/place.
func (r ranking) rank() float64 {
	b, t := r.place()
	return float64(b) + 1 + float64(t)/2
}

func (r ranking) reciprocal() float64 {
	b, t := r.place()
	sum := 0.0
	for i := range t + 1 {
		sum += 1 / float64(b+1+i)
	}
	return sum / float64(t+1)
}

// innocent is how many others one takes back who takes back the most suspect, all
// of them where several are tied.
func (r ranking) innocent() float64 {
	top := math.Inf(-1)
	for _, s := range r.scores {
		top = max(top, s)
	}
	n := 0.0
	for id, s := range r.scores {
		if s == top && id != r.truth {
			n++
		}
	}
	return n
}

// accuracy is what a method reached on all cases.
type accuracy struct {
	AC1      float64    `json:"ac1"`
	AC1CI    [2]float64 `json:"ac1_ci"` // 95 %, by resampling the cases
	AC3      float64    `json:"ac3"`
	AC3CI    [2]float64 `json:"ac3_ci"`
	Avg5     float64    `json:"avg5"` // mean of AC@1 to AC@5
	MRR      float64    `json:"mrr"`
	Exam     float64    `json:"exam"` // mean place of the truth
	Innocent float64    `json:"innocent"`
}

func accuracyOf(cases []ranking) accuracy {
	hits := func(k int) []float64 {
		return eachOf(cases, func(r ranking) float64 { return r.hit(k) })
	}
	a := accuracy{MRR: mean(eachOf(cases, ranking.reciprocal)), Exam: mean(eachOf(cases, ranking.rank)), Innocent: mean(eachOf(cases, ranking.innocent))}
	a.AC1, a.AC1CI = mean(hits(1)), interval(hits(1))
	a.AC3, a.AC3CI = mean(hits(3)), interval(hits(3))
	for k := 1; k <= 5; k++ {
		a.Avg5 += mean(hits(k)) / 5
	}
	return a
}

func eachOf(cases []ranking, f func(ranking) float64) []float64 {
	out := make([]float64, len(cases))
	for i, c := range cases {
		out[i] = f(c)
	}
	return out
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(max(1, len(x)))
}

const resamples = 10_000

// interval is the 95 % bootstrap interval of a mean over cases.
func interval(x []float64) [2]float64 {
	return resampled(len(x), resamples, func(pick []int) float64 {
		sum := 0.0
		for _, k := range pick {
			sum += x[k]
		}
		return sum / float64(len(x))
	})
}

// resampled is the 95 % bootstrap interval of a statistic of n cases; the draws are
// always the same.
func resampled(n, times int, of func(pick []int) float64) [2]float64 {
	if n == 0 {
		return [2]float64{}
	}
	r := rand.New(rand.NewPCG(1, 2))
	values, pick := make([]float64, times), make([]int, n)
	for i := range values {
		for k := range pick {
			pick[k] = r.IntN(n)
		}
		values[i] = of(pick)
	}
	slices.Sort(values)
	return [2]float64{values[times*25/1000], values[times*975/1000-1]}
}
