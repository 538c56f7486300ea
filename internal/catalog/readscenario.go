package catalog

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/backout-dev/backout"
)

// ScenarioSection is the section of the archive that holds the scenario.
const ScenarioSection = "scenario.yaml"

// Bounds of what a file may ask for: a rehearsal is minutes long, and a shop is
// not a load test.
const (
	mostMinutes  = 240
	mostShipped  = 60
	mostSlow     = 10_000
	mostLatency  = 60_000 // ms
	leastSpacing = .1     // minutes
)

// ReadScenario reads one scenario, a txtar archive with the section
// scenario.yaml. The error is [Problems], each with the line in the archive.
func ReadScenario(file string, data []byte) (Scenario, error) {
	s := Scenario{File: file, Name: strings.TrimSuffix(path.Base(file), ".txtar"), Day: Day{Migration: true}}
	l := newLoader()
	archive := txtar.Parse(data)
	s.Comment = strings.TrimSpace(string(archive.Comment))
	found := 0
	for _, f := range archive.Files {
		line := sectionLine(data, f.Name)
		if f.Name != ScenarioSection {
			l.problems = append(l.problems, Problem{file, line, f.Name, "unknown section: expected only " + ScenarioSection})
			continue
		}
		if found++; found > 1 {
			l.problems = append(l.problems, Problem{file, line, f.Name, "stands twice: expected once"})
			continue
		}
		l.scenario(&s, file, string(f.Data), line)
	}
	if found == 0 {
		l.problems = append(l.problems, Problem{file, 1, ScenarioSection, "expected a section -- " + ScenarioSection + " --"})
	}
	if len(l.problems) > 0 {
		return Scenario{}, l.problems.sorted()
	}
	return s, nil
}

// sectionLine is the line of an archive on which a section's marker stands.
func sectionLine(data []byte, name string) int {
	for i, line := range strings.Split(string(data), "\n") {
		if marker := strings.TrimSpace(line); strings.HasPrefix(marker, "-- ") && strings.TrimSpace(strings.Trim(marker, "-")) == name {
			return i + 1
		}
	}
	return 1
}

func (l *loader) scenario(s *Scenario, file, text string, above int) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		line, words := yamlError(err)
		l.problems = append(l.problems, Problem{file, line + above, ScenarioSection, "expected YAML: " + words})
		return
	}
	if len(n.Content) != 1 {
		l.problems = append(l.problems, Problem{file, above, ScenarioSection, "expected a scenario"})
		return
	}
	shift(&n, above)
	l.readScenario(s, cursor{l, file, n.Content[0], ""})
}

// shift moves a section's lines to those of the archive.
func shift(n *yaml.Node, by int) {
	n.Line += by
	for _, c := range n.Content {
		shift(c, by)
	}
}

func (l *loader) readScenario(s *Scenario, c cursor) {
	format := 0
	c.fields(map[string]func(cursor){
		"format": whole(&format, 1, 1), "sentence": text(&s.Sentence),
		"locations": func(x cursor) {
			x.list(func(e cursor) {
				var at backout.Location
				if named(&at)(e); strings.ContainsFunc(string(at), func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
					e.wrong("found %q: expected small letters, digits and dashes", string(at))
				}
				s.Locations = append(s.Locations, at)
			})
		},
		"day": func(x cursor) {
			x.fields(map[string]func(cursor){"deployments": whole(&s.Day.Deployments, 0, 8), "migration": yes(&s.Day.Migration)})
		},
		"ship":      func(x cursor) { x.list(func(e cursor) { s.Ship = append(s.Ship, readShipment(e)) }) },
		"faults":    func(x cursor) { x.list(func(e cursor) { s.Faults = append(s.Faults, readFault(e)) }) },
		"contracts": func(x cursor) { x.list(func(e cursor) { s.Contracts = append(s.Contracts, readDemand(e)) }) },
		"policy": func(x cursor) {
			x.fields(map[string]func(cursor){
				"autonomy":        oneOf(&s.Policy.Autonomy, backout.AutonomyShadow, backout.AutonomyAsk, backout.AutonomyAct),
				"approvalMinutes": number(&s.Policy.ApprovalMinutes, .1, mostMinutes), "cooldownMinutes": number(&s.Policy.CooldownMinutes, .1, mostMinutes),
				"maxAttempts": whole(&s.Policy.MaxAttempts, 1, 10),
			})
		},
		"expect": func(x cursor) { readExpectation(&s.Expect, x) },
	})
	if c.node.Kind != yaml.MappingNode || len(l.problems) > 0 {
		return // one thing after another: the checks below need a whole file
	}
	l.wholeScenario(s, c, format)
}

