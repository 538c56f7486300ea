// Package e2e_test runs the real binary: whole processes, real kills, real ports.
package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/playground"
	"github.com/backout-dev/backout/internal/web"
)

// binary is the program under test, built once.
func binary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "backout-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "backout")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/backout").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is one running program; it is killed when the test ends.
type process struct {
	cmd    *exec.Cmd
	stderr *said
	url    string
	ended  chan error
}

// said is what a process wrote so far.
type said struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (s *said) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.WriteString(line + "\n")
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var listens = regexp.MustCompile(`backout listens on (http://\S+)`)

// start runs the program. With wantURL it waits until the program says where it
// listens, or ends.
func start(t *testing.T, wantURL bool, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary(t), args...), stderr: &said{}, ended: make(chan error, 1)}
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		in := bufio.NewScanner(pipe)
		for in.Scan() {
			p.stderr.add(in.Text())
			if m := listens.FindStringSubmatch(in.Text()); m != nil {
				found <- m[1]
			}
		}
		p.ended <- p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		select { // its folder is removed next
		case <-p.ended:
		case <-time.After(5 * time.Second):
		}
	})
	if !wantURL {
		return p
	}
	select {
	case p.url = <-found:
	case err := <-p.ended:
		t.Fatalf("ended before it listened: %v\n%s", err, p.stderr)
	case <-time.After(30 * time.Second):
		t.Fatal("does not listen after 30 s")
	}
	return p
}

// fails runs a command that must end by itself and gives its exit status and what
// it said.
func fails(t *testing.T, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary(t), args...).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%v did not end: %s", args, out)
	}
	if err == nil {
		return 0, string(out)
	}
	return err.(*exec.ExitError).ExitCode(), string(out)
}

// eventually asks again and again until the answer is yes.
func eventually(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(50 * time.Millisecond) // between two questions to another process
	}
}

// shop opens a playground in a folder and gives the flags that serve needs for it.
func shop(t *testing.T, dir, scenario string) (*playground.Client, []string) {
	t.Helper()
	start(t, false, "playground", "shop", "--dir", dir, "--scenario", scenario, "--seed", "4711", "--step", "250ms")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := playground.Dial(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	start(t, false, "playground", "load", "--dir", dir)
	token := filepath.Join(dir, "token")
	return c, []string{
		"serve", "--catalog", filepath.Join(dir, "catalog"), "--data", filepath.Join(dir, "backout"), "--listen", "127.0.0.1:0",
		"--targets", c.Ready.Targets, "--targets-token-file", token, "--playground", c.Ready.Control, "--playground-token-file", token, "--step", "250ms", "--minute", "250ms",
	}
}

func client(t *testing.T, dir, url string) *web.Client {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "backout", "token"))
	if err != nil {
		t.Fatal(err)
	}
	return &web.Client{URL: url, Token: strings.TrimSpace(string(b))}
}

func newest(t *testing.T, c *web.Client) (backout.Incident, bool) {
	t.Helper()
	all, err := c.Incidents(t.Context())
	if err != nil || len(all) == 0 {
		return backout.Incident{}, false
	}
	return all[0], true
}
