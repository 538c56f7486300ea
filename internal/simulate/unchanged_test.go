package simulate_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"runtime"
	"testing"

	"github.com/backout-dev/backout/internal/simulate"
)

// digestOf is the hash of the cases and truths of some seeds.
func digestOf(t *testing.T, split simulate.Split) string {
	t.Helper()
	h := sha256.New()
	for seed := range uint64(10) {
		c, truth := simulate.Generate(split, seed)
		doc, err := json.Marshal([]any{c.At, c.Noticed, c.Graph, c.Observations, c.Window, truth})
		if err != nil {
			t.Fatal(err)
		}
		h.Write(doc)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// What is measured on a seed today must mean the same tomorrow: additions to this
// package leave the worlds of every seed as they were.
func TestGenerate_isWhatItWas(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("other processors round products and sums together, so that last digits differ")
	}
	for split, want := range map[simulate.Split]string{simulate.Train: "6b76fcc69480648d", simulate.Test: "9463b90ea58d25e9", simulate.Shifted: "93b55a46d275753f"} {
		if got := digestOf(t, split); got != want {
			t.Errorf("worlds of %s have the digest %s, expected %s", split, got, want)
		}
	}
}
