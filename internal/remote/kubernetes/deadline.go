package kubernetes

import (
	"context"
	"io"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func causes(d *metav1.StatusDetails) []metav1.CauseType {
	if d == nil {
		return nil
	}
	out := []metav1.CauseType{}
	for _, c := range d.Causes {
		out = append(out, c.Type)
	}
	return out
}

// deadlines puts a deadline on every request: on all of it, or, of a watch, on its
// beginning. What goes dead in the middle of a watch is found by HTTP/2's pings, which
// client-go sends.
func deadlines(timeout time.Duration) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &deadline{next, timeout} }
}

type deadline struct {
	next    http.RoundTripper
	timeout time.Duration
}

// RoundTrip ends the request's context when its time is over, or its body is closed.
func (d *deadline) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	late := time.AfterFunc(d.timeout, func() { cancel(context.DeadlineExceeded) })
	resp, err := d.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		late.Stop()
		if cause := context.Cause(ctx); cause == context.DeadlineExceeded { //nolint:errorlint // our own cause, as it was given
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	if r.URL.Query().Get("watch") == "true" {
		late.Stop()
	}
	resp.Body = &body{resp.Body, func() { late.Stop(); cancel(nil) }}
	return resp, nil
}

// WrappedRoundTripper lets client-go find the transport behind this one.
func (d *deadline) WrappedRoundTripper() http.RoundTripper { return d.next }

// body ends its request when it is closed.
type body struct {
	io.ReadCloser
	end func()
}

func (b *body) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
