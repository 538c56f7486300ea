// Package planfile reads, writes and compares plans that stand on their own: files
// that people keep, send and review, and that `backout apply` hands back.
//
// [Make] wraps a plan. [Write] gives it as indented JSON, which diffs well. [Read]
// accepts only what Write could have written: a field that is unknown or there
// twice, a version of the format that this program does not speak, a cut file, a
// digest or seal that does not fit are each an error that names the place and what
// was expected, and nothing is given. [Compare] says how two plans differ.
//
// Nothing here knows whether a plan is still right: that is for the daemon to ask
// the world and the checker, at the moment when somebody applies it.
package planfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/backout-dev/backout"
)

// MaxBytes is the longest file that is read. A plan of a thousand steps has about
// two megabytes.
const MaxBytes = 16 << 20

// Make wraps a plan for the outside, with what could not be seen when it was made.
func Make(p backout.Plan, degraded ...backout.Degradation) backout.PlanFile {
	return sealed(backout.PlanFile{Format: backout.PlanFileFormat, Applyable: p.Applyable(), Complete: p.Complete(), Plan: p, Degraded: degraded})
}

// Errored wraps what there is of a plan that could not be made whole.
func Errored(p backout.Plan, why error, degraded ...backout.Degradation) backout.PlanFile {
	return sealed(backout.PlanFile{Format: backout.PlanFileFormat, Errored: true, Error: why.Error(), Plan: p, Degraded: degraded})
}

// Write gives a plan file as JSON, indented and ending in a line's end.
func Write(f backout.PlanFile) ([]byte, error) {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write plan %s: %w", f.Plan.ID, err)
	}
	return append(b, '\n'), nil
}

func sealed(f backout.PlanFile) backout.PlanFile {
	f.Seal = seal(f)
	return f
}

// seal hashes a file without its seal. Every value in it came from JSON or goes
// there, so writing it can't fail; were it to, no seal would ever fit.
func seal(f backout.PlanFile) string {
	f.Seal = ""
	b, err := json.Marshal(f)
	if err != nil {
		return "none: " + err.Error()
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
