// Package deployment answers pipelines that are about to deploy: do the holds and the
// deploy locks let this pass?
//
//	POST /v1/deployments/check    {"component","to","digest","owner","lock":"30m"} -> 200 {"allowed","reasons","release","holds","lock"}
//	POST /v1/deployments/renew    {"component","token","for":"30m"}   -> 200 the lock, 409 it was taken over, 404 it is gone
//	POST /v1/deployments/release  {"component","token"}               -> 200 {}
//	POST /v1/deployments/flagger  Flagger's confirm-rollout webhook   -> 200 go on, 403 halt
//
// A check that asks for a lock gets it together with the yes: from then on no other
// pipeline gets one, until it runs out, is released, or the deployment is reported as
// done. When backout has to take something back there it takes the lock over, and the
// next renewal says so. Flagger names the component, and the version and digest where
// it knows them, in the webhook's metadata.
//
// Everything else that is answered stands at [ingest.Door].
package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

// Deployments knows what is held and locked.
type Deployments interface {
	// Check answers, and takes the lock that is asked for when the answer is yes.
	Check(ctx context.Context, d backout.Deployment) (backout.DeployAnswer, error)
	// Renew keeps a lock for so long from now on. Code conflict: somebody else has it.
	Renew(ctx context.Context, id backout.ComponentID, token string, span time.Duration) (backout.DeployLock, error)
	// Release ends a lock; one that is lost or gone is no error.
	Release(ctx context.Context, id backout.ComponentID, token string) error
}

// Where the handlers expect to be mounted.
const (
	CheckPath   = "/v1/deployments/check"
	RenewPath   = "/v1/deployments/renew"
	ReleasePath = "/v1/deployments/release"
	FlaggerPath = "/v1/deployments/flagger"
)

// longestLock is how long a lock may be asked for at once.
const longestLock = 24 * time.Hour

// Renewal is the body of a renewal and of a release.
type Renewal struct {
	Component backout.ComponentID `json:"component"`
	Token     string              `json:"token"`
	For       backout.Duration    `json:"for,omitempty"`
}

// New makes the handlers by their paths. It fails with code invalid when a part is
// missing.
func New(all Deployments, door *ingest.Door) (map[string]http.Handler, error) {
	if all == nil || door == nil {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: "make deployment webhook: expected deployments and a door"}
	}
	out := map[string]http.Handler{}
	for path, receive := range map[string]ingest.Receive{
		CheckPath: check(all), RenewPath: renew(all), ReleasePath: release(all), FlaggerPath: flagger(all),
	} {
		out[path] = door.Handler([]string{"application/json"}, receive)
	}
	return out, nil
}

func check(all Deployments) ingest.Receive {
	return func(ctx context.Context, d ingest.Delivery) (any, error) {
		var q backout.Deployment
		if err := read(d.Body, &q); err != nil {
			return nil, err
		}
		if wrong := mistakes(q); len(wrong) > 0 {
			return nil, wrong
		}
		a, err := all.Check(ctx, q)
		return reply(http.StatusOK, a, err)
	}
}

func renew(all Deployments) ingest.Receive {
	return func(ctx context.Context, d ingest.Delivery) (any, error) {
		var q Renewal
		if err := read(d.Body, &q); err != nil {
			return nil, err
		}
		wrong := proof(q)
		if q.For <= 0 || q.For.Std() > longestLock {
			wrong = append(wrong, ingest.FieldError{Field: "for", Message: fmt.Sprintf("%s: expected more than 0 and at most %s", q.For.Std(), longestLock)})
		}
		if len(wrong) > 0 {
			return nil, wrong
		}
		l, err := all.Renew(ctx, q.Component, q.Token, q.For.Std())
		return reply(http.StatusOK, l, err)
	}
}

