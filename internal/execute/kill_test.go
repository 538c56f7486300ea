package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
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
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// The variables by which a test tells its victim where to live and when to die.
const (
	envDir = "EXECUTE_TEST_DIR"
	envDie = "EXECUTE_TEST_DIE" // "moment n": at the n-th such moment; empty = never
)

// TestMain runs the test binary as the process that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		if err := newVictim(dir, os.Getenv(envDie)).run(); err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim is a process that carries out an attempt and dies on cue. It is its own
// actuator, guard and gate; its targets are a log file, one line an effect.
type victim struct {
	dir    string
	moment string
	mu     sync.Mutex
	left   int // guarded by mu; moments until it dies
}

func newVictim(dir, die string) *victim {
	moment, n, _ := strings.Cut(die, " ")
	left, _ := strconv.Atoi(n)
	return &victim{dir: dir, moment: moment, left: left}
}

// reach dies, as kill -9 does, when its moment has come.
func (v *victim) reach(moment string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if moment != v.moment {
		return
	}
	if v.left--; v.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (v *victim) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f, err := engine.Open(ctx, spot(v.dir))
	if err != nil {
		return err
	}
	e, err := engine.New(ctx, engine.Config{Database: f, Executor: "one"})
	if err != nil {
		return err
	}
	settle := 10 * time.Millisecond
	if _, err := os.Stat(filepath.Join(v.dir, "patient")); err == nil {
		settle = 20 * time.Second
	}
	x, err := execute.New(ctx, execute.Config{
		Engine: e, Actuators: map[string]execute.Actuator{"fake": v}, Guard: v, Gate: v,
		Tick: time.Millisecond, MaxTick: 5 * time.Millisecond, Settle: settle,
		Tell: func(backout.Entry) { v.reach("entry") },
	})
	if err != nil {
		return err
	}
	if err := e.Launch(); err != nil {
		return err
	}
	// A run that was begun goes on by itself.
	if _, err := x.Run(ctx, "i/1"); backout.CodeOf(err) == backout.CodeNotFound {
		if err := x.Start(ctx, execute.Request{Attempt: attempt(2 * time.Millisecond), Components: shop}); err != nil {
			return err
		}
	}
	r, err := x.Wait(ctx, "i/1")
	if err != nil {
		return fmt.Errorf("%w: %s\n%s", err, r.State, lines(r))
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(v.dir, "run.json"), b, 0o600), e.Close(time.Second))
}

// spot is the database of a victim: what the file says, or a file of its own.
func spot(dir string) string {
	if b, err := os.ReadFile(filepath.Join(dir, "database")); err == nil {
		return string(b)
	}
	return filepath.Join(dir, "x.db")
}

