package main

import (
	"errors"
	"math"
	"time"

	"github.com/backout-dev/backout/internal/attribute/coincide"
	"github.com/backout-dev/backout/internal/statistics"
)

// standing is what one method reached.
type standing struct {
	F1          float64    `json:"f1"` // threshold fitted on one half, measured on the other, mean of both directions
	F1CI        [2]float64 `json:"f1_ci"`
	BestF1      float64    `json:"best_f1"` // at the threshold that is best in hindsight
	BestF1CI    [2]float64 `json:"best_f1_ci"`
	AUC         float64    `json:"auc"`
	AUCCI       [2]float64 `json:"auc_ci"`
	Thresholds  [2]float64 `json:"thresholds"`   // fitted on the even and the odd half
	OtherSplits float64    `json:"other_splits"` // mean F1 over a hundred other splits by pair
}

// mistakes counts wrong answers of one class of cases.
type mistakes struct {
	N      int `json:"n"`
	Missed int `json:"missed"`
	Blamed int `json:"wrongly_blamed"`
}

type result struct {
	Set   string `json:"set"`
	N     int    `json:"n"`
	Pairs int    `json:"pairs"`
	standing
	ShippedF1   float64             `json:"shipped_f1"` // at coincide.Usual
	ShippedF1CI [2]float64          `json:"shipped_f1_ci"`
	MedianMS    float64             `json:"median_ms"`
	MaxMS       float64             `json:"max_ms"`
	Unjudged    int                 `json:"unjudged"`
	Fitted      string              `json:"fitted"`
	Baselines   map[string]standing `json:"baselines"`
	Errors      map[string]mistakes `json:"errors"`
}

// answer is one case with its verdict, at the threshold of the other half.
type answer struct {
	sample
	verdict coincide.Verdict
	judged  bool
	says    bool
}

func (a answer) right() bool { return a.says == a.guilty }

// class says what became of the series, which does not depend on the label.
func (a answer) class() string {
	kind := map[coincide.Kind]string{coincide.Burst: "burst of at most 10 min", coincide.Level: "shift or ramp", coincide.Spread: "spread"}[a.verdict.Kind]
	if kind == "" {
		return "not judged"
	}
	if sparse(a.question.Values) {
		return kind + ", sparse series"
	}
	return kind
}

// sparse reports whether more than half of the samples are one and the same value.
func sparse(x []float64) bool {
	m, n, same := statistics.Median(x), 0, 0
	for _, v := range x {
		if !math.IsNaN(v) {
			n++
		}
		if v == m {
			same++
		}
	}
	return 2*same > n
}

// unjudged scores below everything that can be judged, and stays a number.
const unjudged = -20

func measure(cases []sample) (result, []answer) {
	r := result{Set: "kontrast", N: len(cases), Baselines: map[string]standing{}, Errors: map[string]mistakes{},
		Fitted: "the threshold, on the half by SHA-256 of the pair that is not measured; windows, scales and shares are frozen in internal/attribute/coincide, and were chosen with all of these cases in view"}
	answers, scores := make([]answer, len(cases)), make([]scored, len(cases))
	var took []float64
	pairs := map[string]bool{}
	for i, c := range cases {
		start := time.Now()
		v, err := coincide.Judge(c.question)
		took = append(took, float64(time.Since(start))/float64(time.Millisecond))
		pairs[c.pair] = true
		answers[i] = answer{sample: c, verdict: v, judged: !errors.Is(err, coincide.ErrShort)}
		scores[i] = scored{c.pair, c.half(), c.guilty, v.Score}
		if !answers[i].judged {
			scores[i].score = unjudged
			r.Unjudged++
		}
	}
	r.Pairs, r.MedianMS, r.MaxMS = len(pairs), statistics.Median(took), statistics.Quantile(took, 1)
	r.standing = stand(scores)
	r.ShippedF1 = f1(scores, coincide.Usual)
	r.ShippedF1CI = interval(scores, func(c []scored) float64 { return f1(c, coincide.Usual) })
	for i := range answers {
		a := &answers[i]
		a.says = scores[i].score > r.Thresholds[1-scores[i].half]
		r.Errors[a.class()] = r.Errors[a.class()].and(*a)
	}
	for name, score := range peers {
		for i, c := range cases {
			scores[i].score = score(c.sides())
		}
		r.Baselines[name] = stand(scores)
	}
	return r, answers
}

func (m mistakes) and(a answer) mistakes {
	m.N++
	switch {
	case a.guilty && !a.says:
		m.Missed++
	case !a.guilty && a.says:
		m.Blamed++
	}
	return m
}

// stand measures one method. The interval of F1 holds the two thresholds fixed.
func stand(scores []scored) standing {
	t := fitted(scores)
	return standing{
		F1: crossed(scores, t), F1CI: interval(scores, func(c []scored) float64 { return crossed(c, t) }),
		BestF1: bestF1(scores), BestF1CI: interval(scores, bestF1),
		AUC: auc(scores), AUCCI: interval(scores, auc),
		Thresholds: t, OtherSplits: otherSplits(scores),
	}
}
