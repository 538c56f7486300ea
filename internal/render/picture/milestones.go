package picture

import (
	"fmt"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// Milestones draws how long each part of an incident took, from its onset to its
// end: what was reached is a dot on the line of time, with its words above and
// below in turn so that near ones can be read.
func Milestones(p backout.Past) *Scene {
	const width, left, right, line = 1000.0, 20.0, 110.0, 62.0
	s := &Scene{Width: int(width), Height: 124, Title: "How long it took from the onset to each milestone"}
	type point struct {
		word string
		at   time.Duration
		ink  Fill
	}
	points := []point{{"onset", 0, Bad}}
	for _, m := range []struct {
		word string
		at   *backout.Duration
		ink  Fill
	}{{"detected", p.Detected, Waits}, {"decided", p.Decided, Running}, {"first effect", p.FirstEffect, Running}, {"verified", p.Verified, OK}} {
		if m.at != nil {
			points = append(points, point{m.word, m.at.Std(), m.ink})
		}
	}
	if !p.EndedAt.IsZero() && p.Verified == nil {
		points = append(points, point{"ended", p.EndedAt.Sub(p.Onset), Muted})
	}
	total := max(points[len(points)-1].at, time.Second)
	s.Rect(left, line-2, width-left-right, 4, 2, Sunken, None, false)
	x := 0.0
	for i, m := range points {
		at := left + float64(m.at)/float64(total)*(width-left-right)
		// Two points of one side need room for their words.
		if x = max(at, x+58); i == 0 {
			x = at
		}
		y, text := 22.0, 38.0
		if i%2 == 1 {
			y, text = 98, 114
		}
		tip := line - 18
		if i%2 == 1 {
			tip = line + 20
		}
		s.Path(fmt.Sprintf("M%.1f %.1fL%.1f %.1f", at, line, x, tip), m.ink, 1.5, false, false)
		s.Rect(at-5, line-5, 10, 10, 5, m.ink, None, false)
		s.Word(x, y, m.word, Text, 14, true, Start)
		s.Word(x, text, "+"+render.Span(m.at), Muted, 12, false, Start)
	}
	return s
}
