// Command peeking measures how often a gate would be wrong when it looks at every
// sample: false "recovered" where the mean lies exactly at the margin, false "worse"
// where nothing changed or where both versions fail alike. Each rate stands beside the
// stated alpha with a 99 % interval (Clopper and Pearson), and beside a Mann-Whitney
// test and a t-test that look as often. All draws are seeded; the numbers repeat.
//
//	go run ./bench/peeking                               a table
//	go run ./bench/peeking -o json                       for machines
//	go run ./bench/peeking -write docs/PEEKING.md -svg docs/pictures/peeking.svg
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

// report is everything measured.
type report struct {
	Runs     int   `json:"runs"`    // a family
	Samples  int   `json:"samples"` // of a stage, one look at each
	Families []row `json:"families"`
}

// row is one family: a question, a noise, and how well the baseline is known.
type row struct {
	Question string `json:"question"` // recovered, worse or counts
	Noise    string `json:"noise"`
	Baseline string `json:"baseline"` // known, or learnt from so many healthy samples
	// Alpha is the stated limit of false answers in a whole stage.
	Alpha       float64 `json:"alpha"`
	Backout     rate    `json:"backout"`
	MannWhitney rate    `json:"mann_whitney"`
	TTest       rate    `json:"t_test"`
	// Holds is "yes" when the whole interval is at most alpha, "no" when the whole
	// interval is above it, else "open".
	Holds string `json:"holds"`
	// Median is how many samples the right answer takes where there is one: a mean of 0
	// for recovered, three more standard deviations for worse, twice the events for
	// counts. -1 = not within the stage.
	Median int `json:"median_samples"`
	// Promised is false for a family outside what verify states; it is measured so that
	// people know.
	Promised bool `json:"promised"`
}

func main() {
	output := flag.String("o", "text", "text or json")
	runs := flag.Int("runs", 4000, "simulated stages for each family")
	samples := flag.Int("samples", 60, "samples of a stage, one look at each")
	only := flag.String("only", "", "families whose question, noise and baseline together contain this")
	page := flag.String("write", "", "write the page to this file")
	svg := flag.String("svg", "", "write the picture to this file")
	flag.Parse()
	if *runs < 1 || *samples < 6 {
		fmt.Fprintln(os.Stderr, "expected -runs of at least 1 and -samples of at least 6")
		os.Exit(2)
	}
	if err := run(*output, *page, *svg, *only, *runs, *samples); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(output, page, svg, only string, runs, samples int) error {
	r := report{Runs: runs, Samples: samples}
	for i, f := range families() {
		if !strings.Contains(f.String(), only) {
			continue
		}
		one, err := f.measure(runs, samples, uint64(i))
		if err != nil {
			return err
		}
		r.Families = append(r.Families, one)
	}
	if svg != "" {
		if err := os.WriteFile(svg, []byte(picture(r).SVG()+"\n"), 0o600); err != nil {
			return err
		}
	}
	if page != "" {
		return os.WriteFile(page, []byte(markdown(r)), 0o600)
	}
	if output == "json" {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	fmt.Print(text(r))
	return nil
}
