package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout"
)

// Range is the instants First, First+Step, ... Last.
type Range struct {
	First, Last time.Time
	Step        time.Duration
}

// Points counts the instants.
func (r Range) Points() int {
	if r.Last.Before(r.First) {
		return 0
	}
	return int(r.Last.Sub(r.First)/r.Step) + 1
}

// Point is one value of a row; Value may be NaN or infinite.
type Point struct {
	At    time.Time
	Value float64
}

// Row is one series of an answer, its points in order of time. Instants without
// a value are absent.
type Row struct {
	Labels map[string]string
	Points []Point
}

// Evaluate answers one PromQL expression over a range that has at least one and
// at most Config.MaxPoints instants. It gives up when ctx ends. It fails with
// code unavailable when the backend is away, forbidden when it does not let us
// ask, and invalid when this one expression can't be answered.
type Evaluate func(ctx context.Context, expression string, r Range) ([]Row, error)

// Config says how a backend is asked.
type Config struct {
	// ScrapeInterval is how often the backend looks at its targets; 15s when zero.
	ScrapeInterval time.Duration
	// Timeout of one expression; 5s when zero. All of one Sample together may take
	// three times as long for each chunk of MaxPoints instants; what was not
	// answered by then is missing.
	Timeout time.Duration
	// Parallel is how many expressions are evaluated at a time; 2 when zero.
	Parallel int
	// MaxPoints is the number of instants in one evaluation; longer spans are
	// asked in chunks. 10000 when zero: Prometheus refuses more than 11000.
	MaxPoints int
	// Rest is the least pause after each query about the past ([Asker.Remember]), which
	// rests as long as the query took besides; 250 ms when zero.
	Rest time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.ScrapeInterval == 0 {
		c.ScrapeInterval = 15 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Parallel == 0 {
		c.Parallel = 2
	}
	if c.MaxPoints == 0 {
		c.MaxPoints = 10_000
	}
	if c.Rest == 0 {
		c.Rest = 250 * time.Millisecond
	}
	switch {
	case c.Rest < 0:
		return c, invalid("rest after a query %s: expected a positive duration", c.Rest)
	case c.ScrapeInterval < time.Millisecond:
		return c, invalid("scrape interval %s: expected at least 1ms", c.ScrapeInterval)
	case c.Timeout < 0:
		return c, invalid("query timeout %s: expected a positive duration", c.Timeout)
	case c.Parallel < 0:
		return c, invalid("parallel queries %d: expected 1 or more", c.Parallel)
	case c.MaxPoints < 0 || c.MaxPoints > 11_000:
		return c, invalid("points per query %d: expected 1 to 11000", c.MaxPoints)
	}
	return c, nil
}

// Asker is the part of a [Sampler] that all PromQL backends share.
type Asker struct {
	config   Config
	evaluate Evaluate
}

// New makes a sampler of a backend. It fails with code invalid when the
// configuration makes no sense; the message names the setting.
func New(c Config, evaluate Evaluate) (*Asker, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Asker{c, evaluate}, nil
}

// Sample meets [Sampler]. Expressions that several signals share are evaluated
// once.
func (a *Asker) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	if step < time.Millisecond || step%time.Millisecond != 0 {
		return backout.Window{}, invalid("sampling step %s: expected whole milliseconds, at least one", step)
	}
	w := backout.Window{From: floor(from, step), Now: floor(to, step), Step: step, Series: []backout.Series{}, Missing: map[backout.SignalName]string{}}
	if w.Now.Before(w.From) {
		return backout.Window{}, invalid("window from %s to %s: expected the end after the beginning", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	}
	r := Range{w.From.Add(step), w.Now, step}
	if r.Points() == 0 || len(signals) == 0 {
		return w, nil
	}
	answers, err := a.all(ctx, expressions(signals, a.config.ScrapeInterval, step), r)
	if err != nil {
		return backout.Window{}, err
	}
	a.fill(&w, signals, answers)
	return w, nil
}

// fill pairs the answers and puts the series, or why there are none, into the window.
func (a *Asker) fill(w *backout.Window, signals []backout.Signal, answers map[string]answer) {
	for _, s := range signals {
		series, err := pair(s, answers[expand(s.Query, a.config.ScrapeInterval, w.Step)], answers[expand(s.Total, a.config.ScrapeInterval, w.Step)])
		if err != nil {
			w.Missing[s.Name] = err.Error()
			continue
		}
		w.Series = append(w.Series, series...)
	}
}

// answer is what became of one expression.
type answer struct {
	rows []Row
	err  error
}

// all evaluates every expression, each on its own account. It fails only when
// the caller gave up or when no expression was answered and the backend is the
// reason.
func (a *Asker) all(parent context.Context, list []string, r Range) (map[string]answer, error) {
	ranges := chunks(r, a.config.MaxPoints)
	ctx, cancel := context.WithTimeout(parent, 3*a.config.Timeout*time.Duration(len(ranges)))
	defer cancel()
	results := make([]answer, len(list))
	var g errgroup.Group
	g.SetLimit(a.config.Parallel)
	for i, expression := range list {
		g.Go(func() error {
			results[i].rows, results[i].err = a.one(ctx, expression, ranges)
			return nil
		})
	}
	_ = g.Wait()
	if err := parent.Err(); err != nil {
		return nil, fmt.Errorf("sample %d signals' expressions: %w", len(list), err)
	}
	answers, away, answered := map[string]answer{}, error(nil), false
	for i, expression := range list {
		answers[expression] = results[i]
		switch code := backout.CodeOf(results[i].err); code {
		case "", backout.CodeInvalid:
			answered = true // a refused query is an answer too: somebody is there
		case backout.CodeUnavailable, backout.CodeForbidden:
			away = cmp.Or(away, results[i].err)
		}
	}
	if away != nil && !answered {
		return nil, &backout.Error{Code: backout.CodeOf(away), Message: fmt.Sprintf("ask metrics backend: none of %d queries was answered", len(list)), Err: away}
	}
	return answers, nil
}

// one evaluates an expression over all chunks. A deadline that passes is the
// backend's failure, whatever error the evaluation made of it.
func (a *Asker) one(ctx context.Context, expression string, ranges []Range) ([]Row, error) {
	var joined []Row
	for i, r := range ranges {
		if ctx.Err() != nil {
			return nil, unavailable("not asked: the time for one sample was used up by other queries", ctx.Err())
		}
		one, cancel := context.WithTimeout(ctx, a.config.Timeout)
		rows, err := a.evaluate(one, expression, r)
		late := errors.Is(one.Err(), context.DeadlineExceeded)
		cancel()
		switch {
		case err != nil && late:
			return nil, unavailable(fmt.Sprintf("no answer within %s", a.config.Timeout), err)
		case err != nil:
			return nil, err
		case i == 0:
			joined = rows
		default:
			joined = join(joined, rows)
		}
	}
	return joined, nil
}

func unavailable(message string, err error) error {
	return &backout.Error{Code: backout.CodeUnavailable, Message: message, Err: err}
}

func invalid(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}