func readShipment(c cursor) Shipment {
	s := Shipment{Line: c.node.Line, Chance: 1, Every: 4, Role: RoleInnocent}
	at := false
	what := func(kind backout.ComponentKind) func(cursor) {
		return func(x cursor) {
			if s.Kind != "" {
				x.wrong("expected one of deployment, config, flag, traffic, schema in a shipment")
			}
			s.Kind = kind
			several(&s.Names)(x)
		}
	}
	c.fields(map[string]func(cursor){
		"id": named(&s.ID), "deployment": what(backout.KindDeployment), "config": what(backout.KindConfig), "flag": what(backout.KindFlag),
		"traffic": what(backout.KindTraffic), "schema": func(x cursor) { s.Kind = backout.KindSchema; oneOf(&s.To, "2", "3")(x) },
		"location": named(&s.Location), "at": func(x cursor) { at = true; between(&s.At, -mostMinutes, mostMinutes)(x) }, "after": named(&s.After),
		"stages": func(x cursor) {
			x.list(func(e cursor) {
				v := 0.0
				number(&v, .01, 1)(e)
				if n := len(s.Stages); n > 0 && v <= s.Stages[n-1] {
					e.wrong("found %g: expected rising shares", v)
				}
				s.Stages = append(s.Stages, v)
			})
		},
		"every": number(&s.Every, leastSpacing, mostMinutes), "audiences": several(&s.Audiences), "needs": named(&s.Needs),
		"chance": number(&s.Chance, 0, 1), "role": oneOf(&s.Role, RoleInnocent, RoleDecoy, RoleDemanded, RoleCulprit), "by": named(&s.By),
	})
	switch {
	case s.Kind == "":
		c.wrong("expected one of deployment, config, flag, traffic, schema")
	case !at:
		c.wrong("at: expected minutes, one number or two")
	case s.After == "" && s.At.From < 0:
		c.wrong("at: found %g: expected no time before the beginning", s.At.From)
	case len(s.Audiences) > 0 && s.Kind != backout.KindFlag:
		c.wrong("audiences: expected only in a shipment of a flag")
	case len(s.Audiences) > 0 && len(s.Stages) > 0:
		c.wrong("stages: expected none beside audiences, which are stages of their own")
	case s.Location != "" && s.Kind != backout.KindDeployment:
		c.wrong("location: expected only in a shipment of a deployment: the others are everywhere")
	case len(s.Stages) > 1 && s.Kind != backout.KindDeployment, len(s.Stages) > 0 && s.Stages[len(s.Stages)-1] != 1:
		c.wrong("stages: expected shares of a deployment that end at 1")
	}
	return s
}

func readFault(c cursor) Fault {
	f := Fault{Line: c.node.Line}
	at := false
	c.fields(map[string]func(cursor){
		"service": named(&f.Service), "shipment": named(&f.Shipment), "at": func(x cursor) { at = true; between(&f.At, 0, mostMinutes)(x) }, "after": named(&f.After),
		"wayBack": yes(&f.WayBack), "location": named(&f.Location), "client": named(&f.Client),
		"delay": between(&f.Delay, 0, mostMinutes), "ramp": between(&f.Ramp, 0, mostMinutes), "lasts": between(&f.Lasts, 0, mostMinutes),
		"slow": between(&f.Slow, 1, mostSlow), "latencyMs": between(&f.Latency, 0, mostLatency), "errors": between(&f.Errors, 0, 1),
	})
	switch {
	case f.Service == "":
		c.wrong("service: expected the service whose work is hurt")
	case at == (f.Shipment != ""):
		c.wrong("expected either shipment or at")
	case f.After != "" && !at:
		c.wrong("after: expected at beside it, minutes after that shipment began")
	case f.WayBack && f.Shipment == "":
		c.wrong("wayBack: expected a shipment of a deployment")
	case f.Slow.To == 0 && f.Latency.To == 0 && f.Errors.To == 0:
		c.wrong("expected slow, latencyMs or errors")
	}
	return f
}

func readDemand(c cursor) Demand {
	d := Demand{Line: c.node.Line}
	c.fields(map[string]func(cursor){"consumer": named(&d.Consumer), "provider": named(&d.Provider), "reason": text(&d.Reason)})
	if d.Consumer == "" || d.Provider == "" || d.Consumer == d.Provider {
		c.wrong("expected consumer and provider, two shipments")
	}
	return d
}

func readExpectation(e *Expectation, c cursor) {
	c.fields(map[string]func(cursor){
		"outcome": func(x cursor) {
			several(&e.Outcomes)(x)
			for _, o := range e.Outcomes {
				if !slices.Contains(outcomes, o) {
					x.wrong("found %q: expected some of %s", o, strings.Join(outcomes, ", "))
				}
			}
		},
		"reverted": several(&e.Reverted), "demanded": several(&e.Demanded), "innocents": whole(&e.Innocents, 0, 100),
		"audience": named(&e.Audience), "detected": yes(&e.Detected),
		"asked": func(x cursor) { e.Asked = new(bool); yes(e.Asked)(x) },
	})
}

