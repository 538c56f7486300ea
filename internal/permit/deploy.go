package permit

import (
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Deploy answers somebody who is about to deploy: what keeps this deployment away,
// until when, and what to do about it. locks are the deploy locks that are known of
// the component. Freezes are the pipeline's own affair, and the kill switch stops
// backout and nobody else.
func Deploy(d backout.Deployment, holds []backout.Hold, locks []backout.DeployLock, now time.Time) backout.DeployAnswer {
	out := backout.DeployAnswer{Format: 1, Deployment: d, Reasons: []string{}, Release: []string{}, Holds: []backout.Hold{}, At: now}
	for _, l := range locks {
		if why := l.Keeps(d, now); why != "" {
			out.Reasons = append(out.Reasons, fmt.Sprintf("%s until %s at the latest", why, when(l.Until)))
			out.Release = append(out.Release, unlock(l))
			l.Token = ""
			out.Lock = &l
		}
	}
	for _, h := range holds {
		if why := h.Keeps(d); why != "" && h.Holds(now) {
			out.Reasons = append(out.Reasons, fmt.Sprintf("%s holds it%s: %s; %s", h.Owner, until(h), h.Reason, why))
			out.Release = append(out.Release, unhold(h))
			out.Holds = append(out.Holds, h)
		}
	}
	out.Allowed = len(out.Reasons) == 0
	return out
}

func until(h backout.Hold) string {
	if h.Until.IsZero() {
		return ""
	}
	return " until " + when(h.Until)
}

// when names the day too: holds last longer than people stay awake.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func unlock(l backout.DeployLock) string {
	if l.Attempt != "" {
		return "wait for the end of " + string(l.Attempt) + ", or end it: backout abort"
	}
	return "wait for " + l.Owner + ", or let it end its lock: backout lock release"
}

func unhold(h backout.Hold) string {
	person := fmt.Sprintf("backout hold release %s --reason ...", h.Component)
	switch h.Releases() {
	case backout.ReleaseNewDigest:
		return "ship another artifact and name its digest (--digest), or " + person
	case backout.ReleaseNewVersion:
		return "ship another version, or " + person
	}
	return person
}
