// Package signature checks signed webhooks, for senders that can't keep a bearer
// token but share a secret with us. Two forms are known, each with its own kind of
// secret, so that none can be used as the other:
//
//   - Standard Webhooks (standardwebhooks.com): the headers webhook-id,
//     webhook-timestamp and webhook-signature; a secret begins with whsec_. The
//     signature covers id and time, so a message is valid for five minutes around
//     its time and has a name by which a replay is known.
//   - GitHub: the header X-Hub-Signature-256; a secret is any other text. The
//     signature covers the body alone: a replay can't be told from a repetition,
//     and has no effect because native ids don't change.
//
// Several secrets may be valid at a time while one replaces the other. Comparisons
// take the same time whatever they find.
//
// A replayed message is answered like the first and has no effect: senders repeat
// a message with the same webhook-id when our answer was lost, and must not be
// told that it failed.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// The headers of the two forms.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
	headerGitHub    = "X-Hub-Signature-256"
)

// prefix marks a secret of Standard Webhooks.
const prefix = "whsec_"

// Bounds of what is looked at.
const (
	tolerance     = 5 * time.Minute
	maxSignatures = 16  // in one header: a sender that rotates sends two
	maxID         = 256 // bytes
	minKey        = 16  // bytes of a secret
)

// Verifier meets ingest.Verifier.
type Verifier struct {
	standard, github [][]byte
}

// New makes a verifier from secrets. A secret that is too short or not what its
// prefix promises is invalid; the error counts secrets and never tells one.
func New(secrets []string) (*Verifier, error) {
	v := &Verifier{}
	for i, s := range secrets {
		coded, standard := strings.CutPrefix(s, prefix)
		key := []byte(s)
		if standard {
			var err error
			if key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(coded, "=")); err != nil {
				return nil, invalid("read webhook secret %d: expected base64 after %s", i+1, prefix)
			}
		}
		if len(key) < minKey {
			return nil, invalid("read webhook secret %d: %d bytes: expected at least %d", i+1, len(key), minKey)
		}
		if standard {
			v.standard = append(v.standard, key)
		} else {
			v.github = append(v.github, key)
		}
	}
	if len(secrets) == 0 {
		return nil, invalid("read webhook secrets: expected at least one, each on a line")
	}
	return v, nil
}

// Signed reports whether the headers claim a signature for which there is a secret.
func (v *Verifier) Signed(h http.Header) bool {
	return len(v.standard) > 0 && h.Get(headerSignature) != "" || len(v.github) > 0 && h.Get(headerGitHub) != ""
}

// Verify checks a message. An error of code forbidden says what is wrong and not
// what would be right. delivery is the id of a Standard Webhooks message.
func (v *Verifier) Verify(h http.Header, body []byte, now time.Time) (delivery string, err error) {
	if len(v.standard) > 0 && h.Get(headerSignature) != "" {
		return v.verifyStandard(h, body, now)
	}
	given, _ := strings.CutPrefix(h.Get(headerGitHub), "sha256=")
	want, err := hex.DecodeString(given)
	if err != nil || !matches(v.github, want, body) {
		return "", forbidden("%s does not match: expected sha256= and the HMAC of the body with a secret of ours", headerGitHub)
	}
	return "", nil
}

func (v *Verifier) verifyStandard(h http.Header, body []byte, now time.Time) (string, error) {
	id, stamp := h.Get(headerID), h.Get(headerTimestamp)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case id == "" || len(id) > maxID:
		return "", forbidden("%s: expected 1 to %d bytes", headerID, maxID)
	case err != nil:
		return "", forbidden("%s: expected seconds since 1970", headerTimestamp)
	case now.Sub(time.Unix(seconds, 0)).Abs() > tolerance:
		return "", forbidden("%s is more than %s from our clock (%s)", headerTimestamp, tolerance, now.UTC().Format(time.RFC3339))
	}
	given := strings.Fields(h.Get(headerSignature))
	ok := false
	for _, g := range given[:min(len(given), maxSignatures)] {
		coded, v1 := strings.CutPrefix(g, "v1,")
		want, err := base64.StdEncoding.Strict().DecodeString(coded) // one text for each signature
		if v1 && err == nil && matches(v.standard, want, []byte(id+"."+stamp+"."), body) {
			ok = true
		}
	}
	if !ok {
		return "", forbidden("%s does not match: expected v1, and the HMAC of id.timestamp.body with a secret of ours", headerSignature)
	}
	return id, nil
}

// matches reports whether a signature is that of one of the keys; it tries them all.
func matches(keys [][]byte, signature []byte, parts ...[]byte) bool {
	ok := false
	for _, k := range keys {
		mac := hmac.New(sha256.New, k)
		for _, p := range parts {
			mac.Write(p) // never fails
		}
		if hmac.Equal(mac.Sum(nil), signature) {
			ok = true
		}
	}
	return ok
}

func invalid(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf(format, args...)}
}
