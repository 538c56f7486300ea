package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/web"
)

// Announce passes on that a forward fix is on its way, or with nil that it is not.
func (a *App) Announce(ctx context.Context, id backout.IncidentID, by backout.Principal, fix *backout.Fix) (backout.Incident, error) {
	done, err := a.turn(ctx)
	if err != nil {
		return backout.Incident{}, err
	}
	defer done()
	return a.responder.Announce(ctx, time.Now().UTC(), id, by, fix)
}

// Decide passes a person's decision to the responder and looks at the incident
// at once, so that the answer shows what came of it.
func (a *App) Decide(ctx context.Context, d web.Decision) (backout.Incident, error) {
	done, err := a.turn(ctx)
	if err != nil {
		return backout.Incident{}, err
	}
	defer done()
	now := time.Now().UTC()
	switch d.Verb {
	case "approve":
		return a.responder.Approve(ctx, now, d.Incident, d.By, d.Digest, d.Reason)
	case "reject":
		return a.responder.Reject(ctx, now, d.Incident, d.By, d.Digest, d.Reason)
	case "pause":
		return a.responder.Pause(ctx, now, d.Incident, d.By)
	case "resume":
		return a.responder.Resume(ctx, now, d.Incident, d.By)
	case "abort":
		return a.responder.Abort(ctx, now, d.Incident, d.By)
	case "takeover":
		return a.responder.TakeOver(ctx, now, d.Incident, d.By, d.Reason)
	case "close":
		return a.responder.Close(ctx, now, d.Incident, respond.Closing{As: backout.State(strings.ReplaceAll(d.As, "-", "_")), By: d.By, Reason: d.Reason, Cause: d.Cause})
	}
	return backout.Incident{}, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("decision %q: expected approve, reject, pause, resume, abort, takeover or close", d.Verb)}
}
