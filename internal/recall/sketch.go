package recall

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// Sketch is what a signature is drawn from.
type Sketch struct {
	World    backout.World
	Incident backout.Incident
	// Residuals of the time since the onset; without them there is no profile.
	Residuals []backout.Residuals
	// From is where the trouble begins in the residuals.
	From time.Time
}

// least is how many samples a level needs.
const least = 2

// Signature draws an incident's signature.
func Signature(k Sketch) backout.Signature {
	out := backout.Signature{Simulated: slices.ContainsFunc(k.World.Changes, func(c backout.Change) bool { return c.Simulated })}
	first := onsets(k.Incident.Findings)
	origin := originOf(k, first)
	minute := float64(cmp.Or(k.World.Minute.Std(), time.Minute))
	for _, o := range first {
		out.Services = append(out.Services, o.service)
		if len(out.Onsets) < firsts {
			out.Onsets = append(out.Onsets, backout.ServiceOnset{Service: o.service, Lag: float64(o.at.Sub(first[0].at)) / minute})
		}
	}
	slices.Sort(out.Services)
	out.Profile = profile(k, origin)
	out.Causes, out.Age = suspected(k, minute)
	for _, f := range k.Incident.Findings {
		if f.Mode == backout.ModeAlert {
			out.Tokens = append(out.Tokens, Tokens(string(f.ID.Signal))...)
		}
	}
	out.Tokens = unique(out.Tokens)
	return out
}

type serviceOnset struct {
	service backout.ServiceID
	at      time.Time
}

// onsets lists the ill services in order of their onset, ties by name.
func onsets(findings []backout.Finding) []serviceOnset {
	var out []serviceOnset
	for _, f := range findings {
		s := f.ID.Subject.Service
		if s == "" {
			continue
		}
		i := slices.IndexFunc(out, func(o serviceOnset) bool { return o.service == s })
		switch {
		case i < 0:
			out = append(out, serviceOnset{s, f.Onset})
		case f.Onset.Before(out[i].at):
			out[i].at = f.Onset
		}
	}
	slices.SortFunc(out, func(a, b serviceOnset) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.service, b.service)) })
	return out
}

// originOf is where the trouble began: at what is most likely to blame, or else where it
// was seen first.
func originOf(k Sketch, first []serviceOnset) backout.ServiceID {
	if att := k.Incident.Attribution; att != nil {
		if len(att.Suspects) > 0 && att.Suspects[0].P >= att.PNone {
			if c, ok := k.World.Graph.Component(att.Suspects[0].Component); ok && c.Service != "" {
				return c.Service
			}
		} else if len(att.Origins) > 0 && att.Origins[0].Service != "" {
			return att.Origins[0].Service
		}
	}
	if len(first) > 0 {
		return first[0].service
	}
	return ""
}

// profile gives the level of the series that is furthest off, for each kind of signal
// and each reach. Business signals of journeys are the origin's: no service owns them.
func profile(k Sketch, origin backout.ServiceID) []backout.ProfileCell {
	reach := map[backout.ServiceID]backout.Reach{}
	for _, d := range k.World.Graph.Dependencies {
		if d.From == origin {
			reach[d.To] = backout.ReachCallees
		}
	}
	for _, d := range k.World.Graph.Dependencies {
		if d.To == origin {
			reach[d.From] = backout.ReachCallers // who needs it counts before whom it needs
		}
	}
	reach[origin] = backout.ReachOrigin
	most := map[backout.ProfileCell]float64{} // its Level is left 0
	for _, r := range k.Residuals {
		at, ok := reach[r.ID.Subject.Service]
		if r.ID.Subject.Service == "" && r.ID.Subject.Journey != "" {
			at, ok = backout.ReachOrigin, true
		}
		z, measured := levelSince(r, k.From)
		if !ok || !measured {
			continue
		}
		key := backout.ProfileCell{Kind: r.Kind, Reach: at}
		if old, there := most[key]; !there || math.Abs(z) > math.Abs(old) {
			most[key] = z
		}
	}
	var out []backout.ProfileCell
	for _, kind := range signalKinds {
		for _, at := range reaches {
			if z, ok := most[backout.ProfileCell{Kind: kind, Reach: at}]; ok {
				out = append(out, backout.ProfileCell{Kind: kind, Reach: at, Level: math.Tanh(z / 4)})
			}
		}
	}
	return out
}

// levelSince is a series' median level from a time on, in robust standard deviations.
func levelSince(r backout.Residuals, from time.Time) (float64, bool) {
	var xs []float64
	for i, x := range r.Levels {
		if at := r.From.Add(time.Duration(i) * r.Step); !math.IsNaN(x) && at.After(from) {
			xs = append(xs, x)
		}
	}
	if len(xs) < least {
		return 0, false
	}
	return statistics.Median(xs), true
}

// suspected sums up the suspects' probabilities by kind; the age is the likeliest one's.
func suspected(k Sketch, minute float64) (map[backout.ComponentKind]float64, *float64) {
	att := k.Incident.Attribution
	if att == nil {
		return nil, nil
	}
	out := map[backout.ComponentKind]float64{backout.CauseNone: att.PNone}
	for _, s := range att.Suspects {
		out[s.Component.Kind()] += s.P
	}
	if len(att.Suspects) == 0 || att.Suspects[0].P < att.PNone {
		return out, nil
	}
	for _, c := range k.World.Changes {
		if at := c.Exposure.Start(); c.ID == att.Suspects[0].Change && !at.IsZero() {
			age := max(0, float64(att.Onset.Sub(at))/minute)
			return out, &age
		}
	}
	return out, nil
}

// Tokens are the words of a text that may tell two troubles apart: in lower case, of at
// least three letters, without numbers and the commonest words.
func Tokens(text string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if len(w) >= 3 && !common[w] {
			out = append(out, w)
		}
	}
	return unique(out)
}

var common = map[string]bool{
	"the": true, "and": true, "for": true, "was": true, "were": true, "with": true, "that": true, "this": true, "from": true, "may": true, "have": true, "has": true,
	"had": true, "are": true, "not": true, "our": true, "their": true, "which": true, "been": true, "its": true, "into": true, "when": true, "also": true, "due": true,
	"utc": true, "pst": true, "pdt": true, "between": true, "some": true, "all": true, "any": true, "you": true, "who": true, "out": true, "can": true, "will": true,
}
