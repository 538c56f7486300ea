package respond

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Stopped notes in an incident that everything is stopped, or goes on, and tells those
// who follow it. It decides nothing: runs read the kill switch themselves, before each
// effect. What has ended hears nothing.
func (r *Responder) Stopped(ctx context.Context, now time.Time, id backout.IncidentID, s backout.Stop) error {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return fmt.Errorf("note the kill switch in %s: %w", id, err)
	}
	if inc.State.Terminal() || (inc.Stop != nil) == s.On {
		return nil
	}
	what := fmt.Sprintf("%s let everything go on: %s", s.By, s.Reason)
	if inc.Stop = nil; s.On {
		inc.Stop, what = &s, s.Words()
	}
	messages := r.tell(now, &inc, nil)
	_, err = r.save(ctx, now, inc, what, messages)
	return err
}
