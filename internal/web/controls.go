package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
)

// Controls stops everything, and holds components against being deployed to.
type Controls interface {
	Turn(ctx context.Context, to backout.Stop) (backout.Stop, error)
	// Hold places a person's hold and gives it back as it was placed.
	Hold(ctx context.Context, h backout.Hold) (backout.Hold, error)
	// Release ends the holds of a component, those of one owner or with owner "" all.
	Release(ctx context.Context, id backout.ComponentID, owner string, by backout.Principal, reason string) ([]backout.Hold, error)
}

type turnInput struct {
	Body struct {
		Reason string `json:"reason" doc:"kept in the audit log; at least 3 characters"`
		By     string `json:"by,omitempty" doc:"who says so"`
	}
}

type holdInput struct {
	Body struct {
		Component string    `json:"component" doc:"kind:name@environment/location"`
		Reason    string    `json:"reason" doc:"kept in the audit log; at least 3 characters"`
		Until     time.Time `json:"until" doc:"the hold vanishes then"`
		By        string    `json:"by,omitempty" doc:"who holds it"`
	}
}

type releaseInput struct {
	Body struct {
		Component string `json:"component" doc:"kind:name@environment/location"`
		Owner     string `json:"owner,omitempty" doc:"whose hold; empty = all of them"`
		Reason    string `json:"reason" doc:"kept in the audit log; at least 3 characters"`
		By        string `json:"by,omitempty" doc:"who releases it"`
	}
}

type holdList struct {
	Body struct {
		Holds []backout.Hold `json:"holds"`
	}
}

// controlsAPI describes the kill switch and the holds.
func (s *Server) controlsAPI(api huma.API) {
	huma.Get(api, "/api/v1/holds", func(ctx context.Context, _ *struct{}) (*holdList, error) {
		out := &holdList{}
		out.Body.Holds = s.cfg.World.Status(ctx).Holds
		return out, nil
	})
	if s.cfg.Controls == nil {
		return
	}
	for path, on := range map[string]bool{"/api/v1/stop": true, "/api/v1/go": false} {
		huma.Post(api, path, func(ctx context.Context, in *turnInput) (*struct{ Body backout.Stop }, error) {
			to, err := s.cfg.Controls.Turn(ctx, backout.Stop{On: on, By: cmp.Or(in.Body.By, "api"), Reason: in.Body.Reason})
			return &struct{ Body backout.Stop }{to}, apiError(err)
		})
	}
	huma.Put(api, "/api/v1/holds", func(ctx context.Context, in *holdInput) (*struct{ Body backout.Hold }, error) {
		h := backout.Hold{Component: backout.ComponentID(in.Body.Component), Owner: cmp.Or(in.Body.By, "api"), Reason: in.Body.Reason, Until: in.Body.Until}
		h, err := s.cfg.Controls.Hold(ctx, h)
		return &struct{ Body backout.Hold }{h}, apiError(err)
	})
	huma.Post(api, "/api/v1/holds/release", func(ctx context.Context, in *releaseInput) (*holdList, error) {
		by := backout.Principal{Name: cmp.Or(in.Body.By, "api"), Role: backout.RoleApprover}
		ended, err := s.cfg.Controls.Release(ctx, backout.ComponentID(in.Body.Component), in.Body.Owner, by, in.Body.Reason)
		out := &holdList{}
		out.Body.Holds = ended
		return out, apiError(err)
	})
}

