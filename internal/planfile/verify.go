package planfile

import (
	"errors"
	"fmt"

	"github.com/backout-dev/backout"
)

// Verify makes sure that a plan file agrees with itself: nothing of it was altered
// since it was written, as far as the file alone can tell. The error names the
// field.
func Verify(f backout.PlanFile) error {
	if f.Format != backout.PlanFileFormat {
		return fmt.Errorf("format: %d: expected %d", f.Format, backout.PlanFileFormat)
	}
	if f.Errored {
		return verifyErrored(f)
	}
	p := f.Plan
	switch {
	case p.Format != 1:
		return fmt.Errorf("plan.format: %d: expected 1", p.Format)
	case p.Digest != p.ExecutableDigest():
		return fmt.Errorf("plan.digest: %.12s: expected %.12s, which is what its steps, order and stages give: the file was altered", p.Digest, p.ExecutableDigest())
	case p.Fingerprint != backout.FingerprintOf(p.Grounds):
		return fmt.Errorf("plan.fingerprint: %.12s: expected %.12s, which is what its grounds give: the file was altered", p.Fingerprint, backout.FingerprintOf(p.Grounds))
	case f.Error != "":
		return errors.New("error: a plan without error has one: expected none, or errored set")
	case f.Applyable != p.Applyable():
		return fmt.Errorf("applyable: %t: expected %t by its steps, certificate and ruling: the file was altered", f.Applyable, p.Applyable())
	case f.Complete != p.Complete():
		return fmt.Errorf("complete: %t: expected %t by what it leaves in place: the file was altered", f.Complete, p.Complete())
	}
	if err := verifySteps(p); err != nil {
		return err
	}
	return verifySeal(f)
}

func verifyErrored(f backout.PlanFile) error {
	switch {
	case f.Applyable || f.Complete:
		return errors.New("applyable, complete: expected false of a plan that could not be made")
	case f.Error == "":
		return errors.New("error: missing: expected why the plan could not be made")
	}
	return verifySeal(f)
}

func verifySeal(f backout.PlanFile) error {
	if s := seal(f); f.Seal != s {
		return fmt.Errorf("seal: %.12s: expected %.12s: the file's words were altered", f.Seal, s)
	}
	return nil
}

// verifySteps holds values to what they can be at all.
func verifySteps(p backout.Plan) error {
	switch p.Action {
	case backout.ActionRollBack, backout.ActionNone, backout.ActionAsk, backout.ActionRollForward:
	default:
		return fmt.Errorf("plan.action: %q: expected %s, %s, %s or %s", p.Action, backout.ActionRollBack, backout.ActionNone, backout.ActionAsk, backout.ActionRollForward)
	}
	for w, wave := range p.Waves {
		for k, s := range wave.Steps {
			if err := verifyStep(s); err != nil {
				return fmt.Errorf("plan.waves[%d].steps[%d].%w", w, k, err)
			}
		}
	}
	return nil
}

func verifyStep(s backout.Step) error {
	kind, _, _, _, err := s.Component.Split()
	switch {
	case err != nil:
		return fmt.Errorf("component: %w", err)
	case s.Kind != kind:
		return fmt.Errorf("kind: %q: expected %q, which is what its component is", s.Kind, kind)
	case s.To == "" || s.From == s.To:
		return fmt.Errorf("to: %q: expected another version than %q", s.To, s.From)
	case s.P < 0 || s.P > 1:
		return fmt.Errorf("p: %v: expected a probability from 0 to 1", s.P)
	}
	for k, g := range s.Stages {
		if g.Share <= 0 || g.Share > 1 || g.Bake < 0 {
			return fmt.Errorf("stages[%d]: share %v with bake %s: expected a share above 0 and at most 1, and a time", k, g.Share, g.Bake)
		}
	}
	return nil
}
