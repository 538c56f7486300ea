package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/backout-dev/backout/internal/render/picture"
)

// scatter draws every case at its score, guilty ones above innocent ones, with the
// thresholds: what lies on the wrong side of the lines is wrong.
func scatter(r result, answers []answer) *picture.Scene {
	const width, left, right, row = 800, 120.0, 780.0, 110.0
	s := &picture.Scene{Width: width, Height: 2*row + 70,
		Title: fmt.Sprintf("%d changes and KPIs by how far the KPI moved with the change: F1 %.3f, AUC %.3f", r.N, r.F1, r.AUC)}
	s.Word(4, 20, s.Title, picture.Text, 14, true, picture.Start)
	const lo, hi = -2.0, 6.0
	x := func(score float64) float64 { return left + (math.Max(lo, math.Min(hi, score))-lo)/(hi-lo)*(right-left) }
	for k := 0; k <= int(hi-lo); k++ {
		v := lo + float64(k)
		s.Word(x(v), 2*row+50, number(math.Exp(v)), picture.Muted, 12, false, picture.Middle)
	}
	s.Word(left, 2*row+66, "times the largest move at nine in ten other moments", picture.Muted, 12, false, picture.Start)
	for _, t := range r.Thresholds {
		s.Path(fmt.Sprintf("M%.1f %.1f V%.1f", x(t), 32.0, 2*row+34), picture.Muted, 1, true, false)
	}
	for i, guilty := range []bool{true, false} {
		top := 36 + row*float64(i)
		s.Word(4, top+row/2, map[bool]string{true: "the change did it", false: "it did not"}[guilty], picture.Text, 13, false, picture.Start)
		k := 0
		for _, a := range answers {
			if a.guilty != guilty {
				continue
			}
			ink := picture.OK
			if !a.right() {
				ink = picture.Bad
			}
			// Golden-ratio steps spread the cases of one row without a pattern.
			_, f := math.Modf(float64(k) * 0.6180339887)
			s.Rect(x(a.verdict.Score)-3, top+6+f*(row-24), 6, 6, map[bool]float64{true: 3, false: 0}[a.right()], ink, picture.None, false)
			k++
		}
	}
	return s
}

func number(x float64) string {
	if x < 1 {
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// drawErrors writes one picture for each wrong answer: four hours around the
// change, and the same hours of the day before.
func drawErrors(dir string, answers []answer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // pictures for everybody
		return err
	}
	for _, a := range answers {
		if a.right() {
			continue
		}
		said := map[bool]string{true: "missed", false: "wrongly blamed"}[a.guilty]
		name := strings.ReplaceAll(said+" "+a.pair+".svg", " ", "-")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(series(a, said).SVG()), 0o644); err != nil { //nolint:gosec // a picture for everybody
			return err
		}
	}
	return nil
}

func series(a answer, said string) *picture.Scene {
	s := &picture.Scene{Width: 800, Height: 260, Title: fmt.Sprintf("%s: %.2g times the usual largest move (%s); dashed: the day before", said, a.verdict.Times, a.class())}
	s.Word(4, 20, s.Title, picture.Text, 14, true, picture.Start)
	q := a.question
	at, span := int(q.Began.Sub(q.From)/q.Step)+1, 120
	day := int(24 * 60)
	lo, hi := math.Inf(1), math.Inf(-1)
	each := func(back int, f func(x int, v float64)) {
		for i := -span; i < span; i++ {
			if k := at + i - back; k >= 0 && k < len(q.Values) && !math.IsNaN(q.Values[k]) {
				f(i+span, q.Values[k])
			}
		}
	}
	for _, back := range []int{0, day} {
		each(back, func(_ int, v float64) { lo, hi = math.Min(lo, v), math.Max(hi, v) })
	}
	for _, back := range []int{day, 0} {
		var d strings.Builder
		each(back, func(x int, v float64) {
			fmt.Fprintf(&d, "%c%.1f %.1f ", "LM"[b2i(d.Len() == 0)], 10+float64(x)*3.25, 245-(v-lo)/(hi-lo+1e-12)*205)
		})
		s.Path(d.String(), map[bool]picture.Fill{true: picture.Running, false: picture.Muted}[back == 0], 1, back != 0, false)
	}
	s.Path("M400 32 V250", picture.Bad, 1, true, false)
	return s
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
