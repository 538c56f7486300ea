package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/backout-dev/backout"
)

// known are the solvers, each with its most natural encoding: one choice of a level
// for each component, forbidden pairs, and "this pair of levels makes one finish
// before the other starts".
var known = []peer{
	{
		name: "clingo", program: "clingo", debian: "gringo", ending: ".lp", encode: answerSets,
		args: func(file string, s int) []string {
			return []string{fmt.Sprintf("--time-limit=%d", s), "--quiet=1", file}
		},
		answer: func(out string) (int64, bool) {
			if !strings.Contains(out, "OPTIMUM FOUND") {
				return 0, false
			}
			return lastNumber(regexp.MustCompile(`Optimization : (-?\d+)`), out)
		},
	},
	{
		name: "z3", program: "z3", debian: "z3", ending: ".smt2", encode: smt,
		args: func(file string, s int) []string { return []string{fmt.Sprintf("-T:%d", s), file} },
		answer: func(out string) (int64, bool) {
			if !strings.HasPrefix(out, "sat") {
				return 0, false
			}
			return lastNumber(regexp.MustCompile(`\(total \(?(-? ?\d+)`), out)
		},
	},
	{
		name: "cbc", program: "cbc", debian: "coinor-cbc", ending: ".lp", encode: program,
		args: func(file string, s int) []string {
			return []string{file, "seconds", strconv.Itoa(s), "ratio", "0", "allow", "0.5", "solve", "quit"}
		},
		answer: func(out string) (int64, bool) {
			if !strings.Contains(out, "Optimal solution found") && !strings.Contains(out, "Optimal - objective value") {
				return 0, false
			}
			m := regexp.MustCompile(`(?m)[Oo]bjective value:?\s+(-?[\d.]+)`).FindAllStringSubmatch(out, -1)
			if m == nil {
				return 0, false
			}
			v, err := strconv.ParseFloat(m[len(m)-1][1], 64)
			return int64(v + .5), err == nil
		},
	},
}

func lastNumber(pattern *regexp.Regexp, text string) (int64, bool) {
	m := pattern.FindAllStringSubmatch(text, -1)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(m[len(m)-1][1], " ", ""), 10, 64)
	return v, err == nil
}

// eachOrder calls f with every pair of levels of every tie that is not free.
func eachOrder(p backout.Problem, f func(t backout.Tie, a, b int, o order)) {
	for _, t := range p.Ties {
		for _, a := range p.Movables[t.I].Levels {
			for _, b := range p.Movables[t.J].Levels {
				if o := orders(p, t, a, b); o != either {
					f(t, a, b, o)
				}
			}
		}
	}
}

func horizon(p backout.Problem) int {
	sum := 0
	for _, m := range p.Movables {
		sum += m.Duration
	}
	return sum
}

// answerSets is clingo's: a move has finished no sooner than those before it and its
// own time; each tick until then costs the rate.
func answerSets(p backout.Problem) string {
	var b strings.Builder
	for i, m := range p.Movables {
		for _, l := range m.Levels {
			fmt.Fprintf(&b, "level(%d,%d). fixed(%d,%d,%d).\n", i, l, i, l, m.Fixed[l])
			if l != m.Current {
				fmt.Fprintf(&b, "rate(%d,%d,%d). moves(%d,%d).\n", i, l, m.Rate[l], i, l)
			}
		}
		fmt.Fprintf(&b, "takes(%d,%d). felt(%d,%d).\n", i, m.Duration, i, m.Effect)
	}
	eachOrder(p, func(t backout.Tie, x, y int, o order) {
		switch o {
		case never:
			fmt.Fprintf(&b, ":- at(%d,%d), at(%d,%d).\n", t.I, x, t.J, y)
		case iFirst:
			fmt.Fprintf(&b, "before(%d,%d) :- at(%d,%d), at(%d,%d).\n", t.I, t.J, t.I, x, t.J, y)
		case jFirst:
			fmt.Fprintf(&b, "before(%d,%d) :- at(%d,%d), at(%d,%d).\n", t.J, t.I, t.I, x, t.J, y)
		}
	})
	fmt.Fprintf(&b, `#const last=%d.
#defined before/2. #defined rate/3. #defined moves/2.
1 { at(I,L) : level(I,L) } 1 :- takes(I,_).
begins(I,0) :- at(I,L), moves(I,L).
begins(J,T+D) :- before(I,J), begins(I,T), takes(I,D), T+D <= last.
:- before(I,J), begins(I,T), takes(I,D), T+D > last.
waits(I,T) :- begins(I,T), T > 0.
waits(I,T-1) :- waits(I,T), T > 1.
#minimize { C,f,I : at(I,L), fixed(I,L,C); R*E,e,I : at(I,L), rate(I,L,R), felt(I,E); R,w,I,T : waits(I,T), at(I,L), rate(I,L,R) }.
#show at/2.
`, horizon(p))
	return b.String()
}

