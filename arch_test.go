package backout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/backout-dev/backout"

// The layout, held as a test: docs/ARCHITECTURE.md tells the reasons.

// mayImport lists, for each package, which packages of ours it may import
// directly. "root" is the glossary; "x/*" is every child of x; a trailing
// "+child" rule is in adapterOf.
var mayImport = map[string][]string{
	"":           {},
	"statistics": {}, "execute/engine": {}, "remote/*": {},
	"remote/kubernetes/kubetest": {"remote/kubernetes/local"}, // the same control plane, with the helpers of tests
	"detect":                     {"root", "statistics"}, "attribute": {"root", "statistics"}, "attribute/coincide": {"statistics"}, "forecast": {"root", "statistics"},
	"plan": {"root", "statistics"}, "verify": {"root", "statistics"}, "learn": {"root", "statistics"}, "recall": {"root", "statistics"}, "postmortem": {"root", "recall"},
	"plan/check": {"root"}, "permit": {"root"}, "catalog": {"root", "verify/analysis"}, "verify/analysis": {"root"}, "render": {"root"}, "render/report": {"root", "render", "render/picture"}, "ingest": {"root"},
	"metrics": {"root"}, "store": {"root", "attest"}, "fleet": {"root", "store"}, "store/storetest": {"root", "store", "remote/postgrestest"}, "render/picture": {"root", "render"},
	"execute": {"root", "execute/engine"}, "notify": {"root", "render"}, "web": {"root", "attest", "render", "render/picture", "render/report"},
	"playground": {"root", "catalog", "testdata/scenarios"}, "playground/*": {"root", "playground"}, "playground/pods": {"root", "playground", "remote/kubernetes"}, "deploy/kubernetes": {}, "simulate": {"root", "statistics"},
	"infer": {"root", "infer/*"}, "infer/*": {"root"}, "execute/goose": {"root", "execute", "infer/migration"},
	"replay": {"root", "catalog"}, "watch": {"root", "detect"},
	// A plan file is a value that the command line checks before it sends it, and app when it arrives.
	"planfile": {"root"},
	// Records are checked where they are read: from a file offline, or by whoever asks a server and does not trust it.
	"attest":  {"root"},
	"respond": {"root", "attribute", "forecast", "plan", "verify", "verify/analysis", "learn", "recall", "plan/check", "permit", "execute", "notify", "render", "recall"},
	"drill":   {"root", "respond", "catalog"},
	"app":     {"root", "*", "!cli"}, "app/*": {"root", "*", "!cli"},
	"cli": {"root", "app", "app/*", "attest", "planfile", "postmortem", "render", "render/picture", "render/report", "web"},
}

// adapters are children of the verb whose port they meet: they may import the
// root, that verb, and remote/*.
var adapters = map[string]bool{"metrics": true, "ingest": true, "execute": true, "notify": true}

// pure packages decide: they read no clock, draw no unseeded number and touch
// nothing outside their arguments, so that every decision can be replayed.
var pure = []string{"", "statistics", "detect", "attribute", "attribute/coincide", "forecast", "plan", "plan/check", "planfile", "attest", "verify", "verify/analysis", "learn", "recall", "postmortem", "infer", "infer/migration", "infer/spec", "simulate"}

var (
	bannedImports = regexp.MustCompile(`^(os|net|database|log|math/rand|crypto/rand)(/|$)`)
	bannedTime    = []string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker", "Tick", "AfterFunc"}
	allowedRand   = []string{"New", "NewPCG", "Rand", "Source", "PCG"}
	bannedNames   = regexp.MustCompile(`(Manager|Helper|Util|Utils)$`)
)

type sourceFile struct {
	dir, name string // dir relative to internal/, or "cmd/...", "" for the root
	test      bool
	ast       *ast.File
}