func release(all Deployments) ingest.Receive {
	return func(ctx context.Context, d ingest.Delivery) (any, error) {
		var q Renewal
		if err := read(d.Body, &q); err != nil {
			return nil, err
		}
		if wrong := proof(q); len(wrong) > 0 {
			return nil, wrong
		}
		return reply(http.StatusOK, struct{}{}, all.Release(ctx, q.Component, q.Token))
	}
}

// rollout is what Flagger sends to a confirm-rollout webhook.
type rollout struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Phase     string            `json:"phase"`
	Checksum  string            `json:"checksum"` // of the canary's spec, which is no artifact's digest
	Metadata  map[string]string `json:"metadata"`
}

func flagger(all Deployments) ingest.Receive {
	return func(ctx context.Context, d ingest.Delivery) (any, error) {
		var r rollout
		if err := json.Unmarshal(d.Body, &r); err != nil { // not read: later Flaggers may say more
			return nil, ingest.Mistakes{{Message: "not a Flagger webhook: " + err.Error()}}
		}
		q := backout.Deployment{Component: backout.ComponentID(r.Metadata["component"]), To: backout.Version(r.Metadata["version"]), Digest: r.Metadata["digest"], Owner: "flagger " + r.Namespace + "/" + r.Name}
		if q.To == "" {
			q.To = backout.Version("checksum-" + r.Checksum)
		}
		if wrong := mistakes(q); len(wrong) > 0 {
			for i := range wrong {
				wrong[i].Field = "metadata." + wrong[i].Field
			}
			return nil, wrong
		}
		a, err := all.Check(ctx, q)
		if err == nil && !a.Allowed {
			return ingest.Reply{Status: http.StatusForbidden, Body: a}, nil
		}
		return reply(http.StatusOK, a, err)
	}
}

// reply answers a question; who asked something that can't be, or lost a lock, is told so.
func reply(status int, body any, err error) (any, error) {
	var ours *backout.Error
	if !errors.As(err, &ours) {
		return ingest.Reply{Status: status, Body: body}, err
	}
	switch ours.Code {
	case backout.CodeConflict:
		status = http.StatusConflict
	case backout.CodeNotFound:
		status = http.StatusNotFound
	default:
		return nil, err
	}
	return ingest.Reply{Status: status, Body: map[string]string{"code": string(ours.Code), "message": ours.Error()}}, nil
}

// read takes one JSON object; what it does not know is a mistake, since a misspelt
// digest would otherwise be none.
func read(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return ingest.Mistakes{{Message: "expected one JSON object: " + err.Error()}}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return ingest.Mistakes{{Message: "expected one JSON object and nothing behind it"}}
	}
	return nil
}

func mistakes(q backout.Deployment) ingest.Mistakes {
	var out ingest.Mistakes
	say := func(field, format string, args ...any) {
		out = append(out, ingest.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	if _, _, _, _, err := q.Component.Split(); err != nil {
		say("component", "%v", err)
	}
	if strings.TrimSpace(string(q.To)) == "" {
		say("to", "missing: expected the version to be deployed")
	}
	if q.Lock < 0 || q.Lock.Std() > longestLock {
		say("lock", "%s: expected at most %s, or none", q.Lock.Std(), longestLock)
	}
	if q.Lock > 0 && strings.TrimSpace(q.Owner) == "" {
		say("owner", "missing: expected who deploys, since a lock was asked for")
	}
	for field, text := range map[string]string{"to": string(q.To), "digest": q.Digest, "owner": q.Owner} {
		if len(text) > 1024 {
			say(field, "%d bytes long: expected at most 1024", len(text))
		}
	}
	return out
}

func proof(q Renewal) ingest.Mistakes {
	var out ingest.Mistakes
	if _, _, _, _, err := q.Component.Split(); err != nil {
		out = append(out, ingest.FieldError{Field: "component", Message: err.Error()})
	}
	if q.Token == "" {
		out = append(out, ingest.FieldError{Field: "token", Message: "missing: expected the token that came with the lock"})
	}
	return out
}
