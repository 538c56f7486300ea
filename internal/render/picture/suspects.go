package picture

import (
	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// Suspects draws every suspect worth a row as a bar on a fixed 0-100 scale, and
// always "no change did this". One neutral ink: no red for blame.
func Suspects(a backout.Attribution) *Scene {
	const limit, row, left, width = 5, 40.0, 210.0, 240.0
	n := min(limit, len(a.Suspects))
	s := &Scene{Width: 520, Height: int(row*float64(n+1)) + 8, Title: "How likely each change, and no change at all, is the cause"}
	draw := func(i int, name string, p float64, hatched bool) {
		y := 6 + row*float64(i)
		s.Word(4, y+20, clip(name, 26), Text, 14, i == 0, Start)
		s.Rect(left, y+6, width, 18, 4, Sunken, None, false)
		s.Rect(left, y+6, max(2, p*width), 18, 4, Muted, Text, hatched)
		s.Word(left+width+10, y+20, render.Percent(p), Text, 14, true, Start)
	}
	for i, x := range a.Suspects[:n] {
		draw(i, render.What(x.Component, x.To), x.P, false)
	}
	draw(n, "no change at all", a.PNone, true)
	return s
}
