package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	pic "github.com/backout-dev/backout/internal/render/picture"
)

// show writes the outcome for people.
func show(out io.Writer, o outcome) {
	asked := fmt.Sprintf("seeds from %d", o.Seed)
	if o.Until != "" {
		asked = fmt.Sprintf("asked %s after it was noticed", o.Until)
	}
	fmt.Fprintf(out, "%s, %s, %d cases, in %d of them there is somebody to blame; 95 %% intervals by resampling cases\n\n", o.Set, asked, o.N, o.Caused)
	fmt.Fprintf(out, "%-18s %-22s %-22s %6s %6s %6s %9s\n", "", "AC@1", "AC@3", "Avg@5", "MRR", "exam", "innocent")
	line := func(name string, a accuracy) {
		fmt.Fprintf(out, "%-18s %.3f [%.3f, %.3f]   %.3f [%.3f, %.3f]   %6.3f %6.3f %6.2f %9.2f\n", name, a.AC1, a.AC1CI[0], a.AC1CI[1], a.AC3, a.AC3CI[0], a.AC3CI[1], a.Avg5, a.MRR, a.Exam, a.Innocent)
	}
	asks := len(o.Reliability) > 0
	if asks {
		line("backout", o.accuracy)
	}
	if o.Told != nil {
		line("  told when", *o.Told)
	}
	for _, p := range peers {
		if a, ok := o.Baselines[p.name]; ok {
			line(p.name, a)
		}
	}
	if asks {
		showAnswers(out, o)
	}
}

// showAnswers says how honest our answers are and where they fail.
func showAnswers(out io.Writer, o outcome) {
	fmt.Fprintf(out, "\nfirst answer right, \"no change\" included: %.3f [%.3f, %.3f]; \"no change\" has %.3f on average\n", o.AccuracyWithNone, o.AccuracyWithNoneCI[0], o.AccuracyWithNoneCI[1], o.PNone)
	fmt.Fprintf(out, "NLL %.3f, Brier %.3f, ECE %.3f [%.3f, %.3f]\n", o.NLL, o.Brier, o.ECE, o.ECECI[0], o.ECECI[1])
	for _, c := range o.RiskCoverage {
		fmt.Fprintf(out, "  sure by %.1f: %4d answers (%.3f of all), right %s; %4d of them name somebody, right %s\n",
			c.Confidence, c.N, c.Coverage, ranged(c.Precision, c.PrecisionCI), c.Changes, ranged(c.ChangePrecision, c.ChangePrecisionCI))
	}
	fmt.Fprintf(out, "attribution takes %.1f ms (median; %.1f at most)\n", o.MedianMS, o.MaxMS)
	if o.Detected != nil {
		fmt.Fprintf(out, "something stands that opens an incident in %.3f of the cases\n", *o.Detected)
	}
	if o.Specificity != nil {
		fmt.Fprintf(out, "specificity %.3f of %d calm windows of an hour, detector included\n", *o.Specificity, o.CalmWindows)
	}
	if len(o.Faults) > 0 {
		fmt.Fprintf(out, "\n%-14s %5s  %-22s %-22s %9s %9s %9s\n", "", "n", "AC@1", "right", "said none", "innocent", "blamed any")
	}
	for _, f := range slices.Sorted(maps.Keys(o.Faults)) {
		k := o.Faults[f]
		fmt.Fprintf(out, "%-14s %5d  %-22s %.3f [%.3f, %.3f]   %9.3f %9.3f %9.3f\n", f, k.N, ranged(k.AC1, k.AC1CI), k.Right, k.RightCI[0], k.RightCI[1], k.SaidNone, k.BlamedInnocent, k.BlamedAnyChange)
	}
}

// ranged is a share with its interval, "-" where there is none.
func ranged(x *float64, ci [2]float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f [%.3f, %.3f]", *x, ci[0], ci[1])
}

// bar is one row of the picture.
type bar struct {
	name     string
	value    float64
	interval [2]float64
	ink      pic.Fill
}

