package kubernetes

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// gone is the version of what was deleted.
const gone = backout.Version("(deleted)")

// stages are the shares of a rollout that are told of, besides its beginning: enough to
// see who met it when, and few enough for thousands of workloads.
var stages = []float64{0.1, 0.25, 0.5, 0.75, 1}

// present is how a thing stands now.
type present struct {
	component backout.ComponentID
	kind      string // as people say it
	name      string // namespace/name
	uid       string
	// states since the one that was seen last, oldest first; the last is the present one.
	states []state
	// Of the present state: the share of the instances that have it and when they got
	// it; what can't be split has share 1.
	share     float64
	shareAt   time.Time
	digest    string
	instances []string
	created   time.Time

	service backout.ServiceID
	system  string
	quiet   bool // coming and going is no news
	// Of a workload.
	names                         map[string]backout.Version
	replicas, surge, minAvailable int
	inputs                        string // what it takes in and how it is scaled
	well                          bool   // all of it has the present state and works
}

// state is one state of a thing.
type state struct {
	version backout.Version
	state   string
	number  int64
	at      time.Time // zero = not known
	actor   string
	attempt string // of ours that put it there; "" = somebody else did
	note    string // what came with it
}

// begun is the share of a rollout of which no pod is ready yet.
const begun = 0.01

// compare gives what is to be noted of a thing now, and what to tell. was is nil when
// nothing was seen of it before.
func (s *Source) compare(now time.Time, key string, was *thing, is present, found bool) (*thing, []backout.Observation) {
	switch {
	case !found && was == nil:
		return nil, nil
	case !found && strings.HasPrefix(key, aNode+"/"):
		return nil, nil // nodes come and go
	case !found:
		return nil, s.deleted(now, was)
	case len(is.states) == 0 && was == nil && s.met(key):
		return &thing{Component: is.component, UID: is.uid, Unread: true}, nil
	case len(is.states) == 0:
		return was, nil // its revisions are not there yet
	}
	first := was == nil && s.met(key) || was != nil && was.Unread
	if was != nil && was.UID != is.uid { // deleted and made again
		was = &thing{Component: was.Component, Version: was.Version, State: was.State, Names: was.Names, At: was.At}
	}
	next := &thing{Component: is.component, UID: is.uid}
	if was != nil {
		*next = *was
		next.Component, next.UID = is.component, is.uid
	}
	var out []backout.Observation
	for i, st := range is.states {
		last := i == len(is.states)-1
		if was != nil && next.State == st.state && next.Number == st.number && was.UID != "" {
			continue
		}
		if was != nil && was.UID == "" && next.State == st.state {
			next.Number = st.number // made again as it was: nothing to tell
			continue
		}
		from := next.Version
		next.note(st, from, cmp.Or(st.at, now), now)
		if !tells(first, was, is, st, from, now) {
			continue
		}
		out = append(out, s.begins(next, is, st, last))
	}
	out = append(out, s.rolls(now, next, is)...)
	next.keep(now, is)
	return next, out
}

// keep notes what is not told but shown, and since when all is well.
func (t *thing) keep(now time.Time, is present) {
	t.Names = is.names
	t.Service, t.System, t.Instances, t.MaxSurge, t.MinAvailable = is.service, is.system, is.replicas, is.surge, is.minAvailable
	if t.Inputs != is.inputs || !is.well {
		t.Inputs, t.Well, t.Verified = is.inputs, time.Time{}, t.Verified && t.Inputs == is.inputs
	}
	if is.well && t.Well.IsZero() {
		t.Well = now
	}
}

// note makes a state the one that is seen.
func (t *thing) note(st state, from backout.Version, at, now time.Time) {
	if at = within(at, now); !at.After(t.Told) {
		at = t.Told.Add(time.Millisecond)
	}
	if from == st.version { // the same name by chance: what it was is not known
		from = ""
	}
	*t = thing{
		Component: t.Component, UID: t.UID, Version: st.version, State: st.state, Number: st.number, At: at, From: from, Actor: st.actor, Attempt: backout.AttemptID(st.attempt), Title: st.note, Told: t.Told,
	}
}

