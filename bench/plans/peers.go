package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/backout-dev/backout"
)

// peer is a general solver and how a problem is put to it.
type peer struct {
	name    string
	program string
	debian  string // the package that has it
	ending  string // of the files it reads
	// args are the program's, with a limit in seconds; encode is what it reads, answer
	// finds the optimum in what it prints, or says that there is none in it.
	args   func(file string, seconds int) []string
	encode func(backout.Problem) string
	answer func(printed string) (int64, bool)
	// startMS is the processor time that a problem of one component costs.
	startMS float64
}

// peerRun is one solver on one instance.
type peerRun struct {
	Peer  string  `json:"peer"`
	Parts bool    `json:"parts"` // our decomposition was handed to it: one run for each part that needs a search
	Runs  int     `json:"runs"`
	Cost  *int64  `json:"cost"` // null when it did not finish in time
	CPUMS float64 `json:"cpu_ms"`
	MS    float64 `json:"ms"` // on the wall
}

func (p peerRun) name() string {
	if p.Parts {
		return p.Peer + " by our parts"
	}
	return p.Peer
}

func (p peerRun) words() string {
	if p.Cost == nil {
		return fmt.Sprintf("not finished after %.0f ms of processor time", p.CPUMS)
	}
	return fmt.Sprintf("optimum %d in %.1f ms (%d runs)", *p.Cost, p.CPUMS, p.Runs)
}

// peerSummary compares one solver with ours over the instances.
type peerSummary struct {
	Peer     string  `json:"peer"`
	Parts    bool    `json:"parts"`
	Finished int     `json:"finished"`
	Of       int     `json:"of"`
	MedianMS float64 `json:"median_cpu_ms"` // unfinished runs count with the time they took
	// Times is the median over instances of its processor time divided by ours;
	// TimesNet leaves its start-up time out.
	Times    float64 `json:"times_ours"`
	TimesNet float64 `json:"times_ours_without_start"`
	StartMS  float64 `json:"start_cpu_ms"`
}

func (p peerSummary) words() string {
	name := peerRun{Peer: p.Peer, Parts: p.Parts}.name()
	return fmt.Sprintf("%s: %d of %d finished, median %.1f ms, %.0f times ours, %.0f times without its start-up of %.1f ms", name, p.Finished, p.Of, p.MedianMS, p.Times, p.TimesNet, p.StartMS)
}

// findPeers looks the solvers up and times a start of each.
func findPeers(ctx context.Context, o options) ([]peer, error) {
	var out []peer
	for _, name := range o.peers {
		k := slices.IndexFunc(known, func(p peer) bool { return p.name == name })
		if k < 0 {
			return nil, fmt.Errorf("--peers %s: expected clingo, z3 or cbc", name)
		}
		p := known[k]
		if _, err := exec.LookPath(p.program); err != nil {
			return nil, fmt.Errorf("%s is not installed; on Debian: apt-get install %s", p.program, p.debian)
		}
		trivial := backout.Problem{Movables: []backout.Movable{{Current: 0, Levels: []int{0}, Duration: 1, Fixed: []int64{7}, Rate: []int64{0}}}}
		var starts []float64
		for range 5 {
			run, err := p.solve(ctx, trivial, o.limit)
			if err != nil {
				return nil, err
			}
			if run.Cost == nil || *run.Cost != 7 {
				return nil, fmt.Errorf("%s can't solve a problem of one component that stays", name)
			}
			starts = append(starts, run.CPUMS)
		}
		p.startMS = median(starts)
		out = append(out, p)
	}
	return out, nil
}

// compare runs a solver on a whole problem and on the parts that ours split it into.
func (p peer) compare(ctx context.Context, whole backout.Problem, proof backout.Proof, o options) ([]peerRun, error) {
	var runs []peerRun
	if !o.partsOnly {
		run, err := p.solve(ctx, whole, o.limit)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	all := peerRun{Peer: p.name, Parts: true}
	parts, rest := split(whole, proof)
	sum := &rest
	for _, part := range parts {
		run, err := p.solve(ctx, part, o.limit-time.Duration(all.MS)*time.Millisecond)
		if err != nil {
			return nil, err
		}
		all.Runs, all.CPUMS, all.MS = all.Runs+1, all.CPUMS+run.CPUMS, all.MS+run.MS
		if run.Cost == nil {
			sum = nil
			break
		}
		*sum += *run.Cost
	}
	all.Cost = sum
	return append(runs, all), nil
}

// solve runs a solver once. Not to finish is an answer, to fail is an error.
func (p peer) solve(ctx context.Context, problem backout.Problem, limit time.Duration) (peerRun, error) {
	limit = max(limit, time.Second)
	ctx, cancel := context.WithTimeout(ctx, limit+2*time.Second)
	defer cancel()
	file, err := scratch(p.encode(problem), p.ending)
	if err != nil {
		return peerRun{}, err
	}
	defer os.Remove(file)
	out := peerRun{Peer: p.name, Runs: 1}
	c := exec.CommandContext(ctx, p.program, p.args(file, int(limit.Seconds()))...)
	var printed, complained bytes.Buffer
	c.Stdout, c.Stderr = &printed, &complained
	begin := time.Now()
	err = c.Run()
	out.MS = float64(time.Since(begin).Microseconds()) / 1e3
	if c.ProcessState == nil {
		return out, fmt.Errorf("run %s: %w", p.program, err)
	}
	if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		out.CPUMS = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
	}
	if cost, ok := p.answer(printed.String()); ok {
		out.Cost = &cost
	} else if out.MS < float64(limit.Milliseconds())*.9 {
		return out, fmt.Errorf("%s gave up without an answer: %.2000s%s", p.program, printed.String(), complained.String())
	}
	return out, nil
}

