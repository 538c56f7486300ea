package execute

import "github.com/backout-dev/backout"

// Parked says why an attempt's run does nothing for now and what it waits for; nil
// when it goes on, or is another process' to carry out.
func (x *Executor) Parked(id backout.AttemptID) error { return x.engine.Parked(string(id)) }
