package infer

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/infer/migration"
	"github.com/backout-dev/backout/internal/infer/spec"
)

// How sure a line is. They are assumptions: the rest is that a consumer was built
// against another version than it seems, or that a file tells less than there is.
const (
	specConfidence      = .9
	migrationConfidence = .8
)

// refuted is the confidence of a sighting from which on it is taken for certain
// that code was made for a schema that it was seen with.
const refuted = .9

// mostReasons bounds how many differences a line names.
const mostReasons = 3

// Facts is what lines are inferred from.
type Facts struct {
	Graph    backout.Graph
	Changes  []backout.Change // as far back as is remembered, oldest first
	Live     map[backout.ComponentID]backout.Live
	Attached []backout.Attached
	Pairs    []backout.Pair // seen live together
	Minute   backout.Duration
	// Compared remembers comparisons from call to call, so that no two specs are
	// compared twice; nil = nothing is remembered.
	Compared map[Comparison]spec.Difference
}

// Comparison names two sets of specs by their content.
type Comparison [2][sha256.Size]byte

// mostVersions is how many versions of a component are looked at, newest first:
// what a plan could bring together lies among them.
const mostVersions = 8

// Check says whether an attachment can be read. The error has code invalid and
// names the file, the line where it is known, and the reason.
func Check(a backout.Attachment) error {
	if a.Kind == backout.AttachmentMigration {
		_, err := migration.Read(a.Name, string(a.Body))
		return err
	}
	return spec.Check(a)
}

// Lines infers all lines, in a fixed order. Attachments that can't be read give
// none; problems says which, in words.
func Lines(f Facts) (lines []backout.Line, problems []string) {
	in := read(f)
	lines = []backout.Line{}
	for _, pair := range related(f.Graph) {
		c, p := pair[0], pair[1]
		switch {
		case p.Kind == backout.KindDeployment:
			lines = append(lines, in.fromSpecs(c.ID, p.ID)...)
		case p.Kind == backout.KindSchema && owns(f.Graph, c, p):
			lines = append(lines, in.fromMigrations(c.ID, p.ID)...)
		}
	}
	slices.SortFunc(lines, func(a, b backout.Line) int {
		return cmp.Or(cmp.Compare(a.String(), b.String()), cmp.Compare(a.Source, b.Source))
	})
	slices.Sort(in.problems)
	return slices.Compact(lines), slices.Compact(in.problems)
}

// owns reports whether code reads and writes a schema itself: its own service's, or
// that of a datastore which it depends on.
func owns(g backout.Graph, code, schema backout.Component) bool {
	s, _ := g.Service(schema.Service)
	return code.Service == schema.Service || s.Kind == backout.ServiceDatastore
}

func near(a, b backout.Component) bool {
	return a.Environment == b.Environment && a.Location == b.Location
}

// release is one version of a component and when it was first there; a zero time
// is "before all that is remembered".
type release struct {
	version backout.Version
	at      time.Time
	built   map[backout.ComponentID]backout.Version
}

// reading is the facts by what they are about.
type reading struct {
	facts    Facts
	history  map[backout.ComponentID][]release
	attached map[backout.ComponentID]map[backout.Version][]backout.Attachment
	problems []string
}

func read(f Facts) *reading {
	in := &reading{
		facts: f, history: map[backout.ComponentID][]release{},
		attached: map[backout.ComponentID]map[backout.Version][]backout.Attachment{},
	}
	for _, c := range f.Changes {
		h := in.history[c.Component]
		if len(h) == 0 && c.From != "" {
			h = append(h, release{version: c.From})
		}
		in.history[c.Component] = append(h, release{c.To, c.Exposure.Start(), c.BuiltAgainst})
	}
	for id, l := range f.Live {
		if v := l.Version(); len(in.history[id]) == 0 && v != "" {
			in.history[id] = []release{{version: v}}
		}
	}
	for _, a := range f.Attached {
		of := in.attached[a.Component]
		if of == nil {
			of = map[backout.Version][]backout.Attachment{}
			in.attached[a.Component] = of
		}
		of[a.Version] = append(of[a.Version], a.Attachment)
		in.remember(a)
	}
	return in
}

