package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// standing is what one method reached. Precision, recall and F1 are of all scenarios
// taken together; MeanF1 gives each scenario the same weight.
type standing struct {
	Precision float64    `json:"precision"`
	Recall    float64    `json:"recall"`
	F1        float64    `json:"f1"`
	F1CI      [2]float64 `json:"f1_ci"` // 95 %, by resampling scenarios
	MeanF1    float64    `json:"mean_f1"`
	MeanF1CI  [2]float64 `json:"mean_f1_ci"`
}

type result struct {
	Set string `json:"set"`
	N   int    `json:"n"`
	standing
	ReachabilityF1   float64             `json:"reachability_f1"`
	Difference       float64             `json:"difference"`
	DifferenceCI     [2]float64          `json:"difference_ci"` // paired
	MeanDifference   float64             `json:"mean_difference"`
	MeanDifferenceCI [2]float64          `json:"mean_difference_ci"`
	Brier            float64             `json:"brier"`    // over every component of the graph that is no root
	Coverage         []string            `json:"coverage"` // how often components of a band of chances were hit
	MedianMS         float64             `json:"median_ms"`
	Fitted           string              `json:"fitted"`
	Baselines        map[string]standing `json:"baselines"`
}

// counts are components rightly foretold, wrongly foretold and not foretold.
type counts struct{ hit, blamed, missed float64 }

func (c counts) plus(d counts) counts {
	return counts{c.hit + d.hit, c.blamed + d.blamed, c.missed + d.missed}
}

// f1 of nothing foretold where nothing was hit is 1.
func (c counts) f1() float64 {
	if c.hit+c.blamed+c.missed == 0 {
		return 1
	}
	return 2 * c.hit / (2*c.hit + c.blamed + c.missed)
}

func compare(foretold, hit []backout.ServiceID) counts {
	var c counts
	for _, id := range foretold {
		if slices.Contains(hit, id) {
			c.hit++
		} else {
			c.blamed++
		}
	}
	c.missed = float64(len(hit)) - c.hit
	return c
}

// answer is one scenario with what every method foretold.
type answer struct {
	scenario
	chances  map[backout.ServiceID]float64
	foretold map[string][]backout.ServiceID
	counts   map[string]counts
}

func measure(scenarios []scenario) (result, []answer) {
	r := result{Set: "itbench", N: len(scenarios), Baselines: map[string]standing{}, Coverage: []string{},
		Fitted: "nothing in this run; ways and how often they were taken come from the other scenarios of the application; one weight of package forecast was chosen with these scenarios in view"}
	var answers []answer
	var took []float64
	for _, s := range scenarios {
		l := learnFrom(scenarios, s)
		a := answer{s, l.chances(s.roots), map[string][]backout.ServiceID{}, map[string]counts{}}
		for _, m := range methods {
			start := time.Now()
			a.foretold[m.name] = m.foretell(l, s.roots)
			if m.name == ours {
				took = append(took, float64(time.Since(start))/float64(time.Millisecond))
			}
			a.counts[m.name] = compare(a.foretold[m.name], s.hit)
		}
		r.Brier += l.brier(a) / float64(len(scenarios))
		answers = append(answers, a)
	}
	r.MedianMS = statistics.Median(took)
	for _, m := range methods {
		r.Baselines[m.name] = stand(answers, m.name)
	}
	r.standing = r.Baselines[ours]
	delete(r.Baselines, ours)
	r.ReachabilityF1 = r.Baselines[reachability].F1
	r.Difference, r.MeanDifference = ahead(answers), meanAhead(answers)
	r.DifferenceCI, r.MeanDifferenceCI = interval(answers, ahead), interval(answers, meanAhead)
	r.Coverage = coverage(answers)
	return r, answers
}

// brier is the mean squared error of the chances of all components that the graph
// knows, roots aside.
func (l lesson) brier(a answer) float64 {
	sum, n := 0.0, 0.0
	known := map[backout.ServiceID]bool{}
	for _, e := range l.ways {
		known[e[0]], known[e[1]] = true, true
	}
	for id := range known {
		if slices.Contains(a.roots, id) {
			continue
		}
		d := a.chances[id]
		if slices.Contains(a.hit, id) {
			d--
		}
		sum, n = sum+d*d, n+1
	}
	return sum / max(1, n)
}

// coverage says for bands of chances how many of these components were hit.
func coverage(answers []answer) []string {
	bands := []float64{0, .2, .4, .6, .8, 1.01}
	var out []string
	for b := 1; b < len(bands); b++ {
		hit, n := 0, 0
		for _, a := range answers {
			for id, p := range a.chances {
				if p >= bands[b-1] && p < bands[b] {
					n++
					if slices.Contains(a.hit, id) {
						hit++
					}
				}
			}
		}
		out = append(out, fmt.Sprintf("%.1f-%.1f: %d of %d", bands[b-1], min(1, bands[b]), hit, n))
	}
	return out
}

func together(answers []answer, name string) counts {
	var c counts
	for _, a := range answers {
		c = c.plus(a.counts[name])
	}
	return c
}

func mean(answers []answer, name string) float64 {
	sum := 0.0
	for _, a := range answers {
		sum += a.counts[name].f1()
	}
	return sum / float64(len(answers))
}

func ahead(answers []answer) float64 {
	return together(answers, ours).f1() - together(answers, reachability).f1()
}

func meanAhead(answers []answer) float64 { return mean(answers, ours) - mean(answers, reachability) }

func stand(answers []answer, name string) standing {
	c := together(answers, name)
	return standing{
		Precision: c.hit / max(1, c.hit+c.blamed), Recall: c.hit / max(1, c.hit+c.missed), F1: c.f1(), MeanF1: mean(answers, name),
		F1CI:     interval(answers, func(a []answer) float64 { return together(a, name).f1() }),
		MeanF1CI: interval(answers, func(a []answer) float64 { return mean(a, name) }),
	}
}

const resamples = 10_000

// interval is the 95 % bootstrap interval of a figure over scenarios; what is paired
// in the figure stays paired.
func interval(answers []answer, figure func([]answer) float64) [2]float64 {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable on purpose
	values, drawn := make([]float64, resamples), make([]answer, len(answers))
	for i := range values {
		for j := range drawn {
			drawn[j] = answers[rng.IntN(len(answers))]
		}
		values[i] = figure(drawn)
	}
	return [2]float64{statistics.Quantile(values, .025), statistics.Quantile(values, .975)}
}
