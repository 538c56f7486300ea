package catalog

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/testdata/scenarios"
)

// small is the smallest scenario; what the tests add stands below its line 6.
const small = `For people.
-- scenario.yaml --
format: 1
sentence: one thing breaks
expect: {outcome: no_action}
`

func TestReadScenario_whatTheFilesSay(t *testing.T) {
	_, err := ReadScenario("dir/mine.txtar", []byte(small+`locations: [a, b]
day: {deployments: 3, migration: false}
ship:
- {id: r, deployment: [x, y], location: a, at: [2, 3], stages: [0.5, 1], every: 2, chance: 0.5, role: culprit, by: me}
- {id: f, flag: z, audiences: [web], at: 1, after: r, needs: r}
- {schema: "3", at: 4}
faults:
- {service: x, shipment: r, wayBack: true, client: web, delay: 1, ramp: [2, 3], lasts: 4, slow: [5, 6], latencyMs: 7, errors: 0.5}
- {service: y, at: 0, after: r, errors: 1}
contracts: [{consumer: r, provider: r2, reason: because}]
policy: {autonomy: ask, approvalMinutes: 30, maxAttempts: 1}
`))
	if err == nil || !strings.Contains(err.Error(), `dir/mine.txtar:15:contracts[0].provider: no shipment "r2"`) {
		t.Errorf("a contract with nobody: %v", err)
	}
	s, err := ReadScenario("dir/mine.txtar", []byte(small+`locations: [a, b]
ship:
- {id: r, deployment: [x, y], location: a, at: [2, 3], stages: [0.5, 1], every: 2, chance: 0.5, role: culprit, by: me}
faults:
- {service: x, shipment: r, wayBack: true, client: web, delay: 1, ramp: [2, 3], lasts: 4, slow: [5, 6], latencyMs: 7, errors: 0.5}
policy: {autonomy: ask, approvalMinutes: 30, maxAttempts: 1}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Scenario{
		Name: "mine", File: "dir/mine.txtar", Comment: "For people.", Sentence: "one thing breaks", Locations: []backout.Location{"a", "b"}, Day: Day{Migration: true},
		Ship: []Shipment{{Line: 8, ID: "r", Kind: backout.KindDeployment, Names: []string{"x", "y"}, Location: "a", At: Range{2, 3}, Stages: []float64{.5, 1}, Every: 2, Chance: .5, Role: RoleCulprit, By: "me"}},
		Faults: []Fault{{Line: 10, Service: "x", Shipment: "r", WayBack: true, Client: "web", Delay: Range{1, 1}, Ramp: Range{2, 3}, Lasts: Range{4, 4},
			Slow: Range{5, 6}, Latency: Range{7, 7}, Errors: Range{.5, .5}}},
		Policy: Leeway{Autonomy: backout.AutonomyAsk, ApprovalMinutes: 30, MaxAttempts: 1},
		Expect: Expectation{Outcomes: []string{"no_action"}},
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestReadScenario_malformed(t *testing.T) {
	const ship, fault = "ship: [{id: r, deployment: x, at: 1}]\n", "faults: [{service: x, at: 1, errors: 1}]\n"
	for name, c := range map[string]struct{ doc, want string }{
		"no section":            {"words", "m:1:scenario.yaml: expected a section"},
		"an empty section":      {"-- scenario.yaml --\n", "m:1:scenario.yaml: expected a scenario"},
		"another section":       {small + fault + "-- more.yaml --\n", "m:7:more.yaml: unknown section"},
		"the section twice":     {small + fault + "-- scenario.yaml --\nformat: 1\n", "stands twice"},
		"no YAML":               {"-- scenario.yaml --\nformat: 1\nship: [\n", "m:3:scenario.yaml: expected YAML"},
		"a list":                {"-- scenario.yaml --\n- format\n", "m:2:: expected a mapping"},
		"an unknown field":      {small + "shipp: []\n", "m:6:shipp: unknown field: expected one of contracts, day, expect"},
		"another format":        {"-- scenario.yaml --\nformat: 2\n", "m:2:format: found \"2\""},
		"nothing needed":        {"-- scenario.yaml --\nday: {}\n", "sentence: expected what happens"},
		"no ending":             {"-- scenario.yaml --\nformat: 1\nsentence: s\n" + fault, "expect.outcome: expected how it should end"},
		"an unknown ending":     {"-- scenario.yaml --\nformat: 1\nexpect: {outcome: fine}\n", "m:3:expect.outcome: found \"fine\""},
		"nothing happens":       {small, "expected ship or faults"},
		"three locations":       {small + fault + "locations: [a, b, c]\n", "locations: expected one or two"},
		"a loud location":       {small + fault + "locations: [EU]\n", "small letters, digits and dashes"},
		"nothing shipped":       {small + "ship: [{at: 1}]\n", "m:6:ship[0]: expected one of deployment, config"},
		"two things shipped":    {small + "ship: [{deployment: x, flag: y, at: 1}]\n", "ship[0].flag: expected one of"},
		"no time":               {small + "ship: [{deployment: x}]\n", "ship[0]: at: expected minutes"},
		"before the beginning":  {small + "ship: [{deployment: x, at: -1}]\n", "no time before the beginning"},
		"a range upside down":   {small + "ship: [{deployment: x, at: [2, 1]}]\n", "ship[0].at: expected one number, or two"},
		"not a number":          {small + "ship: [{deployment: x, at: NaN}]\n", "ship[0].at: found \"NaN\""},
		"a list of three":       {small + "ship: [{deployment: x, at: [1, 2, 3]}]\n", "ship[0].at: expected one number"},
		"falling stages":        {small + "ship: [{deployment: x, at: 1, stages: [0.5, 0.5]}]\n", "expected rising shares"},
		"half a rollout":        {small + "ship: [{deployment: x, at: 1, stages: [0.5]}]\n", "that end at 1"},
		"audiences of a config": {small + "ship: [{config: x, at: 1, audiences: [web]}]\n", "audiences: expected only"},
		"a placed config":       {small + "locations: [a]\nship: [{config: x, at: 1, location: a}]\n", "location: expected only"},
		"an unknown location":   {small + "ship: [{deployment: x, at: 1, location: a}]\n", "no location \"a\""},
		"an unknown role":       {small + "ship: [{deployment: x, at: 1, role: bad}]\n", "ship[0].role: found \"bad\""},
		"a name twice":          {small + "ship: [{deployment: [x, x], at: 1}]\n", "x stands twice"},
		"an id twice":           {small + "ship:\n- {id: r, deployment: x, at: 1}\n- {id: r, config: y, at: 1}\n", "m:8:ship[1].id: r stands twice"},
		"a name with blanks":    {small + "ship: [{deployment: 'x y', at: 1}]\n", "without spaces"},
		"after what comes":      {small + "ship: [{id: r, deployment: x, at: 1, after: r}]\n", "ship[0].after: no shipment \"r\" above"},
		"needs a flag":          {small + "ship: [{id: f, flag: y, at: 1}, {deployment: x, at: 1, needs: f}]\n", "f is a flag"},
		"another schema":        {small + "ship: [{schema: \"9\", at: 1}]\n", "ship[0].schema: found \"9\""},
		"a fault of nobody":     {small + "faults: [{at: 1, errors: 1}]\n", "faults[0]: service: expected"},
		"a fault of nothing":    {small + "faults: [{service: x, at: 1}]\n", "expected slow, latencyMs or errors"},
		"a fault without begin": {small + "faults: [{service: x, errors: 1}]\n", "expected either shipment or at"},
		"a fault with two":      {small + ship + "faults: [{service: x, shipment: r, at: 1, errors: 1}]\n", "expected either shipment or at"},
		"a fault after nobody":  {small + "faults: [{service: x, after: r, at: 1, errors: 1}]\n", "faults[0].after: no shipment"},
		"a share above one":     {small + "faults: [{service: x, at: 1, errors: 1.5}]\n", "faults[0].errors: found \"1.5\""},
		"a way back of a flag":  {small + "ship: [{id: f, flag: y, at: 1}]\nfaults: [{service: x, shipment: f, wayBack: true, errors: 1}]\n", "faults[0].wayBack: expected a shipment"},
		"a fault of a split":    {small + "ship: [{id: s, traffic: y, at: 1}]\nfaults: [{service: x, shipment: s, errors: 1}]\n", "expected a deployment, config, flag or schema"},
		"a contract with one":   {small + ship + "contracts: [{consumer: r, provider: r}]\n", "two shipments"},
		"a contract of a flag":  {small + "ship: [{id: f, flag: y, at: 1}, {id: r, deployment: x, at: 1}]\ncontracts: [{consumer: f, provider: r}]\n", "contracts[0].consumer: expected a shipment of a deployment"},
		"reverted nobody":       {"-- scenario.yaml --\nformat: 1\nsentence: s\nexpect: {outcome: recovered, reverted: r}\n" + fault, "expect.reverted: no shipment"},
		"an alias":              {small + "day: &d {}\npolicy: *d\n", "aliases are not read"},
	} {
		_, err := ReadScenario("m", []byte(c.doc))
		var all Problems
		if !errors.As(err, &all) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected %q", name, err, c.want)
		}
	}
}

func FuzzReadScenario(f *testing.F) {
	files, err := scenarios.Files.ReadDir(".")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range files {
		text, err := scenarios.Files.ReadFile(e.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("-- scenario.yaml --\na: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ReadScenario("x", data)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if s.Sentence == "" || len(s.Expect.Outcomes) == 0 {
			t.Errorf("an incomplete scenario was taken: %+v", s)
		}
	})
}
