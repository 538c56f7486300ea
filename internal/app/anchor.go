package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/internal/store"
)

// How often the heads of audit logs that moved are anchored at the latest, and how
// often a copy that could not be written is tried again.
const (
	anchorEvery = time.Hour
	copyEvery   = time.Minute
)

// anchors keeps the audit logs anchored, and the anchors copied.
type anchors struct {
	store *store.Store
	files []string
	url   string        // POSTed to, one anchor a request; "" = nowhere
	ended chan struct{} // an incident came to its end

	mu      sync.Mutex
	trouble []string // guarded by mu: what could not be written or does not agree
}

func (a *App) openAnchors() {
	files := []string{AnchorFile(a.cfg.Data)}
	if f := a.cfg.AnchorFile; f != "" && !slices.Contains(files, f) {
		files = append(files, f)
	}
	a.anchors = &anchors{store: a.store, files: files, url: a.cfg.AnchorURL, ended: make(chan struct{}, 1)}
}

// due asks for an anchor soon, without waiting for it.
func (a *anchors) due() {
	select {
	case a.ended <- struct{}{}:
	default: // one is due already
	}
}

// run anchors at the start, hourly, and when an incident has come to its end.
func (a *anchors) run(ctx context.Context) error {
	tick := time.NewTicker(copyEvery)
	defer tick.Stop()
	next := time.Time{}
	for {
		if now := time.Now().UTC(); !now.Before(next) {
			next = now.Add(anchorEvery)
			a.write(ctx, now, true)
		} else {
			a.write(ctx, now, false)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-a.ended:
			next = time.Time{}
		}
	}
}

// write makes an anchor where one is due and brings every copy up to date. What
// fails is told on every surface and tried again.
func (a *anchors) write(ctx context.Context, now time.Time, due bool) {
	var errs []error
	if due {
		_, _, err := a.store.Anchor(ctx, now)
		errs = append(errs, err)
	}
	for _, f := range a.files {
		errs = append(errs, a.copyTo(ctx, f))
	}
	if a.url != "" {
		errs = append(errs, a.send(ctx, now))
	}
	trouble := []string{}
	for _, err := range errs {
		if err != nil && ctx.Err() == nil {
			trouble = append(trouble, "audit anchors: "+err.Error())
		}
	}
	a.mu.Lock()
	a.trouble = trouble
	a.mu.Unlock()
}

// told is what is wrong with the anchors, in words.
func (a *anchors) told() []backout.Degradation {
	if a == nil { // nothing is anchored
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []backout.Degradation{}
	for _, t := range a.trouble {
		out = append(out, backout.Degraded(backout.DegradedAnchors, "", time.Time{}, t))
	}
	return out
}

// copyTo appends to a file what it lacks. A file that says something else than the
// database is left as it is: it may be the only witness.
func (a *anchors) copyTo(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("copy anchors: %w", err)
	}
	defer func() { _ = f.Close() }() // what was written is synced before
	last, end, err := lastAnchor(f)
	if err != nil {
		return fmt.Errorf("copy anchors to %s: %w", path, err)
	}
	lines, err := a.since(ctx, last, path)
	if err != nil || len(lines) == 0 {
		return err
	}
	// A line that was cut off when a process died is written again.
	if err = f.Truncate(end); err == nil {
		_, err = f.WriteAt(append(bytes.Join(lines, []byte("\n")), '\n'), end)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("copy anchors to %s: %w", path, err)
	}
	return nil
}

// since gives the anchors after the last one that a copy has, as long as the copy
// and the database agree on that one.
func (a *anchors) since(ctx context.Context, last backout.Anchor, where string) ([][]byte, error) {
	lines, err := a.store.AnchorLines(ctx, max(1, last.Seq))
	if err != nil || last.Seq == 0 {
		return lines, err
	}
	var same backout.Anchor
	if len(lines) == 0 || json.Unmarshal(lines[0], &same) != nil || same.Hash != last.Hash {
		return nil, fmt.Errorf("%s has another anchor %d than the database: nothing is written there; `backout audit verify` says what was changed", where, last.Seq)
	}
	return lines[1:], nil
}

// lastAnchor reads the newest whole line of a copy, and where it ends.
func lastAnchor(f *os.File) (a backout.Anchor, end int64, err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return a, 0, err
	}
	for tail := int64(64 << 10); ; tail *= 4 {
		from := max(0, size-tail)
		b := make([]byte, size-from)
		if _, err := f.ReadAt(b, from); err != nil {
			return a, 0, err
		}
		nl := bytes.LastIndexByte(b, '\n')
		begin := bytes.LastIndexByte(b[:max(0, nl)], '\n')
		switch {
		case nl < 0 && from == 0:
			return a, 0, nil // not one whole line
		case (nl < 0 || begin < 0) && from > 0:
			continue
		}
		if err := json.Unmarshal(b[begin+1:nl], &a); err != nil {
			return a, 0, fmt.Errorf("its last line is no anchor: %w", err)
		}
		return a, from + int64(nl) + 1, nil
	}
}

// anchorsSent is the document that remembers what the URL has acknowledged.
const anchorsSent = "anchors sent"

// send posts what the receiver has not acknowledged yet, in order.
func (a *anchors) send(ctx context.Context, now time.Time) error {
	var last backout.Anchor
	d, err := a.store.Document(ctx, anchorsSent)
	if err == nil {
		err = json.Unmarshal(d.Body, &last)
	}
	if err != nil && backout.CodeOf(err) != backout.CodeNotFound {
		return err
	}
	lines, err := a.since(ctx, last, a.url)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if err := post(ctx, a.url, l); err != nil {
			return fmt.Errorf("send anchor to %s: %w", a.url, err)
		}
		if err := a.store.SaveDocument(ctx, store.Document{Name: anchorsSent, Format: store.Format, At: now, Body: l}); err != nil {
			return err
		}
	}
	return nil
}

// post sends one anchor; only 2xx acknowledges it.
func post(ctx context.Context, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode >= 300 {
		return errors.New(res.Status)
	}
	return nil
}

// ReadAnchors reads a copy of anchors from a file.
func ReadAnchors(path string) (attest.Copy, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return attest.Copy{}, fmt.Errorf("read copy of anchors: %w", err)
	}
	return attest.Copy{Name: path, Anchors: attest.Lines(b)}, nil
}
