package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
)

// truth is a product whose ways are known: how often each passes trouble on, and how
// fast. Delays have another shape than the model's, and every incident a pace.
type truth struct {
	r     *rand.Rand
	graph backout.Graph
	theta map[[2]int]float64
	mean  map[[2]int]float64
}

const places = 12

func place(i int) backout.ServiceID { return backout.ServiceID(fmt.Sprintf("s%d", i)) }

func newTruth(seed uint64) *truth {
	w := &truth{r: rand.New(rand.NewPCG(seed, 8)), theta: map[[2]int]float64{}, mean: map[[2]int]float64{}}
	for i := range places {
		w.graph.Services = append(w.graph.Services, backout.Service{ID: place(i)})
		for range min(i, 1+w.r.IntN(2)) {
			caller := w.r.IntN(i)
			w.graph.Dependencies = append(w.graph.Dependencies, backout.Dependency{From: place(caller), To: place(i), Hard: true})
			w.theta[[2]int{i, caller}] = .5 + .45*w.r.Float64()
			w.mean[[2]int{i, caller}] = 2.5 * math.Exp(.5*w.r.NormFloat64())
		}
	}
	return w
}

// incident is when each service is hit, in minutes; +Inf = never. delays says for each
// way out of a hit service after how many minutes it let the trouble through, +Inf where
// it did not.
func (w *truth) incident(origin int) (at []float64, delays map[[2]int]float64) {
	at, delays = make([]float64, places), map[[2]int]float64{}
	for i := range at {
		at[i] = math.Inf(1)
	}
	at[origin] = 0
	pace := math.Exp(.3 * w.r.NormFloat64())
	for i := places - 1; i >= 0; i-- { // callers have smaller numbers
		for caller := range i {
			theta, known := w.theta[[2]int{i, caller}]
			if !known || math.IsInf(at[i], 1) {
				continue
			}
			d := w.mean[[2]int{i, caller}] * pace * math.Exp(.6*w.r.NormFloat64()-.18)
			if w.r.Float64() >= theta {
				d = math.Inf(1)
			}
			delays[[2]int{i, caller}] = d
			at[caller] = min(at[caller], at[i]+d)
		}
	}
	return at, delays
}

func (w *truth) ask(origin int, pr backout.Priors, seed uint64) Question {
	var q Question
	q.World = backout.World{Now: noon, Minute: backout.Duration(time.Minute), Graph: w.graph, Priors: pr, Changes: []backout.Change{{ID: "c", Services: []backout.ServiceID{place(origin)}}}}
	q.Attribution = backout.Attribution{Onset: noon, Suspects: []backout.Suspect{{Change: "c", P: 1}}}
	q.Findings, q.Draws, q.Seed = []backout.Finding{found(place(origin), noon)}, 150, seed
	return q
}

// learnFrom adds what an incident showed to the priors: what each way did, which a review
// can only guess where several lead to a service.
func (w *truth) learnFrom(pr *backout.Priors, origin int, seed uint64) {
	at, delays := w.incident(origin)
	f := Cascade(w.ask(origin, backout.Priors{Edges: pr.Edges}, seed))
	for i := range places {
		h := hitOf(f, string(place(i)))
		if i != origin && h.P > 0 && at[i] <= defaultMinutes {
			pr.HitTimes = append(pr.HitTimes, Miss(h.P10.Std().Minutes(), h.P50.Std().Minutes(), h.P90.Std().Minutes(), at[i]))
		}
	}
	if pr.Edges == nil {
		pr.Edges = map[string]backout.EdgePrior{}
	}
	for way, d := range delays {
		key := fmt.Sprintf("%s>%s", place(way[0]), place(way[1]))
		e := pr.Edges[key]
		if math.IsInf(d, 1) {
			e.Stayed++
		} else {
			e.Followed, e.Delays.N, e.Delays.Sum = e.Followed+1, e.Delays.N+1, e.Delays.Sum+d
		}
		pr.Edges[key] = e
	}
}

// said is one probability beside what came.
type said struct{ p, y float64 }

// scores gathers how forecasts fared on new incidents.
type scores struct {
	all          []said
	inside, hits float64
}

func (s *scores) measure(w *truth, pr backout.Priors, n int) {
	for k := range n {
		origin := 3 + w.r.IntN(places-3)
		at, _ := w.incident(origin)
		f := Cascade(w.ask(origin, pr, uint64(1000+k)))
		for i := range places {
			if i == origin {
				continue
			}
			h, y := hitOf(f, string(place(i))), 0.0
			if at[i] <= defaultMinutes {
				y = 1
			}
			if s.all = append(s.all, said{h.P, y}); y == 0 || h.Target == "" {
				continue
			}
			s.hits++
			if t := max(at[i], leastMinute); t >= h.P10.Std().Minutes() && t <= h.P90.Std().Minutes() {
				s.inside++
			}
		}
	}
}

// skill is the Brier score, that of the base rate, and the expected calibration error.
func (s *scores) skill() (brier, base, ece float64) {
	n, rate := float64(len(s.all)), 0.0
	bins := map[int][2]float64{}
	for _, x := range s.all {
		rate += x.y / n
		b := bins[int(10*x.p)]
		bins[int(10*x.p)] = [2]float64{b[0] + x.p, b[1] + x.y}
	}
	for _, x := range s.all {
		brier += (x.p - x.y) * (x.p - x.y) / n
		base += (rate - x.y) * (rate - x.y) / n
	}
	for _, b := range bins {
		ece += math.Abs(b[0]-b[1]) / n
	}
	return brier, base, ece
}

// With past incidents eight of ten hits come within the interval, and probabilities are
// honest and far better than the base rate.
func TestCascade_coversEightOfTenWithPastIncidents(t *testing.T) {
	const products, incidents = 9, 25
	for _, past := range []int{10, 20, 60} {
		var s scores
		for p := range uint64(products) {
			w := newTruth(100 + p)
			var pr backout.Priors
			for k := range past {
				w.learnFrom(&pr, 3+w.r.IntN(places-3), uint64(k))
			}
			s.measure(w, pr, incidents)
		}
		brier, base, ece := s.skill()
		covered := s.inside / s.hits
		t.Logf("%d past incidents: %.3f of %.0f hits covered, Brier %.3f (base rate %.3f), ECE %.3f", past, covered, s.hits, brier, base, ece)
		if covered < .75 || past >= 20 && covered > .87 { // ten teach the ways faster than the widths
			t.Errorf("%d past incidents: %.3f of the hits inside", past, covered)
		}
		if brier >= .75*base || ece > .06 {
			t.Errorf("%d past incidents: Brier %.3f, base rate %.3f, ECE %.3f", past, brier, base, ece)
		}
	}
}
