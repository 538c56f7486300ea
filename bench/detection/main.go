// Command detection measures what the detector really reaches: the run length
// between false findings next to the one stated, the delay of shifts, the cost,
// and the same for the rule everybody has (three samples in a row above three
// standard deviations). All draws are seeded; the numbers repeat.
//
//	go run ./bench/detection            a table
//	go run ./bench/detection -o json    for machines
//	go run ./bench/detection -runs 200  more demo-like runs
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

// report is everything measured.
type report struct {
	Short          modeReport `json:"short"`
	Seasonal       modeReport `json:"seasonal"`
	Demo           []demo     `json:"demo"`
	TickMS         float64    `json:"tick_ms"`
	BytesPerSeries int        `json:"bytes_per_series"`
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
	flag.Parse()
	r, err := measure(*runs)
	if err == nil && *output == "json" {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else if err == nil {
		show(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(runs int) (r report, err error) {
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
	r.TickMS, r.BytesPerSeries, err = measureCost()
	return r, err
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

func measureCost() (ms float64, bytes int, err error) {
	const many = 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b, err := newBank(detect.Config{}, repeat(plainSources()[1], many), 1, time.Second)
	if err != nil {
		return 0, 0, err
	}
	b.run(60, 0)
	start := time.Now()
	b.run(20, 0)
	ms = float64(time.Since(start).Microseconds()) / 1e3 / 20
	b.sources, b.w = nil, backout.Window{}
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes = int(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / many
	runtime.KeepAlive(b)
	return ms, bytes, nil
}

func show(r report) {
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
	fmt.Printf("tick of 1000 series %.2f ms, %d bytes a series\n", r.TickMS, r.BytesPerSeries)
}

func steps(n int) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
