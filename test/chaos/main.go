// Command chaos kills and freezes those who carry out plans, at every kind of journal
// entry and at random instants, and proves from the outside that nothing was lost,
// done twice, done out of order or left half done.
//
//	go run ./test/chaos --seconds 180
//	go run ./test/chaos --seconds 3600 --write docs/CHAOS.md
//
// # How
//
// The process that you start is the harness. It keeps the targets (targets.go):
// components outside of everything that is killed, which apply effects slowly, lose
// answers, answer with an error though they did it, with and without
// compare-and-swap, and write down with the harness's clock whatever they are told. It
// draws plans (plans.go), starts workers (replica.go, worker.go: this binary again,
// with the product's executor, engine and guard) and hands the plans to them, while a
// storm (storm.go) kills them, freezes them and, where it is PostgreSQL, kills the
// database, cuts, slows and silences the connections to it (postgres.go). One of the
// three replicas there has a clock that is ten minutes ahead.
//
// What a wrong clock means is what the product asks a clock for: Go programs can't be
// given a wrong one from outside, so the worker hands it to the engine and the guard.
//
// When all plans have had time to end, checkers (checkers.go) compare what the targets
// wrote down with the journal. They share no code with what they check, but for
// plan/check, which says which mixed states are forbidden.
//
// The last lines of output are one JSON object for each database. The exit status is 1
// when any count is not 0, or too little happened to prove anything.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Result is what is printed of one database.
type Result struct {
	Database     string `json:"database"`
	Plans        int    `json:"plans"`
	Steps        int    `json:"steps"` // brought to their last stage
	Kills        int    `json:"kills"`
	Freezes      int    `json:"freezes"`
	Lost         int    `json:"lost"`
	Twice        int    `json:"twice"`
	Order        int    `json:"order"`
	EffectsTwice int    `json:"effects_twice"`
	Unsafe       int    `json:"unsafe"`
	Stuck        int    `json:"stuck"`
}

// wrong sums what must be 0.
func (r Result) wrong() int { return r.Lost + r.Twice + r.Order + r.EffectsTwice + r.Unsafe + r.Stuck }

// options of one call.
type options struct {
	seconds, drain int
	databases      string
	seed           uint64
	write, dir     string
	breakIt        string
	kills, steps   int
	breath         float64
}

