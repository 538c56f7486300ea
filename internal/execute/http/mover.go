package http

import (
	"context"
	"fmt"
	nethttp "net/http"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Answers are statuses with a meaning of their own; they go before the usual ones.
type Answers struct{ Done, NotDone, Conflict []int }

// Mover moves components by requests.
type Mover struct {
	sender  *sender
	answers Answers
}

var (
	_ execute.Mover   = (*Mover)(nil)
	_ execute.Patient = (*Mover)(nil)
)

// NewMover makes a mover. It calls nobody yet.
func NewMover(c Config, a Answers) (*Mover, error) {
	s, err := newSender(c, nethttp.MethodPost)
	if err != nil {
		return nil, err
	}
	return &Mover{s, a}, nil
}

// Patience is the time of one request.
func (m *Mover) Patience(backout.Component) time.Duration { return m.sender.config.Timeout }

// Do sends the request for one effect, once.
func (m *Mover) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	a, sent, err := m.sender.send(ctx, e.Fields(), nethttp.Header{"Idempotency-Key": {e.Key}})
	switch {
	case err != nil && sent:
		return backout.OutcomeUnknown, err
	case err != nil:
		return backout.OutcomeNotDone, err
	}
	return m.outcome(a)
}

// outcome says what an answer means.
func (m *Mover) outcome(a answer) (backout.Outcome, error) {
	answered := func(code backout.Code) error {
		return &backout.Error{Code: code, Message: fmt.Sprintf("answered %d: %s", a.status, a.said())}
	}
	switch s := a.status; {
	case slices.Contains(m.answers.Done, s):
		return backout.OutcomeDone, nil
	case slices.Contains(m.answers.Conflict, s):
		return backout.OutcomeNotDone, answered(backout.CodeConflict)
	case slices.Contains(m.answers.NotDone, s):
		return backout.OutcomeNotDone, answered(backout.CodeInvalid)
	case s == nethttp.StatusAccepted:
		return backout.OutcomeUnknown, execute.ErrAccepted
	case s >= 200 && s < 300:
		return backout.OutcomeDone, nil
	case s == nethttp.StatusPreconditionFailed:
		return backout.OutcomeNotDone, answered(backout.CodeConflict)
	case s == nethttp.StatusRequestTimeout, s == nethttp.StatusConflict, s == nethttp.StatusTooEarly, s == nethttp.StatusTooManyRequests:
		return backout.OutcomeUnknown, answered(backout.CodeUnavailable)
	case s == nethttp.StatusNotFound:
		return backout.OutcomeNotDone, answered(backout.CodeNotFound)
	case s == nethttp.StatusUnauthorized, s == nethttp.StatusForbidden:
		return backout.OutcomeNotDone, answered(backout.CodeForbidden)
	case s >= 400 && s < 500:
		return backout.OutcomeNotDone, answered(backout.CodeInvalid)
	}
	return backout.OutcomeUnknown, answered(backout.CodeUnavailable)
}
