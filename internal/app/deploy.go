package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
)

// deployments meets the port of those who ask before they deploy.
type deployments struct {
	store *store.Store
	graph func() backout.Graph
}

// Check takes the lock first, where one is asked for, and looks at the holds then: an
// attempt that begins meanwhile puts its holds in place before it takes the lock over,
// so neither overlooks the other.
func (s deployments) Check(ctx context.Context, d backout.Deployment) (backout.DeployAnswer, error) {
	now := time.Now().UTC()
	if _, known := s.graph().Component(d.Component); !known {
		return backout.DeployAnswer{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("component: the catalog knows no %s", d.Component)}
	}
	mine, err := s.take(ctx, d, now)
	if err != nil {
		return backout.DeployAnswer{}, err
	}
	holds, err := s.store.Holds(ctx, now)
	if err != nil {
		return backout.DeployAnswer{}, err
	}
	locks, err := s.store.Locks(ctx, now)
	if err != nil {
		return backout.DeployAnswer{}, err
	}
	a := permit.Deploy(d, holds, locks, now)
	switch {
	case mine == nil:
	case a.Allowed:
		a.Lock = mine
	default:
		err = s.store.EndLock(ctx, d.Component, mine.Token)
	}
	return a, err
}

// take takes a lock; nil when none is asked for or somebody else has it.
func (s deployments) take(ctx context.Context, d backout.Deployment, now time.Time) (*backout.DeployLock, error) {
	if d.Lock <= 0 {
		return nil, nil
	}
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	l := backout.DeployLock{Component: d.Component, Owner: d.Owner, Token: hex.EncodeToString(raw), To: d.To, At: now, Until: now.Add(d.Lock.Std())}
	if _, taken, err := s.store.TakeLock(ctx, l); err != nil || !taken {
		return nil, err
	}
	return &l, nil
}

func (s deployments) Renew(ctx context.Context, id backout.ComponentID, token string, span time.Duration) (backout.DeployLock, error) {
	return s.store.RenewLock(ctx, id, token, time.Now().UTC().Add(span))
}

func (s deployments) Release(ctx context.Context, id backout.ComponentID, token string) error {
	return s.store.EndLock(ctx, id, token)
}

// done ends the locks of deployments that were reported as done.
func done(ctx context.Context, s *store.Store, obs []backout.Observation) error {
	for _, o := range obs {
		if o.Attempt == "" && o.Share >= 1 {
			if err := s.Deployed(ctx, o.Component, o.To, o.At); err != nil {
				return err
			}
		}
	}
	return nil
}

// Hold places a person's hold.
func (a *App) Hold(ctx context.Context, h backout.Hold) (backout.Hold, error) {
	if _, known := a.facts.graph().Component(h.Component); !known {
		return h, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("hold: component: the catalog knows no %s", h.Component)}
	}
	h.At = time.Now().UTC()
	switch {
	case strings.HasPrefix(h.Owner, "backout "):
		return h, &backout.Error{Code: backout.CodeInvalid, Message: "hold: by: backout's own holds are its own: expected a person's name"}
	case respond.Reasoned(h.Reason) != nil:
		return h, respond.Reasoned(h.Reason)
	case !h.Until.After(h.At):
		return h, &backout.Error{Code: backout.CodeInvalid, Message: "hold: until: expected a time ahead: a hold vanishes by itself"}
	}
	h.Rule, h.Release = h.Releases(), "a person"
	return h, a.store.Place(ctx, h, h.Owner)
}

// Release ends the holds of a component, those of one owner or all.
func (a *App) Release(ctx context.Context, id backout.ComponentID, owner string, by backout.Principal, reason string) ([]backout.Hold, error) {
	if err := respond.Reasoned(reason); err != nil {
		return nil, err
	}
	ended, err := a.store.Lift(ctx, id, owner, by.Name, reason, time.Now().UTC())
	if err == nil && len(ended) == 0 {
		return nil, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("nothing holds %s", id)}
	}
	return ended, err
}