// within is when something happened that a cluster dates with a whole second: at the end
// of that second, or now if that is sooner, so that of two things in one second the one
// that is seen later is later. A clock that is fast is held to ours.
func within(at, now time.Time) time.Time {
	if end := at.Truncate(time.Second).Add(time.Second - time.Millisecond); end.Before(now) {
		return end
	}
	return now
}

// tells reports whether a state that was not seen before is news. At first sight of a
// cluster what stands there is none, unless it came lately and by a change.
func tells(first bool, was *thing, is present, st state, from backout.Version, now time.Time) bool {
	if is.quiet && (was == nil || was.Unread) {
		return false
	}
	if !first {
		return true
	}
	// A first revision came with its workload, however late the controllers made it.
	later := st.number > 1 || from != "" || st.number == 0 && st.at.Sub(is.created) > time.Second
	return later && !st.at.IsZero() && now.Sub(st.at) < lookBack
}

// begins is the observation that a state has come.
func (s *Source) begins(t *thing, is present, st state, last bool) backout.Observation {
	o := s.observation(t, fmt.Sprintf("%s/%s/%d", t.UID, st.state, st.number))
	if st.number == 0 { // no numbers: content may return, so its time is part of it
		o.NativeID = fmt.Sprintf("%s/%s/%d", t.UID, st.state, cmp.Or(st.at, t.At).Unix())
	}
	t.Told, t.Rolls = t.At, true
	o.Title = title(is, t)
	o.Share = 1
	if last && is.share > 0 && is.share < 1 {
		o.Share = is.share
	}
	if last {
		o.Digest = is.digest
		t.Stage = stageOf(o.Share)
		o.Instances = is.instances
	}
	if last && is.share == 0 { // it has begun, and nobody can have met it
		o.Share, t.Stage, o.Instances = begun, 0, nil
	}
	return o
}

func title(is present, t *thing) string {
	words := fmt.Sprintf("%s %s: %s", is.kind, is.name, t.Version)
	if t.From != "" {
		words = fmt.Sprintf("%s %s: %s to %s", is.kind, is.name, t.From, t.Version)
	}
	if t.Title != "" {
		words += " with " + t.Title
	}
	return words
}

// rolls tells how far a rollout is, when it has come further.
func (s *Source) rolls(now time.Time, t *thing, is present) []backout.Observation {
	reached := stageOf(is.share)
	if !t.Rolls || reached <= t.Stage {
		return nil
	}
	t.Stage = reached
	o := s.observation(t, fmt.Sprintf("%s/%s/%d/%d", t.UID, t.State, t.Number, reached))
	if o.At = within(cmp.Or(is.shareAt, now), now); !o.At.After(t.Told) {
		o.At = t.Told.Add(time.Millisecond)
	}
	t.Told = o.At
	o.Share, o.Digest, o.Instances, o.Title = is.share, is.digest, is.instances, title(is, t)
	return []backout.Observation{o}
}

func stageOf(share float64) int {
	n := 0
	for n < len(stages) && share >= stages[n] {
		n++
	}
	if n == 0 && share > 0 {
		return 1
	}
	return n
}

func (s *Source) observation(t *thing, id string) backout.Observation {
	return backout.Observation{
		Source: s.name(), NativeID: id, At: t.At, Component: t.Component, From: t.From, To: t.Version, Actor: t.Actor, Attempt: t.Attempt, Share: 1,
	}
}

func (s *Source) deleted(now time.Time, was *thing) []backout.Observation {
	o := s.observation(was, was.UID+"/deleted")
	o.At, o.From, o.To, o.Actor, o.Attempt = now, was.Version, gone, "", ""
	o.Title = strings.TrimSpace("deleted " + was.Component.Name())
	return []backout.Observation{o}
}
