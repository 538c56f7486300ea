package backout

import "time"

// Budget bounds what backout may do without a person over the whole environment, so
// that a mistake that repeats itself is a small one. Hours and days are model time.
// 0 = no bound.
type Budget struct {
	PlansPerHour int `json:"plans_per_hour,omitempty"`
	PlansPerDay  int `json:"plans_per_day,omitempty"`
	StepsPerHour int `json:"steps_per_hour,omitempty"`
	StepsPerDay  int `json:"steps_per_day,omitempty"`
}

// Spent is one attempt that ran without a person's yes, as a budget counts it.
type Spent struct {
	Attempt AttemptID `json:"attempt"`
	At      time.Time `json:"at"` // when it was started
	Steps   int       `json:"steps"`
}

// Breakers are the loop breakers as they stand at a moment: what keeps backout from
// acting by itself, or will soon.
type Breakers struct {
	Stop      Stop        `json:"stop"`
	Cooldowns []Cooldown  `json:"cooldowns"`
	Allowance []Allowance `json:"allowance"` // what is left of the budget, as far as there is one
}

// Cooldown is a component that is left alone for a while, because we moved it.
type Cooldown struct {
	Component ComponentID `json:"component"`
	Attempt   AttemptID   `json:"attempt"` // that moved it
	Until     time.Time   `json:"until"`
}

// Allowance is one bound of a budget and what is left of it.
type Allowance struct {
	What string    `json:"what"` // such as "plans an hour"
	Most int       `json:"most"`
	Used int       `json:"used"`
	Next time.Time `json:"next,omitzero"` // when the oldest of those used counts no more
}

// Left is how many more there may be.
func (a Allowance) Left() int { return max(0, a.Most-a.Used) }
