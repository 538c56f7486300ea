package backout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Seal fixes a run's journal as it was when its attempt ended. It stands in the
// audit entry that records the end, and so in the incident's chain.
type Seal struct {
	Attempt AttemptID `json:"attempt"`
	Entries int64     `json:"entries"` // how many it covers, from the first on
	Hash    string    `json:"hash"`    // SHA-256 in hex over the entries' JSON, one a line
}

// Seal covers all entries that the run has.
func (r Run) Seal() (Seal, error) {
	h := sha256.New()
	for _, e := range r.Entries {
		b, err := json.Marshal(e)
		if err != nil {
			return Seal{}, err
		}
		h.Write(append(b, '\n'))
	}
	return Seal{Attempt: r.Attempt, Entries: int64(len(r.Entries)), Hash: hex.EncodeToString(h.Sum(nil))}, nil
}
