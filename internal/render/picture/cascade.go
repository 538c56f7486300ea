package picture

import (
	"fmt"
	"math"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// cards are 176x72 with 70 between columns and 22 between rows; a column is an
// arrival band, so the picture reads from left (now) to right (later).
const (
	cardW, cardH = 176.0, 72.0
	gapX, gapY   = 70.0, 22.0
	top          = 34.0
	maxCards     = 12
)

// target names a card: a service and a journey may share a name.
type target struct {
	kind backout.TargetKind
	name string
}

type placed struct {
	hit  backout.Hit
	x, y float64
}

// Cascade draws who is hit now and who is next, by arrival. Edges show the ways
// trouble travels between the services on the picture. At most 12 cards are
// drawn; the rest is a count.
func Cascade(f backout.Forecast, g backout.Graph) *Scene {
	bands := []string{"now", "soon", "later", "last"}
	columns := make([][]backout.Hit, len(bands))
	shown, hidden := 0, 0
	for _, h := range f.Hits {
		if h.HitAt.IsZero() && h.P < .05 || shown == maxCards {
			hidden++
			continue
		}
		shown++
		b := band(h, f.Horizon.Std().Seconds())
		columns[b] = append(columns[b], h)
	}
	rows := 1
	for _, c := range columns {
		rows = max(rows, len(c))
	}
	s := &Scene{Width: int(4*cardW + 3*gapX + 4), Height: int(top + float64(rows)*(cardH+gapY) + 20), Title: cascadeTitle(f)}
	at := map[target]placed{}
	for c, hits := range columns {
		x := 2 + float64(c)*(cardW+gapX)
		s.Word(x, 16, bandLabel(c, f), Muted, 12, false, Start)
		for r, h := range hits {
			at[target{h.Kind, h.Target}] = placed{h, x, top + float64(r)*(cardH+gapY)}
		}
	}
	drawWays(s, g, at)
	for _, hits := range columns {
		for _, h := range hits {
			drawCard(s, at[target{h.Kind, h.Target}])
		}
	}
	if hidden > 0 {
		s.Word(2, float64(s.Height)-6, fmt.Sprintf("and %d more below 5 %% or beyond the first %d", hidden, maxCards), Muted, 12, false, Start)
	}
	return s
}

func band(h backout.Hit, horizon float64) int {
	if !h.HitAt.IsZero() || horizon <= 0 {
		return 0
	}
	return 1 + min(2, int(h.P50.Std().Seconds()/horizon*3))
}

func bandLabel(c int, f backout.Forecast) string {
	third := f.Horizon.Std() / 3
	switch c {
	case 0:
		return "hit now"
	case 1:
		return "within " + render.Span(third)
	case 2:
		return "within " + render.Span(2*third)
	}
	return "within " + render.Span(3*third)
}

func cascadeTitle(f backout.Forecast) string {
	now, next := 0, 0
	for _, h := range f.Hits {
		if !h.HitAt.IsZero() {
			now++
		} else if h.P >= .05 {
			next++
		}
	}
	return fmt.Sprintf("%d hit now, %d more may follow within %s", now, next, render.Span(f.Horizon.Std()))
}

func drawCard(s *Scene, p placed) {
	fill, ink, predicted := heat(p.hit), Text, p.hit.HitAt.IsZero()
	glyph, second := "○ ", render.Percent(p.hit.P)+" · "+render.Span(p.hit.P50.Std())
	if !predicted {
		ink, glyph, second = OnHeat5, "✖ ", "hit "+render.Clock(p.hit.HitAt)
	}
	s.Rect(p.x, p.y, cardW, cardH, 6, fill, Text, predicted)
	s.Word(p.x+10, p.y+22, glyph+clip(p.hit.Target, 20), ink, 14, true, Start)
	s.Word(p.x+10, p.y+41, string(p.hit.Kind)+", "+second, ink, 12, false, Start)
	if p.hit.CostPerMinute.P50.Minor > 0 {
		s.Word(p.x+10, p.y+60, "about "+render.Amount(p.hit.CostPerMinute.P50)+"/min", ink, 12, false, Start)
	}
}

func heat(h backout.Hit) Fill {
	if !h.HitAt.IsZero() {
		return Heat5
	}
	return [...]Fill{Heat1, Heat2, Heat3, Heat4}[min(3, int(h.P*4))]
}

// drawWays connects cards of different columns along the graph's ways, and
// journeys with the services on their path.
func drawWays(s *Scene, g backout.Graph, at map[target]placed) {
	draw := func(from, to placed) {
		if from.x >= to.x {
			return
		}
		x1, y1, x2, y2 := from.x+cardW, from.y+cardH/2, to.x-2, to.y+cardH/2
		mid := math.Max(20, (x2-x1)/2)
		s.Path(fmt.Sprintf("M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x1, y1, x1+mid, y1, x2-mid, y2, x2, y2), Muted, 1.2, to.hit.HitAt.IsZero(), true)
	}
	for _, w := range g.Spreads() {
		from, ok1 := at[target{backout.TargetService, string(w.Cause)}]
		to, ok2 := at[target{backout.TargetService, string(w.Victim)}]
		if ok1 && ok2 {
			draw(from, to)
		}
	}
	for _, j := range g.Journeys {
		to, ok := at[target{backout.TargetJourney, string(j.ID)}]
		if !ok {
			continue
		}
		for _, sv := range j.Services {
			if from, ok := at[target{backout.TargetService, string(sv)}]; ok {
				draw(from, to)
			}
		}
	}
}