func main() {
	if orders := os.Getenv(envWorker); orders != "" {
		if err := work(orders); err != nil {
			fmt.Fprintln(os.Stderr, "worker ends:", err)
			os.Exit(3)
		}
		return
	}
	o := options{}
	flag.IntVar(&o.seconds, "seconds", 180, "how long the storm lasts, for each database")
	flag.IntVar(&o.drain, "drain", 90, "seconds that plans have to end afterwards")
	flag.StringVar(&o.databases, "database", "sqlite,postgres", "which databases, comma separated")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of plans and storm; 0 = from the clock. Plans repeat with it, the instants of kills do not")
	flag.StringVar(&o.write, "write", "", "file to keep the result in, as Markdown")
	flag.StringVar(&o.dir, "dir", "", "folder to keep databases and logs in; empty = a temporary one")
	flag.StringVar(&o.breakIt, "break", "", "give the workers a fault, which must be found: blind-retry or forget")
	flag.IntVar(&o.kills, "kills", 0, "fewer kills than that prove nothing; 0 = 15, or 200 from an hour on")
	flag.IntVar(&o.steps, "steps", 0, "fewer steps than that prove nothing; 0 = 300, or 5000 from an hour on")
	flag.Float64Var(&o.breath, "breath", 0, "makes the pauses between strikes so many times as long; 0 = 1, for several replicas 1.5, or 3 from an hour on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// run goes through the databases and prints their results last.
func (o options) run(ctx context.Context) error {
	o.defaults()
	fmt.Fprintf(os.Stderr, "seed %d\n", o.seed)
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "backout-chaos")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	var results []Result
	var bad []error
	for _, name := range strings.Split(o.databases, ",") {
		r, err := o.one(ctx, name)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", name, err))
		}
		if r.Database != "" {
			results = append(results, r)
		}
	}
	if o.write != "" {
		if err := os.WriteFile(o.write, []byte(report(o, results, time.Now())), 0o644); err != nil {
			bad = append(bad, err)
		}
	}
	for _, r := range results {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return errors.Join(bad...)
}

func (o *options) defaults() {
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	full := o.seconds >= 3600
	if o.kills == 0 {
		o.kills = map[bool]int{false: 15, true: 200}[full]
	}
	if o.steps == 0 {
		o.steps = map[bool]int{false: 300, true: 5000}[full]
	}
}

// breathOf is how many times as long as usual the pauses are. A replica that was killed
// takes seconds to begin anew, and a database that was killed takes all of them with it:
// without breath three quarters of an hour would go into starting.
func (o options) breathOf(p Place) float64 {
	switch {
	case o.breath > 0:
		return o.breath
	case p.Replicas() == 1:
		return 1
	case o.seconds >= 3600:
		return 3
	}
	return 1.5
}

func place(ctx context.Context, name, dir string) (Place, error) {
	switch name {
	case "sqlite":
		return newFile(dir), nil
	case "postgres":
		return newPostgres(ctx)
	default:
		return nil, fmt.Errorf("database %q: expected sqlite or postgres", name)
	}
}

// one blows the storm over one database and checks what is left.
func (o options) one(ctx context.Context, name string) (Result, error) {
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%s %s: %s\n", time.Now().Format(time.TimeOnly), name, fmt.Sprintf(format, args...))
	}
	dir := filepath.Join(o.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Result{}, err
	}
	p, err := place(ctx, name, dir)
	if err != nil {
		return Result{}, err
	}
	defer p.Close()
	targets, err := serve()
	if err != nil {
		return Result{}, err
	}
	defer targets.server.Close()
	s := newStorm(p, targets, o.seed, o.breakIt, say)
	s.breath = o.breathOf(p)
	if err := s.blow(ctx, time.Duration(o.seconds)*time.Second, time.Duration(o.drain)*time.Second); err != nil {
		return Result{}, err
	}
	runs, err := p.Runs(ctx)
	if err != nil {
		return Result{}, err
	}
	return s.judge(Record{Plans: s.handed(), Accepted: s.accepted(), Log: targets.events(), Runs: runs}, o)
}

// judge runs the checkers and counts.
func (s *storm) judge(rec Record, o options) (Result, error) {
	r := Result{Database: s.place.Name(), Plans: len(rec.Accepted), Steps: steps(rec), Kills: s.kills, Freezes: s.freezes}
	for _, c := range []struct {
		name  string
		check func(Record) []Finding
		count *int
	}{
		{"lost", lost, &r.Lost}, {"twice", twice, &r.Twice}, {"order", order, &r.Order},
		{"effects_twice", effectsTwice, &r.EffectsTwice}, {"unsafe", unsafe, &r.Unsafe}, {"stuck", stuck, &r.Stuck},
	} {
		for _, f := range c.check(rec) {
			*c.count++
			s.say("%s: %s", c.name, f)
		}
	}
	s.say("struck at: %v; other trouble: %v; ends: %v", s.at, s.troubles, ends(rec))
	switch {
	case r.wrong() > 0:
		return r, fmt.Errorf("%d things that must not be; see above (seed %d)", r.wrong(), o.seed)
	case len(s.died) > 0:
		return r, fmt.Errorf("%d workers ended by themselves; the first: %s", len(s.died), s.died[0])
	case r.Kills < o.kills || r.Steps < o.steps:
		return r, fmt.Errorf("%d kills and %d steps prove nothing: expected at least %d and %d", r.Kills, r.Steps, o.kills, o.steps)
	}
	return r, nil
}

// report is the result as a page.
func report(o options, results []Result, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Chaos\nMeasured on %s by `go run ./test/chaos --seconds %d --seed %d`. What it does is in [its comment](../test/chaos/main.go).\n\n```json\n", at.UTC().Format(time.DateOnly), o.seconds, o.seed)
	for _, r := range results {
		line, _ := json.Marshal(r)
		b.Write(append(line, '\n'))
	}
	b.WriteString("```\n")
	return b.String()
}
