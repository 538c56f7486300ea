package report

import (
	"fmt"

	"github.com/backout-dev/backout/internal/render/picture"
)

// document is a report before it has a format: the same words and numbers become
// Markdown and HTML.
type document struct {
	title, state string
	parts        []part
}

// part is one section.
type part struct {
	head   string
	blocks []block
}

// block is one of: a paragraph, a list, a table, a picture.
type block struct {
	text    string
	items   []string
	columns []string
	rows    [][]string
	scene   *picture.Scene
}

func (d *document) begin(head string) { d.parts = append(d.parts, part{head: head}) }

func (d *document) add(b block) {
	p := &d.parts[len(d.parts)-1]
	p.blocks = append(p.blocks, b)
}

func (d *document) say(format string, args ...any) {
	d.add(block{text: fmt.Sprintf(format, args...)})
}

func (d *document) list(items []string) {
	if len(items) > 0 {
		d.add(block{items: items})
	}
}

func (d *document) table(columns []string, rows [][]string) {
	if len(rows) > 0 {
		d.add(block{columns: columns, rows: rows})
	}
}

func (d *document) draw(s *picture.Scene) { d.add(block{scene: s}) }
