package notify

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

// Call sends JSON (nil = none) and reads the answer as [Answer] does. said is the
// receiver's Date; zero = it gave none. Errors don't name the address, which may be
// a secret.
func Call(ctx context.Context, client *http.Client, method, url string, body []byte) (said time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return said, fmt.Errorf("call: %w: %w", WithoutURL(err), ErrRefused)
	}
	req.Header.Set("User-Agent", "backout")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(req)
	if err != nil {
		return said, fmt.Errorf("call: %w", WithoutURL(err))
	}
	defer res.Body.Close()
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		said = at.UTC()
	}
	if err := Answer(res, time.Now()); err != nil {
		return said, fmt.Errorf("call: receiver %w", err)
	}
	return said, nil
}
