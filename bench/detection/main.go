// Command detection measures what the detector really reaches: the run length
// between false findings next to the one stated, the delay of shifts, a fleet over a
// month, the cost at 100,000 series, and beside it three sigma, CUSUM and SPOT
// with their thresholds set to the same run length. All draws are seeded; the
// numbers repeat but for those of time.
//
//	go run ./bench/detection                     a table
//	go run ./bench/detection -o json             for machines
//	go run ./bench/detection -seed 7 -fleets 6   other draws, more months
//	go run ./bench/detection -detail -runs 200   every noise and mode, demo-like runs
//	go run ./bench/detection -fetch 100000       asking a Prometheus server for so many
//	go run ./bench/detection -learn 1000 -o json learning two weeks of a real Prometheus server
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/backout-dev/backout/internal/detect"
)

// report is everything measured.
type report struct {
	bars
	Detail *detail `json:"detail,omitempty"`
}

// detail is what each mode reaches on each noise.
type detail struct {
	Short    modeReport `json:"short"`
	Seasonal modeReport `json:"seasonal"`
	Demo     []demo     `json:"demo"`
}

type modeReport struct {
	RunLengths []runLength `json:"run_lengths"`
	Delays     []delay     `json:"delays"`
	Ramps      []delay     `json:"ramps"` // one more standard deviation each step, to eight
	Baseline   []rule      `json:"three_sigma"`
}

