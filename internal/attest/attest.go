// Package attest seals what must not be changed afterwards, and checks that
// nobody has.
//
// # The model in one page
//
// An incident's audit entries form a chain: each entry's hash covers the entry and
// the hash before ([Entry]). So no entry can be changed, dropped or moved without
// the chain breaking there. The journal of an attempt is covered by the entry that
// records the attempt's end (backout.Seal).
//
// Two things a chain can't show by itself: entries cut off its end, and a chain
// that somebody wrote anew from some entry on, with hashes that fit. Anchors show
// both ([Anchor]): they name the chains' heads, form a chain of their own, and have
// copies outside of the database. Whoever wants to change the past unseen has to
// change every copy.
//
// A [Checker] reads records as the bytes that were stored, not as values: a byte
// that a reader of JSON would overlook is a change all the same.
package attest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// Entry gives an audit entry its hash, and the bytes to store.
func Entry(e backout.AuditEntry) (backout.AuditEntry, []byte, error) {
	e.Hash = ""
	hash, err := hashOf(e)
	if err != nil {
		return e, nil, fmt.Errorf("encode audit entry: %w", err)
	}
	e.Hash = hash
	b, err := json.Marshal(e)
	return e, b, err
}

// Anchor gives an anchor its hash, and the bytes to store.
func Anchor(a backout.Anchor) (backout.Anchor, []byte, error) {
	a.Hash = ""
	hash, err := hashOf(a)
	if err != nil {
		return a, nil, fmt.Errorf("encode anchor: %w", err)
	}
	a.Hash = hash
	b, err := json.Marshal(a)
	return a, b, err
}

func hashOf(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

// read decodes a stored record, which must be exactly what writing it again gives.
func read[T any](stored []byte) (T, string) {
	var v T
	if err := json.Unmarshal(stored, &v); err != nil {
		return v, "it can't be read: " + err.Error()
	}
	if again, err := json.Marshal(v); err != nil || !bytes.Equal(again, stored) {
		return v, "its bytes are not as they were written"
	}
	return v, ""
}

// Sealed lists the attempts whose journals an audit log covers, in order.
func Sealed(entries [][]byte) []backout.AttemptID {
	out := []backout.AttemptID{}
	for _, b := range entries {
		var e backout.AuditEntry
		if json.Unmarshal(b, &e) == nil && e.Journal != nil && !slices.Contains(out, e.Journal.Attempt) {
			out = append(out, e.Journal.Attempt)
		}
	}
	return out
}
