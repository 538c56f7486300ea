package backout

import (
	"fmt"
	"time"
)

// Deployment is what somebody is about to deploy and asks about first.
type Deployment struct {
	Component ComponentID `json:"component"`
	To        Version     `json:"to"`
	Digest    string      `json:"digest,omitempty"` // of the artifact; "" = not known
	Owner     string      `json:"owner,omitempty"`  // who deploys, such as a pipeline's run
	// Lock asks for the component's deploy lock for so long; 0 = only a question.
	Lock Duration `json:"lock,omitempty"`
}

// DeployLock is the right to deploy to one component, until a time. There is one for
// each component: pipelines take it while they deploy, and an attempt takes it over,
// from whoever has it, for what it moves and for the rest of those services. So a
// pipeline learns with its next word that it has lost the lock, and an attempt never
// waits for the lock of the deploy that broke things.
type DeployLock struct {
	Component ComponentID `json:"component"`
	Owner     string      `json:"owner"`
	// Token proves to be the owner: renewing and releasing need it. It is told to the
	// owner alone.
	Token string    `json:"token,omitempty"`
	To    Version   `json:"to,omitempty"` // what is being deployed: seeing it done ends the lock
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	// Attempt that holds the lock, when it is ours.
	Attempt AttemptID `json:"attempt,omitempty"`
	// TakenFrom is who had it when Attempt took it over; "" = it was free.
	TakenFrom string `json:"taken_from,omitempty"`
}

// Holds reports whether the lock is held at a moment.
func (l DeployLock) Holds(now time.Time) bool { return now.Before(l.Until) }

// Keeps says why a deployment by an owner must wait for the lock; "" when it need not.
func (l DeployLock) Keeps(d Deployment, now time.Time) string {
	switch {
	case l.Component != d.Component || !l.Holds(now):
		return ""
	case l.Attempt != "":
		return fmt.Sprintf("backout is taking things back here (%s)", l.Attempt)
	case d.Owner != "" && d.Owner == l.Owner:
		return ""
	}
	return fmt.Sprintf("%s is deploying %s here", l.Owner, l.To)
}

// DeployAnswer says whether a deployment may go ahead, and if not what keeps it, until
// when, and what to do about it.
type DeployAnswer struct {
	Format     int        `json:"format"`
	Deployment Deployment `json:"deployment"`
	Allowed    bool       `json:"allowed"`
	Reasons    []string   `json:"reasons"` // each with what, why and until when
	Release    []string   `json:"release"` // what to do, one for each reason
	Holds      []Hold     `json:"holds"`   // that keep it
	// Lock is the one that was taken for the asker, or without its token the one that
	// keeps the deployment away.
	Lock *DeployLock `json:"lock,omitempty"`
	At   time.Time   `json:"at"`
}
