package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/bench/dataset"
	"github.com/backout-dev/backout/internal/simulate"
)

// options are the command line.
type options struct {
	dataset.Options
	until                     string
	verbose                   bool
	shifted, train, onlyPeers bool
	seed                      uint64
	cases                     int
}

func main() {
	var o options
	o.Flags("changerca, petshop (folders of recordings) or simulator", "a picture")
	flag.StringVar(&o.until, "until", "", "recorded sets: ask so long after the trouble was noticed (0s, 4m, 8m); end = when the recording ends; empty = at once for changerca, 8m for petshop, which is measured every five minutes")
	flag.BoolVar(&o.verbose, "v", false, "say what was ranked wrongly")
	flag.BoolVar(&o.shifted, "shifted", false, "simulator: other worlds than any number was chosen for")
	flag.BoolVar(&o.train, "train", false, "simulator: the worlds for choosing numbers")
	flag.BoolVar(&o.onlyPeers, "peers", false, "simulator: the baselines alone, as the worlds' difficulty is set")
	flag.Uint64Var(&o.seed, "seed", 1, "simulator: the first seed; cases take one each")
	flag.IntVar(&o.cases, "cases", 500, "simulator: number of incidents")
	flag.Parse()
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// sources says where the recorded sets come from.
var sources = map[string]string{
	"changerca": "github.com/IntelligentDDS/ChangeRCA (no licence: for measuring, not for copying), labels taken out of the cases into labels.json",
	"petshop":   "github.com/amazon-science/petshop-root-cause-analysis, folder dataset/low_traffic (CC-BY-4.0)",
}

const simulator = "simulator"

var errUsage = errors.New("usage: attribution --set changerca|petshop --data DIR [--until 0s|4m|8m|end], or --set simulator [--shifted|--train] [--seed S] [--cases N] [--peers]; both [-o text|json] [--svg FILE] [-v]")

func (o options) check() error {
	_, recorded := sources[o.Set]
	switch {
	case !recorded && o.Set != simulator, !o.Told():
		return errUsage
	case recorded && (o.shifted || o.train || o.onlyPeers), o.Set == simulator && (o.Data != "" || o.until != ""), o.shifted && o.train:
		return errUsage
	case o.Set == simulator && o.cases < 1:
		return fmt.Errorf("cases %d: expected at least one", o.cases)
	}
	return nil
}

func run(out io.Writer, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.Set != simulator && o.Absent(out, sources[o.Set]) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	got, err := measureSet(ctx, o)
	if err != nil {
		return err
	}
	return o.Tell(out, got, func() string { return picture(got).SVG() }, func() {
		show(out, got)
		if o.verbose {
			fmt.Fprintf(out, "\nnot at the first place:\n%s\n", strings.Join(got.misses, "\n"))
		}
	})
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

func measureSet(ctx context.Context, o options) (outcome, error) {
	if o.Set == simulator {
		g := generated{split: simulate.Test, seed: o.seed, cases: o.cases, onlyPeers: o.onlyPeers}
		if o.shifted {
			g.split = simulate.Shifted
		}
		if o.train {
			g.split = simulate.Train
		}
		return measureGenerated(g)
	}
	after, err := span(o.Set, o.until)
	if err != nil {
		return outcome{}, err
	}
	asked := after.String()
	if after < 0 {
		asked = "end"
	}
	if o.Set == "changerca" {
		cases, err := recorded.ReadChangeRCA(o.Data, after)
		if err != nil {
			return outcome{}, err
		}
		return measureCases(ctx, o.Set, asked, cases)
	}
	return measurePetShop(ctx, recorded.PetShopDir(o.Data), asked, after)
}

// measurePetShop measures its issues, and its calm recording for specificity.
func measurePetShop(ctx context.Context, dir, asked string, after time.Duration) (outcome, error) {
	cases, err := recorded.ReadPetShop(dir, after)
	if err != nil {
		return outcome{}, err
	}
	got, err := measureCases(ctx, "petshop", asked, cases)
	if err != nil {
		return got, err
	}
	calm, err := recorded.ReadPetShopCalm(dir)
	if err != nil {
		return got, err
	}
	share, windows, err := specificity(ctx, calm)
	got.Specificity, got.CalmWindows = &share, windows
	return got, err
}