// picture shows the first place by method and by kind of fault, with intervals, and
// how far confidences can be believed.
func picture(o outcome) *pic.Scene {
	rows := bars(o)
	const row, left, width, top = 22.0, 190.0, 330.0, 70.0
	bottom := top + row*float64(len(rows))
	s := &pic.Scene{Width: 880, Height: int(max(bottom, top+280)) + 40, Title: fmt.Sprintf("Who is blamed on %s: how often the first answer is right", o.Set)}
	s.Word(4, 20, s.Title, pic.Text, 14, true, pic.Start)
	s.Word(4, 40, fmt.Sprintf("%d cases; lines are 95 %% intervals; ● backout, ○ others, ◆ backout by kind of fault", o.N), pic.Muted, 12, false, pic.Start)
	x := func(v float64) float64 { return left + width*v }
	for _, tick := range []float64{0, .25, .5, .75, 1} {
		s.Path(fmt.Sprintf("M%.1f %.1fV%.1f", x(tick), top-6, bottom), pic.Line, 1, false, false)
		s.Word(x(tick), top-10, fmt.Sprint(tick), pic.Muted, 12, false, pic.Middle)
	}
	marks := map[pic.Fill]string{pic.Running: "●", pic.Muted: "○", pic.Waits: "◆"}
	for i, b := range rows {
		y := top + row*float64(i) + row/2
		s.Word(left-10, y+4, b.name, pic.Text, 12, b.ink == pic.Running, pic.End)
		s.Path(fmt.Sprintf("M%.1f %.1fH%.1f", x(b.interval[0]), y, x(b.interval[1])), b.ink, 2, false, false)
		s.Word(x(b.value), y+5, marks[b.ink], b.ink, 14, true, pic.Middle)
	}
	reliability(s, o, left+width+70, top)
	return s
}

func bars(o outcome) []bar {
	var out []bar
	asks := len(o.Reliability) > 0
	if asks {
		out = append(out, bar{"backout", o.AC1, o.AC1CI, pic.Running})
	}
	for _, p := range peers {
		if a, ok := o.Baselines[p.name]; ok {
			out = append(out, bar{p.name, a.AC1, a.AC1CI, pic.Muted})
		}
	}
	if asks {
		out = append(out, bar{"backout, with none", o.AccuracyWithNone, o.AccuracyWithNoneCI, pic.Running})
	}
	for _, f := range slices.Sorted(maps.Keys(o.Faults)) {
		out = append(out, bar{fmt.Sprintf("%s (%d)", f, o.Faults[f].N), o.Faults[f].Right, o.Faults[f].RightCI, pic.Waits})
	}
	return out
}

// reliability draws what share was right against what was claimed, for tenths of the
// cases; the dashed line is honesty.
func reliability(s *pic.Scene, o outcome, left, top float64) {
	const side = 240.0
	if len(o.Reliability) == 0 {
		return
	}
	s.Rect(left, top, side, side, 0, pic.Surface, pic.Line, false)
	s.Path(fmt.Sprintf("M%.1f %.1fL%.1f %.1f", left, top+side, left+side, top), pic.Muted, 1, true, false)
	for _, b := range o.Reliability {
		s.Word(left+side*b.Confidence, top+side*(1-b.Right)+5, "●", pic.Running, 14, true, pic.Middle)
	}
	s.Word(left, top-10, fmt.Sprintf("right, by confidence; ECE %.3f", o.ECE), pic.Text, 12, false, pic.Start)
	for _, t := range []float64{0, .5, 1} {
		s.Word(left+side*t, top+side+16, fmt.Sprint(t), pic.Muted, 12, false, pic.Middle)
		s.Word(left-6, top+side*(1-t)+4, fmt.Sprint(t), pic.Muted, 12, false, pic.End)
	}
	s.Word(left+side/2, top+side+32, "confidence of the first answer", pic.Muted, 12, false, pic.Middle)
}
