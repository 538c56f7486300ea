package played

import (
	"context"
	"maps"
	"slices"

	"github.com/backout-dev/backout"
)

// memory keeps incidents and what was learnt; it serves one goroutine.
type memory struct {
	incidents map[backout.IncidentID]backout.Incident
	order     []backout.IncidentID
	priors    backout.Priors
	holds     []backout.Hold
	reviews   []backout.Review
}

func newMemory(p backout.Priors) *memory {
	return &memory{incidents: map[backout.IncidentID]backout.Incident{}, priors: p}
}

func (m *memory) Incident(_ context.Context, id backout.IncidentID) (backout.Incident, error) {
	inc, ok := m.incidents[id]
	if !ok {
		return inc, &backout.Error{Code: backout.CodeNotFound, Message: "no incident " + string(id)}
	}
	return inc, nil
}

func (m *memory) Latest(_ context.Context, key string) (backout.Incident, bool, error) {
	for _, id := range slices.Backward(m.order) {
		if inc := m.incidents[id]; inc.Key == key {
			return inc, true, nil
		}
	}
	return backout.Incident{}, false, nil
}

func (m *memory) Open(_ context.Context, inc backout.Incident, _ backout.AuditEntry, _ []backout.Message) (backout.Incident, bool, error) {
	for _, old := range m.incidents {
		if old.Key == inc.Key && !old.State.Terminal() {
			return old, false, nil
		}
	}
	inc.Row = 1
	m.incidents[inc.ID], m.order = inc, append(m.order, inc.ID)
	return inc, true, nil
}

func (m *memory) Transition(_ context.Context, inc backout.Incident, _ backout.AuditEntry, _ []backout.Message) (backout.Incident, error) {
	if m.incidents[inc.ID].Row != inc.Row {
		return inc, &backout.Error{Code: backout.CodeConflict, Message: "the row moved"}
	}
	inc.Row++
	m.incidents[inc.ID] = inc
	return inc, nil
}

func (m *memory) SaveReview(_ context.Context, r backout.Review) error {
	m.reviews = append(m.reviews, r)
	return nil
}

func (m *memory) Priors(context.Context) (backout.Priors, error) { return m.priors, nil }

func (m *memory) SavePriors(_ context.Context, p backout.Priors) error {
	m.priors = p
	return nil
}

func (m *memory) SaveHold(_ context.Context, h backout.Hold) error {
	m.holds = append(m.holds, h)
	return nil
}

// all are the incidents in the order in which they opened.
func (m *memory) all() []backout.Incident {
	out := make([]backout.Incident, 0, len(m.order))
	for _, id := range m.order {
		out = append(out, m.incidents[id])
	}
	return out
}

// open are the incidents that have not ended.
func (m *memory) open() []backout.IncidentID {
	var out []backout.IncidentID
	for id := range maps.Keys(m.incidents) {
		if !m.incidents[id].State.Terminal() {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
