package render

import (
	"strings"

	"github.com/backout-dev/backout"
)

// Style says what the medium can show.
type Style struct {
	Colour bool
	ASCII  bool // no symbols outside ASCII
	Width  int  // columns; 0 = 78
}

// Ink is one of the few colours, named by meaning; themes of the terminal apply
// since only the 16 standard ones are used.
type Ink int

// The inks.
const (
	InkPlain Ink = iota
	InkBold
	InkMuted
	InkOK
	InkWaits
	InkBad
	InkRunning
	InkHeld
)

var inkCodes = [...]string{"", "1", "2", "1;32", "1;33", "1;31", "1;34", "35"}

// Paint wraps text in its ink's escape codes, or leaves it alone when the medium
// shows no colour.
func (s Style) Paint(i Ink, text string) string {
	if !s.Colour || i == InkPlain || text == "" {
		return text
	}
	return "\x1b[" + inkCodes[i] + "m" + text + "\x1b[0m"
}

// Glyph picks the symbol or its ASCII stand-in.
func (s Style) Glyph(symbol string) string {
	if !s.ASCII {
		return symbol
	}
	if a, ok := asciiGlyphs[symbol]; ok {
		return a
	}
	return "?"
}

var asciiGlyphs = map[string]string{
	"✔": "ok", "✖": "XX", "▶": ">>", "○": "..", "◆": "<>", "◇": "<>", "‖": "||", "█": "#", "░": ".", "→": "->", "·": "-", "!": "!", "?": "?", "−": "-", "+": "+", "~": "~", "=": "=",
}

// StateMark is the glyph, word and ink of an incident's state.
func StateMark(st backout.State) (glyph, word string, ink Ink) {
	word = strings.ReplaceAll(string(st), "_", " ")
	switch st {
	case backout.StateRecovered, backout.StateSelfRecovered, backout.StateReviewed, backout.StateFalseAlarm:
		return "✔", word, InkOK
	case backout.StateNoAction:
		return "✔", "nothing to take back", InkOK
	case backout.StateWaiting:
		return "!", "waits for a person", InkWaits
	case backout.StateHalted, backout.StateAborted:
		return "✖", word, InkBad
	case backout.StateFrozen:
		return "‖", "frozen: can't see", InkHeld
	case backout.StateExecuting, backout.StateApproved:
		return "▶", word, InkRunning
	}
	return "○", word, InkWaits
}

// Bar draws a share of width cells.
func (s Style) Bar(share float64, width int) string {
	n := int(share*float64(width) + .5)
	n = max(0, min(width, n))
	return strings.Repeat(s.Glyph("█"), n) + strings.Repeat(s.Glyph("░"), width-n)
}
