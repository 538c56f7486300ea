// Command plans measures the planner's solver: whether it finds the optimum, whether
// the independent checker accepts the proof, and how long it takes; beside brute force
// and general solvers on the same instances.
//
//	go run ./bench/plans --data internal/plan/testdata/plans.json
//	go run ./bench/plans --generate services=80,changes=160,family=stress,seed=1 --count 5
//	go run ./bench/plans --generate services=40,changes=80,family=adversarial --count 40 --peers z3
//
// Families: stress (version windows, three contracts a service, two in five changes
// worth taking back), lattice (the same, more tightly coupled), adversarial (random
// holes in every table). Times are processor time, so that a busy machine does not
// blur them. The exit status is not zero when an answer is not the optimum, is
// unsafe, or differs from brute force or from a solver that finished.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	data, generate, output, write string
	count, effort                 int
	peers                         []string
	limit                         time.Duration
	brute, partsOnly              bool
}

func main() {
	err := run(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "plans:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("plans", flag.ContinueOnError)
	f.StringVar(&o.data, "data", "", "file of instances")
	f.StringVar(&o.generate, "generate", "", "make instances: services=N,changes=K,family=stress|lattice|adversarial,seed=S")
	f.IntVar(&o.count, "count", 1, "how many to make, with seeds from S on")
	f.IntVar(&o.effort, "effort", 0, "effort of each search; 0 = the planner's own")
	f.StringVar(&o.output, "o", "text", "text or json")
	f.StringVar(&o.write, "write", "", "write the instances to this file")
	peers := f.String("peers", "", "other solvers to run: clingo,z3,cbc")
	f.DurationVar(&o.limit, "limit", 20*time.Second, "time for each run of another solver")
	f.BoolVar(&o.partsOnly, "parts-only", false, "hand the other solvers our parts only, not whole instances")
	f.BoolVar(&o.brute, "brute", false, "try every plan of instances with up to nine components")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *peers != "" {
		o.peers = strings.Split(*peers, ",")
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("argument %q: everything is said by flags", f.Arg(0))
	case (o.data == "") == (o.generate == ""):
		return o, fmt.Errorf("expected either --data FILE or --generate SPEC")
	case o.output != "text" && o.output != "json":
		return o, fmt.Errorf("-o %s: expected text or json", o.output)
	case o.count < 1 || o.effort < 0 || o.limit <= 0:
		return o, fmt.Errorf("--count %d, --effort %d, --limit %s: expected 1 or more, 0 or more, more than 0", o.count, o.effort, o.limit)
	}
	return o, nil
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	cases, err := load(o)
	if err != nil {
		return err
	}
	if o.write != "" {
		if err := save(o.write, cases); err != nil {
			return err
		}
	}
	r, err := measure(context.Background(), cases, o)
	if err != nil {
		return err
	}
	if o.output == "json" {
		enc := json.NewEncoder(os.Stdout)
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else {
		r.show(os.Stdout)
	}
	if len(r.Mismatches) > 0 {
		return fmt.Errorf("%d mismatches: %s", len(r.Mismatches), strings.Join(r.Mismatches[:min(3, len(r.Mismatches))], "; "))
	}
	return nil
}

func load(o options) ([]instance, error) {
	if o.generate != "" {
		s, err := parseSpec(o.generate)
		if err != nil {
			return nil, fmt.Errorf("--generate: %w", err)
		}
		var out []instance
		for k := range o.count {
			out = append(out, s.instance(s.seed+uint64(k)))
		}
		return out, nil
	}
	b, err := os.ReadFile(o.data)
	if err != nil {
		return nil, err
	}
	out, err := read(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.data, err)
	}
	return out, nil
}

func save(name string, cases []instance) error {
	b, err := json.Marshal(cases)
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}

// median of values that are not empty; of an even number the upper of the middle two.
func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}
