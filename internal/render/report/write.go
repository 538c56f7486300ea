package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed report.css
var css string

//go:embed report.html
var page string

// Markdown writes the report as Markdown; it needs no pictures, since their numbers
// stand in tables.
func Markdown(f Facts) string {
	d := f.document()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s\n", plain(d.title), plain(d.state))
	for _, p := range d.parts {
		fmt.Fprintf(&b, "\n## %s\n", p.head)
		for _, x := range p.blocks {
			x.markdown(&b)
		}
	}
	return b.String()
}

func (x block) markdown(b *strings.Builder) {
	switch {
	case x.text != "":
		fmt.Fprintf(b, "\n%s\n", plain(x.text))
	case len(x.items) > 0:
		b.WriteByte('\n')
		for _, i := range x.items {
			fmt.Fprintf(b, "- %s\n", plain(i))
		}
	case len(x.rows) > 0:
		fmt.Fprintf(b, "\n| %s |\n|%s\n", strings.Join(x.columns, " | "), strings.Repeat("---|", len(x.columns)))
		for _, r := range x.rows {
			cells := []string{}
			for _, c := range r {
				cells = append(cells, strings.ReplaceAll(plain(c), "|", `\|`))
			}
			fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
		}
	}
}

// plain keeps names that people and programs gave from being read as markup. A new
// line inside a cell is one of HTML, which Markdown allows.
func plain(s string) string {
	s = strings.NewReplacer("\\", `\\`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`).Replace(s)
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", "<br>")
}

// HTML writes the report as one file that needs nothing else: no script, no other
// address; it prints on A4.
func HTML(f Facts) (string, error) {
	t, err := template.New("report").Funcs(template.FuncMap{
		"svg":   func(x block) template.HTML { return template.HTML(x.scene.SVG()) },
		"style": func() template.CSS { return template.CSS(css) },
		"lines": func(s string) []string { return strings.Split(s, "\n") },
	}).Parse(page)
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	d := f.document()
	var b bytes.Buffer
	if err := t.Execute(&b, view{d.title, d.state, d.parts}); err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	return b.String(), nil
}

// view is the document as the page's template sees it.
type view struct {
	Title, State string
	parts        []part
}

// Parts of the document.
func (v view) Parts() []part { return v.parts }

// What a template may ask of parts and blocks.

func (p part) Head() string       { return p.head }
func (p part) Blocks() []block    { return p.blocks }
func (x block) Text() string      { return x.text }
func (x block) Items() []string   { return x.items }
func (x block) Columns() []string { return x.columns }
func (x block) Rows() [][]string  { return x.rows }
func (x block) IsPicture() bool   { return x.scene != nil }
