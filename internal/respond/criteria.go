package respond

import (
	"slices"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/verify"
)

// criteria are those that hold for an incident's way back: for the services that the
// plan moves.
func (g *Gate) criteria(inc backout.Incident, q execute.Question) (backout.SuccessCriteria, bool) {
	var services []backout.ServiceID
	for _, s := range q.Attempt.Plan.Steps() {
		services = append(services, s.Service)
	}
	return backout.CriteriaFor(g.Criteria, inc.Environment, services)
}

// listed reports whether an objective of the criteria covers a series.
func listed(c backout.SuccessCriteria, id backout.SeriesID) bool {
	return slices.ContainsFunc(c.Objectives, func(o backout.Criterion) bool { return o.Covers(id) })
}

// weigh tells verify what each primary metric counts for. An objective that covers
// several series shares its weight among them; a series that several cover counts for
// all of them. Where no ill signal is covered the criteria are about something else, and
// what was ill must be back: each ill signal is key then, beside the objectives.
func weigh(q *verify.Question, c backout.SuccessCriteria, ill map[backout.SeriesID]bool) {
	if len(c.Objectives) == 0 {
		return
	}
	q.Objectives, q.Pass, q.Warning = map[backout.SeriesID]verify.Objective{}, c.Pass, c.Warning
	about := false
	for _, o := range c.Objectives {
		var covered []backout.SeriesID
		for _, r := range q.Primary {
			if o.Covers(r.ID) {
				covered, about = append(covered, r.ID), about || ill[r.ID]
			}
		}
		for _, id := range covered {
			all := q.Objectives[id]
			q.Objectives[id] = verify.Objective{Weight: all.Weight + o.Weight/float64(len(covered)), Key: all.Key || o.Key}
		}
	}
	for _, r := range q.Primary {
		if ill[r.ID] && !about {
			q.Objectives[r.ID] = verify.Objective{Weight: 1, Key: true}
		}
	}
}
