package playground

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Client speaks to a shop's control API.
type Client struct {
	control, token, dir string
	// Ready is what the shop announced.
	Ready Ready
}

// Dial waits until the shop of a folder is open, or ctx ends.
func Dial(ctx context.Context, dir string) (*Client, error) {
	for {
		c, err := open(dir)
		if err == nil {
			return c, nil
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return nil, fmt.Errorf("wait for the shop in %s: %w (%w)", dir, ctx.Err(), err)
		}
	}
}

func open(dir string) (*Client, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "ready.json"))
	if err != nil {
		return nil, err
	}
	c := &Client{dir: dir}
	if err := json.Unmarshal(raw, &c.Ready); err != nil {
		return nil, fmt.Errorf("read ready.json: %w", err)
	}
	token, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		return nil, err
	}
	c.control, c.token = c.Ready.Control, strings.TrimSpace(string(token))
	return c, nil
}

// Begin ends the calm: from now on the director ships changes and posts each as
// observations to a URL, with a bearer token.
func (c *Client) Begin(ctx context.Context, observationsURL, token string) error {
	return send(ctx, c.control, c.token, "POST", "/v1/begin", nil, beginRequest{observationsURL, token}, nil)
}

// Report asks how the shop has done.
func (c *Client) Report(ctx context.Context) (Report, error) {
	var r Report
	err := send(ctx, c.control, c.token, "GET", "/v1/report", nil, nil, &r)
	return r, err
}

// Stop ends the shop, and with it the load and all instances.
func (c *Client) Stop(ctx context.Context) error {
	return send(ctx, c.control, c.token, "POST", "/v1/stop", nil, nil, nil)
}

// Component reads what runs of a component. An unknown one is a not_found error.
func (c *Client) Component(ctx context.Context, id backout.ComponentID) (ComponentState, error) {
	var st ComponentState
	err := send(ctx, c.control, c.token, "GET", "/v1/components/"+url.PathEscape(string(id)), nil, nil, &st)
	return st, err
}

// Move carries a move out. ifMatch and key may be empty; the error's code says
// what to do: conflict = look again, invalid = there is no such version.
func (c *Client) Move(ctx context.Context, id backout.ComponentID, mv ComponentMove, ifMatch, key string) (ComponentState, error) {
	var st ComponentState
	h := http.Header{}
	if ifMatch != "" {
		h.Set("If-Match", ifMatch)
	}
	if key != "" {
		h.Set("Idempotency-Key", key)
	}
	err := send(ctx, c.control, c.token, "PUT", "/v1/components/"+url.PathEscape(string(id)), h, mv, &st)
	return st, err
}

// loadPlan asks what clients do here.
func (c *Client) loadPlan(ctx context.Context) (loadPlan, error) {
	var p loadPlan
	err := send(ctx, c.control, c.token, "GET", "/v1/load", nil, nil, &p)
	return p, err
}

// send makes one JSON request; what is not a success is an error with a code.
func send(ctx context.Context, base, token, method, path string, h http.Header, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if h != nil {
		req.Header = h
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return &backout.Error{Code: backout.CodeUnavailable, Message: method + " " + path, Err: err}
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	if err != nil {
		return &backout.Error{Code: backout.CodeUnavailable, Message: method + " " + path, Err: err}
	}
	if answer.StatusCode/100 != 2 {
		e := &backout.Error{}
		if json.Unmarshal(raw, e) != nil || e.Code == "" {
			e.Code, e.Message = backout.CodeUnavailable, fmt.Sprintf("%s %s answered %s", method, path, answer.Status)
		}
		return e
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
