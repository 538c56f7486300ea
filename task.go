package backout

import "time"

// Playbook tells people how to take a component back by hand.
type Playbook struct {
	Name      string      `json:"name"`
	Title     string      `json:"title,omitempty"`
	Component ComponentID `json:"component"`
	Owner     string      `json:"owner,omitempty"` // who does it
	// Text and Steps say how; {to} and the other fields of [Effect.Fields] may stand
	// in them.
	Text  string   `json:"text,omitempty"`
	Steps []string `json:"steps,omitempty"`
	Link  string   `json:"link,omitempty"` // to where more is written
}

// Task is one effect that a person brings about by hand, and says so. It waits for an
// answer until its deadline; the first answer counts.
type Task struct {
	Key       string      `json:"key"` // the effect's: attempt/step/stage
	Attempt   AttemptID   `json:"attempt"`
	Step      string      `json:"step"`
	Component ComponentID `json:"component"`
	From      Version     `json:"from"`
	To        Version     `json:"to"`
	Share     float64     `json:"share_ratio"` // of instances, traffic or audience, in (0,1]
	Playbook  Playbook    `json:"playbook"`    // as it was shown, its fields filled in
	OpenedAt  time.Time   `json:"opened_at"`
	Deadline  time.Time   `json:"deadline"` // not done from here on
	// EscalateTo hears at EscalateAt that nobody has answered, and again at the
	// deadline; empty = the owner does.
	EscalateTo string      `json:"escalate_to,omitempty"`
	EscalateAt time.Time   `json:"escalate_at,omitzero"`
	Answer     *TaskAnswer `json:"answer,omitempty"` // nil = it waits
}

// TaskAnswer is what became of a task, as somebody said.
type TaskAnswer struct {
	Done   bool      `json:"done"` // false = it was refused, or nobody did it in time
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}
