package command

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Exits are exit codes with a meaning; Done empty = 0.
type Exits struct{ Done, NotDone, Conflict []int }

// Mover moves components by a program.
type Mover struct {
	program *program
	exits   Exits
}

var (
	_ execute.Mover   = (*Mover)(nil)
	_ execute.Patient = (*Mover)(nil)
)

// NewMover makes a mover. It starts nothing yet.
func NewMover(c Config, x Exits) (*Mover, error) {
	p, err := newProgram(c)
	if err != nil {
		return nil, err
	}
	if len(x.Done) == 0 {
		x.Done = []int{0}
	}
	return &Mover{p, x}, nil
}

// Patience is the program's time, its grace, and a while for what a former one left.
func (m *Mover) Patience(backout.Component) time.Duration {
	return m.program.Timeout + 2*m.program.Grace
}

// Do runs the program for one effect, unless processes that an earlier call for the
// same effect left behind are still at it: then it waits for their end.
func (m *Mover) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	if n := len(leftBehind(e.Key)); n > 0 {
		execute.Say(ctx, backout.EntryNote, fmt.Sprintf("%d processes of an earlier call for this effect are still at it: waits for their end", n))
		return backout.OutcomeUnknown, m.outlast(ctx, e.Key)
	}
	r, err := m.program.run(ctx, e.Fields())
	if r.said != "" {
		execute.Say(ctx, backout.EntryNote, fmt.Sprintf("%s wrote: %s", m.program.Args[0], r.said))
	}
	switch {
	case !r.started:
		return backout.OutcomeNotDone, err
	case err != nil:
		return backout.OutcomeUnknown, err
	case slices.Contains(m.exits.Done, r.code):
		return backout.OutcomeDone, nil
	}
	ended := &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("exit code %d: %s", r.code, r.said)}
	switch {
	case slices.Contains(m.exits.Conflict, r.code):
		ended.Code = backout.CodeConflict
	case slices.Contains(m.exits.NotDone, r.code):
		ended.Code = backout.CodeInvalid
	default:
		return backout.OutcomeUnknown, ended
	}
	return backout.OutcomeNotDone, ended
}

// outlast waits until what an earlier call left behind has ended.
func (m *Mover) outlast(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, m.program.Timeout)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if len(leftBehind(key)) == 0 {
			return &backout.Error{Code: backout.CodeUnavailable, Message: "what an earlier call had started has ended; how is not known"}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("what an earlier call had started is still at it: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Prober sees components by a program that prints what is live.
type Prober struct{ program *program }

var _ execute.Prober = (*Prober)(nil)

// NewProber makes a prober.
func NewProber(c Config) (*Prober, error) {
	p, err := newProgram(c)
	if err != nil {
		return nil, err
	}
	p.prints = true
	return &Prober{p}, nil
}

// Look runs the program, which must end with 0.
func (p *Prober) Look(ctx context.Context, c backout.Component) (execute.Sight, error) {
	r, err := p.program.run(ctx, c.Fields())
	if err == nil && r.code != 0 {
		err = fmt.Errorf("exit code %d: %s", r.code, r.said)
	}
	if err != nil {
		return execute.Sight{}, &backout.Error{Code: backout.CodeUnavailable, Message: "look by " + string(p.program.Args[0]), Err: err}
	}
	s, err := execute.ReadSight(r.out)
	if err != nil {
		return s, &backout.Error{Code: backout.CodeUnavailable, Message: string(p.program.Args[0]) + " printed what can't be read", Err: err}
	}
	return s, nil
}
