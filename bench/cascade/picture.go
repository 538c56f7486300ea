package main

import (
	"fmt"

	"github.com/backout-dev/backout/internal/render/picture"
)

// draw shows for each scenario what was rightly foretold, wrongly foretold and
// missed, by us and by reachability, as rows of squares.
func draw(r result, answers []answer) *picture.Scene {
	const row, left, square = 26.0, 150.0, 9.0
	s := &picture.Scene{Width: 800, Height: int(60 + row*float64(len(answers))),
		Title: fmt.Sprintf("What %d incidents hit, foretold from the others: F1 %.3f, plain reachability %.3f", r.N, r.F1, r.ReachabilityF1)}
	s.Word(4, 20, s.Title, picture.Text, 14, true, picture.Start)
	s.Word(left, 40, "above backout, below reachability; full: foretold and hit, dashed: missed, thin: in vain", picture.Muted, 12, false, picture.Start)
	for i, a := range answers {
		y := 52 + row*float64(i)
		s.Word(4, y+14, a.name, picture.Text, 12, false, picture.Start)
		for k, name := range []string{ours, reachability} {
			c, x := a.counts[name], left
			mark := func(n float64, height float64, fill, border picture.Fill, dashed bool) {
				for range int(n) {
					s.Rect(x, y+float64(k)*(square+2)+(square-height)/2, square, height, 1, fill, border, dashed)
					x += square + 4
				}
			}
			mark(c.hit, square, picture.OK, picture.OK, false)
			mark(c.missed, square, picture.None, picture.Text, true)
			mark(c.blamed, 3, picture.Bad, picture.None, false)
		}
	}
	return s
}
