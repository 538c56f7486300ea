package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/backout-dev/backout/bench/played"
)

// options are the command line.
type options struct {
	days, cases  int
	act, shifted bool
	train        bool
	seed         uint64
	output       string
	verbose      bool
	known        int
}

func main() {
	var o options
	flag.IntVar(&o.days, "days", 1000, "calm days")
	flag.BoolVar(&o.act, "act", false, "incidents instead of calm days")
	flag.IntVar(&o.cases, "cases", 400, "with --act: number of incidents")
	flag.BoolVar(&o.shifted, "shifted", false, "other worlds than any number was chosen for")
	flag.BoolVar(&o.train, "train", false, "the worlds for choosing numbers")
	flag.Uint64Var(&o.seed, "seed", 1, "first seed; days and cases take one each")
	flag.IntVar(&o.known, "known", 0, "with --act: how many past incidents backout knows of; below 19 it is stricter")
	flag.StringVar(&o.output, "o", "text", "text or json")
	flag.BoolVar(&o.verbose, "v", false, "with text: say each action and each blame")
	flag.Parse()
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "calm:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case o.output != "text" && o.output != "json", o.shifted && o.train, flag.NArg() > 0:
		return errors.New("usage: calm [--days N | --act [--cases N] [--known N]] [--shifted|--train] [--seed S] [-o text|json] [-v]")
	case o.days < 1 || o.cases < 1:
		return fmt.Errorf("--days %d, --cases %d: expected at least one", o.days, o.cases)
	}
	return nil
}

func run(out io.Writer, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	began := time.Now()
	var got interface{ show(io.Writer, bool) }
	if o.act {
		r, err := measureActing(o)
		if err != nil {
			return err
		}
		r.Seconds = time.Since(began).Seconds()
		got = r
	} else {
		r, err := measureCalm(o)
		if err != nil {
			return err
		}
		r.Seconds = time.Since(began).Seconds()
		got = r
	}
	if o.output != "json" {
		got.show(out, o.verbose)
		return nil
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(got)
}

// play plays one world with the default policy that may act.
func play(c played.Config) (played.Result, error) {
	p, err := played.Policy()
	if err != nil {
		return played.Result{}, err
	}
	c.Policy = p
	return played.Play(context.Background(), c)
}
