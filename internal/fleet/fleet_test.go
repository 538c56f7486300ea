package fleet_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/fleet"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// folder makes what the processes of one fleet share.
func folder(t *testing.T) string {
	dir := t.TempDir()
	write(t, dir, "database", postgrestest.Start(t).Database(t))
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// once checks that every effect happened once and in order, and gives them.
func once(t *testing.T, dir string) []done {
	t.Helper()
	log, err := newTarget(dir, "").read()
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range log {
		if want := fmt.Sprintf("i/1/s%d/0", i); d.Key != want {
			t.Errorf("effect %d is %s, want %s", i, d.Key, want)
		}
	}
	return log
}

func effects(t *testing.T, dir string) int {
	log, err := newTarget(dir, "").read()
	if err != nil {
		t.Fatal(err)
	}
	return len(log)
}

// The owner of a run is killed; another replica goes on within 10 seconds.
func TestRun_takesOverFromTheDead(t *testing.T) {
	dir := folder(t)
	owner := spawn(t, dir, envStart+"=1")
	until(t, "the run to begin", 30*time.Second, func() bool { return effects(t, dir) >= 2 })
	others := []*process{spawn(t, dir), spawn(t, dir)}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed, before := time.Now(), effects(t, dir)
	<-owner.exit
	if before == steps {
		t.Skip("the run was over before the kill")
	}
	until(t, "the others to finish", 30*time.Second, func() bool { return effects(t, dir) == steps })
	log := once(t, dir)
	if took := log[before].At.Sub(killed); took > 10*time.Second {
		t.Errorf("the next effect came %s after the kill, want at most 10 s", took)
	} else {
		t.Logf("take-over: %s from the kill to the next effect", took.Round(time.Millisecond))
	}
	write(t, dir, "over", "")
	for _, p := range others {
		if err := <-p.exit; err != nil {
			t.Errorf("a living replica: %v\n%s", err, p.said())
		}
	}
}

// The owner is frozen and goes on after another one has finished: it must do
// nothing more, and end.
func TestRun_frozenReplicaDoesNothingMore(t *testing.T) {
	for _, moment := range []string{"guard 3", "probe 8", "gate 3"} {
		t.Run(moment, func(t *testing.T) {
			dir := folder(t)
			// The target would not mind: it is for the fence to stop this.
			owner := spawn(t, dir, envStart+"=1", envBlind+"=1", envNumb+"=1", envFreeze+"="+moment)
			until(t, "the freeze", 30*time.Second, func() bool { _, err := os.Stat(filepath.Join(dir, "frozen")); return err == nil })
			before := effects(t, dir)
			other := spawn(t, dir, envBlind+"=1")
			until(t, "the other to finish", 40*time.Second, func() bool { return effects(t, dir) == steps })
			if before == 0 || before == steps {
				t.Fatalf("frozen after %d effects: that is not in the middle", before)
			}
			if err := owner.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			err := <-owner.exit
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 3 {
				t.Errorf("the frozen one ended with %v, want the exit code of a lost place\n%s", err, owner.said())
			}
			write(t, dir, "over", "")
			if err := <-other.exit; err != nil {
				t.Errorf("%v\n%s", err, other.said())
			}
			log := once(t, dir)
			for _, d := range log[before:] {
				if d.By == strconv.Itoa(owner.Process.Pid) {
					t.Errorf("%s was done by the frozen one", d.Key)
				}
			}
		})
	}
}

// The owner is frozen inside a call to a target that does not compare, and goes on
// once it is thought dead. The one that took over has waited for this.
func TestRun_waitsForWhatWasSent(t *testing.T) {
	dir := folder(t)
	owner := spawn(t, dir, envStart+"=1", envBlind+"=1", envFreeze+"=do 3")
	until(t, "the freeze", 30*time.Second, func() bool { _, err := os.Stat(filepath.Join(dir, "frozen")); return err == nil })
	other := spawn(t, dir, envBlind+"=1")
	until(t, "the take-over", 20*time.Second, func() bool { return strings.Contains(other.said(), "took over") })
	time.Sleep(500 * time.Millisecond) // far longer than the target takes to be looked at
	if n := effects(t, dir); n != 2 {
		t.Fatalf("%d effects, want 2: the third may still land\n%s", n, other.said())
	}
	if err := owner.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, "the other to finish", 30*time.Second, func() bool { return effects(t, dir) >= steps })
	write(t, dir, "over", "")
	if err := <-other.exit; err != nil {
		t.Errorf("%v\n%s", err, other.said())
	}
	if log := once(t, dir); log[2].By != strconv.Itoa(owner.Process.Pid) {
		t.Error("the third effect was not the one that was on its way")
	}
}