// scratch writes a file that the caller removes.
func scratch(text, ending string) (string, error) {
	f, err := os.CreateTemp("", "plans-*"+ending)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	return f.Name(), errors.Join(err, f.Close())
}

func sumUp(peers []peer, cases []result) []peerSummary {
	var out []peerSummary
	for _, p := range peers {
		for _, parts := range []bool{false, true} {
			s := peerSummary{Peer: p.name, Parts: parts, StartMS: p.startMS}
			var ms, times, net []float64
			for _, c := range cases {
				for _, run := range c.Peers {
					if run.Peer != p.name || run.Parts != parts {
						continue
					}
					s.Of++
					if run.Cost != nil {
						s.Finished++
					}
					ours := max(c.MS, .001)
					ms, times = append(ms, run.CPUMS), append(times, run.CPUMS/ours)
					net = append(net, max(0, run.CPUMS-float64(run.Runs)*p.startMS)/ours)
				}
			}
			if len(ms) > 0 {
				s.MedianMS, s.Times, s.TimesNet = median(ms), median(times), median(net)
				out = append(out, s)
			}
		}
	}
	return out
}

// split makes a problem of each part that a proof names, without the levels that no
// plan has, and adds up what the other components cost at least.
func split(p backout.Problem, proof backout.Proof) (parts []backout.Problem, rest int64) {
	left := narrow(p)
	in := make([]int, len(p.Movables))
	for k, part := range proof.Parts {
		sub, place := backout.Problem{}, map[int]int{}
		for at, i := range part.Members {
			in[i], place[i] = k+1, at
			m := p.Movables[i]
			m.Levels = left[i]
			sub.Movables = append(sub.Movables, m)
		}
		for _, t := range p.Ties {
			i, here := place[t.I]
			j, there := place[t.J]
			if here && there {
				sub.Ties = append(sub.Ties, backout.Tie{I: i, J: j, Allowed: t.Allowed})
			}
		}
		parts = append(parts, sub)
	}
	for i, m := range p.Movables {
		if in[i] > 0 {
			continue
		}
		least := m.Fixed[left[i][0]] + m.Rate[left[i][0]]*int64(m.Effect)
		for _, l := range left[i] {
			c := m.Fixed[l]
			if l != m.Current {
				c += m.Rate[l] * int64(m.Effect)
			}
			least = min(least, c)
		}
		rest += least
	}
	return parts, rest
}

// narrow strikes out levels that no level of some neighbour goes with.
func narrow(p backout.Problem) [][]int {
	left := make([][]int, len(p.Movables))
	for i, m := range p.Movables {
		left[i] = slices.Clone(m.Levels)
	}
	for changed := true; changed; {
		changed = false
		for _, t := range p.Ties {
			n := len(left[t.I]) + len(left[t.J])
			left[t.I] = slices.DeleteFunc(left[t.I], func(a int) bool {
				return !slices.ContainsFunc(left[t.J], func(b int) bool { return orders(p, t, a, b) != never })
			})
			left[t.J] = slices.DeleteFunc(left[t.J], func(b int) bool {
				return !slices.ContainsFunc(left[t.I], func(a int) bool { return orders(p, t, a, b) != never })
			})
			changed = changed || len(left[t.I])+len(left[t.J]) < n
		}
	}
	return left
}

// order says in which order two moves are safe.
type order int

const (
	never order = iota
	either
	iFirst
	jFirst
)

func orders(p backout.Problem, t backout.Tie, a, b int) order {
	ci, cj := p.Movables[t.I].Current, p.Movables[t.J].Current
	switch first, second := allowed(p, t, a, cj), allowed(p, t, ci, b); {
	case !allowed(p, t, a, b), !first && !second:
		return never
	case a == ci, b == cj, first && second:
		return either
	case first:
		return iFirst
	}
	return jFirst
}