// folder makes a victim's folder, with a database where these tests run on one.
func folder(t *testing.T) string {
	dir := t.TempDir()
	if _, on := postgrestest.Given(); on {
		if err := os.WriteFile(filepath.Join(dir, "database"), []byte(place(t)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (v *victim) Allow(context.Context, execute.Proposal) (execute.Permission, error) {
	_, err := os.Stat(filepath.Join(v.dir, "refuse"))
	defer v.reach("guard")
	return execute.Permission{Yes: err != nil, Why: "not any more"}, nil
}

func (v *victim) Ask(context.Context, execute.Question) (execute.Answer, error) {
	defer v.reach("gate")
	return execute.Answer{Decision: execute.DecisionGoOn}, nil
}

func (v *victim) Survey(context.Context, backout.Component, []backout.Change) (backout.Reversal, error) {
	return backout.Reversal{}, nil
}

func (v *victim) Probe(_ context.Context, c backout.Component) (backout.Reality, error) {
	defer v.reach("probe")
	log, err := readEffects(v.dir)
	r := backout.Reality{Live: backout.Live{Shares: map[backout.Version]float64{"2": 1}, Healthy: true}, At: time.Now(), Version: "0"}
	for i, e := range log {
		if e.Component.ID == c.ID {
			r.Live.Shares = map[backout.Version]float64{e.To: e.Share, e.From: 1 - e.Share}
			r.Version = strconv.Itoa(i + 1)
		}
	}
	return r, err
}

func (v *victim) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	v.reach("before")
	r, err := v.Probe(ctx, e.Component)
	if err != nil || r.Version != e.IfVersion {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: "it moved", Err: err}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	log := filepath.Join(v.dir, "log")
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	defer f.Close()
	if v.moment == "sent" && e.Key == "i/1/payment/1" {
		// The request is on its way and lands after this process has died.
		late := exec.Command("sh", "-c", "sleep 0.4; cat >>"+log+"; touch "+filepath.Join(v.dir, "landed"))
		r, w, err := os.Pipe()
		if err != nil {
			return backout.OutcomeNotDone, err
		}
		late.Stdin = r
		if err := late.Start(); err != nil {
			return backout.OutcomeNotDone, err
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return backout.OutcomeUnknown, err
		}
		v.reach("sent")
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		return backout.OutcomeUnknown, err
	}
	v.reach("after")
	return backout.OutcomeDone, nil
}

// readEffects reads what was really done, in order.
func readEffects(dir string) ([]backout.Effect, error) {
	b, err := os.ReadFile(filepath.Join(dir, "log"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []backout.Effect
	for line := range strings.Lines(string(b)) {
		var e backout.Effect
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, err
}

// spawn runs a victim to its end and says whether it was killed.
func spawn(t *testing.T, dir, die string, meanwhile func(*os.Process)) (killed bool) {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envDir+"="+dir, envDie+"="+die)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile(cmd.Process)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return true
	}
	t.Fatalf("victim: %v\n%s", err, stderr.String())
	return false
}

// checkOnce proves from the log that every effect was done once and in order,
// and from the journal that it tells the same.
func checkOnce(t *testing.T, dir string) {
	t.Helper()
	log, err := readEffects(dir)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, e := range log {
		keys = append(keys, strings.TrimPrefix(e.Key, "i/1/"))
	}
	if len(keys) > 1 && keys[0] == "payment/0" {
		keys[0], keys[1] = keys[1], keys[0] // side by side
	}
	if got := strings.Join(keys, " "); got != "web/0 payment/0 payment/1 ledger/0" {
		t.Errorf("done: %s", got)
	}
	b, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r backout.Run
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for i, e := range r.Entries {
		if e.Seq != int64(i+1) {
			t.Errorf("entry %d has number %d", i+1, e.Seq)
		}
		count[fmt.Sprintf("%s %s %s", e.Kind, e.Key, e.Outcome)]++
	}
	for _, k := range keys {
		for _, want := range []string{"intent i/1/" + k + " ", "effect i/1/" + k + " done"} {
			if count[want] != 1 {
				t.Errorf("the journal has %d times %q", count[want], want)
			}
		}
	}
	if r.State != backout.RunCompleted || t.Failed() {
		t.Errorf("run ended %s (%s)\n%s", r.State, r.Why, lines(r))
	}
}

// TestKill_atEveryMoment kills the process once at each journal entry, and at
// each call of actuator, guard and gate, and lets a second process finish.
func TestKill_atEveryMoment(t *testing.T) {
	for _, m := range []struct {
		moment string
		times  int
	}{{"entry", 12}, {"before", 4}, {"after", 4}, {"guard", 4}, {"gate", 3}, {"probe", 12}} {
		for n := 1; n <= m.times; n++ {
			die := fmt.Sprintf("%s %d", m.moment, n)
			t.Run(die, func(t *testing.T) {
				dir := folder(t)
				if !spawn(t, dir, die, nil) {
					t.Fatal("the first process outlived its moment")
				}
				if spawn(t, dir, "", nil) {
					t.Fatal("the second process was killed, too")
				}
				checkOnce(t, dir)
			})
		}
	}
}

// TestKill_atRandom kills the process again and again at random instants.
func TestKill_atRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for range 6 {
		dir := folder(t)
		// Each process gets a little longer, so that it ends on a slow machine, too.
		for kill, longest := true, 40; kill; longest += longest / 4 {
			patience := time.Duration(2+rnd.IntN(longest)) * time.Millisecond
			kill = spawn(t, dir, "", func(p *os.Process) {
				<-time.After(patience)
				_ = p.Signal(syscall.SIGKILL)
			})
			if kill {
				kills++
			}
		}
		checkOnce(t, dir)
	}
	t.Logf("%d kills, seed %d", kills, seed)
}

// TestKill_guardIsAskedAgain proves that a permission given before the process
// died is not used after it.
func TestKill_guardIsAskedAgain(t *testing.T) {
	// Payment's second stage was allowed, and not yet sent.
	for _, die := range []string{"guard 3", "before 3"} {
		t.Run(die, func(t *testing.T) { guardIsAskedAgain(t, die) })
	}
}

func guardIsAskedAgain(t *testing.T, die string) {
	dir := folder(t)
	if !spawn(t, dir, die, nil) {
		t.Fatal("outlived")
	}
	before, err := readEffects(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "refuse"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	spawn(t, dir, "", nil)
	after, err := readEffects(dir)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d effects before the kill, %d after a guard that refuses (%v)", len(before), len(after), err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil || !strings.Contains(string(b), "refused: not any more") {
		t.Errorf("the run does not say that it was refused: %s %v", b, err)
	}
}

// TestKill_effectLandsAfterwards proves that a request which is still on its way
// when the process dies is waited for and not sent again.
func TestKill_effectLandsAfterwards(t *testing.T) {
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "patient"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !spawn(t, dir, "sent 1", nil) {
		t.Fatal("outlived")
	}
	spawn(t, dir, "", nil)
	for landed := false; !landed; {
		<-time.After(time.Millisecond)
		_, err := os.Stat(filepath.Join(dir, "landed"))
		landed = err == nil
	}
	checkOnce(t, dir)
}
