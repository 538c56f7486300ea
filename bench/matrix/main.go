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
	modes := flag.String("modes", "alternate", "names, blind, names,blind for both of each seed, or alternate: one of them a seed, in turn (other: the half that this leaves out)")
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
				if *write != "" { // kept after every run: a matrix takes the better part of an hour
					if err := os.WriteFile(*write, []byte(report(all, *seeds)), 0o644); err != nil {
						log.Fatal(err)
					}
				}
			}
		}
	}
	fmt.Print(report(all, *seeds))
}

// modesOf are the modes of one seed and scenario. Alternating, each scenario and each
// seed is half blind; "other" is the half that alternating leaves out.
func modesOf(modes string, turn int) []string {
	switch modes {
	case "alternate":
		return []string{[]string{"names", "blind"}[turn%2]}
	case "other":
		return []string{[]string{"blind", "names"}[turn%2]}
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

// byScenario counts the runs that ended as expected, in order of first appearance.
func byScenario(all []run) string {
	var names, out []string
	good, played := map[string]int{}, map[string]int{}
	for _, r := range all {
		if played[r.Scenario] == 0 {
			names = append(names, r.Scenario)
		}
		played[r.Scenario]++
		if r.AsExpected && r.Err == "" {
			good[r.Scenario]++
		}
	}
	for _, n := range names {
		out = append(out, fmt.Sprintf("%s %d of %d", n, good[n], played[n]))
	}
	return "As expected: " + strings.Join(out, ", ") + "."
}

func results(all []run) []drill.Result {
	out := make([]drill.Result, len(all))
	for i, r := range all {
		out[i] = r.Result
	}
	return out
}

func report(all []run, seeds int) string {
	var b strings.Builder
	good, unsafeStates, unsafeRequests := 0, 0, int64(0)
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
	skill, alarms := drill.ForecastSkill(results(all)), 0
	for _, r := range all {
		alarms += r.FalseAlarms
	}
	fmt.Fprintf(&b, "# Demo matrix\n\n`make demo-matrix SEEDS=%d` on %s: %d of %d runs ended as expected; %d unsafe states, %d unsafe requests.\n\n", seeds, time.Now().UTC().Format("2006-01-02"), good, len(all), unsafeStates, unsafeRequests)
	fmt.Fprintf(&b, "Cascade forecast: the first one of each incident, over all services and journeys that were not hit yet (n = %d): Brier score %.4f, base rate's %.4f. ", skill.Targets, skill.Brier, skill.Base)
	fmt.Fprintf(&b, "Of %d that were hit before anybody acted, it had named %d (10 %% or more), in the median %.1f s before. Incidents before the fault: %d.\n\n", skill.Hits, skill.Named, skill.LeadS, alarms)
	b.WriteString(byScenario(all) + "\n\n")
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