func sources(t *testing.T) []sourceFile {
	t.Helper()
	fset, out := token.NewFileSet(), []sourceFile{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != "." && (strings.HasPrefix(n, ".") || n == "testdata" || n == "kubestack") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(p))
		dir = strings.TrimPrefix(strings.TrimPrefix(dir, "internal/"), ".")
		out = append(out, sourceFile{dir, filepath.ToSlash(p), strings.HasSuffix(p, "_test.go"), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func outside(dir string) bool {
	for _, top := range []string{"cmd/", "bench/", "test/", "examples/"} {
		if strings.HasPrefix(dir+"/", top) {
			return true
		}
	}
	return false
}

func imports(f sourceFile) []string {
	var out []string
	for _, i := range f.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

func allowed(dir string) ([]string, bool) {
	if a, ok := mayImport[dir]; ok {
		return a, true
	}
	parent, _, nested := strings.Cut(dir, "/")
	if a, ok := mayImport[parent+"/*"]; nested && ok {
		return a, true
	}
	if nested && adapters[parent] {
		return []string{"root", parent, "remote/*"}, true
	}
	return nil, false
}

func matches(rules []string, dep string) bool {
	name := dep
	if dep == "" {
		name = "root"
	}
	ok := false
	for _, r := range rules {
		switch {
		case r == "*", r == name, strings.HasSuffix(r, "/*") && strings.HasPrefix(name, strings.TrimSuffix(r, "*")):
			ok = true
		case strings.HasPrefix(r, "!") && r[1:] == name:
			return false
		}
	}
	return ok
}

func TestImports_followTheTable(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || outside(f.dir) {
			continue
		}
		rules, known := allowed(f.dir)
		if !known {
			t.Errorf("%s: package internal/%s is not in the layout; write an ADR and add it to mayImport", f.name, f.dir)
			continue
		}
		for _, p := range imports(f) {
			dep, ours := strings.CutPrefix(p, module)
			dep = strings.TrimPrefix(strings.TrimPrefix(dep, "/"), "internal/")
			if ours && !matches(rules, dep) {
				t.Errorf("%s imports %q: internal/%s may import only %v", f.name, p, f.dir, rules)
			}
		}
	}
}

func TestDeciding_readsNoClockAndTouchesNothing(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || !slices.Contains(pure, f.dir) {
			continue
		}
		for _, p := range imports(f) {
			if bannedImports.MatchString(p) && p != "math/rand/v2" && p != "log/slog" {
				t.Errorf("%s imports %s: deciding code gets values, it does not fetch them", f.name, p)
			}
		}
		banSelectors(t, f)
	}
	for _, f := range sources(t) {
		if !f.test && f.dir == "respond" {
			banClock(t, f)
		}
	}
}

func banSelectors(t *testing.T, f sourceFile) {
	banClock(t, f)
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if pkg, name, ok := selector(n); ok && pkg == "rand" && !slices.Contains(allowedRand, name) {
			t.Errorf("%s uses rand.%s: draw from rand.New(rand.NewPCG(seed, ...)) with the seed in the input", f.name, name)
		}
		return true
	})
}

func banClock(t *testing.T, f sourceFile) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if pkg, name, ok := selector(n); ok && pkg == "time" && slices.Contains(bannedTime, name) {
			t.Errorf("%s uses time.%s: time is an argument, so that every decision can be replayed", f.name, name)
		}
		return true
	})
}

func selector(n ast.Node) (pkg, name string, ok bool) {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", "", false
	}
	x, ok := s.X.(*ast.Ident)
	if !ok || x.Obj != nil {
		return "", "", false
	}
	return x.Name, s.Sel.Name, true
}

func TestPackages_haveOneDocComment(t *testing.T) {
	docs := map[string]int{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		if f.ast.Doc != nil {
			docs[f.dir]++
		} else {
			docs[f.dir] += 0
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("package in %q has %d package comments: exactly one file teaches the package", dir, n)
		}
	}
}

func TestNames_andInit(t *testing.T) {
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" && !f.test {
					t.Errorf("%s has init(): start-up work belongs to app", f.name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && bannedNames.MatchString(ts.Name.Name) {
						t.Errorf("%s: type %s says nothing; name what it is", f.name, ts.Name.Name)
					}
				}
			}
		}
	}
}