// remember takes a version that something was handed in with for a release, when
// its deployment is forgotten already.
func (in *reading) remember(a backout.Attached) {
	h := in.history[a.Component]
	if slices.ContainsFunc(h, func(r release) bool { return r.version == a.Version }) {
		return
	}
	at := 0
	for at < len(h) && (h[at].at.IsZero() || h[at].at.Before(a.At)) {
		at++
	}
	in.history[a.Component] = slices.Insert(h, at, release{version: a.Version, at: a.At})
}

// builtAgainst is the provider's version that a consumer's release was built
// against; "" when nobody can tell.
func (in *reading) builtAgainst(r release, provider backout.ComponentID) backout.Version {
	if v, said := r.built[provider]; said {
		return v
	}
	built := backout.Version("")
	for _, p := range in.history[provider] {
		if p.at.IsZero() || !r.at.IsZero() && !p.at.After(r.at) {
			built = p.version
		}
	}
	return built
}

// newest gives each of a component's newest versions its last release.
func newest(all []release) map[backout.Version]release {
	out := map[backout.Version]release{}
	for i := len(all) - 1; i >= 0 && len(out) < mostVersions; i-- {
		if _, later := out[all[i].version]; !later {
			out[all[i].version] = all[i]
		}
	}
	return out
}

// fromSpecs compares for each consumer's version the specs of the provider's
// version that it was built against with those of each other.
func (in *reading) fromSpecs(consumer, provider backout.ComponentID) []backout.Line {
	var out []backout.Line
	served := in.specs(provider)
	consumers := newest(in.history[consumer])
	for _, cv := range slices.Sorted(maps.Keys(consumers)) {
		built := in.builtAgainst(consumers[cv], provider)
		if len(served[built]) == 0 {
			continue
		}
		for _, pv := range slices.Sorted(maps.Keys(served)) {
			l := backout.Line{
				Consumer: consumer, ConsumerVersion: cv, Provider: provider, ProviderVersion: pv,
				Source: backout.ContractSpec, Confidence: specConfidence, Allows: true,
				Reason: fmt.Sprintf("built against %s, whose API %s serves", built, pv),
			}
			d, ok := in.compare(built, pv, served)
			switch {
			case !ok || len(d.Breaks) == 0 && len(d.Doubts) > 0:
				continue
			case len(d.Breaks) > 0:
				l.Allows, l.Reason = false, fmt.Sprintf("built against %s, and at %s %s", built, pv, some(d.Breaks))
			}
			out = append(out, l)
		}
	}
	return out
}

// specs are the attachments of a component's newest versions that tell an API.
func (in *reading) specs(id backout.ComponentID) map[backout.Version][]backout.Attachment {
	out := map[backout.Version][]backout.Attachment{}
	for v := range newest(in.history[id]) {
		for _, a := range in.attached[id][v] {
			if a.Kind != backout.AttachmentMigration {
				out[v] = append(out[v], a)
			}
		}
	}
	return out
}

func (in *reading) compare(built, served backout.Version, specs map[backout.Version][]backout.Attachment) (spec.Difference, bool) {
	if built == served {
		return spec.Difference{}, true
	}
	key := Comparison{digest(specs[built]), digest(specs[served])}
	if d, done := in.facts.Compared[key]; done {
		return d, true
	}
	d, err := spec.Compare(specs[built], specs[served])
	if err != nil {
		in.problems = append(in.problems, err.Error())
		return d, false
	}
	if in.facts.Compared != nil {
		in.facts.Compared[key] = d
	}
	return d, true
}

// digest names attachments by what is in them.
func digest(all []backout.Attachment) [sha256.Size]byte {
	h := sha256.New()
	for _, a := range all {
		fmt.Fprintf(h, "%s %q %d\n", a.Kind, a.Name, len(a.Body))
		h.Write(a.Body)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// some names the first differences and counts the rest.
func some(words []string) string {
	if rest := len(words) - mostReasons; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:mostReasons], "; "), rest)
	}
	return strings.Join(words, "; ")
}

