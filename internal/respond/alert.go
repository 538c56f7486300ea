package respond

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Alert takes what other monitors said. all are the alerts as they are now (see
// [backout.FoldAlerts]) and news those among them that changed. An alert that fires
// about something the graph knows opens an incident or joins one, like a finding;
// one that is over ends its finding and is told. Others decide nothing: they are
// shown by whoever keeps them. Alerts that name another environment are none of
// env's.
// Calling it again with the same news changes nothing.
func (r *Responder) Alert(ctx context.Context, now time.Time, env backout.Environment, news, all []backout.Alert, degraded []backout.Degradation) (backout.IncidentID, error) {
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return "", fmt.Errorf("take alerts: %w", err)
	}
	var fires, over []backout.Finding
	for _, id := range series(w.Graph, env, news) {
		f := findingOf(id, now, env, all)
		if f.EndedAt.IsZero() {
			fires = append(fires, f)
		} else {
			over = append(over, f)
		}
	}
	if err := r.end(ctx, now, env, over); err != nil {
		return "", fmt.Errorf("end alerts: %w", err)
	}
	return r.Observe(ctx, now, env, fires, degraded)
}

// series lists what alerts of an environment are about, as far as it is known.
func series(g backout.Graph, env backout.Environment, alerts []backout.Alert) []backout.SeriesID {
	var out []backout.SeriesID
	for _, a := range alerts {
		if id := a.Series(); ours(a, env) && g.Knows(a.Subject) && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func ours(a backout.Alert, env backout.Environment) bool {
	return a.Environment == "" || a.Environment == env
}

// findingOf says of a series of alerts that it goes on while any of them fires,
// since the first of those; else it ended with the last.
func findingOf(id backout.SeriesID, now time.Time, env backout.Environment, alerts []backout.Alert) backout.Finding {
	f := backout.Finding{ID: id, At: now, Mode: backout.ModeAlert, Opens: true}
	var ended time.Time
	fires := false
	for _, a := range alerts {
		if a.Series() != id || !ours(a, env) {
			continue
		}
		switch {
		case a.State == backout.AlertFiring:
			if !fires || a.StartsAt.Before(f.Onset) {
				f.Onset = a.StartsAt
			}
			fires = true
		case a.EndsAt.After(ended):
			ended = a.EndsAt
		}
	}
	if !fires {
		f.EndedAt = ended
	}
	return f
}

// end records in the newest incident that findings of alerts are over, and tells
// it. A finding that the incident does not have, or has as ended, is no news.
func (r *Responder) end(ctx context.Context, now time.Time, env backout.Environment, over []backout.Finding) error {
	if len(over) == 0 {
		return nil
	}
	inc, ok, err := r.cfg.Store.Latest(ctx, string(env))
	if err != nil || !ok {
		return err
	}
	inc.Findings = slices.Clone(inc.Findings)
	var ended []backout.Finding
	for i, f := range inc.Findings {
		j := slices.IndexFunc(over, func(o backout.Finding) bool { return o.ID == f.ID })
		if j >= 0 && f.Mode == backout.ModeAlert && f.EndedAt.IsZero() {
			inc.Findings[i].EndedAt = over[j].EndedAt
			ended = append(ended, inc.Findings[i])
		}
	}
	if len(ended) == 0 {
		return nil
	}
	what := "over: " + names(ended)
	_, err = r.save(ctx, now, inc, what, []backout.Message{{
		Incident: inc.ID, Audience: backout.AudienceOnCall, Key: fmt.Sprintf("alerts-over/%d", inc.Row), At: now, State: inc.State,
		Text: fmt.Sprintf("%s: %s", inc.ID, what),
	}})
	return err
}

// onlyAlerts reports whether nothing that we measure ourselves is among what is
// ill, so that the word of other monitors is all there is; quiet whether they say
// that all of it is over.
func onlyAlerts(inc backout.Incident) (only, quiet bool) {
	only, quiet = len(inc.Findings) > 0, true
	for _, f := range inc.Findings {
		only = only && f.Mode == backout.ModeAlert
		quiet = quiet && !f.EndedAt.IsZero()
	}
	return only, only && quiet
}

// alertLevel is how many standard deviations an alert that fires is worth as
// evidence: clear, for somebody chose its threshold, and no clearer than a series
// that has really left its baseline.
const alertLevel = 6.0

// witnessed adds the incident's alerts to what was measured, for attribution: an
// alert is a signal of its service that turned worse when it began to fire and
// turned back when it ended. Without this a fault that only an alert shows would
// look like no fault at all. Its location is left out where no series tells one.
func witnessed(measured []backout.Residuals, inc backout.Incident, from, to time.Time, step time.Duration) []backout.Residuals {
	located := slices.ContainsFunc(measured, func(r backout.Residuals) bool { return r.ID.Subject.Location != "" })
	out := slices.Clone(measured)
	for _, f := range inc.Findings {
		if f.Mode != backout.ModeAlert {
			continue
		}
		r := backout.Residuals{ID: f.ID, Kind: backout.SignalErrors, Mode: backout.ModeAlert, From: from.Add(step), Step: step}
		if !located {
			r.ID.Subject.Location = ""
		}
		for at := r.From; !at.After(to); at = at.Add(step) {
			level := 0.0
			if at.After(f.Onset) && (f.EndedAt.IsZero() || !at.After(f.EndedAt)) {
				level = alertLevel
			}
			r.Levels, r.Innovations = append(r.Levels, level), append(r.Innovations, level)
		}
		out = append(out, r)
	}
	return out
}
