// Command matrix runs all scenarios over seeds, with and without names in turn,
// and reports how many ended as they should, every miss with its reason, unsafe
// states and requests over all runs, and how good the cascade forecasts were
// (Brier score beside the base rate's).
//
//	go run ./bench/matrix --seeds 10 --write docs/DEMO_MATRIX.md
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/internal/drill"
	"github.com/backout-dev/backout/internal/playground"
)

type run struct {
	drill.Result
	Took float64
	Err  string
}

func main() {
	seeds := flag.Int("seeds", 10, "seeds for each scenario and mode")
	first := flag.Int("first", 0, "first seed; 0 = drawn from the clock, so that nothing is tuned to it")
	scenarios := flag.String("scenarios", strings.Join(playground.ScenarioNames(), ","), "comma separated")
	modes := flag.String("modes", "alternate", "names, blind, names,blind for both of each seed, or alternate: one of them a seed, in turn")
	write := flag.String("write", "", "file to keep the result in")
	full := flag.Bool("full", false, "the long demo instead of --short")
	flag.Parse()
	if *first == 0 {
		*first = int(time.Now().Unix() % 1_000_000)
	}
	dir, err := os.MkdirTemp("", "backout-matrix")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "backout")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/backout").CombinedOutput(); err != nil {
		log.Fatalf("build: %v\n%s", err, out)
	}
	var all []run
	for i := range *seeds {
		for k, sc := range strings.Split(*scenarios, ",") {
			for _, mode := range modesOf(*modes, i+k) {
				r := demo(bin, sc, mode, *first+i, *full)
				all = append(all, r)
				fmt.Fprintf(os.Stderr, "%3d %-21s %-5s seed %d: %s (%.0f s)\n", len(all), sc, mode, *first+i, ending(r), r.Took)
			}
		}
	}
	text := report(all, *seeds)
	fmt.Print(text)
	if *write != "" {
		if err := os.WriteFile(*write, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// modesOf are the modes of one seed and scenario. Alternating, each scenario and each
// seed is half blind.
func modesOf(modes string, turn int) []string {
	if modes == "alternate" {
		return []string{[]string{"names", "blind"}[turn%2]}
	}
	return strings.Split(modes, ",")
}

func demo(bin, scenario, mode string, seed int, full bool) run {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	args := []string{"demo", "--scenario", scenario, "--seed", fmt.Sprint(seed), "-o", "json"}
	if !full {
		args = append(args, "--short")
	}
	if mode == "blind" {
		args = append(args, "--blind")
	}
	start := time.Now()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := run{Took: time.Since(start).Seconds()}
	r.Scenario, r.Seed, r.Mode = scenario, uint64(seed), mode
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if jerr := json.Unmarshal([]byte(lines[len(lines)-1]), &r.Result); jerr != nil {
		r.Err = fmt.Sprintf("no result: %v; %s", err, tail(stderr.String()))
	}
	return r
}

func tail(s string) string { return s[max(0, len(s)-300):] }

func ending(r run) string {
	switch {
	case r.Err != "":
		return "BROKEN " + r.Err
	case r.AsExpected:
		return "as expected: " + r.Outcome
	}
	return "MISS: " + r.Why
}

func report(all []run, seeds int) string {
	var b strings.Builder
	good, unsafeStates, unsafeRequests := 0, 0, int64(0)
	var brier, base, n float64
	times := map[string][]float64{}
	for _, r := range all {
		if r.AsExpected && r.Err == "" {
			good++
		}
		unsafeStates += r.UnsafeStates
		unsafeRequests += r.UnsafeRequests
		for name, v := range map[string]*float64{"detected": r.DetectedS, "first effect": r.FirstEffectS, "recovered": r.RecoveredS} {
			if v != nil && r.Scenario == "payment-degraded" {
				times[name] = append(times[name], *v)
			}
		}
	}
	brier, base, n = forecastScore(all)
	fmt.Fprintf(&b, "# Demo matrix\n\n`make demo-matrix SEEDS=%d` on %s: %d of %d runs ended as expected; %d unsafe states, %d unsafe requests.\n\n", seeds, time.Now().UTC().Format("2006-01-02"), good, len(all), unsafeStates, unsafeRequests)
	fmt.Fprintf(&b, "Cascade forecast, first one of each incident, targets not hit yet (n = %.0f): Brier score %.4f, base rate's %.4f.\n\n", n, brier, base)
	for _, name := range []string{"detected", "first effect", "recovered"} {
		if v := times[name]; len(v) > 0 {
			slices.Sort(v)
			fmt.Fprintf(&b, "- payment-degraded, seconds from injection to %s: median %.1f (%.1f-%.1f, n = %d)\n", name, v[len(v)/2], v[0], v[len(v)-1], len(v))
		}
	}
	b.WriteString("\n| scenario | mode | seed | outcome | culprit p | p none | reverted | innocent | demanded | asked | as expected |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range all {
		p := 0.0
		for _, s := range r.Suspects {
			if slices.Contains(r.Truth, s.Change) {
				p = s.P
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %.2f | %.2f | %d | %d | %d | %t | %s |\n", r.Scenario, r.Mode, r.Seed, r.Outcome, p, r.PNone, len(r.Reverted), r.InnocentReverted, r.ContractDemanded, r.HumanAsked, ending(r))
	}
	return b.String()
}

// forecastScore pools the first forecasts: for every target that was not hit when
// it was made, the probability of a hit by the end against whether it came.
// Targets that nobody forecast count with probability 0.
func forecastScore(all []run) (brier, base, n float64) {
	var ps, ys []float64
	for _, r := range all {
		if r.ForecastAtS == nil {
			continue
		}
		end := *r.ForecastAtS + 30
		if r.RecoveredS != nil {
			end = *r.RecoveredS
		}
		for _, h := range r.Forecast {
			if h.HitS != nil && *h.HitS <= *r.ForecastAtS {
				continue
			}
			y := 0.0
			if h.HitS != nil && *h.HitS <= end {
				y = 1
			}
			ps, ys = append(ps, h.P*by(h, end)), append(ys, y)
		}
	}
	n = float64(len(ps))
	if n == 0 {
		return 0, 0, 0
	}
	mean := 0.0
	for _, y := range ys {
		mean += y / n
	}
	for i := range ps {
		brier += (ps[i] - ys[i]) * (ps[i] - ys[i]) / n
		base += (mean - ys[i]) * (mean - ys[i]) / n
	}
	return brier, base, n
}

// by is the share of the forecast's arrival times before end, from its three
// quantiles by straight lines.
func by(h drill.ForecastHit, end float64) float64 {
	points := [][2]float64{{h.P10S - (h.P50S-h.P10S)*.25, 0}, {h.P10S, .1}, {h.P50S, .5}, {h.P90S, .9}, {h.P90S + (h.P90S-h.P50S)*.5, 1}}
	if end <= points[0][0] {
		return 0
	}
	for i := 1; i < len(points); i++ {
		a, c := points[i-1], points[i]
		if end < c[0] {
			return a[1] + (c[1]-a[1])*(end-a[0])/max(1e-9, c[0]-a[0])
		}
	}
	return 1
}
