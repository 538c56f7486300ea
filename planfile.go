package backout

// PlanFileFormat is the version of the plan file's format that this program writes
// and reads.
const PlanFileFormat = 1

// PlanFile is a plan outside of the program: in a file, in a pull request, on its
// way to somebody who applies it. Its three flags mean what Terraform's mean in its
// plan's JSON. Whoever reads them need not know how plans are made.
type PlanFile struct {
	Format int `json:"format"`
	// Applyable is set when it makes sense to hand the file to `backout apply`: the
	// plan was made without error, has steps, is proven safe, and the policy does not
	// forbid it. Whether people must say yes is the ruling's to say.
	Applyable bool `json:"applyable"`
	// Complete is set when nothing is left to decide once the plan is carried out.
	// Otherwise another look, another plan or a person is needed afterwards: a person is
	// asked, a fix is waited for, or a change stays that is likelier to be the cause than all that goes back.
	Complete bool `json:"complete"`
	// Errored is set when no whole plan could be made. Error says why; the plan is then
	// what there was of it, fit for reading and for nothing else.
	Errored bool   `json:"errored"`
	Error   string `json:"error,omitempty"`
	Plan    Plan   `json:"plan"`
	// Degraded is what backout could not see when it made the plan.
	Degraded []Degradation `json:"degraded,omitempty"`
	// Seal hashes all of the above. The plan's digest covers what would be done; the
	// seal covers the words as well, since people decide by them. It tells damage and
	// edits, not who wrote the file: that is what the token and the approvals are for.
	Seal string `json:"seal"`
}

// Applyable reports whether it makes sense to carry the plan out.
func (p Plan) Applyable() bool {
	return p.Action == ActionRollBack && len(p.Steps()) > 0 && p.Certificate.Safe && !p.Ruling.Forbidden
}

// Complete reports whether nothing is left to decide once the plan is carried out.
func (p Plan) Complete() bool {
	back := 0.0
	for _, s := range p.Steps() {
		back = max(back, s.P)
	}
	for _, l := range p.Left {
		if p.Action == ActionRollBack && l.P > back {
			return false
		}
	}
	return p.Action == ActionRollBack || p.Action == ActionNone
}
