package catalog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
	"go.yaml.in/yaml/v3"
)

// Catalog is everything that was written down, checked.
type Catalog struct {
	Graph     backout.Graph      `json:"graph"`
	Contracts []backout.Contract `json:"contracts"`
	Policy    backout.Policy     `json:"policy"`
	Signals   []backout.Signal   `json:"signals"`
	Playbooks []backout.Playbook `json:"playbooks"`
	Actuators []Actuator         `json:"actuators"`
	// Criteria say when a way back has worked, their weights filled in.
	Criteria []backout.SuccessCriteria `json:"criteria"`
	// Analyses are what gates and success criteria may ask for besides signals.
	Analyses []backout.Analysis `json:"analyses"`
	// Clusters are the Kubernetes clusters whose changes are read.
	Clusters []Cluster `json:"clusters,omitempty"`
	// Notify is how people are told; nil when no document says so.
	Notify *Notify `json:"notify,omitempty"`
}

// Load reads every *.yaml and *.yml file of a folder and its subfolders. The
// error is [Problems] when files could be read but are wrong.
func Load(fsys fs.FS) (Catalog, error) {
	l := newLoader()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ext := path.Ext(name); d.IsDir() || ext != ".yaml" && ext != ".yml" {
			return nil
		}
		doc, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		l.files++
		l.file(name, string(doc))
		return nil
	})
	if err != nil {
		return Catalog{}, fmt.Errorf("load catalog: %w", err)
	}
	if l.files == 0 {
		return Catalog{}, errors.New("load catalog: expected a folder with at least one .yaml file")
	}
	l.finish()
	if len(l.problems) > 0 {
		return Catalog{}, l.problems.sorted()
	}
	return l.out, nil
}

// loader collects entities first and checks references when all are known.
type loader struct {
	out      Catalog
	problems Problems
	files    int
	currency string
	names    map[string]string // "kind/name" -> file:line where it is declared
	apis     map[string]string // API -> service that provides it
	later    []func()          // reference checks
	policy   string            // where the one Policy stands
}

func newLoader() *loader {
	l := &loader{names: map[string]string{}, apis: map[string]string{}}
	l.out = Catalog{
		Graph: backout.Graph{Services: []backout.Service{}, Dependencies: []backout.Dependency{}, Components: []backout.Component{},
			Journeys: []backout.Journey{}, Features: []backout.Feature{}, Clients: []backout.Client{}},
		Contracts: []backout.Contract{}, Signals: []backout.Signal{}, Playbooks: []backout.Playbook{}, Actuators: []Actuator{}, Criteria: []backout.SuccessCriteria{}, Analyses: []backout.Analysis{}, Policy: defaultPolicy(),
	}
	return l
}

func (l *loader) file(name, doc string) {
	d := yaml.NewDecoder(strings.NewReader(doc))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, text := yamlError(err)
			l.problems = append(l.problems, Problem{name, line, "", "expected YAML: " + text})
			return
		}
		if len(n.Content) == 1 && n.Content[0].Tag != "!!null" {
			l.document(cursor{l, name, n.Content[0], ""})
		}
	}
}

// yamlError takes the line out of the library's message "yaml: line 3: ...".
func yamlError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if n, scanErr := fmt.Sscanf(text, "line %d:", &line); n == 1 && scanErr == nil {
		_, text, _ = strings.Cut(text, ": ")
	}
	return line, text
}

// entity is the part that all documents share.
type entity struct {
	cursor
	name        string
	title       string
	annotations map[string]cursor
	spec        cursor
}

// The three families of entities.
const (
	backstage = "backstage.io/v1alpha1"
	ours      = "backout.dev/v1alpha1"
	argo      = "argoproj.io/v1alpha1"
)

func (l *loader) document(c cursor) {
	var version, kind string
	e := entity{cursor: c, annotations: map[string]cursor{}, spec: cursor{l, c.file, &yaml.Node{Kind: yaml.MappingNode, Line: c.node.Line}, "spec"}}
	c.fields(map[string]func(cursor){
		"apiVersion": oneOf(&version, backstage, ours, argo),
		"kind":       text(&kind),
		"metadata":   e.metadata,
		"spec":       func(s cursor) { e.spec = s },
	})
	if version == "" {
		if c.node.Kind == yaml.MappingNode && !l.has(c.file, "apiVersion") {
			c.wrong("apiVersion: expected %s, %s or %s", backstage, ours, argo)
		}
		return
	}
	read, ok := readers()[version+" "+kind]
	if !ok {
		c.wrong("kind %q: expected one of %s", kind, strings.Join(kindsOf(version), ", "))
		return
	}
	if e.name == "" {
		c.wrong("metadata.name: expected a name")
		return
	}
	read(&e)
}

// has reports whether a field of a file is named as a problem already.
func (l *loader) has(file, field string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool { return p.File == file && p.Field == field })
}

func (e *entity) metadata(c cursor) {
	c.fields(map[string]func(cursor){
		"name": text(&e.name), "title": text(&e.title), "namespace": nil, "description": nil,
		"labels": nil, "tags": nil, "links": nil,
		"annotations": func(a cursor) {
			a.each(func(name string, v cursor) {
				short, isOurs := strings.CutPrefix(name, "backout.dev/")
				if isOurs && !slices.Contains([]string{"tier", "holds", "soft", "async"}, short) {
					v.wrong("unknown annotation: expected one of backout.dev/tier, /holds, /soft, /async")
				}
				if isOurs {
					e.annotations[short] = v
				}
			})
		},
	})
	if strings.ContainsAny(e.name, " \t\n@:/=") {
		c.wrong("name %q: expected no spaces and none of @ : / =", e.name)
	}
}

// unique claims a name; it is taken when another document of the kind has it.
func (e *entity) unique(kind, name string) bool {
	key, here := kind+"/"+name, fmt.Sprintf("%s:%d", e.file, e.node.Line)
	if first, taken := e.names[key]; taken {
		e.wrong("%s %s is declared at %s already: expected a name of its own", kind, name, first)
		return false
	}
	e.names[key] = here
	return true
}

// known reports whether something was declared; ask it from later.
func (l *loader) known(kind, name string) bool {
	_, ok := l.names[kind+"/"+name]
	return ok
}

// any reports whether anything of a kind was declared.
func (l *loader) any(kind string) bool {
	for k := range l.names {
		if strings.HasPrefix(k, kind+"/") {
			return true
		}
	}
	return false
}

func kindsOf(version string) []string {
	out := []string{}
	for k := range readers() {
		if kind, ok := strings.CutPrefix(k, version+" "); ok {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return out
}

// readers says who reads which document.
func readers() map[string]func(*entity) {
	return map[string]func(*entity){
		backstage + " Component": readService, backstage + " Resource": readResource, backstage + " API": readAPI,
		backstage + " System": readSystem, backstage + " Group": readGroup,
		ours + " Component": readComponent, ours + " Journey": readJourney, ours + " Feature": readFeature,
		ours + " Client": readClient, ours + " Contract": readContract, ours + " Policy": readPolicy,
		ours + " SignalSet": readSignals, ours + " Playbook": readPlaybook,
		ours + " DataFormat": readFormat, ours + " PointOfNoReturn": readNoReturn, ours + " Pool": readPool, ours + " Consumer": readConsumer, ours + " Switch": readSwitch, ours + " Notify": readNotify,
		ours + " Actuator": readActuator, ours + " Cluster": readCluster,
		ours + " SuccessCriteria": readCriteria, argo + " AnalysisTemplate": readAnalysis, argo + " ClusterAnalysisTemplate": readAnalysis,
	}
}