// Six replicas boot at once on an empty database. BACKOUT_TEST_BOOTS says how
// often; many once, few each time.
func TestJoin_manyAtOnceOnAnEmptyDatabase(t *testing.T) {
	boots, _ := strconv.Atoi(os.Getenv("BACKOUT_TEST_BOOTS"))
	for range max(boots, 2) {
		dir := folder(t)
		var all []*process
		for range 6 {
			all = append(all, spawn(t, dir))
		}
		var wg sync.WaitGroup
		write(t, dir, "over", "")
		for _, p := range all {
			wg.Go(func() {
				if err := <-p.exit; err != nil {
					t.Errorf("%v\n%s", err, p.said())
				}
			})
		}
		wg.Wait()
	}
}

// A person's word by another replica reaches the run, whose own next look is a
// minute away.
func TestHear_wordsByAnotherReplica(t *testing.T) {
	database := postgrestest.Start(t).Database(t)
	var parts []*part
	waiting := make(chan struct{}, 1000)
	for range 2 {
		a := newTarget(t.TempDir(), "")
		a.gate = func() execute.Answer {
			waiting <- struct{}{}
			return execute.Answer{Decision: execute.DecisionWait}
		}
		p, err := assemble(t.Context(), database, a, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.engine.Close(5 * time.Second) })
		go func() { _ = p.executor.Hear(t.Context()) }()
		go func() { _ = p.replica.Run(t.Context()) }()
		parts = append(parts, p)
	}
	if err := parts[0].executor.Start(t.Context(), plan()); err != nil {
		t.Fatal(err)
	}
	for range 25 { // the pause between two looks has widened by now
		<-waiting
	}
	said := time.Now()
	if err := parts[1].executor.Control(t.Context(), "i/1", execute.Control{Kind: execute.ControlAbort, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the abort", 5*time.Second, func() bool {
		r, err := parts[1].executor.Run(t.Context(), "i/1")
		return err == nil && r.State == backout.RunAborted
	})
	if took := time.Since(said); took > 2*time.Second {
		t.Errorf("heard after %s", took)
	}
}

// A duty is one replica's, and another's once that has died.
func TestHas_oneAtATime(t *testing.T) {
	database := postgrestest.Start(t).Database(t)
	var parts []*part
	for range 2 {
		p, err := assemble(t.Context(), database, newTarget(t.TempDir(), ""), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.engine.Close(5 * time.Second) })
		parts = append(parts, p)
	}
	first, second := parts[0].replica, parts[1].replica
	ended := make(chan error, 2)
	go func() { ended <- first.Run(t.Context()) }()
	until(t, "the duty", 5*time.Second, func() bool { return first.Has("walk") })
	go func() { ended <- second.Run(t.Context()) }()
	if second.Has("walk") {
		t.Error("two have one duty")
	}
	// The first one's database goes away.
	gone := time.Now()
	_ = parts[0].database.Close()
	until(t, "the second to take the duty", 15*time.Second, func() bool {
		if first.Has("walk") && second.Has("walk") {
			t.Error("two have one duty")
		}
		return second.Has("walk")
	})
	t.Logf("taken after %s", time.Since(gone).Round(time.Millisecond))
	if err := <-ended; !errors.Is(err, fleet.ErrLost) {
		t.Errorf("the first ended with %v", err)
	}
	if first.Held() == nil {
		t.Error("the first still thinks that it may act")
	}
}
