// Package playground moves the deployments, configuration and traffic splits of
// the rehearsal shop through its control API.
//
// # The model in one page
//
// The shop answers GET /v1/components/{id} with what is live, an etag and the
// versions on offer, and moves a share of the instances on PUT. If-Match makes
// the PUT a compare-and-swap, Idempotency-Key makes it safe to send twice. A PUT
// answers when the new instances are ready.
//
// Its answers map to outcomes so: 200 with the share live is done; a refusal
// (401, 404, 412, 422) and a connection that was never made are not done;
// everything else, above all an answer that was lost on the way, is unknown.
package playground

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Config says where the shop is.
type Config struct {
	URL   string // http://127.0.0.1:PORT
	Token string
	// Client makes the calls; nil = one of its own without proxy.
	Client *http.Client
	// Timeout bounds each call besides the caller's deadline; 0 = 30 s.
	Timeout time.Duration
}

// Actuator talks to one shop. Any number of calls may run at once.
type Actuator struct{ config Config }

var _ execute.Actuator = (*Actuator)(nil)

// New makes an actuator. It calls nobody yet.
func New(c Config) (*Actuator, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("playground url %q: expected http://HOST:PORT", c.URL)}
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	if c.Client == nil {
		c.Client = &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}}
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	return &Actuator{c}, nil
}

// document is the control API's answer.
type document struct {
	ID        backout.ComponentID `json:"id"`
	Live      backout.Live        `json:"live"`
	ETag      string              `json:"etag"`
	Versions  []backout.Version   `json:"versions"`
	Instances int                 `json:"instances"`
}

// move is the control API's request.
type move struct {
	To      backout.Version   `json:"to"`
	Share   float64           `json:"share_ratio"`
	Attempt backout.AttemptID `json:"attempt,omitempty"`
}

// most bounds how much of an answer is read.
const most = 1 << 20

// call sends one request. With an error, sent tells whether the shop may have
// acted on it.
func (a *Actuator) call(ctx context.Context, method string, id backout.ComponentID, header map[string]string, body []byte) (doc document, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.config.URL+"/v1/components/"+url.PathEscape(string(id)), bytes.NewReader(body))
	if err != nil {
		return doc, false, err
	}
	req.Header.Set("Authorization", "Bearer "+a.config.Token)
	for k, v := range header {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	res, err := a.config.Client.Do(req)
	if err != nil {
		var op *net.OpError
		dialled := !errors.As(err, &op) || op.Op != "dial"
		return doc, dialled, &backout.Error{Code: backout.CodeUnavailable, Message: "no answer from the shop", Err: err}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return doc, true, &backout.Error{Code: backout.CodeUnavailable, Message: "the shop's answer broke off", Err: err}
	}
	if res.StatusCode != http.StatusOK {
		code, refused := refusal(res.StatusCode)
		return doc, !refused, &backout.Error{Code: code, Message: fmt.Sprintf("the shop answered %d: %s", res.StatusCode, said(raw))}
	}
	if err := json.Unmarshal(raw, &doc); err != nil || doc.ETag == "" {
		return doc, true, &backout.Error{Code: backout.CodeUnavailable, Message: "the shop's answer can't be read", Err: err}
	}
	return doc, true, nil
}

// refusal maps a status to a code and says whether it means that nothing was done.
func refusal(status int) (backout.Code, bool) {
	switch status {
	case http.StatusPreconditionFailed:
		return backout.CodeConflict, true
	case http.StatusNotFound:
		return backout.CodeNotFound, true
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return backout.CodeInvalid, true
	case http.StatusUnauthorized, http.StatusForbidden:
		return backout.CodeForbidden, true
	}
	return backout.CodeUnavailable, false
}

// said takes the message out of an answer.
func said(raw []byte) string {
	var e struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &e) == nil && e.Message != "" {
		return e.Message
	}
	return strings.TrimSpace(string(raw[:min(len(raw), 200)]))
}

// Probe reads what is live now.
func (a *Actuator) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	doc, _, err := a.call(ctx, http.MethodGet, c.ID, nil, nil)
	if err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	at := doc.Live.At
	if at.IsZero() {
		at = time.Now().UTC()
	}
	return backout.Reality{Live: doc.Live, Version: doc.ETag, At: at}, nil
}

// Survey offers the earlier versions that the shop still has. Code, configuration
// and splits lose nothing.
func (a *Actuator) Survey(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{}, At: time.Now().UTC()}
	switch c.ID.Kind() {
	case backout.KindDeployment, backout.KindConfig, backout.KindTraffic:
	default:
		rev.Why = fmt.Sprintf("the shop moves deployments, config and traffic, not %s", c.ID.Kind())
		return rev, nil
	}
	doc, _, err := a.call(ctx, http.MethodGet, c.ID, nil, nil)
	if err != nil {
		if ctx.Err() != nil {
			return rev, fmt.Errorf("survey %s: %w", c.ID, err)
		}
		rev.Why = err.Error()
		return rev, nil
	}
	rev.Known, rev.Current, rev.CompareAndSwap = true, doc.Live.Version(), true
	rev.Shares, rev.Takes, rev.Headroom = []float64{1}, backout.Duration(100*time.Millisecond), 1
	if c.ID.Kind() == backout.KindDeployment {
		rev.Shares, rev.Mixed, rev.Takes = stages(doc.Instances), true, backout.Duration(500*time.Millisecond)
	}
	for l := range stack {
		v := execute.Behind(stack, l)
		if v != "" && slices.Contains(doc.Versions, v) {
			rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: v, Loss: backout.LossNone, Verified: execute.Lived(stack, l)})
		}
	}
	return rev, nil
}

// stages offers one instance first; with many instances, a tenth and a half.
func stages(instances int) []float64 {
	switch {
	case instances <= 1:
		return []float64{1}
	case instances <= 6:
		return []float64{1 / float64(instances), 1}
	}
	return []float64{0.1, 0.5, 1}
}

// Do asks the shop to bring a share of a component to a version.
func (a *Actuator) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	id := e.Component.ID
	if err := ctx.Err(); err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", id, err)
	}
	if e.Audience != "" {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("move %s: the shop can't tell audiences apart", id)}
	}
	body, err := json.Marshal(move{e.To, e.Share, e.Attempt})
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", id, err)
	}
	header := map[string]string{"Content-Type": "application/json", "If-Match": e.IfVersion, "Idempotency-Key": e.Key}
	doc, sent, err := a.call(ctx, http.MethodPut, id, header, body)
	switch {
	case err != nil && sent:
		return backout.OutcomeUnknown, fmt.Errorf("move %s: %w", id, err)
	case err != nil:
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", id, err)
	case doc.Live.Shares[e.To] < e.Share-1e-6:
		return backout.OutcomeUnknown, fmt.Errorf("move %s: the shop says it is done, but only %.2f are at %s", id, doc.Live.Shares[e.To], e.To)
	}
	return backout.OutcomeDone, nil
}

// Swaps: the shop compares the version itself.
func (a *Actuator) Swaps(backout.Component) bool { return true }