// Package variables are for errors, tables and embedded files; anything that
// changes belongs to a value somebody owns.
func TestVariables_areErrorsOrTables(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || outside(f.dir) {
			continue
		}
		constant := map[string]bool{}
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					constant[n.Name] = true
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			a, ok := n.(*ast.AssignStmt)
			if !ok || a.Tok == token.DEFINE {
				return true
			}
			for _, l := range a.Lhs {
				if id, ok := l.(*ast.Ident); ok && constant[id.Name] && id.Obj != nil && id.Obj.Kind == ast.Var && isPackageLevel(f.ast, id.Obj) {
					t.Errorf("%s assigns package variable %s", f.name, id.Name)
				}
			}
			return true
		})
	}
}

func isPackageLevel(f *ast.File, o *ast.Object) bool {
	return f.Scope != nil && f.Scope.Lookup(o.Name) == o
}

func TestRootTypes_areDocumentedInTheGlossary(t *testing.T) {
	glossary, err := os.ReadFile("docs/GLOSSARY.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sources(t) {
		if f.dir != "" || f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				ts := s.(*ast.TypeSpec)
				if !ts.Name.IsExported() {
					continue
				}
				if g.Doc == nil && ts.Doc == nil {
					t.Errorf("%s: type %s has no doc comment", f.name, ts.Name.Name)
				}
				if !strings.Contains(string(glossary), "**"+ts.Name.Name+"**") {
					t.Errorf("docs/GLOSSARY.md misses %s: run go generate", ts.Name.Name)
				}
			}
		}
	}
}

// Ports are the seams to the outside: their methods speak root types, context
// and time only, so that no adapter's vocabulary leaks into a decision.
func TestPorts_speakRootTypes(t *testing.T) {
	ports := map[string][]string{"execute": {"Actuator"}, "metrics": {"Sampler"}, "ingest": {"Recorder", "Alerts"}, "notify": {"Notifier"}}
	found := map[string]bool{}
	for _, f := range sources(t) {
		want, ok := ports[f.dir]
		if !ok || f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			ts, ok := n.(*ast.TypeSpec)
			if !ok || !slices.Contains(want, ts.Name.Name) {
				return true
			}
			it, ok := ts.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			found[f.dir] = true
			if len(it.Methods.List) > 3 {
				t.Errorf("%s: port %s has more than three methods", f.name, ts.Name.Name)
			}
			ast.Inspect(it, func(n ast.Node) bool {
				if pkg, name, ok := selector(n); ok && !slices.Contains([]string{"backout", "context", "time"}, pkg) {
					t.Errorf("%s: port %s mentions %s.%s", f.name, ts.Name.Name, pkg, name)
				}
				return true
			})
			return true
		})
	}
	for dir := range ports {
		if !found[dir] {
			t.Errorf("internal/%s declares no port %v", dir, ports[dir])
		}
	}
}

// The scorer alone reads what the scripted shop did, and only after the run:
// nothing on the way to a decision may see it.
func TestTruth_isReadByTheScorerAlone(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || outside(f.dir) || f.dir == "drill" || strings.HasPrefix(f.dir, "playground") {
			continue
		}
		for _, p := range imports(f) {
			if (p == module+"/internal/drill" || p == module+"/internal/playground") && f.dir != "app" && !strings.HasPrefix(f.dir, "app/") {
				t.Errorf("%s imports %s: only app wires the shop and its scorer", f.name, p)
			}
		}
		if f.dir == "app/demo" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && strings.Contains(l.Value, "truth.json") {
				t.Errorf("%s names the truth file: only drill reads it", f.name)
			}
			if pkg, name, ok := selector(n); ok && pkg == "drill" && name == "ReadTruth" {
				t.Errorf("%s reads the truth: only the demo may, after the run", f.name)
			}
			return true
		})
	}
}

// Every state has its sentence for people.
func TestStates_areDocumented(t *testing.T) {
	page, err := os.ReadFile("docs/STATES.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sources(t) {
		if f.dir != "" || f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || v.Type == nil || len(v.Values) != 1 {
				return true
			}
			if id, ok := v.Type.(*ast.Ident); !ok || !slices.Contains([]string{"State", "RunState", "Outcome"}, id.Name) {
				return true
			}
			if word, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value); err == nil && !strings.Contains(string(page), "| `"+word+"` |") {
				t.Errorf("docs/STATES.md has no sentence for %s", word)
			}
			return true
		})
	}
}
