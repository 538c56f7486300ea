// Command similar measures whether the most similar past incident is of the same sort
// more often than others are: on public postmortems, leaving one out in turn.
//
//	go run ./bench/similar -set postmortems -data DIR [-o json] [-svg FILE]
//
// What is compared is what is known when an incident is seen: services, symptoms, words
// of title and summary. Root cause and mitigation are the answer and are never shown: each
// signature is stripped of them, and summaries are cut to their first sentence, since later
// ones often tell the cause. Nothing is fitted; the weights are the program's.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/dataset"
	"github.com/backout-dev/backout/internal/postmortem"
	"github.com/backout-dev/backout/internal/recall"
)

const source = "github.com/IntelligentDDS/Post-mortems-Analysis (structured.json)"

func main() {
	var o dataset.Options
	o.Flags("postmortems", "a picture of the shares")
	flag.Parse()
	if o.Set != "postmortems" || !o.Told() {
		fmt.Fprintln(os.Stderr, "usage: similar -set postmortems -data DIR [-o json] [-svg FILE]")
		os.Exit(2)
	}
	if o.Absent(os.Stderr, source) {
		return
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o dataset.Options) error {
	cases, err := load(filepath.Join(o.Data, "structured.json"))
	if err != nil {
		return err
	}
	r := measure(cases)
	return o.Tell(os.Stdout, r, func() string { return draw(r).SVG() }, func() { show(r) })
}

// incident is one case: what may be seen of it, and its answers by question.
type incident struct {
	seen    backout.Signature
	answers map[string]string
}

// questions are what the nearest incident is asked.
var questions = []string{"mitigation", "root_cause", "change_or_not"}

func load(path string) ([]incident, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	told, _, err := postmortem.Read(path, "postmortems", body)
	if err != nil {
		return nil, err
	}
	var raw map[string]map[string]any
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, err
	}
	var out []incident
	for _, p := range told {
		rec := raw[strings.TrimPrefix(string(p.ID), "postmortems:")]
		c := incident{seen: p.Signature, answers: map[string]string{}}
		c.seen.Causes, c.seen.Age = nil, nil
		summary, _ := rec["summary"].(string)
		c.seen.Tokens = recall.Tokens(p.Title + " " + firstSentence(summary))
		if p.Did != "" {
			c.answers["mitigation"] = string(postmortem.MitigationOf(p.Did))
		}
		if root := rootOf(rec); root != "" {
			c.answers["root_cause"] = root
		}
		if p.Label == backout.LabelChange || p.Label == backout.LabelNone {
			c.answers["change_or_not"] = string(p.Label)
		}
		out = append(out, c)
	}
	return out, nil
}

func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i > 0 {
		return text[:i]
	}
	return text
}

// rootOf is the class of the first root cause, as its authors labelled it.
func rootOf(rec map[string]any) string {
	cause, _ := rec["root cause"].(map[string]any)
	labels, _ := cause["label"].([]any)
	for _, l := range labels {
		m, _ := l.(map[string]any)
		if two, _ := m["layer-2"].(string); two != "" {
			return strings.ReplaceAll(two, "softwares", "software") // one label is spelt so
		}
		if one, _ := m["layer-1"].(string); one != "" {
			return one
		}
	}
	return ""
}

// Result is what is printed.
type Result struct {
	Set     string   `json:"set"`
	N       int      `json:"n"`
	Answers []Answer `json:"answers"`
}

// Answer is one question's result: how often the answer was the incident's own.
type Answer struct {
	Question  string `json:"question"`
	N         int    `json:"n"`
	Classes   int    `json:"classes"`
	Nearest   Share  `json:"nearest"`
	OfThree   Share  `json:"majority_of_three"`
	Baselines struct {
		Chance       Share `json:"chance"`        // any other incident
		MostFrequent Share `json:"most_frequent"` // the commonest answer of the others
		SameService  Share `json:"same_service"`  // any other that names one of its services
	} `json:"baselines"`
	OverChance   Share `json:"over_chance"`        // nearest minus chance, paired
	OverFrequent Share `json:"over_most_frequent"` // nearest minus most frequent, paired
}

// Share is a mean with its 95 % bootstrap interval over incidents.
type Share struct {
	Mean float64    `json:"mean"`
	CI   [2]float64 `json:"ci"`
}

