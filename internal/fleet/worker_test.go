package fleet_test

import (
	"context"
	"encoding/json"
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
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/fleet"
	"github.com/backout-dev/backout/internal/store"
)

// The variables by which a test tells a replica's process what to be.
const (
	envDir    = "FLEET_TEST_DIR"    // with the files database, log and out
	envStart  = "FLEET_TEST_START"  // start the attempt
	envFreeze = "FLEET_TEST_FREEZE" // "moment n": stop itself at the n-th such moment
	envBlind  = "FLEET_TEST_BLIND"  // the target does not compare before it moves
	envNumb   = "FLEET_TEST_NUMB"   // cancel nothing for a second, so that only the fence is left
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		if err := work(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			if errors.Is(err, fleet.ErrLost) {
				os.Exit(3)
			}
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const steps = 8

// plan moves one component after the other.
func plan() execute.Request {
	var r execute.Request
	p := backout.Plan{Action: backout.ActionRollBack}
	for i := range steps {
		id := backout.NewComponentID(backout.KindDeployment, fmt.Sprint("c", i), "production", "eu")
		r.Components = append(r.Components, backout.Component{ID: id, Kind: backout.KindDeployment, Name: fmt.Sprint("c", i), Actuator: "fake"})
		p.Waves = append(p.Waves, backout.Wave{Steps: []backout.Step{{ID: fmt.Sprint("s", i), Component: id, From: "2", To: "1", Stages: []backout.Stage{{Share: 1}}}}})
	}
	r.Attempt = backout.Attempt{ID: "i/1", Digest: p.ExecutableDigest(), Plan: p}
	return r
}

// part is one replica with all its parts.
type part struct {
	database *engine.Database
	engine   *engine.Engine
	store    *store.Store
	executor *execute.Executor
	replica  *fleet.Replica
	fence    func(*fleet.Replica) execute.Fence // nil = the replica itself
}

func assemble(ctx context.Context, database string, target *target, log *slog.Logger) (*part, error) {
	p, lost, timeout := &part{}, func() {}, time.Minute // numb: nor does a deadline help
	if os.Getenv(envNumb) == "" {
		lost, timeout = func() { _ = p.engine.Close(2 * time.Second) }, time.Second
	}
	return p, p.join(ctx, database, fleet.Config{Duties: []string{"walk"}, Log: log, Lost: lost}, execute.Config{
		Actuators: map[string]execute.Actuator{"fake": target}, Guard: target, Gate: target,
		Timeout: timeout, Settle: 100 * time.Millisecond, Tick: 5 * time.Millisecond, MaxTick: time.Minute, Log: log,
	})
}

// join puts the parts together as the program does.
func (p *part) join(ctx context.Context, database string, f fleet.Config, x execute.Config) (err error) {
	if p.database, err = engine.Open(ctx, database); err != nil {
		return err
	}
	if p.store, err = store.New(ctx, p.database.DB); err != nil {
		return err
	}
	if p.engine, err = engine.New(ctx, engine.Config{Database: p.database, Log: f.Log}); err != nil {
		return err
	}
	f.Leases, f.Flows = p.store, p.engine
	if p.replica, err = fleet.Join(ctx, f); err != nil {
		return err
	}
	x.Engine = p.engine
	if p.fence != nil {
		x.Fence = p.fence(p.replica)
	} else {
		x.Fence = p.replica
	}
	if p.executor, err = execute.New(ctx, x); err != nil {
		return err
	}
	return p.engine.Launch()
}

// work is the life of a replica's process: until the attempt has ended and the
// file over says so, or it lost its place.
func work(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	database, err := os.ReadFile(filepath.Join(dir, "database"))
	if err != nil {
		return err
	}
	p, err := assemble(ctx, string(database), newTarget(dir, os.Getenv(envFreeze)), slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	if os.Getenv(envStart) != "" {
		if err := p.executor.Start(ctx, plan()); err != nil {
			return err
		}
	}
	fmt.Println("ready", p.replica.Name())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "over")); err == nil {
				cancel()
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	err = p.replica.Run(ctx)
	if os.Getenv(envNumb) != "" {
		time.Sleep(time.Second)
	}
	return errors.Join(err, p.engine.Close(2*time.Second))
}

// target is what a replica moves: the lines of a log that all replicas share. It
// is actuator, guard and gate, and can stop its own process at a moment.
type target struct {
	dir    string
	moment string
	mu     sync.Mutex
	left   int // guarded by mu
	slow   time.Duration
	gate   func() execute.Answer
}

func newTarget(dir, freeze string) *target {
	moment, n, _ := strings.Cut(freeze, " ")
	left, _ := strconv.Atoi(n)
	return &target{dir: dir, moment: moment, left: left, slow: 20 * time.Millisecond}
}

// reach stops the process, as kill -STOP does, when its moment has come.
func (a *target) reach(moment string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if moment != a.moment {
		return
	}
	if a.left--; a.left == 0 {
		_ = os.WriteFile(filepath.Join(a.dir, "frozen"), nil, 0o600)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(50 * time.Millisecond) // the other threads stop at once, this one soon
	}
}

// lock has one replica at a time compare and write.
func (a *target) lock(f *os.File) error {
	if os.Getenv(envBlind) != "" {
		return nil
	}
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}

// done is one line of the log.
type done struct {
	Key, By string
	At      time.Time
	Effect  backout.Effect
}

func (a *target) read() ([]done, error) {
	b, err := os.ReadFile(filepath.Join(a.dir, "log"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []done
	for line := range strings.Lines(string(b)) {
		var d done
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, err
}

func (a *target) Allow(context.Context, execute.Proposal) (execute.Permission, error) {
	a.reach("guard")
	return execute.Permission{Yes: true}, nil
}

func (a *target) Ask(context.Context, execute.Question) (execute.Answer, error) {
	a.reach("gate")
	if a.gate != nil {
		return a.gate(), nil
	}
	return execute.Answer{Decision: execute.DecisionGoOn}, nil
}

func (a *target) Survey(context.Context, backout.Component, []backout.Change) (backout.Reversal, error) {
	return backout.Reversal{}, nil
}

func (a *target) Swaps(backout.Component) bool { return os.Getenv(envBlind) == "" }

func (a *target) Probe(_ context.Context, c backout.Component) (backout.Reality, error) {
	a.reach("probe")
	log, err := a.read()
	r := backout.Reality{Live: backout.Live{Shares: map[backout.Version]float64{"2": 1}, Healthy: true}, At: time.Now(), Version: "0"}
	for i, d := range log {
		if d.Effect.Component.ID == c.ID {
			r.Live.Shares, r.Version = map[backout.Version]float64{d.Effect.To: 1}, strconv.Itoa(i+1)
		}
	}
	return r, err
}

// Do compares and appends under the log's lock.
func (a *target) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	time.Sleep(a.slow)
	f, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	defer f.Close()
	if err := a.lock(f); err != nil {
		return backout.OutcomeNotDone, err
	}
	a.reach("do")
	r, err := a.Probe(ctx, e.Component)
	if a.Swaps(e.Component) && (err != nil || r.Version != e.IfVersion) {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: "it moved", Err: err}
	}
	b, err := json.Marshal(done{e.Key, fmt.Sprint(os.Getpid()), time.Now(), e})
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		return backout.OutcomeUnknown, err
	}
	return backout.OutcomeDone, nil
}

// process is a replica's process, seen from the test.
type process struct {
	*exec.Cmd
	out  *os.File
	exit chan error
}

func spawn(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	out, err := os.CreateTemp(dir, "out")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(os.Args[0]), out: out, exit: make(chan error, 1)}
	p.Env = append(append(os.Environ(), envDir+"="+dir), env...)
	p.Stdout, p.Stderr = p.out, p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exit <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGCONT)
		_ = p.Process.Kill()
	})
	return p
}

// said is what it has written so far.
func (p *process) said() string {
	b, _ := os.ReadFile(p.out.Name())
	return string(b)
}

func until(t *testing.T, what string, longest time.Duration, cond func() bool) time.Duration {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if cond() {
			return time.Since(begin)
		}
		if time.Since(begin) > longest {
			t.Fatalf("waited %s for %s", longest, what)
		}
	}
}
