package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// replica is a worker's place: a process of this binary, begun anew whenever it ends.
type replica struct {
	storm *storm
	index int

	// Guarded by storm.mu.
	proc   *os.Process  // nil while there is none
	in     chan Command // to the process; nil while there is none
	struck bool         // the process was killed by us
	lives  int
}

func newReplica(s *storm, index int) *replica { return &replica{storm: s, index: index} }

// live runs one process after the other until ctx ends.
func (r *replica) live(ctx context.Context) {
	for ctx.Err() == nil {
		said, err := r.once(ctx)
		r.storm.mu.Lock()
		struck := r.struck
		r.proc, r.in, r.struck = nil, nil, false
		r.storm.mu.Unlock()
		if ctx.Err() != nil || struck {
			continue
		}
		r.storm.mu.Lock()
		if fenced(said) {
			r.storm.troubles["a worker ended and began anew"]++
		} else {
			words := fmt.Sprintf("worker %d ended by itself: %v\n%s", r.index, err, said)
			r.storm.died = append(r.storm.died, words)
			r.storm.say("%s", words)
		}
		r.storm.mu.Unlock()
		rest(ctx, 300*time.Millisecond)
	}
}

// fenced reports whether a worker ended as it should: because it could not reach its
// database, or because it was away for so long that others took over.
func fenced(stderr string) bool { return strings.Contains(stderr, "worker ends: ") }

// once runs one process to its end and gives the end of what it wrote to stderr.
func (r *replica) once(ctx context.Context) (string, error) {
	s := r.storm
	s.mu.Lock()
	r.lives++
	orders, err := json.Marshal(Orders{
		Name: fmt.Sprintf("w%d.%d", r.index, r.lives), Database: s.place.Database(r.index), Targets: s.targets.url,
		Skew: time.Duration(r.index%2) * 10 * time.Minute, Break: s.breakIt,
	})
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), envWorker+"="+string(orders))
	stderr := &tail{}
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	in := make(chan Command, 4096)
	gone := make(chan struct{})
	s.mu.Lock()
	r.proc, r.in = cmd.Process, in
	s.mu.Unlock()
	go feed(stdin, in, gone)
	r.read(stdout)
	close(gone)
	err = cmd.Wait()
	return stderr.String(), err
}

// feed passes commands on; a process that does not read holds nobody up but itself.
func feed(to io.WriteCloser, in <-chan Command, gone <-chan struct{}) {
	defer to.Close()
	enc := json.NewEncoder(to)
	for {
		select {
		case c := <-in:
			if enc.Encode(c) != nil {
				return
			}
		case <-gone:
			return
		}
	}
}

func (r *replica) read(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var w Word
		if json.Unmarshal(line, &w) != nil {
			continue // cut off by a kill
		}
		if w.Ready {
			for _, h := range r.storm.unended(r.index) {
				r.give(Command{Start: &h.Request})
			}
		}
		r.storm.hear(r, w)
	}
}

func (r *replica) give(c Command) {
	r.storm.mu.Lock()
	defer r.storm.mu.Unlock()
	r.send(c)
}

// send is called with storm.mu held. What a dead or deaf process is not told is
// told to the next.
func (r *replica) send(c Command) {
	select {
	case r.in <- c:
	default:
	}
}

// killLocked and all that end in Locked are called with storm.mu held.
func (r *replica) killLocked() {
	if r.proc == nil || r.struck {
		return
	}
	if err := r.proc.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.storm.say("kill worker %d: %v", r.index, err)
		return
	}
	r.struck = true
	r.storm.kills++
}

// freezeLocked stops the process for a time, after which it goes on as if nothing had
// been.
func (r *replica) freezeLocked(d time.Duration) {
	p := r.proc
	if p == nil || r.struck || p.Signal(syscall.SIGSTOP) != nil {
		return
	}
	r.storm.freezes++
	time.AfterFunc(d, func() { _ = p.Signal(syscall.SIGCONT) })
}

func (r *replica) thawLocked() {
	if r.proc != nil {
		_ = r.proc.Signal(syscall.SIGCONT)
	}
}

// tail keeps the end of what is written to it. Only one goroutine writes, and it is
// read after that has ended.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if over := len(t.b) - 6000; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }
