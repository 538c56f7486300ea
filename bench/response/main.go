package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// orders is what the command asks of the test, by the environment.
type orders struct {
	Seed   uint64        `json:"seed"` // of the first run
	Runs   int           `json:"runs"`
	Scrape time.Duration `json:"scrape"`
	Out    string        `json:"out"` // file for one Times a line
}

const ordersVariable = "BACKOUT_BENCH_RESPONSE"

// Spread sums up one moment over the runs that came to it.
type Spread struct {
	N      int     `json:"n"`
	Median float64 `json:"median_s"`
	P90    float64 `json:"p90_s"`
}

// Result is what the command prints.
type Result struct {
	Scrape      string                `json:"scrape"`
	Seed        uint64                `json:"seed"`
	N           int                   `json:"n"`
	Detected    Spread                `json:"detected"`
	FirstEffect Spread                `json:"first_effect"`
	Verified    Spread                `json:"verified"`
	Right       int                   `json:"right"`    // runs in which the guilty change was taken back
	Needless    int                   `json:"needless"` // other components taken back, over all runs
	Ended       map[backout.State]int `json:"ended"`
	Runs        []Times               `json:"runs,omitempty"`
}

func main() {
	var o orders
	output := flag.String("o", "text", "text or json")
	each := flag.Bool("each", false, "with -o json: every run as well")
	flag.DurationVar(&o.Scrape, "scrape", 15*time.Second, "scrape interval, and sampling step")
	flag.IntVar(&o.Runs, "runs", 20, "runs, each with a seed of its own")
	flag.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()%1e9), "seed of the first run")
	flag.Parse()
	r, err := measure(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "response:", err)
		os.Exit(1)
	}
	if !*each {
		r.Runs = nil
	}
	if *output == "json" {
		_ = json.NewEncoder(os.Stdout).Encode(r)
		return
	}
	fmt.Printf("scrape %s, %d runs from seed %d: %d right, %d needless, ended %v\n", r.Scrape, r.N, r.Seed, r.Right, r.Needless, r.Ended)
	for _, row := range []struct {
		name string
		Spread
	}{{"detected", r.Detected}, {"first effect", r.FirstEffect}, {"verified", r.Verified}} {
		fmt.Printf("%-13s %3d runs, median %5.0f s, p90 %5.0f s after the onset\n", row.name, row.N, row.Median, row.P90)
	}
}

// measure runs this folder's test, since time can be simulated in tests only.
func measure(o orders) (Result, error) {
	if o.Runs <= 0 || o.Scrape < time.Second {
		return Result{}, fmt.Errorf("--runs %d, --scrape %s: expected at least one run and one second", o.Runs, o.Scrape)
	}
	dir, err := os.MkdirTemp("", "backout-response")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir)
	o.Out = filepath.Join(dir, "runs.json")
	body, _ := json.Marshal(o)
	cmd := exec.Command("go", "test", "-count=1", "-timeout=2h", "-run=^TestResponse_", "./bench/response") //nolint:gosec // fixed words
	cmd.Env = append(os.Environ(), ordersVariable+"="+string(body))
	if out, err := cmd.CombinedOutput(); err != nil {
		return Result{}, errors.Join(err, errors.New(strings.TrimSpace(string(out))))
	}
	runs, err := read(o.Out)
	return summarise(o, runs), err
}

func read(path string) ([]Times, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Times
	for s := bufio.NewScanner(f); s.Scan(); {
		var t Times
		if err := json.Unmarshal(s.Bytes(), &t); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func summarise(o orders, runs []Times) Result {
	r := Result{Scrape: o.Scrape.String(), Seed: o.Seed, N: len(runs), Ended: map[backout.State]int{}, Runs: runs}
	var detected, effect, verified []float64
	for _, t := range runs {
		r.Ended[t.State]++
		r.Needless += t.Needless
		if t.Right {
			r.Right++
		}
		detected, effect, verified = append(detected, t.Detected), append(effect, t.Effect), append(verified, t.Verified)
	}
	r.Detected, r.FirstEffect, r.Verified = spread(detected), spread(effect), spread(verified)
	return r
}

func spread(seconds []float64) Spread {
	seconds = slices.DeleteFunc(seconds, func(s float64) bool { return s < 0 })
	if len(seconds) == 0 {
		return Spread{}
	}
	return Spread{N: len(seconds), Median: statistics.Median(seconds), P90: statistics.Quantile(seconds, .9)}
}
