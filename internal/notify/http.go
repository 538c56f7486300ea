package notify

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Client is an HTTP client for channels: it follows no redirect, since a message
// must not end up where nobody configured it, and it keeps few connections.
func Client() *http.Client {
	return &http.Client{
		Timeout:       deliveryTimeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: 2, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: deliveryTimeout, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Answer reads what an HTTP receiver's answer means: 2xx acknowledges; 408, 429
// and 5xx ask to try again, after Retry-After where it is given; everything else,
// redirects among it, is [ErrRefused]. Closing the body is the caller's.
func Answer(res *http.Response, now time.Time) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		body = nil // the status says enough
	}
	said := res.Status
	if text := strings.TrimSpace(strings.ToValidUTF8(string(body[:min(len(body), 200)]), "")); text != "" {
		said += ": " + text
	}
	code := res.StatusCode
	switch {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500:
		if wait := retryAfter(res.Header.Get("Retry-After"), now); wait > 0 {
			return &Later{wait, errors.New("answered " + said)}
		}
		return errors.New("answered " + said)
	case code >= 300 && code < 400:
		return fmt.Errorf("answered %s and redirects are not followed: name the final address: %w", said, ErrRefused)
	}
	return fmt.Errorf("answered %s: %w", said, ErrRefused)
}

// retryAfter reads the header's two forms: seconds, or a date.
func retryAfter(h string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(h); err == nil {
		return time.Duration(min(s, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(h); err == nil {
		return at.Sub(now)
	}
	return 0
}

// WithoutURL strips the address from a client's error: an address may be a secret,
// and errors are shown.
func WithoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Link is the page of a message's incident, or the overview for news of backout
// itself; "" without a base.
func Link(base string, m backout.Message) string {
	if base == "" {
		return ""
	}
	if m.OfItself() {
		return strings.TrimSuffix(base, "/") + "/"
	}
	return strings.TrimSuffix(base, "/") + "/incidents/" + url.PathEscape(string(m.Incident))
}
