package respond

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Attribute says who did it, as of a moment. Nothing is saved.
func (r *Responder) Attribute(ctx context.Context, now time.Time, inc backout.Incident) (backout.Attribution, error) {
	w, err := r.cfg.Facts.World(ctx, now, true)
	if err != nil {
		return backout.Attribution{}, fmt.Errorf("attribute %s: %w", inc.ID, err)
	}
	return r.rank(now, w, inc), nil
}

// Prepare gives an incident as it would be if it had to be decided at a moment:
// attribution, forecast, the checked plan and the policy's ruling. Nothing is
// saved, told or acted on. When no plan can be made the rest is given with the
// error.
func (r *Responder) Prepare(ctx context.Context, now time.Time, inc backout.Incident) (backout.Incident, error) {
	w, err := r.cfg.Facts.World(ctx, now, true)
	if err != nil {
		return inc, fmt.Errorf("prepare %s: %w", inc.ID, err)
	}
	att := r.rank(now, w, inc)
	fc := r.cascade(now, w, att, inc)
	inc.Attribution, inc.Forecast, inc.Onset, inc.Plan = &att, &fc, att.Onset, nil
	p, err := r.plan(ctx, now, w, inc)
	if err != nil {
		return inc, fmt.Errorf("prepare %s: %w", inc.ID, err)
	}
	p.Ruling = r.cfg.Permit.Whole(w, *p, att, inc)
	inc.Plan = p
	return inc, nil
}
