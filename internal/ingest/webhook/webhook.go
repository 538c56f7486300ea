// Package webhook receives observations over HTTP, from CI systems and scripts:
//
//	POST /v1/observations
//	Authorization: Bearer TOKEN
//	Content-Type: application/json
//
// The body is one observation or an array of up to 1000. Either all of them are
// recorded or none. The answer to what was recorded is 202
// {"accepted":2,"clamped":0}; clamped ones had a time ahead of ours. Everything
// else that is answered stands at [ingest.Door].
//
// Sending again is always safe: an observation that is known changes nothing.
// Whoever holds a token is believed, also about attempt, which marks an effect of
// our own.
package webhook

import (
	"context"
	"net/http"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

// Config says where reports go; both are required.
type Config struct {
	Recorder ingest.Recorder
	Door     *ingest.Door
}

// Path is where the handler expects to be mounted.
const Path = "/v1/observations"

type accepted struct {
	Accepted int `json:"accepted"`
	Clamped  int `json:"clamped"`
}

// New makes a handler. It fails with code invalid when a part is missing.
func New(c Config) (http.Handler, error) {
	if c.Recorder == nil || c.Door == nil {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: "make webhook: expected a recorder and a door"}
	}
	return c.Door.Handler([]string{"application/json"}, func(ctx context.Context, d ingest.Delivery) (any, error) {
		report, problems := ingest.Read(d.Body, d.At)
		if len(problems) > 0 {
			return nil, ingest.Mistakes(problems)
		}
		if err := c.Recorder.Record(ctx, report.Observations); err != nil {
			return nil, err
		}
		return accepted{len(report.Observations), report.Clamped}, nil
	}), nil
}
