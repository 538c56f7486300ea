package playground

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// RunInstances hosts instances of one release for a shop that started it: it
// reads orders from c.In and answers on c.Out until c.In or ctx ends.
func RunInstances(ctx context.Context, c Config) error {
	if c.In == nil || c.Out == nil {
		return errors.New("run instances: In and Out are the standard input and output that the shop holds")
	}
	if c.ParentPID == 0 {
		c.ParentPID = os.Getppid()
	}
	ctx, cancel := withParent(ctx, c.ParentPID)
	defer cancel()
	lines := make(chan []byte)
	go readLines(ctx, c.In, lines)
	var spec hostSpec
	select {
	case <-ctx.Done():
		return nil
	case first, ok := <-lines:
		if !ok {
			return nil
		}
		if err := json.Unmarshal(first, &spec); err != nil {
			return fmt.Errorf("run instances: first line: %w", err)
		}
	}
	t := build(spec.Seed, spec.Blind)
	around := &surroundings{topology: t, routes: newRoutes(), knobs: newKnobs(), unsafe: &atomic.Int64{}, rate: spec.Rate, bindings: spec.Bindings}
	s := t.service(spec.Service)
	if s == nil {
		return fmt.Errorf("run instances: unknown service %s", spec.Service)
	}
	cpu := newCPUMeter()
	heart := pacemaker{control: spec.Control, token: spec.Token, around: around, beat: func() beat {
		return beat{Role: "instances", ID: fmt.Sprint(os.Getpid()), Unsafe: around.unsafe.Load(), CPU: cpu.ratio()}
	}}
	if err := heart.once(ctx); err != nil {
		return fmt.Errorf("run instances: %w", err)
	}
	go heart.run(ctx)
	return obey(ctx, around, s, spec, lines, json.NewEncoder(c.Out))
}

func readLines(ctx context.Context, r io.Reader, lines chan<- []byte) {
	defer close(lines)
	in := bufio.NewScanner(r)
	for in.Scan() {
		select {
		case lines <- append([]byte(nil), in.Bytes()...):
		case <-ctx.Done():
			return
		}
	}
}

// obey carries out orders until there are none left to come.
func obey(ctx context.Context, around *surroundings, s *service, spec hostSpec, lines <-chan []byte, out *json.Encoder) error {
	running := map[string]*instance{}
	defer func() {
		for _, in := range running {
			in.stop(300 * time.Millisecond)
		}
	}()
	for {
		var line []byte
		select {
		case <-ctx.Done():
			return nil
		case l, ok := <-lines:
			if !ok {
				return nil
			}
			line = l
		}
		var o order
		if err := json.Unmarshal(line, &o); err != nil {
			return fmt.Errorf("run instances: order: %w", err)
		}
		answer := receipt{ID: o.Start + o.Stop}
		switch in := running[o.Stop]; {
		case o.Start != "":
			in, err := around.start(ctx, copyOf{o.Start, s, spec.Version, spec.Location, spec.Acts, spec.Faults})
			if err != nil {
				answer.Error = err.Error()
				break
			}
			running[o.Start], answer.Address = in, in.address
		case in != nil:
			delete(running, o.Stop)
			go in.stop(drainGrace)
		}
		if err := out.Encode(answer); err != nil {
			return fmt.Errorf("run instances: receipt: %w", err)
		}
	}
}
