package main

import (
	"fmt"
	"math"
	"strings"

	pic "github.com/backout-dev/backout/internal/render/picture"
)

func text(r report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d stages of %d samples for each row, one look at each sample\n", r.Runs, r.Samples)
	fmt.Fprintf(&b, "%-10s %-34s %-17s %6s | %-24s %-5s %6s | %12s %7s\n", "question", "noise", "baseline", "alpha", "false, 99 % interval", "holds", "median", "Mann-Whitney", "t-test")
	for _, f := range r.Families {
		fmt.Fprintf(&b, "%-10s %-34s %-17s %6.2f | %.4f (%.4f-%.4f)   %-5s %6s | %12.3f %7.3f\n",
			f.Question, f.Noise, f.Baseline, f.Alpha, f.Backout.Rate, f.Backout.Low, f.Backout.High, f.Holds, samples(f.Median), f.MannWhitney.Rate, f.TTest.Rate)
	}
	return b.String()
}

func samples(n int) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// markdown is the page: what was asked, the table, and what does not hold.
func markdown(r report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Looking as often as one likes\n\n")
	fmt.Fprintf(&b, "A gate looks at every sample and acts on the first answer. Written by `go run ./bench/peeking -runs %d -samples %d -write docs/PEEKING.md -svg docs/pictures/peeking.svg`:\n", r.Runs, r.Samples)
	fmt.Fprintf(&b, "%d simulated stages a row, %d looks each, all draws seeded. *False* is the share of stages with a wrong answer at any look, with its\n99 %% interval (Clopper and Pearson), where the\n", r.Runs, r.Samples)
	fmt.Fprintf(&b, "right answer is hardest: *recovered* with the mean exactly at the margin, *worse* while nothing changed, *counts* with both versions failing alike.\n")
	fmt.Fprintf(&b, "*Median* is how many samples the right answer takes (a mean of 0; three standard deviations beyond the harm margin; twice the failures).\n")
	fmt.Fprintf(&b, "Learnt baselines are the detector's own, with level, spread and correlation estimated. Mann-Whitney and t-test look as often,\nat the same alpha, and are given the true level and spread.\n\n")
	fmt.Fprintf(&b, "![False answers under peeking, by method](pictures/peeking.svg)\n\n")
	fmt.Fprintf(&b, "| question | noise | baseline | alpha | false | 99 %% interval | holds | median | Mann-Whitney | t-test |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range r.Families {
		holds := f.Holds
		if !f.Promised {
			holds += ", not promised"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f | %.4f | %.4f-%.4f | %s | %s | %.3f | %.3f |\n", f.Question, f.Noise, f.Baseline, f.Alpha, f.Backout.Rate, f.Backout.Low, f.Backout.High, holds, samples(f.Median), f.MannWhitney.Rate, f.TTest.Rate)
	}
	fmt.Fprintf(&b, `
**What is not promised.** A baseline that is worth less than about 15 independent samples, n(1-phi)/(1+phi): 60 samples at phi 0.7 and above. And
failures that come in bursts on one version alone: they are damped by their measured dispersion, which a few steps can't show.

**Why counts are compared step by step.** Pooled over the stage, a rise of failures that hits both versions while the moved share grows looks like
a difference; the row "share and failures rise together" is that case.
`)
	return b.String()
}

// picture shows every family's rate by method on one logarithmic scale, with the
// stated alphas as lines.
func picture(r report) *pic.Scene {
	const row, left, width, top = 20.0, 330.0, 420.0, 64.0
	s := &pic.Scene{Width: 800, Height: int(top+row*float64(len(r.Families))) + 16, Title: "How often a gate that looks at every sample is wrong, by method"}
	x := func(rate float64) float64 { // from 0.0005 to 1
		return left + width*(math.Log10(math.Max(rate, .0005))+3.301)/3.301
	}
	s.Word(4, 20, s.Title, pic.Text, 14, true, pic.Start)
	s.Word(4, 38, "✔ backout with its 99 % interval   M Mann-Whitney   t t-test   vertical: stated alpha", pic.Muted, 12, false, pic.Start)
	bottom := top + row*float64(len(r.Families))
	for _, tick := range []float64{.001, .01, .1, 1} {
		s.Path(fmt.Sprintf("M%.1f %.1fV%.1f", x(tick), top-8, bottom), pic.Line, 1, false, false)
		s.Word(x(tick), top-10, fmt.Sprint(tick), pic.Muted, 12, false, pic.Middle)
	}
	for i, f := range r.Families {
		y := top + row*float64(i) + row/2
		s.Word(4, y+4, f.Question+" · "+f.Noise+" · "+f.Baseline, pic.Text, 12, false, pic.Start)
		s.Path(fmt.Sprintf("M%.1f %.1fV%.1f", x(f.Alpha), y-row/2, y+row/2), pic.Waits, 1.5, false, false)
		ink, mark := pic.OK, "✔"
		if f.Holds == "no" {
			ink, mark = pic.Bad, "✖"
		}
		s.Path(fmt.Sprintf("M%.1f %.1fH%.1f", x(f.Backout.Low), y, x(f.Backout.High)), ink, 2, false, false)
		s.Word(x(f.Backout.Rate), y+5, mark, ink, 13, true, pic.Middle)
		s.Word(x(f.MannWhitney.Rate), y+4, "M", pic.Muted, 12, false, pic.Middle)
		s.Word(x(f.TTest.Rate), y+4, "t", pic.Muted, 12, false, pic.Middle)
	}
	return s
}