// smt is z3's: integers for starts and costs, implications for the rest.
func smt(p backout.Problem) string {
	var b, total strings.Builder
	for i, m := range p.Movables {
		fmt.Fprintf(&b, "(declare-const s%d Int)(declare-const k%d Int)(assert (>= s%d 0))\n", i, i, i)
		var one strings.Builder
		for _, l := range m.Levels {
			fmt.Fprintf(&b, "(declare-const x%d_%d Bool)\n", i, l)
			fmt.Fprintf(&one, " x%d_%d", i, l)
			cost := number(m.Fixed[l])
			if l != m.Current {
				cost = fmt.Sprintf("(+ %s (* %d s%d))", number(m.Fixed[l]+m.Rate[l]*int64(m.Effect)), m.Rate[l], i)
			}
			fmt.Fprintf(&b, "(assert (=> x%d_%d (>= k%d %s)))\n", i, l, i, cost)
		}
		fmt.Fprintf(&b, "(assert ((_ at-most 1)%s))(assert (or%s))\n", one.String(), one.String())
		fmt.Fprintf(&total, " k%d", i)
	}
	eachOrder(p, func(t backout.Tie, x, y int, o order) {
		switch o {
		case never:
			fmt.Fprintf(&b, "(assert (or (not x%d_%d) (not x%d_%d)))\n", t.I, x, t.J, y)
		case iFirst:
			fmt.Fprintf(&b, "(assert (=> (and x%d_%d x%d_%d) (>= s%d (+ s%d %d))))\n", t.I, x, t.J, y, t.J, t.I, p.Movables[t.I].Duration)
		case jFirst:
			fmt.Fprintf(&b, "(assert (=> (and x%d_%d x%d_%d) (>= s%d (+ s%d %d))))\n", t.I, x, t.J, y, t.I, t.J, p.Movables[t.J].Duration)
		}
	})
	fmt.Fprintf(&b, "(declare-const total Int)(assert (= total (+ 0%s)))\n(minimize total)\n(check-sat)\n(get-objectives)\n", total.String())
	return b.String()
}

func number(v int64) string {
	if v < 0 {
		return fmt.Sprintf("(- %d)", -v)
	}
	return strconv.FormatInt(v, 10)
}

// program is cbc's, a mixed integer program in the LP format: a start counts only at
// the level that is chosen, which takes a large constant to say.
func program(p backout.Problem) string {
	var b, rows, binaries strings.Builder
	last := horizon(p)
	b.WriteString("Minimize\n obj:")
	for i, m := range p.Movables {
		fmt.Fprintf(&rows, " one%d:", i)
		for _, l := range m.Levels {
			cost := m.Fixed[l]
			if l != m.Current {
				cost += m.Rate[l] * int64(m.Effect)
			}
			fmt.Fprintf(&b, " %+d x%d_%d", cost, i, l)
			fmt.Fprintf(&rows, " + x%d_%d", i, l)
			fmt.Fprintf(&binaries, " x%d_%d\n", i, l)
		}
		rows.WriteString(" = 1\n")
		for _, l := range m.Levels {
			if l != m.Current && m.Rate[l] > 0 {
				fmt.Fprintf(&b, " + k%d_%d", i, l)
				fmt.Fprintf(&rows, " cost%d_%d: k%d_%d - %d s%d - %d x%d_%d >= -%d\n", i, l, i, l, m.Rate[l], i, m.Rate[l]*int64(last), i, l, m.Rate[l]*int64(last))
			}
		}
		fmt.Fprintf(&rows, " last%d: s%d <= %d\n", i, i, last)
	}
	n := 0
	eachOrder(p, func(t backout.Tie, x, y int, o order) {
		n++
		first, then := t.I, t.J
		switch o {
		case never:
			fmt.Fprintf(&rows, " r%d: x%d_%d + x%d_%d <= 1\n", n, t.I, x, t.J, y)
			return
		case jFirst:
			first, then = t.J, t.I
		}
		m := last + p.Movables[first].Duration
		fmt.Fprintf(&rows, " r%d: s%d - s%d - %d x%d_%d - %d x%d_%d >= %d\n", n, then, first, m, t.I, x, m, t.J, y, p.Movables[first].Duration-2*m)
	})
	fmt.Fprintf(&b, "\nSubject To\n%sBinaries\n%sEnd\n", rows.String(), binaries.String())
	return b.String()
}
