package app

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute/admission"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
)

// How often clusters are told what is held: soon after it changed, and now and then
// anyhow, in case somebody removed it there.
const (
	holdsEach  = 2 * time.Second
	holdsAgain = time.Minute
	holdsLimit = 20 * time.Second
)

// keeping is a cluster that keeps what is held.
type keeping struct {
	name string
	*admission.Keeper
	kept []admission.Held // what it was told last
	at   time.Time        // when; zero when that failed
}

func keepers(all []catalog.Cluster, reach map[string]*remote.Cluster) []*keeping {
	var out []*keeping
	for _, c := range all {
		if c.Holds {
			out = append(out, &keeping{name: c.Name, Keeper: &admission.Keeper{Cluster: reach[c.Name], Groups: c.BreakGlass}})
		}
	}
	return out
}

// keepHolds has clusters keep what is held. One replica does it for all.
func (a *App) keepHolds(ctx context.Context) error {
	all := keepers(a.catalog.Clusters, a.reach)
	if len(all) == 0 {
		return nil
	}
	return every(ctx, holdsEach, func() {
		if !a.has(dutyWalk) {
			return
		}
		held, err := a.held(ctx)
		if err != nil {
			return // the database is away, which is told already
		}
		for _, k := range all {
			a.keepIn(ctx, k, held)
		}
	})
}

func (a *App) keepIn(ctx context.Context, k *keeping, held []admission.Held) {
	if slices.Equal(k.kept, held) && time.Since(k.at) < holdsAgain {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, holdsLimit)
	defer cancel()
	about := "holds in cluster " + k.name
	if err := k.Keep(ctx, held); err != nil {
		k.at = time.Time{}
		a.vitals.note(about, backout.Degraded(backout.DegradedHolds, about, time.Now().UTC(), err.Error()))
		return
	}
	k.kept, k.at = held, time.Now()
	a.vitals.unnote(about)
}

// held are the holds in force on what clusters know, with where it is.
func (a *App) held(ctx context.Context) ([]admission.Held, error) {
	holds, err := a.store.Holds(ctx, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	at := map[backout.ComponentID]string{}
	_, found := a.found()
	for _, c := range slices.Concat(a.catalog.Graph.Components, found) {
		if c.Locator != "" {
			at[c.ID] = c.Locator
		}
	}
	var out []admission.Held
	for _, h := range holds {
		if where := at[h.Component]; where != "" {
			out = append(out, admission.Held{Hold: h, Locator: where})
		}
	}
	return out, nil
}
