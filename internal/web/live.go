package web

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backout-dev/backout"
)

// Live is everything that a live view shows, as of one moment.
type Live struct {
	At       time.Time         `json:"at"`
	Status   Status            `json:"status"`
	Incident *backout.Incident `json:"incident,omitempty"` // nil = there is none
	Run      *backout.Run      `json:"run,omitempty"`      // of its newest attempt that was started
	Holds    []backout.Hold    `json:"holds"`              // those that this incident made
}

// liveAPI describes the one answer that live views need.
func (s *Server) liveAPI(api huma.API) {
	huma.Get(api, "/api/v1/live", func(ctx context.Context, in *struct {
		ID backout.IncidentID `query:"incident" doc:"left out = the newest open one, or else the newest"`
	}) (*struct{ Body Live }, error) {
		l, err := s.live(ctx, in.ID)
		return &struct{ Body Live }{l}, apiError(err)
	})
}

func (s *Server) live(ctx context.Context, id backout.IncidentID) (Live, error) {
	l := Live{At: time.Now().UTC(), Status: s.cfg.World.Status(ctx), Holds: []backout.Hold{}}
	if id == "" {
		all, err := s.cfg.Incidents.Incidents(ctx, 50)
		if err != nil || len(all) == 0 {
			return l, err
		}
		i := max(0, slices.IndexFunc(all, func(inc backout.Incident) bool { return !inc.State.Terminal() }))
		id = all[i].ID
	}
	inc, err := s.cfg.Incidents.Incident(ctx, id)
	if err != nil {
		return l, err
	}
	l.Incident = &inc
	if n := len(inc.Attempts); n > 0 {
		run, err := s.cfg.Incidents.Run(ctx, inc.Attempts[n-1].ID)
		if err != nil && backout.CodeOf(err) != backout.CodeNotFound {
			return l, err
		}
		if err == nil {
			l.Run = &run
		}
	}
	if s.cfg.Records != nil {
		l.Holds, err = heldBy(ctx, s.cfg.Records, l.At, id)
	}
	return l, err
}

// heldBy lists the holds that an incident made and that are in force.
func heldBy(ctx context.Context, r Records, now time.Time, id backout.IncidentID) ([]backout.Hold, error) {
	all, err := r.Holds(ctx, now)
	return slices.DeleteFunc(all, func(h backout.Hold) bool { return h.Incident != id }), err
}

// Live asks for what a live view shows; id "" is the newest open incident, or else
// the newest.
func (c *Client) Live(ctx context.Context, id backout.IncidentID) (Live, error) {
	var out Live
	return out, c.call(ctx, http.MethodGet, "/api/v1/live?incident="+url.QueryEscape(string(id)), nil, &out)
}

// silence is how long a stream may say nothing; the server says something each step.
const silence = 45 * time.Second

// Follow calls changed each time something about an incident has changed (any, when
// id is ""). It returns when the stream ends, has been silent for too long, or ctx ends.
func (c *Client) Follow(ctx context.Context, id backout.IncidentID, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	res, err := c.send(ctx, http.MethodGet, "/events?incident="+url.QueryEscape(string(id)), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		quiet.Reset(silence)
		if strings.HasPrefix(lines.Text(), "event: changed") {
			changed()
		}
	}
	return &backout.Error{Code: backout.CodeUnavailable, Message: "the stream of events from " + c.URL + " ended", Err: lines.Err()}
}
