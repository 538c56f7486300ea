package backout

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Observation is one source's report of one event. Sources append them and
// never edit them; Source and NativeID together are unique, so the same report
// delivered twice is one observation.
type Observation struct {
	Source    string      `json:"source"`
	NativeID  string      `json:"native_id"`
	At        time.Time   `json:"at"` // when it happened, by the source's clock
	Component ComponentID `json:"component"`
	From      Version     `json:"from,omitempty"` // empty = the source does not know
	To        Version     `json:"to"`
	// Digest pins the artifact; two sources that report the same digest for one
	// component report the same change.
	Digest string `json:"digest,omitempty"`
	// Share of the component's instances, traffic or audience that has To from
	// At on, in [0,1]; 1 when the source does not stage.
	Share     float64  `json:"share_ratio"`
	Audience  string   `json:"audience,omitempty"`
	Instances []string `json:"instances,omitempty"`
	Actor     string   `json:"actor,omitempty"`
	Title     string   `json:"title,omitempty"`
	// Security names the vulnerability that the change closes, such as CVE-2026-1234;
	// empty when it closes none.
	Security string `json:"security,omitempty"`
	// Attempt is set when the event is an effect of our own: a response, never a suspect.
	Attempt   AttemptID `json:"attempt,omitempty"`
	Simulated bool      `json:"simulated,omitempty"` // from a drill: never learnt from
	// Attachments are files from which contracts are inferred. They are kept apart:
	// an observation that was stored comes back without them.
	Attachments []Attachment `json:"attachments,omitempty"`
	// BuiltAgainst says of providers which of their versions To was built against,
	// where that is not the one that was live when it was deployed.
	BuiltAgainst map[ComponentID]Version `json:"built_against,omitempty"`
}

// ChangeID names a change; it derives from the merge key, so the same facts
// give the same id everywhere.
type ChangeID string

// Change is one event that moved a component from one version to another.
type Change struct {
	ID        ChangeID      `json:"id"`
	Kind      ComponentKind `json:"kind"`
	Component ComponentID   `json:"component"`
	// Services whose behaviour the change alters first.
	Services []ServiceID `json:"services"`
	From     Version     `json:"from,omitempty"`
	To       Version     `json:"to"`
	Digest   string      `json:"digest,omitempty"`
	Exposure Exposure    `json:"exposure"`
	Sources  []string    `json:"sources"`
	Actor    string      `json:"actor,omitempty"`
	Title    string      `json:"title,omitempty"`
	// Security names the vulnerability that the change closes: taking it back opens it.
	Security  string `json:"security,omitempty"`
	Simulated bool   `json:"simulated,omitempty"`
	// BuiltAgainst says of providers which of their versions To was built against.
	BuiltAgainst map[ComponentID]Version `json:"built_against,omitempty"`
}

// Exposure tells who met a change, and when. Stages are in order of time.
type Exposure struct {
	Stages []ExposureStage `json:"stages"`
}

// ExposureStage says that from At on, Share of the component's instances or
// audience have the new version.
type ExposureStage struct {
	At        time.Time `json:"at"`
	Share     float64   `json:"share_ratio"`
	Audience  string    `json:"audience,omitempty"`
	Instances []string  `json:"instances,omitempty"`
}

// Start is when the first request could meet the change; zero when unknown.
func (e Exposure) Start() time.Time {
	if len(e.Stages) == 0 {
		return time.Time{}
	}
	return e.Stages[0].At
}

// Share is the share exposed at a time.
func (e Exposure) Share(at time.Time) float64 {
	s := 0.0
	for _, st := range e.Stages {
		if st.At.After(at) {
			break
		}
		s = st.Share
	}
	return s
}

// Response is an effect of our own runs, kept apart so that it is never a
// suspect and never reverted as somebody's change.
type Response struct {
	Attempt   AttemptID   `json:"attempt"`
	Component ComponentID `json:"component"`
	To        Version     `json:"to"`
	At        time.Time   `json:"at"`
}

