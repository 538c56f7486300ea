package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

type options struct {
	set, data, output, svg string
	verbose                bool
}

func main() {
	var o options
	flag.StringVar(&o.set, "set", "", "itbench")
	flag.StringVar(&o.data, "data", "", "folder of the set")
	flag.StringVar(&o.output, "o", "text", "text or json")
	flag.StringVar(&o.svg, "svg", "", "write a picture of the scenarios to this file")
	flag.BoolVar(&o.verbose, "v", false, "say for every scenario what was foretold")
	flag.Parse()
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "cascade:", err)
		os.Exit(1)
	}
}

const source = "github.com/itbench-hub/ITBench (Apache-2.0), as SCENARIO/groundtruth_v1.yaml and SCENARIO/scenario.yaml"

func run(out io.Writer, o options) error {
	if o.set != "itbench" || o.output != "text" && o.output != "json" || flag.NArg() > 0 {
		return errors.New("usage: cascade -set itbench -data DIR [-o text|json] [-svg FILE] [-v]")
	}
	if _, err := os.Stat(o.data); errors.Is(err, fs.ErrNotExist) || o.data == "" {
		fmt.Fprintf(out, "skipped: no folder %q with the set %s. It comes from %s. Give its folder with -data.\n", o.data, o.set, source)
		return nil
	}
	scenarios, err := readITBench(o.data)
	if err != nil {
		return err
	}
	if len(scenarios) == 0 {
		return fmt.Errorf("%s: no scenario with a groundtruth_v1.yaml that has propagations", o.data)
	}
	r, answers := measure(scenarios)
	if o.svg != "" {
		if err := os.WriteFile(o.svg, []byte(draw(r, answers).SVG()), 0o644); err != nil { //nolint:gosec // a picture for everybody
			return err
		}
	}
	if o.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	show(out, r)
	if o.verbose {
		for _, a := range answers {
			fmt.Fprintf(out, "%s, began at %v\n  hit      %v\n  foretold %v\n", a.name, a.roots, a.hit, a.foretold[ours])
		}
	}
	return nil
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
