package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/plan"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/web"
)

// Check answers a pipeline before it ships: could these releases be undone once
// they are out?
func (a *App) Check(ctx context.Context, q web.Question) (backout.ReleaseCheck, error) {
	return a.facts.check(ctx, time.Now().UTC(), q, a.rules)
}

// check imagines the releases out and asks the actuators what could then be undone.
func (f *facts) check(ctx context.Context, now time.Time, q web.Question, rules respond.Permit) (backout.ReleaseCheck, error) {
	releases, err := releasesOf(f.graph(), q)
	if err != nil {
		return backout.ReleaseCheck{}, err
	}
	w, err := f.World(ctx, now, false)
	if err != nil {
		return backout.ReleaseCheck{}, err
	}
	f.unseen(now, f.survey(ctx, &w, beside(w, releases)))
	if w.Pairs, err = f.seen(ctx, w, w.Changes, window); err != nil {
		return backout.ReleaseCheck{}, err
	}
	w, err = plan.Released(w, releases)
	if err != nil {
		return backout.ReleaseCheck{}, err
	}
	for _, r := range releases {
		w.Reversals[r.Component] = f.foresee(ctx, w, r.Component)
	}
	f.loads(ctx, &w)
	return respond.Ahead(w, releases, rules), nil
}

// beside lists what matters for a world and what matters besides once releases are
// out: they and those that contracts tie to them.
func beside(w backout.World, releases []backout.Release) []backout.ComponentID {
	out := matter(w)
	for _, r := range releases {
		out = append(out, r.Component)
		for _, c := range w.Contracts {
			if c.Consumer == r.Component || c.Provider == r.Component {
				out = append(out, c.Consumer, c.Provider)
			}
		}
		for _, l := range w.Lines {
			if l.Consumer == r.Component || l.Provider == r.Component {
				out = append(out, l.Consumer, l.Provider)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// foresee asks a component's actuator what could be undone with the last change of
// its stack in place, which it is not yet.
func (f *facts) foresee(ctx context.Context, w backout.World, id backout.ComponentID) backout.Reversal {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	c, _ := w.Graph.Component(id)
	ask := f.actuators[c.Actuator]
	if ask == nil {
		return backout.Reversal{Component: id, Why: fmt.Sprintf("nothing here can move %s: it has no actuator", id), At: w.Now}
	}
	look := ask.Survey
	if s, ok := ask.(execute.Foreseer); ok {
		look = s.Foresee
	}
	rev, err := look(ctx, c, w.Stack(id))
	if err != nil {
		return backout.Reversal{Component: id, Why: err.Error(), At: w.Now}
	}
	return rev
}

// releasesOf finds the components that a question is about.
func releasesOf(g backout.Graph, q web.Question) ([]backout.Release, error) {
	out := []backout.Release{}
	for _, text := range q.Components {
		id, to, own := strings.Cut(text, "=")
		from := ""
		if !own { // the question's versions are this component's
			from, to = q.From, q.Version
		}
		if _, _, _, _, err := backout.ComponentID(id).Split(); err != nil {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: "check release: component: " + err.Error()}
		}
		out = append(out, backout.Release{Component: backout.ComponentID(id), From: backout.Version(from), To: backout.Version(to)})
	}
	if q.Service == "" {
		if len(out) == 0 {
			return nil, &backout.Error{Code: backout.CodeInvalid, Message: "check release: expected a service or a component"}
		}
		return out, nil
	}
	if q.Version == "" {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: "check release: version: expected the version that is to be shipped"}
	}
	found := 0
	for _, c := range g.Components {
		here := (q.Environment == "" || string(c.Environment) == q.Environment) && (q.Location == "" || string(c.Location) == q.Location)
		if c.Kind == backout.KindDeployment && string(c.Service) == q.Service && here {
			out = append(out, backout.Release{Component: c.ID, From: backout.Version(q.From), To: backout.Version(q.Version)})
			found++
		}
	}
	if found == 0 {
		return nil, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("check release: the catalog has no deployment of service %s in environment %q and location %q (empty = any)", q.Service, q.Environment, q.Location)}
	}
	return out, nil
}
