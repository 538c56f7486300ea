package local

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// process is one part of a stack.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	done  chan struct{} // closed once it has ended
	meant atomic.Bool   // it was killed by us
}

// start runs a part with its output in a log. It dies with us, however we die.
func (s *Stack) start(name, program string, args ...string) (*process, error) {
	s.config.Say(name)
	path := filepath.Join(s.Dir, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.Dir, log, log, dieWithUs()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, log: path, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
		if !p.meant.Load() {
			select {
			case s.failed <- fmt.Errorf("%s ended: %s", name, p.tail()):
			default: // one is enough
			}
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process[name] == nil {
		s.order = append(s.order, name)
	}
	s.process[name] = p
	return p, nil
}

// kill ends it at once, and waits until it has.
func (p *process) kill() {
	p.meant.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // what was paused is killed all the same
	_ = p.cmd.Process.Kill()
	<-p.done
}

// tail is the end of its log.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	const most = 4000
	return string(b[max(0, len(b)-most):])
}

// await asks until a part answers, at most a minute, and gives up when it or the stack
// has ended.
func (s *Stack) await(p *process, answers func() bool) error {
	for end := time.Now().Add(ready); time.Now().Before(end); {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.name, p.tail())
		case <-s.life.Done():
			return s.life.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if answers() {
			return nil
		}
	}
	return fmt.Errorf("%s did not answer within %s: %s", p.name, ready, p.tail())
}

// Kill ends a part at once, as kill -9 does, and waits until it has ended.
func (s *Stack) Kill(part string) { s.get(part).kill() }

// Signal sends a part a signal.
func (s *Stack) Signal(part string, what syscall.Signal) error {
	return s.get(part).cmd.Process.Signal(what)
}

func (s *Stack) get(name string) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process[name]
}

// PrintLogs writes the ends of all logs.
func (s *Stack) PrintLogs(to io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.order {
		var quoted bytes.Buffer
		for line := range bytes.Lines([]byte(s.process[name].tail())) {
			quoted.WriteString("  ")
			quoted.Write(line)
		}
		fmt.Fprintf(to, "== %s\n%s\n", name, quoted.Bytes())
	}
}
