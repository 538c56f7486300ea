// Command compare plays the same incidents three ways over several seeds (nobody
// acts; everything is rolled back one by one; backout) and prints medians with their
// range: failed transactions, lost revenue, needless and failed rollbacks, and after
// how many seconds the customers were well again. Two minutes and a half a seed.
//
//	go run ./bench/compare --seeds 10 --write docs/COMPARISON.md --svg docs/pictures/comparison.svg
package main

import (
	"bytes"
	"cmp"
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

	"github.com/backout-dev/backout/internal/app/demo"
	"github.com/backout-dev/backout/internal/drill"
)

func main() {
	seeds := flag.Int("seeds", 10, "seeds for each scenario")
	first := flag.Int("first", 0, "first seed; 0 = drawn from the clock, so that nothing is tuned to it")
	scenarios := flag.String("scenarios", "payment-degraded,one-client-flag", "comma separated")
	write := flag.String("write", "", "file to keep the result in")
	svg := flag.String("svg", "", "file to draw the median run of the first scenario into")
	flag.Parse()
	*first = cmp.Or(*first, int(time.Now().Unix()%1_000_000))
	dir, err := os.MkdirTemp("", "backout-compare")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "backout")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/backout").CombinedOutput(); err != nil {
		log.Fatalf("build: %v\n%s", err, out)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Comparison\n\n`go run ./bench/compare --seeds %d` on %s. The same incident (same scenario, same seed) is played three times over the same\ntime: nobody acts; people roll back every change of the last hour, newest first, until it helps (5 model minutes to begin,\n5 with each rollback until they see whether it helped, the rollback itself takes no time); backout acts. All are measured by what the\nshop's customers met. Medians, least and most in brackets.\n", *seeds, time.Now().UTC().Format("2006-01-02"))
	for k, sc := range strings.Split(*scenarios, ",") {
		all := play(bin, sc, *first, *seeds)
		text.WriteString(report(sc, all))
		if k == 0 && *svg != "" && len(all) > 0 {
			if err := os.WriteFile(*svg, []byte(demo.Picture(typical(all)).SVG()+"\n"), 0o644); err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Print(text.String())
	if *write != "" {
		if err := os.WriteFile(*write, []byte(text.String()), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func play(bin, scenario string, first, seeds int) []drill.Comparison {
	var all []drill.Comparison
	for i := range seeds {
		c, err := once(bin, scenario, first+i)
		if err != nil {
			log.Printf("%s, seed %d: %v", scenario, first+i, err)
			continue
		}
		all = append(all, c)
		log.Printf("%s, seed %d (%d of %d)\n%s", scenario, first+i, i+1, seeds, demo.SideBySide(c))
	}
	return all
}

func once(bin, scenario string, seed int) (drill.Comparison, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, "demo", "--compare", "--short", "--scenario", scenario, "--seed", fmt.Sprint(seed), "-o", "json")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return drill.Comparison{}, fmt.Errorf("%w: %s", err, errs.String())
	}
	var c drill.Comparison
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return c, json.Unmarshal([]byte(lines[len(lines)-1]), &c)
}

func report(scenario string, all []drill.Comparison) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s (%d seeds)\n\n| | failed transactions | lost revenue (minor units) | needless rollbacks | failed rollbacks, all runs | unsafe requests, all runs | customers well after (s) |\n|---|---|---|---|---|---|---|\n", scenario, len(all))
	for k, actor := range drill.Actors {
		var failed, lost, needless, well []float64
		bad, unsafe, never := 0, int64(0), 0
		for _, c := range all {
			r := c.Runs[k]
			failed, lost, needless = append(failed, float64(r.FailedTransactions)), append(lost, float64(r.LostRevenue)), append(needless, float64(r.InnocentReverted))
			bad, unsafe = bad+r.FailedRollbacks, unsafe+r.UnsafeRequests
			if r.RecoveredS != nil {
				well = append(well, *r.RecoveredS)
			} else {
				never++
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %d | %s%s |\n", actor, spread(failed), spread(lost), spread(needless), bad, unsafe, spread(well), notWell(never, len(all)))
	}
	for _, of := range []struct {
		what string
		n    func(drill.ComparedRun) float64
	}{{"failed transactions", func(r drill.ComparedRun) float64 { return float64(r.FailedTransactions) }}, {"needless rollbacks", func(r drill.ComparedRun) float64 { return float64(r.InnocentReverted) }}} {
		var ours, theirs []float64
		for _, c := range all {
			theirs, ours = append(theirs, of.n(c.Runs[1])), append(ours, of.n(c.Runs[2]))
		}
		if m := median(theirs); m > 0 {
			fmt.Fprintf(&b, "\nbackout's %s are %.1f %% of one-by-one's median.", of.what, 100*median(ours)/m)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func notWell(never, of int) string {
	if never == 0 {
		return ""
	}
	return fmt.Sprintf(" (never in %d of %d)", never, of)
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

func spread(x []float64) string {
	if len(x) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4g (%.4g-%.4g)", median(x), slices.Min(x), slices.Max(x))
}

// typical is the comparison whose ratio of failed transactions is the median one.
func typical(all []drill.Comparison) drill.Comparison {
	ratio := func(c drill.Comparison) float64 {
		return float64(c.Runs[2].FailedTransactions) / max(1, float64(c.Runs[1].FailedTransactions))
	}
	sorted := slices.SortedFunc(slices.Values(all), func(a, b drill.Comparison) int { return cmp.Compare(ratio(a), ratio(b)) })
	return sorted[len(sorted)/2]
}
