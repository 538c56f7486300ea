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
	return r.rank(now, r.taught(ctx, now, w, inc), inc), nil
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
	att := r.rank(now, r.taught(ctx, now, w, inc), inc)
	fc := r.cascade(now, w, att, inc)
	inc.Attribution, inc.Forecast, inc.Onset, inc.Plan = &att, &fc, att.Onset, nil
	r.liken(ctx, now, w, &inc)
	p, err := r.plan(ctx, now, w, inc)
	if err != nil {
		return inc, fmt.Errorf("prepare %s: %w", inc.ID, err)
	}
	p.Ruling = r.whole(ctx, w, *p, &inc)
	inc.Plan = p
	return inc, nil
}