// fromMigrations says for each version of the code how it gets along with each
// version of the schema.
func (in *reading) fromMigrations(code, schema backout.ComponentID) []backout.Line {
	var out []backout.Line
	steps := in.migrations(schema)
	if len(steps) == 0 {
		return nil
	}
	codes := newest(in.history[code])
	for _, cv := range slices.Sorted(maps.Keys(codes)) {
		built := in.builtAgainst(codes[cv], schema)
		for _, sv := range slices.Sorted(maps.Keys(newest(in.history[schema]))) {
			e, ok := between(steps, built, sv)
			if built == "" || !ok || e.Verdict == migration.Unknown || e.Verdict == migration.Breaks && in.made(code, cv, schema, sv) {
				continue
			}
			out = append(out, backout.Line{
				Consumer: code, ConsumerVersion: cv, Provider: schema, ProviderVersion: sv, Source: backout.ContractMigration,
				Confidence: migrationConfidence, Allows: e.Verdict == migration.Harmless, Reason: e.Reason,
			})
		}
	}
	return out
}

// step is one migration with the schema's version that it leads from and to.
type step struct {
	from, to backout.Version
	m        migration.Migration
}

// migrations are a schema's steps that somebody handed in, by version.
func (in *reading) migrations(schema backout.ComponentID) []step {
	before := map[backout.Version]backout.Version{}
	history := in.history[schema]
	for i := 1; i < len(history); i++ {
		before[history[i].version] = history[i-1].version
	}
	var out []step
	for v, all := range in.attached[schema] {
		for _, a := range all {
			if a.Kind != backout.AttachmentMigration {
				continue
			}
			m, err := migration.Read(a.Name, string(a.Body))
			if err != nil {
				in.problems = append(in.problems, err.Error())
				continue
			}
			out = append(out, step{before[v], v, m})
		}
	}
	slices.SortFunc(out, func(a, b step) int { return backout.CompareVersions(a.to, b.to) })
	return out
}

// between is what lies between the schema that code was built for and another: all
// steps up, or all steps down. ok is false when one of them was not handed in.
func between(steps []step, built, at backout.Version) (worst migration.Effect, ok bool) {
	up := backout.CompareVersions(at, built) >= 0
	low, high := built, at
	if !up {
		low, high = at, built
	}
	reached := low
	var words []string
	for _, s := range steps {
		if backout.CompareVersions(s.to, low) <= 0 || backout.CompareVersions(s.to, high) > 0 {
			continue
		}
		if s.from == "" || s.from != reached && s.to != reached {
			return worst, false
		}
		reached = s.to
		e := s.m.Forth()
		if !up {
			e = s.m.Back()
		}
		if e.Verdict > worst.Verdict {
			worst.Verdict, words = e.Verdict, nil
		}
		if e.Verdict == worst.Verdict {
			words = append(words, fmt.Sprintf("migration %s %s", s.to, e.Reason))
		}
	}
	if reached != high {
		return worst, false
	}
	worst.Reason = some(words)
	switch {
	case len(words) == 0:
		worst.Reason = fmt.Sprintf("built for schema %s", built)
	case !up:
		worst.Reason = "taken back, " + worst.Reason
	}
	return worst, true
}

// made reports whether code was seen healthy with a schema for so long that it
// must have been made for it.
func (in *reading) made(code backout.ComponentID, cv backout.Version, schema backout.ComponentID, sv backout.Version) bool {
	return slices.ContainsFunc(in.facts.Pairs, func(p backout.Pair) bool {
		straight := p.A == code && p.AVersion == cv && p.B == schema && p.BVersion == sv
		return (straight || p.B == code && p.BVersion == cv && p.A == schema && p.AVersion == sv) && p.Confidence(in.facts.Minute) >= refuted
	})
}
