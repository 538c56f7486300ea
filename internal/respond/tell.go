package respond

import (
	"fmt"

	"github.com/backout-dev/backout"
)

// tell writes what each audience must know about an incident's present state.
// The same state is told once: its name, and the attempt's number where states
// can come back, make the key.
func tell(inc backout.Incident) []backout.Message {
	text, ok := onCall(inc)
	if !ok {
		return nil
	}
	m := backout.Message{
		Incident: inc.ID, Audience: backout.AudienceOnCall, Key: fmt.Sprintf("%s/%d", inc.State, len(inc.Attempts)),
		At: inc.UpdatedAt, State: inc.State, Text: text, Terminal: inc.State.Terminal(),
	}
	if inc.State == backout.StateWaiting { // another plan is news: it has another digest to approve
		m.Key += fmt.Sprintf("/%.8s", inc.Plan.Digest)
	}
	if m.At.IsZero() {
		m.At = inc.OpenedAt
	}
	return []backout.Message{m}
}

func onCall(inc backout.Incident) (string, bool) {
	switch inc.State {
	case backout.StateDetected:
		return fmt.Sprintf("%s: trouble since %s: %s.", inc.ID, inc.Onset.UTC().Format("15:04:05"), inc.Why), true
	case backout.StateWaiting:
		return fmt.Sprintf("%s waits for you until %s. %s Approve with: backout approve %s --digest %.8s", inc.ID, inc.Deadline.UTC().Format("15:04:05"), inc.Why, inc.ID, inc.Plan.Digest), true
	case backout.StateApproved, backout.StateExecuting, backout.StateFrozen, backout.StateHalted, backout.StateAborted,
		backout.StateRecovered, backout.StateSelfRecovered, backout.StateNoAction, backout.StateShadowed, backout.StateTakenOver:
		return fmt.Sprintf("%s %s: %s", inc.ID, inc.State, inc.Why), true
	}
	return "", false
}
