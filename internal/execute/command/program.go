package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// Config is one program as it was written down.
type Config struct {
	Args []backout.Template // the program first; no shell reads them
	// Dir is where it runs and what a relative program such as ./roll is relative to;
	// "" = our working directory.
	Dir  string
	Pass []string // names of our variables that it gets; PATH is always among them
	Set  map[string]backout.Template
	// Secrets are variables whose values are asked for at each start.
	Secrets map[string]func() (string, error)
	Timeout time.Duration // 0 = 2 minutes
	Grace   time.Duration // between SIGTERM and SIGKILL; 0 = 5 s
}

// What is kept of a program's output: enough for the reason it gives at its end.
const (
	mostOutput = 1 << 20
	tailBytes  = 4 << 10
	tailLines  = 5
)

// keyVariable holds the effect's key, in every process that the program starts.
const keyVariable = "BACKOUT_KEY"

type program struct {
	Config
	// prints is set when what it writes to its standard output is an answer. Else both
	// streams are one, so that their lines keep their order.
	prints bool
}

func invalid(f string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(f, args...)}
}

func newProgram(c Config) (*program, error) {
	if len(c.Args) == 0 || c.Args[0] == "" || len(c.Args[0].Fields()) > 0 {
		return nil, invalid("args: expected a program that no field decides, and its arguments")
	}
	c.Timeout, c.Grace = cmp.Or(c.Timeout, 2*time.Minute), cmp.Or(c.Grace, 5*time.Second)
	return &program{Config: c}, nil
}

// result is how a program ended.
type result struct {
	code    int    // -1 when a signal ended it
	out     []byte // of a program that prints
	said    string // the last lines that it wrote, of both streams
	started bool
}

// run starts the program and waits for its end. With an error that is not an exit
// code's, started tells whether it may have done something.
func (p *program) run(ctx context.Context, values map[string]string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return result{}, err
	}
	cmd, secrets, err := p.command(ctx, values)
	if err != nil {
		return result{}, err
	}
	var out bounded
	var both tail
	cmd.Stdout, cmd.Stderr = &both, &both
	if p.prints {
		cmd.Stdout = io.MultiWriter(&out, &both)
	}
	err = wait(cmd)
	if ctx.Err() != nil && cmd.Process != nil {
		killGroup(cmd) // what ignored the request to end
	}
	r := result{code: -1, out: out.Bytes(), said: both.lines(secrets), started: cmd.Process != nil}
	if cmd.ProcessState != nil {
		r.code = cmd.ProcessState.ExitCode()
	}
	var exited *exec.ExitError
	switch {
	case !r.started:
		return r, &backout.Error{Code: backout.CodeUnavailable, Message: "start " + string(p.Args[0]), Err: err}
	case ctx.Err() != nil:
		return r, fmt.Errorf("ended after %s: %w", p.Timeout, ctx.Err())
	case out.over:
		return r, fmt.Errorf("it wrote more than %d bytes", mostOutput)
	case err != nil && !errors.As(err, &exited) && !errors.Is(err, exec.ErrWaitDelay):
		return r, err
	}
	return r, nil
}

// wait starts a program and reaps it. The thread that starts it must outlive it, since
// the kernel takes that thread's end for ours.
func wait(cmd *exec.Cmd) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- cmd.Run()
	}()
	return <-done
}

func (p *program) command(ctx context.Context, values map[string]string) (*exec.Cmd, []string, error) {
	args, err := p.arguments(values)
	if err != nil {
		return nil, nil, err
	}
	env, secrets, err := p.environment(values)
	if err != nil {
		return nil, nil, err
	}
	name := args[0]
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		if name, err = filepath.Abs(filepath.Join(p.Dir, name)); err != nil {
			return nil, nil, fmt.Errorf("find %s: %w", args[0], err)
		}
	}
	cmd := exec.CommandContext(ctx, name, args[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = p.Dir, env, p.Grace
	ownGroup(cmd)
	cmd.Cancel = func() error { return endGroup(cmd) }
	return cmd, secrets, nil
}

func (p *program) arguments(values map[string]string) ([]string, error) {
	out := make([]string, len(p.Args))
	for i, t := range p.Args {
		var err error
		if out[i], err = t.Expand(values, clean); err != nil {
			return nil, fmt.Errorf("args[%d]: %w", i, err)
		}
		if strings.HasPrefix(out[i], "-") && !strings.HasPrefix(string(t), "-") {
			return nil, invalid("args[%d]: a value makes the option %q of %q: expected no leading dash", i, out[i], string(t))
		}
	}
	return out, nil
}

// clean refuses what no argument and no variable can hold.
func clean(v string) (string, error) {
	if strings.ContainsRune(v, 0) {
		return "", invalid("%q has a null byte", v)
	}
	return v, nil
}

func (p *program) environment(values map[string]string) (env, secrets []string, err error) {
	for _, name := range append([]string{"PATH"}, p.Pass...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for name, t := range p.Set {
		v, err := t.Expand(values, clean)
		if err != nil {
			return nil, nil, fmt.Errorf("set %s: %w", name, err)
		}
		env = append(env, name+"="+v)
	}
	for name, ask := range p.Secrets {
		v, err := ask()
		if err != nil {
			return nil, nil, fmt.Errorf("set %s: %w", name, err)
		}
		env, secrets = append(env, name+"="+v), append(secrets, v)
	}
	if key := values["key"]; key != "" {
		env = append(env, keyVariable+"="+key)
	}
	return env, secrets, nil
}

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := mostOutput - b.Len()
	if len(p) > room {
		b.over = true
	}
	_, _ = b.Buffer.Write(p[:min(len(p), max(room, 0))])
	return len(p), nil
}

// tail keeps the end of what is written, by two streams at once.
type tail struct {
	mu   sync.Mutex
	last []byte // guarded by mu
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p[max(0, len(p)-tailBytes):]...)
	if over := len(t.last) - tailBytes; over > 0 {
		t.last = slices.Clone(t.last[over:])
	}
	return len(p), nil
}

// lines gives the last lines, without secrets.
func (t *tail) lines(secrets []string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.last), ""))
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-tailLines):], "\n")
}
