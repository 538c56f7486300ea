package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/bench/attribution/recorded"
)

func main() {
	set := flag.String("set", "", "changerca or petshop")
	data := flag.String("data", "", "folder of the set")
	until := flag.String("until", "", "ask so long after the trouble was noticed (0s, 4m, 8m); end = when the recording ends; empty = at once for changerca, 8m for petshop, which is measured every five minutes")
	output := flag.String("o", "text", "text or json")
	verbose := flag.Bool("v", false, "say what was ranked wrongly")
	flag.Parse()
	if err := run(os.Stdout, *set, *data, *until, *output, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// sources says where the sets come from.
var sources = map[string]string{
	"changerca": "github.com/IntelligentDDS/ChangeRCA (no licence: for measuring, not for copying), labels taken out of the cases into labels.json",
	"petshop":   "github.com/amazon-science/petshop-root-cause-analysis, folder dataset/low_traffic (CC-BY-4.0)",
}

func run(out io.Writer, set, data, until, output string, verbose bool) error {
	source, known := sources[set]
	if !known || output != "text" && output != "json" || flag.NArg() > 0 {
		return errors.New("usage: attribution -set changerca|petshop -data DIR [-until 0s|4m|8m|end] [-o text|json] [-v]")
	}
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) || data == "" {
		fmt.Fprintf(out, "skipped: no folder %q with the set %s. It comes from %s. Give its folder with -data.\n", data, set, source)
		return nil
	}
	after, err := span(set, until)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	o, err := measureSet(ctx, set, data, after)
	if err != nil {
		return err
	}
	if output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(o)
	}
	show(out, o)
	if verbose {
		fmt.Fprintf(out, "\nnot at the first place:\n%s\n", strings.Join(o.misses, "\n"))
	}
	return nil
}

// span is how long after the notice is asked; negative is the end.
func span(set, until string) (time.Duration, error) {
	switch {
	case until == "" && set == "petshop":
		return 8 * time.Minute, nil
	case until == "":
		return 0, nil
	case until == "end" && set == "petshop":
		return -1, nil
	}
	d, err := time.ParseDuration(until)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("until %q: expected a span such as 4m", until)
	}
	return d, nil
}

func measureSet(ctx context.Context, set, data string, after time.Duration) (outcome, error) {
	asked := after.String()
	if after < 0 {
		asked = "end"
	}
	if set == "changerca" {
		cases, err := recorded.ReadChangeRCA(data, after)
		if err != nil {
			return outcome{}, err
		}
		return measureCases(ctx, set, asked, cases)
	}
	data = recorded.PetShopDir(data)
	cases, err := recorded.ReadPetShop(data, after)
	if err != nil {
		return outcome{}, err
	}
	o, err := measureCases(ctx, set, asked, cases)
	if err != nil {
		return o, err
	}
	calm, err := recorded.ReadPetShopCalm(data)
	if err != nil {
		return o, err
	}
	share, windows, err := specificity(ctx, calm)
	o.Specificity, o.CalmWindows = &share, windows
	return o, err
}

func show(out io.Writer, o outcome) {
	fmt.Fprintf(out, "%s, asked %s after it was noticed, %d cases; 95 %% intervals by resampling cases\n\n", o.Set, o.Until, o.N)
	fmt.Fprintf(out, "%-18s %-22s %-22s %6s %6s %6s %9s\n", "", "AC@1", "AC@3", "Avg@5", "MRR", "exam", "innocent")
	line := func(name string, a accuracy) {
		fmt.Fprintf(out, "%-18s %.3f [%.3f, %.3f]   %.3f [%.3f, %.3f]   %6.3f %6.3f %6.2f %9.2f\n", name, a.AC1, a.AC1CI[0], a.AC1CI[1], a.AC3, a.AC3CI[0], a.AC3CI[1], a.Avg5, a.MRR, a.Exam, a.Innocent)
	}
	line("backout", o.accuracy)
	line("  told when", o.Told)
	for _, p := range peers {
		if a, ok := o.Baselines[p.name]; ok {
			line(p.name, a)
		}
	}
	fmt.Fprintf(out, "\nattribution takes %.1f ms (median; %.1f at most); \"no change\" has %.3f on average\n", o.MedianMS, o.MaxMS, o.PNone)
	if c := o.Calibration; c != nil {
		fmt.Fprintf(out, "NLL %.3f, Brier %.3f, ECE %.3f\n", c.NLL, c.Brier, c.ECE)
	}
	if o.Specificity != nil {
		fmt.Fprintf(out, "specificity %.3f of %d calm windows of an hour, detector included\n", *o.Specificity, o.CalmWindows)
	}
	for _, f := range slices.Sorted(maps.Keys(o.Faults)) {
		fmt.Fprintf(out, "  %-14s %d of %d\n", f, int(o.Faults[f].AC1*float64(o.Faults[f].N)+.5), o.Faults[f].N)
	}
}