func main() {
	output := flag.String("o", "text", "text or json")
	runs := flag.Int("runs", 10, "demo-like runs for each overlap")
	seed := flag.Uint64("seed", 1, "seed of all draws")
	series := flag.Int("series", 300, "series that run length and delays are measured on")
	days := flag.Int("days", 14, "days that each of them is watched")
	fleets := flag.Int("fleets", 3, "fleets of fifty services, a month each")
	costs := flag.Bool("cost", true, "measure time and memory at 100,000 series")
	details := flag.Bool("detail", false, "measure every noise and mode too")
	fetched := flag.Int("fetch", 0, "measure instead what it costs to ask for so many series")
	serving := flag.Int("serve", 0, "be the server that -fetch asks")
	learn := flag.Int("learn", 0, "measure instead how long two weeks of so many series take to learn")
	scrape := flag.Duration("scrape", 15*time.Second, "time between their samples")
	past := flag.Float64("past", 14, "days that the server remembers")
	kill := flag.Float64("kill", 0, "kill the learning process once when so much is learnt, in [0,1)")
	from := flag.String("learner", "", "be the process that -learn measures, and ask this server")
	state := flag.String("state", "", "where it keeps its state")
	flag.Parse()
	if *from != "" {
		fmt.Fprintln(os.Stderr, learner(*from, *state, *scrape))
		os.Exit(1)
	}
	if *learn > 0 {
		exitOn(runLearning(*output, *learn, *past, *scrape, *kill, *seed))
		return
	}
	if *serving > 0 {
		fmt.Fprintln(os.Stderr, serve(*serving))
		os.Exit(1)
	}
	exitOn(run(*output, *runs, *seed, *series, *days, *fleets, *costs, *details, *fetched))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runLearning(output string, many int, days float64, scrape time.Duration, kill float64, seed uint64) error {
	l, err := measureLearning(many, days, scrape, kill, seed)
	if err != nil {
		return err
	}
	if output != "json" {
		l.show()
		return nil
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(l)
}

func run(output string, runs int, seed uint64, series, days, fleets int, costs, details bool, fetched int) error {
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if fetched > 0 {
		f, err := measureFetch(fetched)
		if err != nil {
			return err
		}
		return enc.Encode(f)
	}
	if series < 1 || days < 1 || fleets < 1 {
		return fmt.Errorf("measure detection: %d series, %d days, %d fleets: expected one of each at least", series, days, fleets)
	}
	var r report
	var err error
	if r.bars, err = measureBars(seed, series, days, fleets); err != nil {
		return err
	}
	if costs {
		if r.TickMS100k, r.BytesPer, err = measureCost100k(); err != nil {
			return err
		}
	}
	if details {
		if r.Detail, err = measureDetail(runs); err != nil {
			return err
		}
	}
	if output == "json" {
		return enc.Encode(r)
	}
	r.show()
	if r.Detail != nil {
		r.Detail.show()
	}
	return nil
}

func measureDetail(runs int) (r *detail, err error) {
	r = &detail{}
	if r.Short, err = measureMode(append(plainSources(), shopSources()...), detect.Config{ARL: 1e3}, 50, 1400, 300, 300); err != nil {
		return r, err
	}
	if r.Seasonal, err = measureMode(plainSources(), detect.Config{ARL: 1e4}, 1700, 3000, 100, 100); err != nil {
		return r, err
	}
	for k := 1; k <= 3; k++ {
		d, err := measureDemo(detect.Config{}, k, runs, 9)
		if err != nil {
			return r, err
		}
		r.Demo = append(r.Demo, d)
	}
	return r, nil
}

// measureMode takes run lengths at the configuration's ARL, which is low so that
// they can be measured at all, and delays at the default.
func measureMode(from []source, c detect.Config, warm, horizon, many, shifted int) (m modeReport, err error) {
	for i, s := range from {
		l, err := measureRunLength(c, s, many, warm, horizon, uint64(i))
		if err != nil {
			return m, err
		}
		m.RunLengths = append(m.RunLengths, l)
		for _, size := range []float64{1, 2, 4, 6} {
			d, err := measureDelay(detect.Config{}, s, shifted, warm, 200, uint64(100+i), size, func(int) float64 { return size })
			if err != nil {
				return m, err
			}
			m.Delays = append(m.Delays, d)
		}
		d, err := measureDelay(detect.Config{}, s, shifted, warm, 60, uint64(200+i), 8, func(i int) float64 { return math.Min(8, float64(i)) })
		if err != nil {
			return m, err
		}
		m.Ramps = append(m.Ramps, d)
		m.Baseline = append(m.Baseline, measureRule(s, warm, uint64(300+i)))
	}
	return m, nil
}

func (b bars) show() {
	fmt.Printf("%s: ARL stated %.0f, measured %.0f (99 %%: at least %.0f); median delay of 4, 2, 1 sd: %s, %s, %s samples\n",
		b.Noise, b.ARLStated, b.ARLMeasured, b.ARLAtLeast, steps(b.Delay4), steps(b.Delay2), steps(b.Delay1))
	for _, p := range peers() {
		m := b.Baselines[p.name]
		fmt.Printf("  %-12s ARL %.0f at threshold %.2f, without a season: %s, %s, %s (found of 1 sd: %.2f)\n", p.name, m.Measured, m.Threshold, steps(m.Delay4), steps(m.Delay2), steps(m.Delay1), m.Found1)
	}
	for _, l := range append(b.OtherNoise, b.SparseRun) {
		fmt.Printf("%-20s ARL stated %.0f, measured %.0f (99 %%: at least %.0f)\n", l.Noise, l.Stated, l.Measured, l.AtLeast)
	}
	for _, d := range b.Sparse {
		fmt.Printf("two orders a minute, %.0f %% lost: median %s, p90 %s samples\n", 100*d.Shift, steps(d.Median), steps(d.P90))
	}
	f := b.Fleet
	fmt.Printf("%d fleets of %d services, 30 days: %.2f false incidents each (95 %%: at most %.2f; most %d); median delay of 4, 2, 1 sd: %s, %s, %s samples\n",
		f.Fleets, f.Services, f.FalsePer30Days, f.Upper, f.Most, steps(f.Delay4), steps(f.Delay2), steps(f.Delay1))
	fmt.Printf("tick of 100,000 series %.0f ms, %d bytes a series\n", b.TickMS100k, b.BytesPer)
}

func (r *detail) show() {
	for _, m := range []struct {
		name string
		modeReport
	}{{"short history", r.Short}, {"long history", r.Seasonal}} {
		fmt.Printf("%s\n%-24s %9s %10s %10s | delay median/p90 at 1, 2, 4, 6 sd and ramp (steps, - not in 200) | 3 sigma x 3: ARL, 1, 2, 4, 6 sd\n", m.name, "noise", "stated", "measured", ">= (99 %)")
		for i, l := range m.RunLengths {
			fmt.Printf("%-24s %9.0f %10.0f %10.0f |", l.Noise, l.Stated, l.Measured, l.AtLeast)
			for _, d := range append(m.Delays[4*i:4*i+4:4*i+4], m.Ramps[i]) {
				fmt.Printf(" %3s/%-3s", steps(d.Median), steps(d.P90))
			}
			fmt.Printf(" | %6.0f", m.Baseline[i].Measured)
			for _, d := range m.Baseline[i].Delays {
				fmt.Printf(" %3s", steps(d))
			}
			fmt.Println()
		}
	}
	for _, d := range r.Demo {
		fmt.Printf("demo-like, overlap %d: %d series, %d steps to learn, %d watched: %.1f %% of %d runs with a false finding %v\n",
			d.Overlap, d.Series, d.Warm, d.Watched, 100*d.WithFalse, d.Runs, d.ByNoise)
	}
}

func steps(n int) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