// controlForm takes the same from a page.
func (s *Server) controlForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	var err error
	switch verb := r.PathValue("verb"); {
	case s.cfg.Controls == nil || verb != "stop" && verb != "go" && verb != "release":
		err = &backout.Error{Code: backout.CodeNotFound, Message: "there is no control " + verb}
	case verb == "release":
		_, err = s.cfg.Controls.Release(r.Context(), backout.ComponentID(r.FormValue("component")), r.FormValue("owner"), backout.Principal{Name: "page", Role: backout.RoleApprover}, r.FormValue("reason"))
	default:
		_, err = s.cfg.Controls.Turn(r.Context(), backout.Stop{On: verb == "stop", By: "page", Reason: r.FormValue("reason")})
	}
	if err != nil {
		s.problem(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// Turn turns the kill switch.
func (c *Client) Turn(ctx context.Context, on bool, by, reason string) (backout.Stop, error) {
	var out backout.Stop
	path := "/api/v1/go"
	if on {
		path = "/api/v1/stop"
	}
	return out, c.call(ctx, http.MethodPost, path, map[string]string{"by": by, "reason": reason}, &out)
}

// Holds lists the holds in force.
func (c *Client) Holds(ctx context.Context) ([]backout.Hold, error) {
	var out struct {
		Holds []backout.Hold `json:"holds"`
	}
	return out.Holds, c.call(ctx, http.MethodGet, "/api/v1/holds", nil, &out)
}

// Hold places a hold.
func (c *Client) Hold(ctx context.Context, h backout.Hold) (backout.Hold, error) {
	var out backout.Hold
	return out, c.call(ctx, http.MethodPut, "/api/v1/holds", map[string]any{"component": h.Component, "reason": h.Reason, "until": h.Until, "by": h.Owner}, &out)
}

// Release ends the holds of a component, those of one owner or with owner "" all, and
// gives them back.
func (c *Client) Release(ctx context.Context, id backout.ComponentID, owner, by, reason string) ([]backout.Hold, error) {
	var out struct {
		Holds []backout.Hold `json:"holds"`
	}
	body := map[string]string{"component": string(id), "owner": owner, "by": by, "reason": reason}
	return out.Holds, c.call(ctx, http.MethodPost, "/api/v1/holds/release", body, &out)
}

// Deploy asks whether a deployment may go ahead, and takes a lock with a yes where one
// is asked for.
func (c *Client) Deploy(ctx context.Context, d backout.Deployment) (backout.DeployAnswer, error) {
	var out backout.DeployAnswer
	return out, c.call(ctx, http.MethodPost, "/v1/deployments/check", d, &out)
}

// RenewLock keeps a deploy lock for so long from now on. Code conflict: it was lost.
func (c *Client) RenewLock(ctx context.Context, id backout.ComponentID, token string, span time.Duration) (backout.DeployLock, error) {
	var out backout.DeployLock
	return out, c.call(ctx, http.MethodPost, "/v1/deployments/renew", map[string]any{"component": id, "token": token, "for": backout.Duration(span)}, &out)
}

// ReleaseLock gives a deploy lock back.
func (c *Client) ReleaseLock(ctx context.Context, id backout.ComponentID, token string) error {
	return c.call(ctx, http.MethodPost, "/v1/deployments/release", map[string]any{"component": id, "token": token}, &struct{}{})
}

// Barriers say in words what keeps backout or pipelines from acting, for every surface.
func (s Status) Barriers() []string {
	var out []string
	if w := s.Breakers.Stop.Words(); w != "" {
		out = append(out, w)
	}
	for _, l := range s.Locks {
		if l.Attempt != "" {
			out = append(out, fmt.Sprintf("%s: no deploys while %s runs", l.Component, l.Attempt))
		} else {
			out = append(out, fmt.Sprintf("%s: %s deploys %s, lock until %s", l.Component, l.Owner, l.To, minuteOf(l.Until)))
		}
	}
	for _, h := range s.Holds {
		out = append(out, fmt.Sprintf("%s: %s holds it until %s: %s; released by %s", h.Component, h.Owner, minuteOf(h.Until), h.Reason, h.Release))
	}
	for _, c := range s.Breakers.Cooldowns {
		out = append(out, fmt.Sprintf("%s: moved by %s, left to people until %s", c.Component, c.Attempt, minuteOf(c.Until)))
	}
	if len(s.Breakers.Allowance) > 0 {
		left := []string{}
		for _, a := range s.Breakers.Allowance {
			left = append(left, fmt.Sprintf("%d of %d %s", a.Left(), a.Most, a.What))
		}
		out = append(out, "left without a person: "+strings.Join(left, ", "))
	}
	return out
}

func minuteOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
