package main

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan"
	"github.com/backout-dev/backout/internal/plan/check"
)

// report is everything measured.
type report struct {
	Cases   []result `json:"cases"`
	Summary summary  `json:"summary"`
	// Peers sums up each other solver, on whole instances and on our parts of them.
	Peers      []peerSummary `json:"peers,omitempty"`
	Mismatches []string      `json:"mismatches"`
}

// result is one instance.
type result struct {
	N       int    `json:"n"`
	Largest int    `json:"largest"` // components in the largest part that was searched
	Cases   int    `json:"cases"`   // in the proof
	Cost    int64  `json:"cost"`
	Optimum *int64 `json:"optimum"` // as given, or by brute force; null where nobody knows
	Proven  bool   `json:"proven"`  // the checker accepts the proof that nothing costs less
	Gap     int64  `json:"gap"`     // cost less the proven lower bound
	// GapRatio is the gap by what the plan saves against leaving everything.
	GapRatio float64   `json:"gap_ratio"`
	Unsafe   bool      `json:"unsafe"`
	MS       float64   `json:"ms"`       // to solve
	CheckMS  float64   `json:"check_ms"` // to check answer and proof
	Peers    []peerRun `json:"peers,omitempty"`
}

type summary struct {
	Instances int     `json:"instances"`
	Optimal   int     `json:"optimal"` // equal to the optimum given, or proven where none is
	Proven    int     `json:"proven"`
	Unsafe    int     `json:"unsafe"`
	MedianMS  float64 `json:"median_ms"`
	MaxMS     float64 `json:"max_ms"`
	CheckMS   float64 `json:"median_check_ms"`
}

// measure solves, checks and compares every instance.
func measure(ctx context.Context, cases []instance, o options) (report, error) {
	r := report{Mismatches: []string{}}
	peers, err := findPeers(ctx, o)
	if err != nil {
		return r, err
	}
	var solve, verify []float64
	for k, in := range cases {
		res, wrong, err := one(ctx, in, o, peers)
		if err != nil {
			return r, fmt.Errorf("case %d: %w", k, err)
		}
		for _, w := range wrong {
			r.Mismatches = append(r.Mismatches, fmt.Sprintf("case %d: %s", k, w))
		}
		r.Cases = append(r.Cases, res)
		r.Summary.count(res)
		solve, verify = append(solve, res.MS), append(verify, res.CheckMS)
		r.Summary.MaxMS = max(r.Summary.MaxMS, res.MS)
	}
	r.Summary.MedianMS, r.Summary.CheckMS = median(solve), median(verify)
	r.Peers = sumUp(peers, r.Cases)
	return r, nil
}

func (s *summary) count(r result) {
	s.Instances++
	if r.Optimum == nil && r.Proven || r.Optimum != nil && *r.Optimum == r.Cost {
		s.Optimal++
	}
	if r.Proven {
		s.Proven++
	}
	if r.Unsafe {
		s.Unsafe++
	}
}

func one(ctx context.Context, in instance, o options, peers []peer) (r result, wrong []string, err error) {
	p, err := in.problem()
	if err != nil {
		return r, nil, err
	}
	var a backout.Answer
	var proof backout.Proof
	r.MS = timed(func() { a, proof, err = plan.Solve(p, o.effort) })
	if err != nil {
		return r, nil, err
	}
	var found []check.Violation
	r.CheckMS = timed(func() { found = check.Optimum(p, a, proof) })
	r.N, r.Cost, r.Optimum, r.Gap = in.N, a.Cost, in.Optimum, a.Cost-proof.Lower
	r.Proven = len(found) == 0 && r.Gap == 0
	if stay := stayCost(p); stay > proof.Lower {
		r.GapRatio = float64(r.Gap) / float64(stay-proof.Lower)
	}
	for _, v := range found {
		wrong = append(wrong, v.String())
		r.Unsafe = r.Unsafe || v.Reason != check.ReasonProof
	}
	for _, part := range proof.Parts {
		r.Largest, r.Cases = max(r.Largest, len(part.Members)), r.Cases+len(part.Cases)
	}
	if o.brute && in.N <= 9 {
		best := brute(p)
		if r.Optimum == nil {
			r.Optimum = &best
		} else if *r.Optimum != best {
			wrong = append(wrong, fmt.Sprintf("the file says that the optimum is %d, brute force finds %d", *r.Optimum, best))
		}
	}
	if r.Optimum != nil && *r.Optimum != a.Cost {
		wrong = append(wrong, fmt.Sprintf("cost %d, the optimum is %d", a.Cost, *r.Optimum))
	}
	for _, each := range peers {
		runs, err := each.compare(ctx, p, proof, o)
		if err != nil {
			return r, nil, err
		}
		for _, run := range runs {
			if run.Cost != nil && (*run.Cost < a.Cost || r.Proven && *run.Cost != a.Cost) {
				wrong = append(wrong, fmt.Sprintf("%s finds an optimum of %d, we %d", run.name(), *run.Cost, a.Cost))
			}
		}
		r.Peers = append(r.Peers, runs...)
	}
	return r, wrong, nil
}

func stayCost(p backout.Problem) (sum int64) {
	for _, m := range p.Movables {
		sum += m.Fixed[m.Current]
	}
	return sum
}

// timed is the processor time of f in milliseconds: the median of five runs, or one
// run where it takes long.
func timed(f func()) float64 {
	var all []float64
	for range 5 {
		before := processorTime(syscall.RUSAGE_SELF)
		f()
		all = append(all, float64((processorTime(syscall.RUSAGE_SELF)-before).Microseconds())/1e3)
		if all[0] > 300 {
			break
		}
	}
	return median(all)
}

func processorTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (r report) show(w io.Writer) {
	fmt.Fprintf(w, "%4s %5s %7s %6s %12s %12s %7s %9s %9s\n", "case", "n", "largest", "cases", "cost", "gap", "proven", "ms", "check ms")
	for k, c := range r.Cases {
		fmt.Fprintf(w, "%4d %5d %7d %6d %12d %12s %7v %9.2f %9.2f\n", k, c.N, c.Largest, c.Cases, c.Cost, fmt.Sprintf("%d (%.1f %%)", c.Gap, 100*c.GapRatio), c.Proven, c.MS, c.CheckMS)
		for _, p := range c.Peers {
			fmt.Fprintf(w, "%28s %s\n", p.name(), p.words())
		}
	}
	s := r.Summary
	fmt.Fprintf(w, "%d instances: %d optimal, %d proven, %d unsafe; median %.2f ms, max %.2f ms, checked in %.2f ms\n",
		s.Instances, s.Optimal, s.Proven, s.Unsafe, s.MedianMS, s.MaxMS, s.CheckMS)
	for _, p := range r.Peers {
		fmt.Fprintln(w, p.words())
	}
	for _, m := range r.Mismatches {
		fmt.Fprintln(w, "MISMATCH", m)
	}
}
