package picture

import (
	"fmt"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

const (
	ganttW     = 1000
	ganttLeft  = 290.0
	ganttRow   = 40.0
	ganttRight = 20.0
)

// Plan draws a plan as waves over time: one row a step, its stages as bars with
// the bake after each, a diamond for each gate (filled once passed). entries are
// the journal of the running or finished attempt, empty before it begins.
func Plan(p backout.Plan, entries []backout.Entry) *Scene {
	steps := p.Steps()
	s := &Scene{Width: ganttW, Height: int(44 + ganttRow*float64(max(1, len(steps)))), Title: p.Summary}
	total := max(p.Takes.Std(), time.Second)
	scale := (ganttW - ganttLeft - ganttRight) / total.Seconds()
	drawAxis(s, total, scale)
	row := 0
	for w, wave := range p.Waves {
		for _, st := range wave.Steps {
			drawStep(s, w, row, st, scale, entries)
			row++
		}
	}
	if len(steps) == 0 {
		s.Word(8, 40+ganttRow/2, "nothing is taken back", Muted, 14, false, Start)
	}
	return s
}

func drawAxis(s *Scene, total time.Duration, scale float64) {
	for i := range 5 {
		at := total * time.Duration(i) / 4
		x := ganttLeft + at.Seconds()*scale
		s.Path(fmt.Sprintf("M%.1f 26V%d", x, s.Height-4), Line, 1, false, false)
		anchor := Middle
		if i == 4 {
			anchor = End
		}
		s.Word(x, 16, "+"+render.Span(at), Muted, 12, false, anchor)
	}
}

func drawStep(s *Scene, wave, row int, st backout.Step, scale float64, entries []backout.Entry) {
	y := 36 + ganttRow*float64(row)
	s.Word(8, y+18, fmt.Sprintf("W%d", wave+1), Muted, 12, true, Start)
	s.Word(40, y+18, clip(render.ShortName(st.Component), 18), Text, 14, true, Start)
	s.Word(ganttLeft-16, y+18, clip(fmt.Sprintf("%s → %s", st.From, st.To), 18), Muted, 12, false, End)
	if len(st.Stages) == 0 {
		return
	}
	bakes := time.Duration(0)
	for _, g := range st.Stages {
		bakes += g.Bake.Std()
	}
	act := max(0, st.Takes.Std()-bakes) / time.Duration(len(st.Stages))
	x := ganttLeft + st.Start.Std().Seconds()*scale
	for i, g := range st.Stages {
		aw, bw := act.Seconds()*scale, g.Bake.Std().Seconds()*scale
		done := passed(entries, st.ID, i)
		ink, word := Muted, "◇"
		if done {
			ink, word = OK, "◆"
		}
		s.Rect(x, y+6, max(3, aw), 18, 4, fillOf(done, Running), ink, !done)
		s.Rect(x+aw, y+6, bw, 18, 4, Sunken, ink, !done)
		s.Word(x+aw+bw/2, y+19, fmt.Sprintf("%.0f %%", g.Share*100), Text, 12, false, Middle)
		x += aw + bw
		s.Word(x, y+20, word, ink, 14, true, Middle)
	}
}

func fillOf(done bool, f Fill) Fill {
	if done {
		return f
	}
	return Surface
}

// passed reports whether the journal shows this stage's effect as done.
func passed(entries []backout.Entry, step string, stage int) bool {
	for _, e := range entries {
		if e.Step == step && e.Stage == stage && (e.Kind == backout.EntrySkipped || e.Kind == backout.EntryEffect && e.Outcome == backout.OutcomeDone) {
			return true
		}
	}
	return false
}
