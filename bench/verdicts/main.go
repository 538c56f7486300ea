package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/backout-dev/backout/bench/dataset"
)

type options struct {
	dataset.Options
	errors string
}

func main() {
	var o options
	o.Flags("kontrast", "a picture of the scores")
	flag.StringVar(&o.errors, "errors", "", "write a picture of each wrong answer into this folder")
	flag.Parse()
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "verdicts:", err)
		os.Exit(1)
	}
}

const source = "github.com/NetManAIOps/kontrast (no licence: for measuring, not for copying), as cases.csv, labels.csv and kpi/ID.csv"

func run(out io.Writer, o options) error {
	if o.Set != "kontrast" || !o.Told() {
		return errors.New("usage: verdicts -set kontrast -data DIR [-o text|json] [-svg FILE] [-errors DIR]")
	}
	if o.Absent(out, source) {
		return nil
	}
	cases, err := readKontrast(o.Data)
	if err != nil {
		return err
	}
	r, answers := measure(cases)
	if o.errors != "" {
		if err := drawErrors(o.errors, answers); err != nil {
			return err
		}
	}
	return o.Tell(out, r, func() string { return scatter(r, answers).SVG() }, func() { show(out, r) })
}

func show(out io.Writer, r result) {
	fmt.Fprintf(out, "%s, %d cases in %d pairs; 95 %% intervals by resampling pairs\n\n", r.Set, r.N, r.Pairs)
	fmt.Fprintf(out, "%-16s %-22s %-22s %-22s %s\n", "", "F1, threshold fixed", "best F1", "AUC", "F1, other splits")
	line := func(name string, s standing) {
		fmt.Fprintf(out, "%-16s %.3f [%.3f, %.3f]   %.3f [%.3f, %.3f]   %.3f [%.3f, %.3f]   %.3f\n", name,
			s.F1, s.F1CI[0], s.F1CI[1], s.BestF1, s.BestF1CI[0], s.BestF1CI[1], s.AUC, s.AUCCI[0], s.AUCCI[1], s.OtherSplits)
	}
	line("backout", r.standing)
	for _, name := range slices.Sorted(maps.Keys(r.Baselines)) {
		line(name, r.Baselines[name])
	}
	fmt.Fprintf(out, "\nF1 at the threshold that is shipped, which was fitted on these very cases: %.3f [%.3f, %.3f]\n", r.ShippedF1, r.ShippedF1CI[0], r.ShippedF1CI[1])
	fmt.Fprintf(out, "%.1f ms a KPI (median; %.1f at most); %d could not be judged\n", r.MedianMS, r.MaxMS, r.Unjudged)
	for _, class := range slices.Sorted(maps.Keys(r.Errors)) {
		e := r.Errors[class]
		fmt.Fprintf(out, "  %-28s %3d cases, %d missed, %d wrongly blamed\n", class, e.N, e.Missed, e.Blamed)
	}
}
