// Package picture draws nouns as scenes: rectangles, lines and words with a
// title and a description. A [Scene] becomes SVG that stands alone as strict XML
// and takes its colours from CSS custom properties with a light fallback, so the
// same picture works on a page, in a report and in a file of its own.
//
// Pictures never carry meaning by colour alone: every status is also a glyph or
// a word, predicted things are dashed, observed ones solid.
package picture

import (
	"fmt"
	"strings"
)

// Scene is a picture before it has a format. Sizes are in pixels.
type Scene struct {
	Width, Height int
	Title         string // one sentence that says what the picture says
	body          strings.Builder
}

// Fill names a colour by meaning; style.css and the fallbacks below give it.
type Fill string

// The fills.
const (
	None    Fill = ""
	Surface Fill = "surface"
	Sunken  Fill = "sunken"
	Text    Fill = "text"
	Muted   Fill = "muted"
	Line    Fill = "hairline"
	OK      Fill = "ok"
	Waits   Fill = "waits"
	Bad     Fill = "bad"
	Running Fill = "running"
	Heat1   Fill = "heat1"
	Heat2   Fill = "heat2"
	Heat3   Fill = "heat3"
	Heat4   Fill = "heat4"
	Heat5   Fill = "heat5"
	OnHeat5 Fill = "onheat5"
)

var fallback = map[Fill]string{
	Surface: "#F5F7FA", Sunken: "#E9EDF2", Text: "#1B1F24", Muted: "#56606D", Line: "#D5DBE3", OK: "#077B48", Waits: "#8F5B00",
	Bad: "#8C1D12", Running: "#0B57C4", Heat1: "#FFF3E6", Heat2: "#FBDCC0", Heat3: "#F5BC8A", Heat4: "#E58A4E", Heat5: "#7A2410", OnHeat5: "#FFFFFF",
}

func (f Fill) css() string {
	if f == None {
		return "none"
	}
	return fmt.Sprintf("var(--%s,%s)", string(f), fallback[f])
}

// Rect draws a rectangle with a border; dashed means predicted.
func (s *Scene) Rect(x, y, w, h, radius float64, fill, border Fill, dashed bool) {
	dash := ""
	if dashed {
		dash = ` stroke-dasharray="5 3"`
	}
	fmt.Fprintf(&s.body, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.1f" style="fill:%s;stroke:%s"%s/>`, x, y, w, h, radius, fill.css(), border.css(), dash)
}

// Path draws a line through points, smooth, with an optional arrowhead.
func (s *Scene) Path(d string, ink Fill, width float64, dashed, arrow bool) {
	extra := ""
	if dashed {
		extra += ` stroke-dasharray="5 3"`
	}
	if arrow {
		extra += ` marker-end="url(#arrow)"`
	}
	fmt.Fprintf(&s.body, `<path d="%s" style="fill:none;stroke:%s;stroke-width:%.1f"%s/>`, d, ink.css(), width, extra)
}

// Anchor says which end of a word stands at its point.
type Anchor string

// The anchors.
const (
	Start  Anchor = "start"
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// Word writes text; size in pixels, at least 12.
func (s *Scene) Word(x, y float64, text string, ink Fill, size int, bold bool, at Anchor) {
	weight := 400
	if bold {
		weight = 600
	}
	fmt.Fprintf(&s.body, `<text x="%.1f" y="%.1f" font-size="%d" font-weight="%d" text-anchor="%s" style="fill:%s">%s</text>`, x, y, size, weight, at, ink.css(), escape(text))
}

// SVG is the scene as one element that stands alone.
func (s *Scene) SVG() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="system-ui,sans-serif" style="max-width:100%%;height:auto"><title>%s</title><defs><marker id="arrow" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto"><path d="M0 0L9 4.5L0 9z" style="fill:%s"/></marker></defs>%s</svg>`,
		s.Width, s.Height, s.Width, s.Height, escape(s.Title), Muted.css(), s.body.String())
}

// escape makes any text safe inside XML; control characters that XML has no place
// for become spaces.
func escape(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, text)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(strings.ToValidUTF8(text, "?"))
}

// clip shortens a name in the middle to n runes.
func clip(name string, n int) string {
	r := []rune(name)
	if len(r) <= n {
		return name
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}
