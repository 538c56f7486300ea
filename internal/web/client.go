package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Client speaks to a running backout.
type Client struct {
	URL   string
	Token string
	HTTP  http.Client // its zero value is usable; calls give up after ten seconds
}

// Status asks how it is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, "/api/v1/status", nil, &s)
}

// Incidents lists the newest incidents.
func (c *Client) Incidents(ctx context.Context) ([]backout.Incident, error) {
	var out struct {
		Incidents []backout.Incident `json:"incidents"`
	}
	return out.Incidents, c.call(ctx, http.MethodGet, "/api/v1/incidents", nil, &out)
}

// Incident gives one incident.
func (c *Client) Incident(ctx context.Context, id backout.IncidentID) (backout.Incident, error) {
	var out backout.Incident
	return out, c.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(string(id)), nil, &out)
}

// Decide sends a person's decision.
func (c *Client) Decide(ctx context.Context, d Decision) (backout.Incident, error) {
	var out backout.Incident
	body := map[string]string{"digest": d.Digest, "reason": d.Reason, "by": d.By.Name}
	if d.Verb == "close" {
		body["as"], body["cause"] = d.As, d.Cause
	}
	return out, c.call(ctx, http.MethodPost, "/api/v1/incidents/"+url.PathEscape(string(d.Incident))+"/"+d.Verb, body, &out)
}

// Announce tells of a forward fix; nil withdraws the one that was announced.
func (c *Client) Announce(ctx context.Context, id backout.IncidentID, by string, fix *backout.Fix) (backout.Incident, error) {
	var out backout.Incident
	path := "/api/v1/incidents/" + url.PathEscape(string(id)) + "/fix"
	if fix == nil {
		return out, c.call(ctx, http.MethodDelete, path+"?by="+url.QueryEscape(by), nil, &out)
	}
	body := map[string]any{"eta": fix.ETA, "confidence_p": fix.Confidence, "change": fix.Change, "text": fix.Text, "by": by}
	return out, c.call(ctx, http.MethodPut, path, body, &out)
}

// Recorded is the answer to what was recorded.
type Recorded struct {
	Accepted int `json:"accepted"`
	Clamped  int `json:"clamped"` // had a time ahead of the server's
}

// Record tells of one change. Sending the same again changes nothing. An error of
// code invalid names the fields that are wrong.
func (c *Client) Record(ctx context.Context, o backout.Observation) (Recorded, error) {
	var out Recorded
	return out, c.call(ctx, http.MethodPost, "/v1/observations", o, &out)
}

func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		in = bytes.NewReader(b)
	}
	res, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

// send sends a request. The answer is a good one, and its body the caller's to close.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.URL, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: "no answer from " + c.URL, Err: err}
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, problemOf(res)
	}
	return res, nil
}

// problemOf turns an error answer into an error with the code it began as.
func problemOf(res *http.Response) error {
	var p struct {
		Detail  string `json:"detail"`
		Title   string `json:"title"`
		Message string `json:"message"` // the webhooks' form
		Errors  []struct {
			Field   string `json:"field"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	_ = json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&p) // without a body the status says enough
	p.Detail = cmp.Or(p.Detail, p.Title, p.Message)
	for _, e := range p.Errors {
		if e.Field != "" {
			p.Detail += fmt.Sprintf("; %s: %s", e.Field, e.Message)
		}
	}
	code := backout.CodeInternal
	if res.StatusCode == http.StatusRequestEntityTooLarge {
		code = codeTooMuch
	}
	for _, c := range []backout.Code{backout.CodeInvalid, backout.CodeNotFound, backout.CodeConflict, backout.CodeForbidden, backout.CodeUnavailable} {
		if status(&backout.Error{Code: c}) == res.StatusCode {
			code = c
		}
	}
	return &backout.Error{Code: code, Message: fmt.Sprintf("%s (%s)", p.Detail, res.Status)}
}
