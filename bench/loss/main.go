package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// options are the command line.
type options struct {
	cases          int
	seed           uint64
	shifted, train bool
	output, svg    string
}

func main() {
	var o options
	flag.IntVar(&o.cases, "cases", 150, "number of incidents")
	flag.Uint64Var(&o.seed, "seed", 1, "first seed; cases take one each")
	flag.BoolVar(&o.shifted, "shifted", false, "other worlds than any number was chosen for")
	flag.BoolVar(&o.train, "train", false, "the worlds for choosing numbers")
	flag.StringVar(&o.output, "o", "text", "text or json")
	flag.StringVar(&o.svg, "svg", "", "write a picture to this file")
	flag.Parse()
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "loss:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case o.output != "text" && o.output != "json", o.shifted && o.train, flag.NArg() > 0:
		return errors.New("usage: loss [--cases N] [--seed S] [--shifted|--train] [-o text|json] [--svg FILE]")
	case o.cases < 1:
		return fmt.Errorf("--cases %d: expected at least one", o.cases)
	}
	return nil
}

func run(out io.Writer, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	began := time.Now()
	bills, err := measure(o)
	if err != nil {
		return err
	}
	r := summarise(o, bills)
	r.Seconds = time.Since(began).Seconds()
	if o.svg != "" {
		if err := os.WriteFile(o.svg, []byte(draw(r).SVG()+"\n"), 0o644); err != nil { //nolint:gosec // a picture for everybody
			return fmt.Errorf("write picture: %w", err)
		}
	}
	if o.output != "json" {
		r.show(out)
		return nil
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
