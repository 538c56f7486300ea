package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/backout-dev/backout/bench/played"
	pic "github.com/backout-dev/backout/internal/render/picture"
)

// result is what the command prints.
type result struct {
	N       int     `json:"n"`
	Seed    uint64  `json:"seed"`
	Split   string  `json:"split"`
	Levels  []level `json:"levels"`
	Seconds float64 `json:"seconds"`
}

// level is one price of a minute.
type level struct {
	PerMinute float64         `json:"impact_per_minute"`
	Deciders  map[string]mean `json:"deciders"`
	// GapClosed is how far backout comes from nobody to the oracle, with its interval; nil
	// where there is no way to go, since no change did it in any case (of the interval: in
	// too many resamples). AgainstSuspect is its loss less that of the top suspect, paired
	// by case.
	GapClosed        *float64    `json:"gap_closed"`
	GapClosedCI      *[2]float64 `json:"gap_closed_ci"`
	AgainstSuspect   float64     `json:"backout_minus_top_suspect"`
	AgainstSuspectCI *[2]float64 `json:"backout_minus_top_suspect_ci"`
}

// mean is a decider's expected loss an incident.
type mean struct {
	Loss     float64     `json:"loss"`
	CI       *[2]float64 `json:"ci"`
	Needless float64     `json:"needless"` // innocent components taken back, an incident
}

func summarise(o options, bills []bill) result {
	r := result{N: len(bills), Seed: o.seed, Split: string(played.Split(o.shifted, o.train))}
	for i, price := range levels {
		l := level{PerMinute: price, Deciders: map[string]mean{}}
		of := func(name string) []float64 {
			out := make([]float64, len(bills))
			for k, b := range bills {
				out[k] = b.loss[name][i]
			}
			return out
		}
		for _, name := range deciders {
			needless := 0.0
			for _, b := range bills {
				needless += b.needless[name][i] / float64(len(bills))
			}
			x := of(name)
			l.Deciders[name] = mean{average(x, nil), resampled(len(x), func(pick []int) float64 { return average(x, pick) }), needless}
		}
		none, best, mine, top := of(nobody), of(oracle), of(ours), of(suspect)
		gap := func(pick []int) float64 {
			return (average(none, pick) - average(mine, pick)) / (average(none, pick) - average(best, pick))
		}
		less := func(pick []int) float64 { return average(mine, pick) - average(top, pick) }
		l.GapClosed, l.GapClosedCI = known(gap(nil)), resampled(len(bills), gap)
		l.AgainstSuspect, l.AgainstSuspectCI = less(nil), resampled(len(bills), less)
		r.Levels = append(r.Levels, l)
	}
	return r
}

// average over the picked cases; nil = all.
func average(x []float64, pick []int) float64 {
	sum := 0.0
	if pick == nil {
		for _, v := range x {
			sum += v
		}
		return sum / float64(len(x))
	}
	for _, i := range pick {
		sum += x[i]
	}
	return sum / float64(len(pick))
}

const resamples = 5000

// resampled is the 95 % bootstrap interval of a statistic of n cases; the draws are
// always the same. It is that of the draws in which the statistic exists, and nil where
// it does not in more than one of twenty: then there is nothing that an interval would
// hold for.
func resampled(n int, of func(pick []int) float64) *[2]float64 {
	r := rand.New(rand.NewPCG(1, 2))
	var values []float64
	pick := make([]int, n)
	for range resamples {
		for k := range pick {
			pick[k] = r.IntN(n)
		}
		if v := known(of(pick)); v != nil {
			values = append(values, *v)
		}
	}
	if len(values) < resamples*95/100 {
		return nil
	}
	slices.Sort(values)
	return &[2]float64{values[len(values)*25/1000], values[len(values)*975/1000-1]}
}

// known is nil for a quotient that does not exist, such as a share of nothing: JSON has no
// other word for it.
func known(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// words of an interval, and of a share, that may not exist.
func interval(ci *[2]float64, format string) string {
	if ci == nil {
		return "[too few cases]"
	}
	return fmt.Sprintf("["+format+", "+format+"]", ci[0], ci[1])
}

func share(x *float64) string {
	if x == nil {
		return "none"
	}
	return fmt.Sprintf("%.2f", *x)
}

func (r result) show(out io.Writer) {
	fmt.Fprintf(out, "expected loss an incident, %d of %s from seed %d, 95 %% intervals by resampling; in brackets innocent components taken back (%.0f s)\n", r.N, r.Split, r.Seed, r.Seconds)
	for _, l := range r.Levels {
		fmt.Fprintf(out, "\na minute costs %.0f\n", l.PerMinute)
		for _, name := range deciders {
			m := l.Deciders[name]
			fmt.Fprintf(out, "  %-14s %8.0f %s  (%.2f)\n", name, m.Loss, interval(m.CI, "%6.0f"), m.Needless)
		}
		fmt.Fprintf(out, "  of the way from nobody to the oracle: %s %s; against the top suspect %+.0f %s\n",
			share(l.GapClosed), interval(l.GapClosedCI, "%.2f"), l.AgainstSuspect, interval(l.AgainstSuspectCI, "%+.0f"))
	}
}

// draw shows for each price who loses how much of what nobody loses.
func draw(r result) *pic.Scene {
	const row, left, width, head = 20.0, 130.0, 520.0, 62.0
	block := row*float64(len(deciders)) + 34
	s := &pic.Scene{Width: 860, Height: int(head + block*float64(len(r.Levels)) + 10), Title: "What an incident costs, by who decides what is taken back"}
	s.Word(4, 20, s.Title, pic.Text, 14, true, pic.Start)
	s.Word(4, 40, fmt.Sprintf("%d generated incidents (%s); lines are 95 %% intervals; ● backout, ○ others; the scale ends at the largest loss of each price", r.N, r.Split), pic.Muted, 12, false, pic.Start)
	for i, l := range r.Levels {
		top, most := head+block*float64(i), 0.0
		for _, m := range l.Deciders {
			most = math.Max(most, m.CI[1])
		}
		x := func(v float64) float64 { return left + width*v/most }
		s.Word(4, top+10, fmt.Sprintf("a minute costs %.0f", l.PerMinute), pic.Text, 12, true, pic.Start)
		for k, name := range deciders {
			m, y := l.Deciders[name], top+22+row*float64(k)
			mark, ink := "○", pic.Muted
			if name == ours || name == alone {
				mark, ink = "●", pic.Running
			}
			s.Word(left-10, y+4, name, pic.Text, 12, name == ours, pic.End)
			s.Path(fmt.Sprintf("M%.1f %.1fH%.1f", x(m.CI[0]), y, x(m.CI[1])), ink, 2, false, false)
			s.Word(x(m.Loss), y+5, mark, ink, 14, true, pic.Middle)
			s.Word(left+width+12, y+4, fmt.Sprintf("%.0f, innocent %.2f", m.Loss, m.Needless), pic.Muted, 12, false, pic.Start)
		}
	}
	return s
}
