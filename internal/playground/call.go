package playground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

var errTimedOut = errors.New("timed out")

// statusError is an answer other than success.
type statusError int

// Error tells the status.
func (s statusError) Error() string { return fmt.Sprintf("answered %d", int(s)) }

const (
	retryEarns = 10  // hundredths of a retry that each call earns
	retryCosts = 100 // hundredths that a retry costs
	retryCap   = 2000
)

// call makes one request to another service: a connection from the pool, a
// timeout, and at most one retry on another instance while the budget lasts. A
// timeout is not retried, since the callee may have done the work.
func (in *instance) call(ctx context.Context, c *call, client, hold string) (string, error) {
	name := c.op
	if c.flag != "" && in.around.knobs.on(c.flag, client) {
		name = c.flagOp
	}
	timeout := c.wait
	if timeout == 0 {
		if timeout = in.service.timeout; timeout == 0 {
			timeout = defaultTimeout
		}
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	got, err := in.attempt(ctx, c, name, client, hold)
	m := in.meters.calls[c.to]
	m.seconds.Observe(time.Since(begun).Seconds())
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return got, err // the caller's caller went away: nobody's failure here
		}
		m.failed.Inc()
		return got, fmt.Errorf("call %s: %w", c.to, err)
	}
	m.ok.Inc()
	return got, nil
}

func (in *instance) attempt(ctx context.Context, c *call, name, client, hold string) (string, error) {
	p := in.pools[c.to]
	if err := p.acquire(ctx, poolPatience); err != nil {
		return "", err
	}
	defer p.release()
	if in.budget.Load() < retryCap {
		in.budget.Add(retryEarns)
	}
	e, ok := in.around.routes.pick(c.to, in.location, "")
	if !ok {
		return "", fmt.Errorf("no instance of %s", c.to)
	}
	got, err := in.request(ctx, c.to, e.Address, name, client, hold)
	if err == nil || !in.mayRetry(ctx, err) {
		return got, err
	}
	if e, ok = in.around.routes.pick(c.to, in.location, e.Address); !ok {
		return got, err
	}
	return in.request(ctx, c.to, e.Address, name, client, hold)
}

// mayRetry says whether a failed request is worth another try: the connection
// was refused or the instance was full, there is time, and the budget allows it.
func (in *instance) mayRetry(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var status statusError
	if errors.As(err, &status) && status != http.StatusServiceUnavailable {
		return false
	}
	if in.budget.Add(-retryCosts) < 0 {
		in.budget.Add(retryCosts)
		return false
	}
	return true
}

func (in *instance) request(ctx context.Context, callee, address, name, client, hold string) (string, error) {
	req := (&http.Request{
		Method: http.MethodGet, Host: address, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL:    &url.URL{Scheme: "http", Host: address, Path: "/" + name, RawQuery: hold},
		Header: http.Header{headerClient: {client}},
	}).WithContext(ctx)
	if v := in.needs[callee]; v != "" {
		req.Header[headerNeeds] = []string{v}
	}
	answer, err := in.transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return "", errTimedOut
		}
		return "", err
	}
	_, _ = io.Copy(io.Discard, answer.Body) // bodies are empty; reading to the end frees the connection
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", statusError(answer.StatusCode)
	}
	return answer.Header.Get(headerHold), nil
}
