package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	backout "github.com/backout-dev/backout"
)

// scenario is one recorded incident, told in components: the pods, the deployment
// and the service of one workload are one component.
type scenario struct {
	name        string
	application string
	roots       []backout.ServiceID // where it began
	hit         []backout.ServiceID // what it reached besides the roots, sorted
	edges       [][2]backout.ServiceID
	told        bool // it has propagations
}

// group is a thing that a ground truth talks about.
type group struct {
	ID        string `yaml:"id"`
	Kind      string `yaml:"kind"`
	Name      string `yaml:"name"`
	Filter    words  `yaml:"filter"`
	RootCause bool   `yaml:"root_cause"`
}

// words is a list, or one word in its place.
type words []string

// UnmarshalYAML reads either.
func (w *words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = words{n.Value}
		return nil
	}
	return n.Decode((*[]string)(w))
}

// truth is the part of groundtruth_v1.yaml that is used; some files have it at the
// top, others under spec.
type truth struct {
	Groups       []group                           `yaml:"groups"`
	Propagations []struct{ Source, Target string } `yaml:"propagations"`
	Spec         *truth                            `yaml:"spec"`
}

// readITBench reads every scenario with a propagation, in order of names.
func readITBench(dir string) ([]scenario, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "*", "groundtruth_v1.yaml"))
	if err != nil {
		return nil, err
	}
	var out []scenario
	for _, path := range folders {
		s, err := readScenario(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if s.told {
			out = append(out, s)
		}
	}
	return out, nil
}

func readScenario(dir string) (scenario, error) {
	var t truth
	if err := readYAML(filepath.Join(dir, "groundtruth_v1.yaml"), &t); err != nil {
		return scenario{}, err
	}
	if t.Spec != nil {
		t = *t.Spec
	}
	var about struct {
		Spec struct {
			Applications map[string]struct{ Enabled bool } `yaml:"applications"`
		} `yaml:"spec"`
	}
	if err := readYAML(filepath.Join(dir, "scenario.yaml"), &about); err != nil {
		return scenario{}, err
	}
	s := scenario{name: filepath.Base(dir)}
	for name, a := range about.Spec.Applications {
		if a.Enabled && (s.application == "" || name < s.application) {
			s.application = name
		}
	}
	s.told = len(t.Propagations) > 0
	s.fold(t)
	return s, nil
}

func readYAML(path string, into any) error {
	body, err := os.ReadFile(path) //nolint:gosec // the folder is the user's own
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// workloads are the kinds that are parts of a component.
var workloads = []string{"Service", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}

// fold turns groups into components. What is no workload (a setting, a fault that
// was injected, a budget) is where the cause was written, not something that falls
// ill: the components that it touches first are the roots, which is what a change
// says about itself (its services).
func (s *scenario) fold(t truth) {
	component, root := map[string]backout.ServiceID{}, map[string]bool{}
	for _, g := range t.Groups {
		if slices.Contains(workloads, g.Kind) {
			component[g.ID] = componentOf(g)
		} else {
			component[g.ID] = ""
		}
		root[g.ID] = g.RootCause
	}
	name := func(id string) backout.ServiceID {
		if c, known := component[id]; known {
			return c
		}
		return componentOf(group{ID: id}) // some files name what they did not declare
	}
	s.roots = rootsOf(t, name, root)
	for _, p := range t.Propagations {
		from := name(p.Source)
		for _, to := range reached(t, name, p.Target, 0) {
			if !slices.Contains(s.roots, to) {
				s.hit = append(s.hit, to)
			}
			if e := [2]backout.ServiceID{from, to}; from != "" && from != to && !slices.Contains(s.edges, e) {
				s.edges = append(s.edges, e)
			}
		}
	}
	slices.Sort(s.hit)
	s.hit = slices.Compact(s.hit)
}

// rootsOf are the components at which it began: those that are marked, and those that
// what is marked touches first, through any number of things that are no workload. It
// adds the latter to root.
func rootsOf(t truth, name func(string) backout.ServiceID, root map[string]bool) []backout.ServiceID {
	var out []backout.ServiceID
	for _, g := range t.Groups {
		if g.RootCause && name(g.ID) != "" {
			out = append(out, name(g.ID))
		}
	}
	if !slices.ContainsFunc(t.Groups, func(g group) bool { return g.RootCause }) {
		out = append(out, starts(t, name)...) // a file that does not say where it began
	}
	for changed := true; changed; {
		changed = false
		for _, p := range t.Propagations {
			if name(p.Source) != "" || !root[p.Source] {
				continue
			}
			if to := name(p.Target); to != "" && !slices.Contains(out, to) {
				out, changed = append(out, to), true
			} else if to == "" && !root[p.Target] {
				root[p.Target], changed = true, true
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// starts are the components that trouble leaves and never comes to.
func starts(t truth, name func(string) backout.ServiceID) []backout.ServiceID {
	var out []backout.ServiceID
	for _, p := range t.Propagations {
		from := name(p.Source)
		if from != "" && !slices.ContainsFunc(t.Propagations, func(o struct{ Source, Target string }) bool { return name(o.Target) == from }) {
			out = append(out, from)
		}
	}
	return out
}

// reached are the components that a target is or that trouble comes to from it
// through things that are no workload, such as one endpoint of a service.
func reached(t truth, name func(string) backout.ServiceID, target string, depth int) []backout.ServiceID {
	if to := name(target); to != "" {
		return []backout.ServiceID{to}
	}
	if depth > len(t.Propagations) { // a circle of settings
		return nil
	}
	var out []backout.ServiceID
	for _, p := range t.Propagations {
		if p.Source == target && p.Target != target {
			out = append(out, reached(t, name, p.Target, depth+1)...)
		}
	}
	return out
}

var (
	numbered = regexp.MustCompile(`-[0-9]+$`)
	ending   = regexp.MustCompile(`-?(service|pod|deployment|endpoint)$`)
	pattern  = regexp.MustCompile(`\\b|\.\*|\[[^]]*\][+*]?|[\^$]`)
	letters  = regexp.MustCompile(`[^a-z0-9]`)
)

// componentOf is the name of the workload that a group is a part of, from its
// filter, its name or its id, without what tells pods from services and without
// the hyphens that differ from one file to the next.
func componentOf(g group) backout.ServiceID {
	name := g.ID
	if g.Name != "" {
		name = g.Name
	}
	if len(g.Filter) > 0 {
		name = g.Filter[0]
	}
	name = strings.Trim(pattern.ReplaceAllString(strings.ToLower(name), ""), "-")
	name = ending.ReplaceAllString(numbered.ReplaceAllString(name, ""), "")
	return backout.ServiceID(letters.ReplaceAllString(name, ""))
}
