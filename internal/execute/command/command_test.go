//go:build linux

package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/command"
	"github.com/backout-dev/backout/internal/execute/executetest"
)

// roll is a tool such as many have: it keeps what is live in files, refuses a stale
// picture with 4, and meets one run with the fault that lies in the file fault.
const roll = `#!/bin/sh
fault=$(cat fault 2>/dev/null); rm -f fault
[ "$fault" = hang ] && { sleep 60; exit 0; }
[ "$fault" = lie ] && { echo fine; exit 0; }
[ "$(cat version)" = "$1" ] && { echo there already; exit 0; }
[ -n "$2" ] && [ "$2" != "$(cat writes)" ] && { echo "moved meanwhile" >&2; exit 4; }
echo "$1" > version
echo $(($(cat writes) + 1)) > writes
echo "rolled to $1 for $BACKOUT_KEY"
[ "$fault" = err ] && exit 1
exit 0
`

const look = `#!/bin/sh
echo "{\"version\": \"$(cat version)\", \"resource_version\": \"$(cat writes)\", \"versions\": [\"2.3\", \"2.4\"]}"
`

func folder(t *testing.T) string {
	dir := t.TempDir()
	put(t, dir, "roll", roll)
	put(t, dir, "look", look)
	put(t, dir, "version", "2.4\n")
	put(t, dir, "writes", "0\n")
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func mover(t *testing.T, c command.Config, x command.Exits) *command.Mover {
	t.Helper()
	m, err := command.NewMover(c, x)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func actuator(t *testing.T, dir string) *execute.Declared {
	t.Helper()
	p, err := command.NewProber(command.Config{Args: []backout.Template{"./look"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	m := mover(t, command.Config{Args: []backout.Template{"./roll", "{to}", "{ifVersion}"}, Dir: dir, Grace: 100 * time.Millisecond}, command.Exits{Conflict: []int{4}})
	return &execute.Declared{Mover: m, Prober: p, Stated: execute.Stated{Loss: backout.LossNone, CompareAndSwap: true}}
}

var payment = backout.Component{ID: backout.NewComponentID(backout.KindDeployment, "payment", "production", "eu"), Name: "payment", Service: "payment"}

func effect(key string) backout.Effect {
	return backout.Effect{Key: key, Attempt: "INC-1/1", Component: payment, From: "2.4", To: "2.3", Share: 1}
}

func TestConform(t *testing.T) {
	dir := folder(t)
	faults := map[executetest.Fault]string{executetest.FaultLies: "lie", executetest.FaultErrs: "err", executetest.FaultHangs: "hang"}
	executetest.Conform(t, executetest.Subject{
		Actuator: actuator(t, dir), Component: payment, From: "2.4", To: "2.3",
		Stack:   []backout.Change{{Component: payment.ID, From: "2.3", To: "2.4"}},
		Disturb: func(t *testing.T) { put(t, dir, "writes", strconv.Itoa(100+len(get(t, dir, "writes")))+"\n") },
		Arrange: func(t *testing.T, f executetest.Fault) { put(t, dir, "fault", faults[f]) },
		Moves: func() int {
			n, err := strconv.Atoi(get(t, dir, "writes"))
			if err != nil {
				t.Error(err)
			}
			return n
		},
		Reopen: func(t *testing.T) execute.Actuator { return actuator(t, dir) },
	})
}

func TestDo_eachArgumentStaysOne(t *testing.T) {
	dir := folder(t)
	put(t, dir, "show", "#!/bin/sh\nfor a in \"$@\"; do printf '%s|' \"$a\" >> seen; done\nenv | sort > vars\n")
	t.Setenv("OURS", "not for you")
	t.Setenv("PASSED", "for you")
	m := mover(t, command.Config{
		Args: []backout.Template{"./show", "{service}", "--to={to}", "{audience}", "{percent} %"}, Dir: dir, Pass: []string{"PASSED", "NOT_THERE"},
		Set: map[string]backout.Template{"TO": "{to}"}, Secrets: map[string]func() (string, error){"TOKEN": func() (string, error) { return "s3cret", nil }},
	}, command.Exits{})
	e := effect("argv")
	e.Component.Service, e.To, e.Share = "a b; touch broken", "$(touch broken) `touch broken`\n'\"", 0.5
	if out, err := m.Do(t.Context(), e); out != backout.OutcomeDone {
		t.Fatalf("%s, %v", out, err)
	}
	if want := fmt.Sprintf("%s|--to=%s||50 %%|", e.Component.Service, e.To); get(t, dir, "seen") != want {
		t.Errorf("arguments %q, want %q", get(t, dir, "seen"), want)
	}
	if _, err := os.Stat(filepath.Join(dir, "broken")); err == nil {
		t.Error("a shell read a value")
	}
	vars := get(t, dir, "vars")
	for name, want := range map[string]bool{"PASSED=for you": true, "TOKEN=s3cret": true, "BACKOUT_KEY=argv": true, "PATH=": true, "OURS=": false, "HOME=": false} {
		if strings.Contains(vars, name) != want {
			t.Errorf("%s among the variables: %t\n%s", name, !want, vars)
		}
	}
	for name, bad := range map[string]func(*backout.Effect){
		"an option": func(e *backout.Effect) { e.Component.Service = "--force" }, "a null byte": func(e *backout.Effect) { e.To = "2\x003" },
	} {
		e := effect("bad")
		bad(&e)
		if out, err := m.Do(t.Context(), e); out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

func TestDo_whatAnEndMeans(t *testing.T) {
	x := command.Exits{NotDone: []int{3}, Conflict: []int{4}}
	for script, want := range map[string]struct {
		outcome backout.Outcome
		code    backout.Code
	}{
		"exit 0":                    {backout.OutcomeDone, ""},
		"echo no >&2; exit 3":       {backout.OutcomeNotDone, backout.CodeInvalid},
		"exit 4":                    {backout.OutcomeNotDone, backout.CodeConflict},
		"exit 1":                    {backout.OutcomeUnknown, backout.CodeUnavailable},
		"kill -9 $$":                {backout.OutcomeUnknown, backout.CodeUnavailable},
		"sleep 60 & exit 0":         {backout.OutcomeDone, ""}, // it leaves something behind that holds our pipe
		"head -c 9000000 /dev/zero": {backout.OutcomeDone, ""},
	} {
		m := mover(t, command.Config{Args: []backout.Template{"/bin/sh", "-c", backout.Template(script)}, Grace: 50 * time.Millisecond}, x)
		out, err := m.Do(t.Context(), effect("end"))
		if out != want.outcome || backout.CodeOf(err) != want.code {
			t.Errorf("%s: %s, %v; want %s with code %q", script, out, err, want.outcome, want.code)
		}
		end(t, "end")
	}
	m := mover(t, command.Config{Args: []backout.Template{"/nowhere/at/all"}}, x)
	if out, err := m.Do(t.Context(), effect("end")); out != backout.OutcomeNotDone || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: %s, %v", out, err)
	}
}

// end kills what a test left behind, found as the product finds it.
func end(t *testing.T, key string) {
	t.Helper()
	for _, pid := range command.LeftBehind(key) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// running counts processes that carry a key and waits until there are none.
func gone(t *testing.T, key string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); len(command.LeftBehind(key)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still there: %v", command.LeftBehind(key))
		}
	}
}

func TestDo_endsTheWholeGroup(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "deaf", "#!/bin/sh\ntrap 'echo asked >> asked' TERM\nsh -c 'trap \"\" TERM; sleep 60' &\nwhile :; do sleep 0.05; done\n")
	m := mover(t, command.Config{Args: []backout.Template{"./deaf"}, Dir: dir, Timeout: 300 * time.Millisecond, Grace: 300 * time.Millisecond}, command.Exits{})
	begun := time.Now()
	out, err := m.Do(t.Context(), effect("deaf"))
	if out != backout.OutcomeUnknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s, %v", out, err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if get(t, dir, "asked") == "" {
		t.Error("it was not asked to end first")
	}
	gone(t, "deaf")
	if n := zombies(t); n > 0 {
		t.Errorf("%d zombies", n)
	}
}

// zombies counts our children that nobody reaped.
func zombies(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[0] == "Z" && fields[1] == strconv.Itoa(os.Getpid()) {
			n++
		}
	}
	return n
}

func TestDo_keepsTheLastLinesWithoutSecrets(t *testing.T) {
	m := mover(t, command.Config{
		Args:    []backout.Template{"/bin/sh", "-c", "for i in $(seq 1 3000); do echo line $i; done; echo token $TOKEN >&2; exit 1"},
		Secrets: map[string]func() (string, error){"TOKEN": func() (string, error) { return "s3cret", nil }},
	}, command.Exits{})
	_, err := m.Do(t.Context(), effect("tail"))
	if s := fmt.Sprint(err); strings.Contains(s, "s3cret") || !strings.Contains(s, "token ***") || !strings.Contains(s, "line 3000") || strings.Contains(s, "line 2990") {
		t.Errorf("%s", s)
	}
}

// childVariable makes this test's program play a backout that starts a program and
// is killed.
const childVariable = "BACKOUT_TEST_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		mv, err := command.NewMover(command.Config{Args: []backout.Template{"./long"}, Dir: dir}, command.Exits{})
		if err == nil {
			_, err = mv.Do(context.Background(), effect("orphan"))
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// When we are killed, the program dies with us, and what it had started is found
// again: there is never a second one beside it.
func TestDo_afterAKill(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "long", "#!/bin/sh\necho $$ >> leaders\nsetsid sh -c 'echo begun >> begun; sleep 60' &\nsleep 60\n")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), childVariable+"="+dir)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, "orphan") })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "begun")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the program did not start")
		}
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	leader, err := strconv.Atoi(get(t, dir, "leaders"))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); alive(leader); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program outlived us")
		}
	}
	m := mover(t, command.Config{Args: []backout.Template{"./long"}, Dir: dir, Timeout: 300 * time.Millisecond}, command.Exits{})
	out, err := m.Do(t.Context(), effect("orphan"))
	if out != backout.OutcomeUnknown || !strings.Contains(fmt.Sprint(err), "still at it") {
		t.Errorf("beside what is left: %s, %v", out, err)
	}
	if diff := cmp.Diff("begun", get(t, dir, "begun")); diff != "" {
		t.Errorf("a second one was started: %s", diff)
	}
}

// alive says whether a process runs; a zombie does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestLook_refusesWhatCantBeRead(t *testing.T) {
	for script, want := range map[string]string{
		"echo '{\"version\": \"2\"}'; exit 1": "exit code 1", "echo hello": "can't be read", "echo '{}'": "can't be read",
		"echo '{\"shares_ratio\": {\"2\": 1.5}}'": "expected a ratio", "head -c 9000000 /dev/zero": "more than",
	} {
		p, err := command.NewProber(command.Config{Args: []backout.Template{"/bin/sh", "-c", backout.Template(script)}})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := p.Look(t.Context(), payment); backout.CodeOf(err) != backout.CodeUnavailable || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %q", script, s, err, want)
		}
	}
	for _, args := range [][]backout.Template{nil, {""}, {"{service}"}} {
		if _, err := command.NewProber(command.Config{Args: args}); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%q: %v", args, err)
		}
	}
}
