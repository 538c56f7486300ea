// Package console tells people by writing lines to a stream, for those who run
// backout in a terminal or read its output from a service log.
package console

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/backout-dev/backout"
)

// Console is a notifier that writes one line a message.
type Console struct {
	mu  sync.Mutex
	out io.Writer // guarded by mu
}

// New writes to out.
func New(out io.Writer) *Console { return &Console{out: out} }

// Notify writes the message; a stream that refuses it has not acknowledged it.
func (c *Console) Notify(ctx context.Context, m backout.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write to console: %w", err)
	}
	if _, err := fmt.Fprintf(c.out, "%s [%s] %s\n", m.At.UTC().Format("15:04:05"), m.Audience, m.Text); err != nil {
		return fmt.Errorf("write to console: %w", err)
	}
	return nil
}
