package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const golden = "../../internal/plan/testdata/plans.json"

// The golden instances, with their optima and by brute force: the bench finds all of
// them proven, and says so when one optimum is another.
func TestMeasure_golden(t *testing.T) {
	cases, err := load(options{data: golden})
	if err != nil {
		t.Fatal(err)
	}
	r, err := measure(context.Background(), cases, options{brute: true})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Summary; s.Instances != 60 || s.Optimal != 60 || s.Proven != 60 || s.Unsafe != 0 || len(r.Mismatches) != 0 {
		t.Errorf("summary %+v, mismatches %v", s, r.Mismatches)
	}
	wrong := *cases[3].Optimum - 1
	cases[3].Optimum = &wrong
	if r, err = measure(context.Background(), cases[3:4], options{}); err != nil || len(r.Mismatches) != 1 {
		t.Errorf("a wrong optimum: mismatches %v, %v", r.Mismatches, err)
	}
}

// The solvers agree with us on instances of every family, whole and by parts.
func TestMeasure_peersAgree(t *testing.T) {
	for _, p := range known {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.program); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("%s is missing in CI: apt-get install %s", p.program, p.debian)
				}
				t.Skipf("%s is not installed: apt-get install %s", p.program, p.debian)
			}
			o := options{peers: []string{p.name}, limit: time.Minute}
			var cases []instance
			for _, f := range []string{"stress", "lattice", "adversarial"} {
				for seed := range uint64(2) {
					cases = append(cases, spec{services: 14, changes: 20, family: f}.instance(seed))
				}
			}
			r, err := measure(context.Background(), cases, o)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Mismatches) > 0 {
				t.Error(r.Mismatches)
			}
			for _, s := range r.Peers {
				if s.Finished != s.Of || s.Of != len(cases) {
					t.Errorf("%s", s.words())
				}
			}
		})
	}
}

func TestRead_saysWhatIsWrong(t *testing.T) {
	const good = `{"n":2,"cur":[1,0],"d":[1,1],"dom":[[0,1],[0]],"f":[[1,2],[3]],"w":[[1,0],[0]],"edges":[{"i":0,"j":1,"ok":[[1],[0]]}]}`
	if _, err := read([]byte("[" + good + "]")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"n":2`, `"n":3`, "case 1: cur has 2 entries, n is 3"},
		{`"n":2`, `"n":"2"`, "case 1: json: cannot unmarshal string into Go struct field instance.n of type int"},
		{`[1,0]`, `[2,0]`, "movable 0: current is 2, expected a level from 0 to 1"},
		{`[[0,1],[0]]`, `[[0,2],[0]]`, "movable 0: levels[1] is 2, expected ascending levels from 0 to 1"},
		{`"d":[1,1]`, `"d":[1,0]`, "movable 1: duration is 0 ticks, expected 1 to"},
		{`"w":[[1,0],[0]]`, `"w":[[1],[0]]`, "movable 0: rate has 1 levels, fixed has 2"},
		{`"w":[[1,0],[0]]`, `"w":[[-1,0],[0]]`, "movable 0: rate[0] is -1, expected 0 or more"},
		{`[[1],[0]]}]`, `[[1]]}]`, "tie 0: allowed has 1 rows, movable 0 has 2 levels"},
		{`[[1],[0]]}]`, `[[1],[2]]}]`, "edges[0].ok[1][0] is 2, expected 0 or 1"},
		{`"i":0`, `"i":7`, "tie 0: it ties 7 and 1, expected two different movables from 0 to 1"},
		{`[[1,2],[3]]`, `[[1,4611686018427387904],[3]]`, "costs are too large"},
	} {
		text := strings.Replace(good, tt.old, tt.new, 1)
		if text == good {
			t.Fatalf("%s is not in the example", tt.old)
		}
		if _, err := read([]byte("[" + good + "," + text + "]")); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "case 1: ") {
			t.Errorf("%s: error %v, want %q", tt.new, err, tt.want)
		}
	}
	for text, want := range map[string]string{"": "expected a JSON list", "{}": "expected a JSON list", "[]": "empty"} {
		if _, err := read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestParse_saysWhatIsWrong(t *testing.T) {
	for args, want := range map[string]string{
		"":                                         "either --data FILE or --generate SPEC",
		"--data x --generate y":                    "either --data FILE or --generate SPEC",
		"--data x -o yaml":                         "expected text or json",
		"--data x y":                               `argument "y"`,
		"--generate family=odd":                    `family is "odd", expected stress, lattice or adversarial`,
		"--generate services=x":                    `services is "x", expected a whole number`,
		"--generate colour=2":                      "expected services, changes, family or seed",
		"--data " + golden + " --peers cplex":      "expected clingo, z3 or cbc",
		"--generate services=3,changes=0":          "3 services and 0 changes, expected 1 or more",
		"--data " + golden + " --effort -1":        "--effort -1",
		"--data " + golden + "x":                   "no such file",
		"--generate services=4,changes=4,seed=1 -": `argument "-"`,
	} {
		if err := run(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}

// Whatever a file holds, it is refused with a reason or solved with a proof that the
// checker accepts.
func FuzzRead(f *testing.F) {
	b, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range bytes.SplitAfterN(b, []byte("}, {"), 4)[:3] {
		f.Add(append(append([]byte("[{"), bytes.Trim(line, "[{}, ")...), "}]"...))
	}
	f.Add([]byte(`[{"n":1,"cur":[0],"d":[1],"dom":[[0]],"f":[[0]],"w":[[0]]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		cases, err := read(b)
		if err != nil {
			return
		}
		for _, in := range cases {
			r, wrong, err := one(context.Background(), in, options{effort: 50}, nil)
			if err == nil && in.Optimum == nil && len(wrong) > 0 {
				t.Errorf("%+v: %v", r, wrong)
			}
		}
	})
}