func measure(cases []incident) Result {
	r := Result{Set: "postmortems", N: len(cases)}
	for _, q := range questions {
		r.Answers = append(r.Answers, ask(q, cases))
	}
	return r
}

func ask(question string, all []incident) Answer {
	var cases []incident
	var past []backout.Precedent
	for _, c := range all {
		if c.answers[question] != "" {
			past = append(past, backout.Precedent{ID: backout.PrecedentID(fmt.Sprint(len(cases))), Signature: c.seen})
			cases = append(cases, c)
		}
	}
	known := recall.New(past...)
	classes := map[string]int{}
	for _, c := range cases {
		classes[c.answers[question]]++
	}
	a := Answer{Question: question, N: len(cases), Classes: len(classes)}
	var near, three, chance, most, same, over, overMost []float64
	for i, c := range cases {
		own := c.answers[question]
		var said []string
		for _, n := range known.Nearest(c.seen, backout.PrecedentID(fmt.Sprint(i)), 3) {
			var k int
			_, _ = fmt.Sscan(string(n.Precedent), &k)
			said = append(said, cases[k].answers[question])
		}
		by := float64(classes[own]-1) / float64(len(cases)-1)
		common := frequent(classes, own)
		first := 0.0
		if len(said) > 0 {
			first = hit(said[0] == own)
		}
		near, three, chance, most = append(near, first), append(three, hit(len(said) > 0 && majority(said) == own)), append(chance, by), append(most, hit(common == own))
		over, overMost = append(over, first-by), append(overMost, first-hit(common == own))
		same = append(same, sameService(cases, i, question, by))
	}
	a.Nearest, a.OfThree, a.OverChance, a.OverFrequent = share(near), share(three), share(over), share(overMost)
	a.Baselines.Chance, a.Baselines.MostFrequent, a.Baselines.SameService = share(chance), share(most), share(same)
	return a
}

func hit(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// frequent is the commonest answer of all but one with this answer, ties by name.
func frequent(classes map[string]int, without string) string {
	best, n := "", 0
	names := make([]string, 0, len(classes))
	for name := range classes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		k := classes[name]
		if name == without {
			k--
		}
		if k > n {
			best, n = name, k
		}
	}
	return best
}

// majority of three, the nearest where all differ.
func majority(said []string) string {
	if len(said) == 3 && said[1] == said[2] {
		return said[1]
	}
	return said[0]
}

// sameService is the chance of a hit with any other incident that names one of the
// services; with none of them, that of chance.
func sameService(cases []incident, i int, question string, chance float64) float64 {
	n, hits := 0.0, 0.0
	for j, c := range cases {
		if j != i && slices.ContainsFunc(c.seen.Services, func(s backout.ServiceID) bool { return slices.Contains(cases[i].seen.Services, s) }) {
			n, hits = n+1, hits+hit(c.answers[question] == cases[i].answers[question])
		}
	}
	if n == 0 {
		return chance
	}
	return hits / n
}

// share resamples incidents 10,000 times.
func share(xs []float64) Share {
	const resamples = 10000
	r := rand.New(rand.NewPCG(1, 1))
	means := make([]float64, resamples)
	for k := range means {
		for range xs {
			means[k] += xs[r.IntN(len(xs))]
		}
		means[k] /= float64(len(xs))
	}
	slices.Sort(means)
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	round := func(x float64) float64 { return math.Round(x*1e4) / 1e4 }
	return Share{round(sum / float64(len(xs))), [2]float64{round(means[resamples/40]), round(means[resamples-1-resamples/40])}}
}

func show(r Result) {
	fmt.Printf("%d incidents, each left out in turn; 95 %% intervals over incidents\n", r.N)
	for _, a := range r.Answers {
		fmt.Printf("\n%s (n = %d, %d classes)\n", a.Question, a.N, a.Classes)
		for _, l := range []struct {
			name string
			s    Share
		}{
			{"nearest", a.Nearest}, {"majority of the three nearest", a.OfThree}, {"chance", a.Baselines.Chance}, {"most frequent", a.Baselines.MostFrequent},
			{"any with a service in common", a.Baselines.SameService}, {"nearest - chance", a.OverChance}, {"nearest - most frequent", a.OverFrequent},
		} {
			fmt.Printf("  %-30s %6.3f [%.3f, %.3f]\n", l.name, l.s.Mean, l.s.CI[0], l.s.CI[1])
		}
	}
}
