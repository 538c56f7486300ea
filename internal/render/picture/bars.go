package picture

// Bar is one row of a bar picture: a name, a length and what it says at its end.
type Bar struct {
	Name  string
	Value float64 // in the picture's own unit; negative counts as nothing
	Label string  // at the bar's end, with its unit
	Note  string  // below the label, smaller; may be empty
	Ink   Fill
}

// Bars draws rows on one scale that starts at nothing, so that lengths can be
// compared. The title says what they measure.
func Bars(title string, rows []Bar) *Scene {
	const row, left, width, top = 52.0, 190.0, 270.0, 34.0
	s := &Scene{Width: 800, Height: int(top+row*float64(len(rows))) + 8, Title: title}
	most := 0.0
	for _, r := range rows {
		most = max(most, r.Value)
	}
	s.Word(4, 20, title, Text, 14, true, Start)
	for i, r := range rows {
		y := top + row*float64(i)
		length := 2.0
		if most > 0 {
			length = max(2, r.Value/most*width)
		}
		s.Word(4, y+22, clip(r.Name, 26), Text, 14, false, Start)
		s.Rect(left, y+8, length, 20, 4, r.Ink, None, false)
		s.Word(left+length+10, y+20, r.Label, Text, 14, true, Start)
		s.Word(left+length+10, y+36, r.Note, Muted, 12, false, Start)
	}
	return s
}
