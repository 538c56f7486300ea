// Command glossary writes docs/GLOSSARY.md from the doc comments of the root
// package, so that the words people read and the words the code uses are one list.
package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"log"
	"os"
	"strings"
)

func main() {
	fset := token.NewFileSet()
	pkgs, err := parser.ParseDir(fset, ".", func(fi os.FileInfo) bool { return !strings.HasSuffix(fi.Name(), "_test.go") }, parser.ParseComments)
	if err != nil {
		log.Fatal(err)
	}
	files := []*ast.File{}
	for _, f := range pkgs["backout"].Files {
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/backout-dev/backout")
	if err != nil {
		log.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Glossary\n\nThe words of backout, generated from the root package's doc comments by `go generate .`; mend them there.\n\n")
	for _, t := range p.Types {
		fmt.Fprintf(&b, "- **%s**: %s\n", t.Name, oneParagraph(t.Doc))
		for _, c := range t.Consts {
			for _, s := range c.Decl.Specs {
				writeConstant(&b, s.(*ast.ValueSpec))
			}
		}
	}
	if err := os.WriteFile("docs/GLOSSARY.md", []byte(b.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}

func writeConstant(b *strings.Builder, v *ast.ValueSpec) {
	if v.Comment == nil || len(v.Values) != 1 {
		return
	}
	if l, ok := v.Values[0].(*ast.BasicLit); ok {
		fmt.Fprintf(b, "  - `%s`: %s\n", strings.Trim(l.Value, `"`), oneParagraph(v.Comment.Text()))
	}
}

// oneParagraph joins the first paragraph of a comment into one line.
func oneParagraph(s string) string {
	s, _, _ = strings.Cut(s, "\n\n")
	return strings.NewReplacer("[", "", "]", "").Replace(strings.Join(strings.Fields(s), " "))
}
