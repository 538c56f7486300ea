package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/backout-dev/backout/bench/dataset"
)

type options struct {
	dataset.Options
	verbose bool
}

func main() {
	var o options
	o.Flags("itbench", "a picture of the scenarios")
	flag.BoolVar(&o.verbose, "v", false, "say for every scenario what was foretold")
	flag.Parse()
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "cascade:", err)
		os.Exit(1)
	}
}

const source = "github.com/itbench-hub/ITBench (Apache-2.0), as SCENARIO/groundtruth_v1.yaml and SCENARIO/scenario.yaml"

func run(out io.Writer, o options) error {
	if o.Set != "itbench" || !o.Told() {
		return errors.New("usage: cascade -set itbench -data DIR [-o text|json] [-svg FILE] [-v]")
	}
	if o.Absent(out, source) {
		return nil
	}
	scenarios, err := readITBench(o.Data)
	if err != nil {
		return err
	}
	if len(scenarios) == 0 {
		return fmt.Errorf("%s: no scenario with a groundtruth_v1.yaml that has propagations", o.Data)
	}
	r, answers := measure(scenarios)
	return o.Tell(out, r, func() string { return draw(r, answers).SVG() }, func() {
		show(out, r)
		for _, a := range answers {
			if o.verbose {
				fmt.Fprintf(out, "%s, began at %v\n  hit      %v\n  foretold %v\n", a.name, a.roots, a.hit, a.foretold[ours])
			}
		}
	})
}

func show(out io.Writer, r result) {
	fmt.Fprintf(out, "%s, %d scenarios, each foretold from the others of its application; 95 %% intervals by resampling scenarios\n\n", r.Set, r.N)
	fmt.Fprintf(out, "%-28s %9s %7s %-22s %s\n", "", "precision", "recall", "F1 of all", "mean F1 of a scenario")
	line := func(name string, s standing) {
		fmt.Fprintf(out, "%-28s %9.3f %7.3f %.3f [%.3f, %.3f]   %.3f [%.3f, %.3f]\n", name, s.Precision, s.Recall, s.F1, s.F1CI[0], s.F1CI[1], s.MeanF1, s.MeanF1CI[0], s.MeanF1CI[1])
	}
	line(ours, r.standing)
	for _, m := range methods[1:] {
		line(m.name, r.Baselines[m.name])
	}
	fmt.Fprintf(out, "\nmore than plain reachability: %.3f [%.3f, %.3f] of all, %.3f [%.3f, %.3f] a scenario (paired)\n",
		r.Difference, r.DifferenceCI[0], r.DifferenceCI[1], r.MeanDifference, r.MeanDifferenceCI[0], r.MeanDifferenceCI[1])
	fmt.Fprintf(out, "probabilities: Brier %.3f; %s\n%.1f ms a scenario (median)\n", r.Brier, strings.Join(r.Coverage, ", "), r.MedianMS)
}
