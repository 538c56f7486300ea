package playground

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// hostSpec is the first line that the shop writes to a process of instances. It
// goes through a pipe and never into a file, since it tells what is bad.
type hostSpec struct {
	Seed     uint64           `json:"seed"`
	Blind    bool             `json:"blind"`
	Service  string           `json:"service"`
	Version  string           `json:"version"`
	Location backout.Location `json:"location"`
	Acts     behaviour        `json:"acts"`
	Faults   []fault          `json:"faults"`
	Bindings []binding        `json:"bindings"`
	Rate     float64          `json:"rate"`
	Control  string           `json:"control"`
	Token    string           `json:"token"`
}

// order is each later line: start or stop one instance.
type order struct {
	Start string `json:"start,omitempty"`
	Stop  string `json:"stop,omitempty"`
}

// receipt answers an order.
type receipt struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"`
	Error   string `json:"error,omitempty"`
}

// host is a process of instances, as the shop sees it.
type host struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	mu  sync.Mutex // one order at a time
	n   int        // instances started and not stopped; guarded by the fleet's mutex
	end sync.Once
}

// startHost starts a process that will run instances of one release.
func startHost(ctx context.Context, spawn func(context.Context, string, ...string) (*exec.Cmd, error), spec hostSpec) (*host, error) {
	cmd, err := spawn(ctx, "instances")
	if err != nil {
		return nil, fmt.Errorf("spawn instances: %w", err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("spawn instances: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("spawn instances: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("spawn instances: %w", err)
	}
	h := &host{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if err := json.NewEncoder(in).Encode(spec); err != nil {
		h.stop()
		return nil, fmt.Errorf("tell instances what to run: %w", err)
	}
	return h, nil
}

func (h *host) ask(o order) (receipt, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := json.NewEncoder(h.in).Encode(o); err != nil {
		return receipt{}, fmt.Errorf("order to instances: %w", err)
	}
	line, err := h.out.ReadBytes('\n')
	if err != nil {
		return receipt{}, fmt.Errorf("receipt of instances: %w", err)
	}
	var r receipt
	if err := json.Unmarshal(line, &r); err != nil {
		return receipt{}, fmt.Errorf("receipt of instances: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// stop ends the process: its input ends, and if that is not enough it is killed.
func (h *host) stop() {
	h.end.Do(func() {
		_ = h.in.Close()
		kill := time.AfterFunc(time.Second, func() { _ = h.cmd.Process.Kill() })
		_ = h.cmd.Wait() // how it ended does not matter
		kill.Stop()
	})
}
