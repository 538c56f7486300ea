package main

import (
	"fmt"
	"strings"

	"github.com/backout-dev/backout/internal/render/picture"
)

// draw shows for each question how often the nearest incident had the right answer, and
// what answers without looking at similarity reach: a mark at the share and a line over
// its interval.
func draw(r Result) *picture.Scene {
	const left, right, line, head, rows = 250.0, 660.0, 20.0, 30.0, 5
	s := &picture.Scene{Width: 800, Height: int(70 + (head+line*rows+14)*float64(len(r.Answers))),
		Title: fmt.Sprintf("%d past incidents, each asked about by the most similar other: how often the answer is right", r.N)}
	s.Word(4, 20, s.Title, picture.Text, 14, true, picture.Start)
	s.Word(4, 40, "square: the share, line: its 95 % interval; full squares look at similarity, empty ones do not", picture.Muted, 12, false, picture.Start)
	x := func(share float64) float64 { return left + share*(right-left) }
	bottom := float64(s.Height) - 18
	for k := 0; k <= 4; k++ {
		v := float64(k) / 4
		s.Path(fmt.Sprintf("M%.1f 52 V%.1f", x(v), bottom-4), picture.Line, 1, false, false)
		s.Word(x(v), bottom+10, fmt.Sprintf("%.0f %%", 100*v), picture.Muted, 12, false, picture.Middle)
	}
	y := 62.0
	for _, a := range r.Answers {
		s.Word(4, y+8, fmt.Sprintf("%s (%d incidents, %d classes)", strings.ReplaceAll(a.Question, "_", " "), a.N, a.Classes), picture.Text, 13, true, picture.Start)
		y += head - 6
		for _, l := range []struct {
			name  string
			share Share
			ours  bool
		}{
			{"the nearest", a.Nearest, true}, {"majority of the three nearest", a.OfThree, true},
			{"any other: chance", a.Baselines.Chance, false}, {"any with a service in common", a.Baselines.SameService, false}, {"always the most frequent class", a.Baselines.MostFrequent, false},
		} {
			ink, fill := picture.Muted, picture.Surface
			if l.ours {
				ink, fill = picture.OK, picture.OK
			}
			s.Word(20, y+4, l.name, picture.Text, 12, false, picture.Start)
			s.Path(fmt.Sprintf("M%.1f %.1f H%.1f", x(l.share.CI[0]), y, x(l.share.CI[1])), ink, 2, false, false)
			s.Rect(x(l.share.Mean)-4, y-4, 8, 8, 0, fill, ink, false)
			s.Word(right+12, y+4, fmt.Sprintf("%.0f %% [%.0f, %.0f]", 100*l.share.Mean, 100*l.share.CI[0], 100*l.share.CI[1]), picture.Text, 12, false, picture.Start)
			y += line
		}
		y += 20
	}
	return s
}
