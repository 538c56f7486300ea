package execute_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// databases are where the costs are measured: a file with synchronous=FULL, and a
// server, whose disk is only waited for with BACKOUT_TEST_FSYNC=on.
func databases(b *testing.B) map[string]string {
	return map[string]string{
		"sqlite":   filepath.Join(b.TempDir(), "x.db"),
		"postgres": postgrestest.Start(b).Database(b),
	}
}

// long is a plan of so many steps, one after the other, each on a component of its
// own.
func long(id backout.AttemptID, steps int, fake *executetest.Fake) execute.Request {
	var r execute.Request
	p := backout.Plan{Action: backout.ActionRollBack}
	for i := range steps {
		c := component(fmt.Sprintf("%s-%d", strings.ReplaceAll(string(id), "/", "-"), i))
		fake.Set(c.ID, map[backout.Version]float64{"2": 1})
		r.Components = append(r.Components, c)
		p.Waves = append(p.Waves, backout.Wave{Steps: []backout.Step{{ID: fmt.Sprint("s", i), Component: c.ID, From: "2", To: "1", Stages: []backout.Stage{{Share: 1}}}}})
	}
	r.Attempt = backout.Attempt{ID: id, Digest: p.ExecutableDigest(), Plan: p}
	return r
}

func measured(b *testing.B, database string, g gate, tick, most time.Duration) (*execute.Executor, *executetest.Fake) {
	fake := executetest.NewFake(nil)
	d, err := engine.Open(b.Context(), database)
	if err != nil {
		b.Fatal(err)
	}
	e, err := engine.New(b.Context(), engine.Config{Database: d})
	if err != nil {
		b.Fatal(err)
	}
	x, err := execute.New(b.Context(), execute.Config{
		Engine: e, Actuators: map[string]execute.Actuator{"fake": fake}, Gate: g,
		Guard: guard(func(execute.Proposal) (execute.Permission, error) { return execute.Permission{Yes: true}, nil }),
		Tick:  tick, MaxTick: most,
	})
	if err == nil {
		err = e.Launch()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(e.Close(5*time.Second), d.Close()); err != nil {
			b.Error(err)
		}
	})
	return x, fake
}

// BenchmarkDurability measures what a step of a plan takes when target, guard and
// gate take nothing: all that is left is remembering it. The time is from one
// step's intent to the next one's, read from the journal.
func BenchmarkDurability(b *testing.B) {
	const steps = 30
	for name, database := range databases(b) {
		x, fake := measured(b, database, always(execute.DecisionGoOn, ""), time.Millisecond, time.Millisecond)
		for _, plans := range []int{1, 20} {
			b.Run(fmt.Sprintf("%s/plans=%d", name, plans), func(b *testing.B) {
				var each []time.Duration
				before := processorTime(b)
				for n := range b.N {
					var ids []backout.AttemptID
					for i := range plans {
						r := long(backout.AttemptID(fmt.Sprintf("%d.%d.%d/1", plans, b.N, n*plans+i)), steps, fake)
						if err := x.Start(b.Context(), r); err != nil {
							b.Fatal(err)
						}
						ids = append(ids, r.Attempt.ID)
					}
					for _, id := range ids {
						each = append(each, intents(b, x, id)...)
					}
				}
				slices.Sort(each)
				b.ReportMetric((processorTime(b)-before).Seconds()*1e3/float64(b.N*plans*steps), "cpu-ms/step")
				b.ReportMetric(each[len(each)/2].Seconds()*1e3, "ms-median/step")
				b.ReportMetric(each[len(each)*9/10].Seconds()*1e3, "ms-p90/step")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// intents waits for a run and gives the times between its steps.
func intents(b *testing.B, x *execute.Executor, id backout.AttemptID) []time.Duration {
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	r, err := x.Wait(ctx, id)
	if err != nil || r.State != backout.RunCompleted {
		b.Fatalf("%s %s: %v", r.State, r.Why, err)
	}
	var out []time.Duration
	var last time.Time
	for _, e := range r.Entries {
		if e.Kind != backout.EntryIntent {
			continue
		}
		if !last.IsZero() {
			out = append(out, e.At.Sub(last))
		}
		last = e.At
	}
	return out
}

// BenchmarkWaiting measures what 200 plans cost that wait at their gates, with the
// pauses that serve has at a step of 15 seconds, over one minute.
func BenchmarkWaiting(b *testing.B) {
	for name, database := range databases(b) {
		b.Run(name, func(b *testing.B) {
			x, fake := measured(b, database, always(execute.DecisionWait, ""), 7500*time.Millisecond, 15*time.Second)
			go func() { _ = x.Hear(b.Context()) }()
			for i := range 200 {
				if err := x.Start(b.Context(), long(backout.AttemptID(fmt.Sprintf("w%d/1", i)), 10, fake)); err != nil {
					b.Fatal(err)
				}
			}
			for i := range 200 {
				for begun := false; !begun; {
					r, err := x.Run(b.Context(), backout.AttemptID(fmt.Sprintf("w%d/1", i)))
					begun = err == nil && len(r.Entries) >= 3
				}
			}
			before, begin := processorTime(b), time.Now()
			<-time.After(time.Minute)
			b.ReportMetric(100*(processorTime(b)-before).Seconds()/time.Since(begin).Seconds(), "%core")
			b.ReportMetric(resident(b), "MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the memory of this process, in MB.
func resident(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/statm")
	var size, pages float64
	if err == nil {
		_, err = fmt.Sscan(string(text), &size, &pages)
	}
	if err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / 1e6
}