// Fold merges observations of the same event into one change each: same
// component, same target version, and (when both are known) same digest. The
// order of the input, duplicates and late arrivals don't matter: the same set of
// observations gives the same changes, ordered by start and id. Observations of
// our own attempts come back as responses, and so does what only says once more that
// a component stands where we put it: the report of our reversal by somebody else is
// no change and no suspect. A source that names a version by its
// digest means the version that another source gives this digest. A component that
// returns to a version and leaves it again yields separate changes: a stage whose
// share rises on a component that another version took over meanwhile begins a new
// one.
func Fold(obs []Observation) ([]Change, []Response) {
	obs = named(obs)
	slices.SortStableFunc(obs, func(a, b Observation) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Share, b.Share), cmp.Compare(a.Source, b.Source), cmp.Compare(a.NativeID, b.NativeID))
	})
	open := map[ComponentID]int{}    // index of each component's newest change
	put := map[ComponentID]Version{} // where we ourselves put a component last
	built := map[artifact]string{}
	seen := map[[2]string]bool{}
	changes, responses := []Change{}, []Response{}
	for _, o := range obs {
		id := [2]string{o.Source, o.NativeID}
		if seen[id] {
			continue
		}
		seen[id] = true
		if o.Attempt != "" {
			responses = append(responses, Response{o.Attempt, o.Component, o.To, o.At})
			put[o.Component] = o.To
			delete(open, o.Component)
			continue
		}
		a := artifact{o.Component, string(o.To)}
		if to, ours := put[o.Component]; ours && to == o.To && (o.Digest == "" || built[a] == "" || built[a] == o.Digest) {
			continue // it stands there because of us, whoever reports it and however late
		}
		built[a] = cmp.Or(built[a], o.Digest)
		delete(put, o.Component)
		i, ok := open[o.Component]
		if ok && sameEvent(changes[i], o) {
			changes[i] = join(changes[i], o)
			continue
		}
		open[o.Component] = len(changes)
		changes = append(changes, begin(o))
	}
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(a.Exposure.Start().Compare(b.Exposure.Start()), cmp.Compare(a.ID, b.ID))
	})
	return changes, responses
}

// artifact is what a component runs, by its version or its digest.
type artifact struct {
	component ComponentID
	name      string
}

// named is a copy in which a version that is only known by its digest has the name
// that some observation of the component gives to this digest; of several names
// the first in order, so that the order of the input does not matter.
func named(obs []Observation) []Observation {
	names := map[artifact]Version{}
	for _, o := range obs {
		if o.Digest == "" || o.Digest == string(o.To) {
			continue
		}
		id := artifact{o.Component, o.Digest}
		if known, ok := names[id]; !ok || o.To < known {
			names[id] = o.To
		}
	}
	out := slices.Clone(obs)
	for i, o := range out {
		if to, ok := names[artifact{o.Component, string(o.To)}]; ok {
			out[i].To = to
		}
		if from, ok := names[artifact{o.Component, string(o.From)}]; ok {
			out[i].From = from
		}
	}
	return out
}

func sameEvent(c Change, o Observation) bool {
	return c.To == o.To && (c.Digest == "" || o.Digest == "" || c.Digest == o.Digest)
}

func begin(o Observation) Change {
	c := Change{
		ID:        ChangeID(string(o.Component) + "=" + string(o.To) + "#" + o.At.UTC().Format("20060102T150405.000")),
		Kind:      o.Component.Kind(),
		Component: o.Component, From: o.From, To: o.To, Services: []ServiceID{}, Sources: []string{},
	}
	return join(c, o)
}

func join(c Change, o Observation) Change {
	c.From = cmp.Or(c.From, o.From)
	c.Digest = cmp.Or(c.Digest, o.Digest)
	c.Actor = cmp.Or(c.Actor, o.Actor)
	c.Title = cmp.Or(c.Title, o.Title)
	c.Security = cmp.Or(c.Security, o.Security)
	c.Simulated = c.Simulated || o.Simulated
	if len(o.BuiltAgainst) > 0 {
		c.BuiltAgainst = joined(c.BuiltAgainst, o.BuiltAgainst)
	}
	if !slices.Contains(c.Sources, o.Source) {
		c.Sources = append(slices.Clone(c.Sources), o.Source)
		slices.Sort(c.Sources)
	}
	st := c.Exposure.Stages
	if n := len(st); n > 0 && st[n-1].Audience == o.Audience && o.Share <= st[n-1].Share {
		return c // another source's sight of a stage that is known already
	}
	c.Exposure.Stages = append(slices.Clone(st), ExposureStage{o.At, o.Share, o.Audience, o.Instances})
	return c
}

// joined adds what another source knows; of two words on one provider the smaller
// version stands, so that the order of sources does not matter.
func joined(a, b map[ComponentID]Version) map[ComponentID]Version {
	out := maps.Clone(a)
	if out == nil {
		out = map[ComponentID]Version{}
	}
	for id, v := range b {
		if known, ok := out[id]; !ok || CompareVersions(v, known) < 0 {
			out[id] = v
		}
	}
	return out
}
