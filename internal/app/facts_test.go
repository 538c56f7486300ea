package app

import (
	"context"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// askedFor remembers from when on observations were askedFor for.
type askedFor struct{ since time.Time }

func (a *askedFor) Observations(_ context.Context, since time.Time) ([]backout.Observation, error) {
	a.since = since
	return nil, nil
}
func (*askedFor) Priors(context.Context) (backout.Priors, error)           { return backout.Priors{}, nil }
func (*askedFor) Holds(context.Context, time.Time) ([]backout.Hold, error) { return nil, nil }
func (*askedFor) Attached(context.Context) ([]backout.Attached, error)     { return nil, nil }
func (*askedFor) AttachedState(context.Context) (string, error)            { return "", nil }

func TestWorld_reachesBackBeforeWhatIsOpen(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	opened := now.Add(-5 * time.Hour)
	for name, c := range map[string]struct {
		troubles []backout.Period
		want     time.Time
	}{
		"nothing is open":            {nil, now.Add(-90 * time.Minute)},
		"something was open":         {[]backout.Period{{From: opened, To: opened.Add(time.Hour)}}, now.Add(-90 * time.Minute)},
		"open for five hours by now": {[]backout.Period{{From: now.Add(-time.Minute)}, {From: opened}}, opened.Add(-90 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			a := &askedFor{}
			f := &facts{store: a, minute: time.Minute, step: 15 * time.Second, troubles: func(context.Context, time.Time) ([]backout.Period, error) { return c.troubles, nil }}
			if _, err := f.World(t.Context(), now, false); err != nil {
				t.Fatal(err)
			}
			if !a.since.Equal(c.want) {
				t.Errorf("changes since %s are known, want since %s", a.since, c.want)
			}
		})
	}
}