// wholeScenario checks what only the whole file can show.
func (l *loader) wholeScenario(s *Scenario, c cursor, format int) {
	wrong := func(line int, field, expected string, args ...any) {
		l.problems = append(l.problems, Problem{c.file, cmp.Or(line, c.node.Line), field, fmt.Sprintf(expected, args...)})
	}
	needed := []struct {
		missing bool
		field   string
	}{{format == 0, "format: expected 1"}, {s.Sentence == "", "sentence: expected what happens, in one sentence"},
		{len(s.Ship) == 0 && len(s.Faults) == 0, "expected ship or faults"}, {len(s.Expect.Outcomes) == 0, "expect.outcome: expected how it should end"}}
	for _, n := range needed {
		if n.missing {
			wrong(0, "", "%s", n.field)
		}
	}
	if len(s.Ship) > mostShipped || len(s.Faults) > mostShipped {
		wrong(0, "ship", "expected at most %d shipments and faults", mostShipped)
	}
	if n := len(s.Locations); n > 2 || n == 2 && s.Locations[0] == s.Locations[1] {
		wrong(0, "locations", "expected one or two")
	}
	for i, x := range s.Ship {
		field := fmt.Sprintf("ship[%d]", i)
		if x.ID != "" && s.shipment(x.ID) != &s.Ship[i] {
			wrong(x.Line, field+".id", "%s stands twice: expected an id of its own", x.ID)
		}
		// Only what stands above can be referred to, so that times can be drawn in order.
		for name, id := range map[string]string{"after": x.After, "needs": x.Needs} {
			if id != "" && !slices.ContainsFunc(s.Ship[:i], func(o Shipment) bool { return o.ID == id }) {
				wrong(x.Line, field+"."+name, "no shipment %q above: expected the id of one", id)
			}
		}
		if o := s.shipment(x.Needs); o != nil && o.Kind == backout.KindFlag {
			wrong(x.Line, field+".needs", "%s is a flag: expected a deployment, config, traffic or schema", x.Needs)
		}
		if x.Location != "" && !slices.Contains(s.Locations, x.Location) {
			wrong(x.Line, field+".location", "no location %q: expected one of locations", x.Location)
		}
	}
	l.references(s, wrong)
}

func (l *loader) references(s *Scenario, wrong func(line int, field, expected string, args ...any)) {
	known := func(line int, field, id string) {
		if id != "" && s.shipment(id) == nil {
			wrong(line, field, "no shipment %q: expected the id of one", id)
		}
	}
	for i, f := range s.Faults {
		field := fmt.Sprintf("faults[%d]", i)
		known(f.Line, field+".shipment", f.Shipment)
		known(f.Line, field+".after", f.After)
		x := s.shipment(f.Shipment)
		if f.WayBack && x != nil && x.Kind != backout.KindDeployment {
			wrong(f.Line, field+".wayBack", "expected a shipment of a deployment")
		}
		if x != nil && x.Kind == backout.KindTraffic {
			wrong(f.Line, field+".shipment", "expected a deployment, config, flag or schema")
		}
		if f.Location != "" && !slices.Contains(s.Locations, f.Location) {
			wrong(f.Line, field+".location", "no location %q: expected one of locations", f.Location)
		}
	}
	for i, d := range s.Contracts {
		for name, id := range map[string]string{"consumer": d.Consumer, "provider": d.Provider} {
			field := fmt.Sprintf("contracts[%d].%s", i, name)
			known(d.Line, field, id)
			if x := s.shipment(id); x != nil && x.Kind != backout.KindDeployment {
				wrong(d.Line, field, "expected a shipment of a deployment")
			}
		}
	}
	for name, ids := range map[string][]string{"expect.reverted": s.Expect.Reverted, "expect.demanded": s.Expect.Demanded} {
		for _, id := range ids {
			known(0, name, id)
		}
	}
}

// number reads a number within bounds.
func number(into *float64, least, most float64) func(cursor) {
	return func(c cursor) {
		f, err := strconv.ParseFloat(c.node.Value, 64)
		if c.node.Kind != yaml.ScalarNode || err != nil || !(f >= least && f <= most) {
			c.wrong("found %q: expected a number from %g to %g", c.node.Value, least, most)
			return
		}
		*into = f
	}
}

// between reads one number, or two of which the first is not larger.
func between(into *Range, least, most float64) func(cursor) {
	return func(c cursor) {
		if c.node.Kind != yaml.SequenceNode {
			number(&into.From, least, most)(c)
			into.To = into.From
			return
		}
		ends := []float64{}
		c.list(func(e cursor) {
			v := 0.0
			number(&v, least, most)(e)
			ends = append(ends, v)
		})
		if len(ends) != 2 || ends[0] > ends[1] {
			c.wrong("expected one number, or two of which the second is not smaller")
			return
		}
		into.From, into.To = ends[0], ends[1]
	}
}

// named reads a word that can be part of a component's name.
func named[T ~string](into *T) func(cursor) {
	return func(c cursor) {
		s, ok := c.scalar()
		if ok && (s == "" || strings.ContainsAny(s, " \t\n@:/=")) {
			c.wrong("found %q: expected a name without spaces and none of @ : / =", s)
			return
		}
		*into = T(s)
	}
}

// several reads a name or a list of different ones.
func several(into *[]string) func(cursor) {
	return func(c cursor) {
		one := func(e cursor) {
			s := ""
			named(&s)(e)
			if slices.Contains(*into, s) {
				e.wrong("%s stands twice: expected once", s)
			}
			*into = append(*into, s)
		}
		if c.node.Kind == yaml.SequenceNode {
			c.list(one)
			return
		}
		one(c)
	}
}
