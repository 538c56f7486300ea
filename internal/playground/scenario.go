package playground

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/testdata/scenarios"
)

// OpenScenario reads a scenario that the program brings along, by its name, or a
// file: what ends in .txtar or has a slash in it is one. The error is
// [catalog.Problems] when the file is wrong or names what the shop has not.
func OpenScenario(nameOrFile string) (catalog.Scenario, error) {
	var data []byte
	var err error
	if strings.HasSuffix(nameOrFile, ".txtar") || strings.ContainsAny(nameOrFile, `/\`) {
		data, err = os.ReadFile(nameOrFile)
	} else if data, err = scenarios.Files.ReadFile(nameOrFile + ".txtar"); err != nil {
		return catalog.Scenario{}, fmt.Errorf("open scenario: unknown scenario %q, expected one of %s, or a file.txtar", nameOrFile, strings.Join(ScenarioNames(), ", "))
	}
	if err != nil {
		return catalog.Scenario{}, fmt.Errorf("open scenario: %w", err)
	}
	s, err := catalog.ReadScenario(nameOrFile, data)
	if err != nil {
		return s, err
	}
	return s, checkScenario(s)
}

// ScenarioNames lists the scenarios that the program brings along.
func ScenarioNames() []string {
	files, _ := fs.Glob(scenarios.Files, "*.txtar") // the pattern is well formed
	for i := range files {
		files[i] = strings.TrimSuffix(files[i], ".txtar")
	}
	return files
}

// checkScenario holds a scenario against the shop's table.
func checkScenario(s catalog.Scenario) error {
	t := build(0, false)
	var problems catalog.Problems
	wrong := func(line int, field, expected string, args ...any) {
		problems = append(problems, catalog.Problem{File: s.File, Line: line, Field: field, Expected: fmt.Sprintf(expected, args...)})
	}
	known := func(line int, field, name string, all []string) {
		if name != "" && !slices.Contains(all, name) {
			wrong(line, field, "no %q in the shop: expected one of %s", name, strings.Join(all, ", "))
		}
	}
	for i, x := range s.Ship {
		field := fmt.Sprintf("ship[%d]", i)
		for _, name := range x.Names {
			known(x.Line, field+"."+string(x.Kind), name, t.names(x.Kind))
		}
		for _, name := range x.Audiences {
			known(x.Line, field+".audiences", name, t.clientNames())
		}
		if s.Day.Migration && (x.Kind == backout.KindSchema || slices.Contains(x.Names, "orders")) {
			wrong(x.Line, field, "the day's migration ships the schema and orders already: expected day.migration: false")
		}
	}
	for i, f := range s.Faults {
		field := fmt.Sprintf("faults[%d]", i)
		known(f.Line, field+".service", f.Service, t.names(""))
		known(f.Line, field+".client", f.Client, t.clientNames())
		for _, x := range s.Ship {
			if x.ID == f.Shipment && x.Kind == backout.KindDeployment && f.Shipment != "" && !slices.Equal(x.Names, []string{f.Service}) {
				wrong(f.Line, field+".service", "expected the one service that shipment %s releases", f.Shipment)
			}
		}
	}
	known(0, "expect.audience", s.Expect.Audience, t.clientNames())
	for i, c := range s.Contracts {
		if p := t.uncalled(s, c); p != "" {
			wrong(c.Line, fmt.Sprintf("contracts[%d]", i), "%s", p)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// names lists what a shipment of a kind can name; "" = the services and providers
// that can be hurt.
func (t *topology) names(kind backout.ComponentKind) []string {
	var out []string
	switch kind {
	case backout.KindConfig:
		for _, c := range t.settings {
			out = append(out, c.name)
		}
	case backout.KindFlag:
		for _, f := range t.toggles {
			out = append(out, f.name)
		}
	case backout.KindTraffic:
		for _, s := range t.splits {
			out = append(out, s.name)
		}
	case backout.KindDeployment, "":
		for _, s := range t.services {
			if s.own() || kind == "" {
				out = append(out, s.name)
			}
		}
	}
	return out
}

func (t *topology) clientNames() []string {
	var out []string
	for _, c := range t.clients {
		out = append(out, c.name)
	}
	return out
}

// uncalled says what is wrong with a contract whose consumer may never call its
// provider: the shop could not make it true.
func (t *topology) uncalled(s catalog.Scenario, d catalog.Demand) string {
	named := func(id string) []string {
		i := slices.IndexFunc(s.Ship, func(x catalog.Shipment) bool { return x.ID == id })
		return s.Ship[i].Names
	}
	for _, consumer := range named(d.Consumer) {
		for _, provider := range named(d.Provider) {
			c := t.service(consumer)
			if c != nil && !slices.ContainsFunc(t.edges(c), func(e edge) bool { return e.to == provider }) {
				return fmt.Sprintf("%s never calls %s: expected a consumer that calls its provider", consumer, provider)
			}
		}
	}
	return ""
}
