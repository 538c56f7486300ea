package drill

import (
	"cmp"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// ForecastHit is one forecast target beside what came true. Times are seconds
// after injection; quantiles are nil for targets that were not named.
type ForecastHit struct {
	Target string   `json:"target"`
	Kind   string   `json:"kind"`
	P      float64  `json:"p"`
	P10S   *float64 `json:"p10_s"`
	P50S   *float64 `json:"p50_s"`
	P90S   *float64 `json:"p90_s"`
	HitS   *float64 `json:"hit_s"`
}

type target struct {
	kind backout.TargetKind
	name string
}

// forecastHits sets a forecast beside what happened, for every own service and
// journey: those that it did not name have probability 0.
func forecastHits(fc backout.Forecast, f Facts, since func(time.Time) *float64) []ForecastHit {
	hit := map[target]time.Time{}
	for _, x := range f.Hits {
		key := targetOf(x)
		if at, ok := hit[key]; !ok || x.At.Before(at) {
			hit[key] = x.At
		}
	}
	out, base := []ForecastHit{}, fc.At
	named := map[target]bool{}
	for _, h := range fc.Hits {
		key := target{h.Kind, h.Target}
		named[key] = true
		out = append(out, ForecastHit{h.Target, string(h.Kind), h.P, since(base.Add(h.P10.Std())), since(base.Add(h.P50.Std())), since(base.Add(h.P90.Std())), since(hit[key])})
	}
	for _, key := range targets(f.Graph) {
		if !named[key] {
			out = append(out, ForecastHit{Target: key.name, Kind: string(key.kind), HitS: since(hit[key])})
		}
	}
	slices.SortStableFunc(out, func(a, b ForecastHit) int {
		return cmp.Or(-cmp.Compare(a.P, b.P), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Target, b.Target))
	})
	return out
}

// targets are all that a forecast may name.
func targets(g backout.Graph) []target {
	out := []target{}
	for _, s := range g.Services {
		if s.Kind == backout.ServiceOwn {
			out = append(out, target{backout.TargetService, string(s.ID)})
		}
	}
	for _, j := range g.Journeys {
		out = append(out, target{backout.TargetJourney, string(j.ID)})
	}
	return out
}

func targetOf(f backout.Finding) target {
	if f.ID.Subject.Journey != "" {
		return target{backout.TargetJourney, string(f.ID.Subject.Journey)}
	}
	return target{backout.TargetService, string(f.ID.Subject.Service)}
}

// Skill is how good cascade forecasts were, over the targets that were not hit
// yet when each was made.
type Skill struct {
	Targets int
	// Brier is the mean squared difference between the probability of a hit by the
	// end of the look and what came; Base is that of always saying the share that
	// was hit.
	Brier, Base float64
	// Hits came later than the forecast; Named of them it had given at least one
	// chance in ten.
	Hits, Named int
	// LeadS is the median of the seconds from the forecast to the hit of those named.
	LeadS float64
}

const worthNaming = .1

// ForecastSkill pools the first forecasts of many runs. Each is held against what
// came until its horizon or until backout's first effect, whichever was earlier:
// it speaks of a world in which nobody acts.
func ForecastSkill(all []Result) Skill {
	var s Skill
	var ps, ys, leads []float64
	for _, r := range all {
		if r.ForecastAtS == nil {
			continue
		}
		end := *r.ForecastAtS + r.ForecastHorizonS
		if r.FirstEffectS != nil {
			end = min(end, *r.FirstEffectS)
		}
		for _, h := range r.Forecast {
			if h.HitS != nil && *h.HitS <= *r.ForecastAtS {
				continue // seen already
			}
			y := 0.0
			if h.HitS != nil && *h.HitS <= end {
				y = 1
				s.Hits++
				if h.P >= worthNaming {
					s.Named++
					leads = append(leads, *h.HitS-*r.ForecastAtS)
				}
			}
			ps, ys = append(ps, h.by(*r.ForecastAtS, end)), append(ys, y)
		}
	}
	if s.Targets = len(ps); s.Targets == 0 {
		return s
	}
	share := float64(s.Hits) / float64(s.Targets)
	for i := range ps {
		s.Brier += (ps[i] - ys[i]) * (ps[i] - ys[i]) / float64(s.Targets)
		s.Base += (share - ys[i]) * (share - ys[i]) / float64(s.Targets)
	}
	if slices.Sort(leads); len(leads) > 0 {
		s.LeadS = leads[len(leads)/2]
	}
	return s
}

// by is the probability of a hit before end: P times the share of arrival times
// before it, by straight lines through the three quantiles.
func (h ForecastHit) by(from, end float64) float64 {
	if h.P50S == nil {
		return 0
	}
	points := [][2]float64{{from, 0}, {*h.P10S, .1}, {*h.P50S, .5}, {*h.P90S, .9}, {*h.P90S + (*h.P90S-*h.P50S)/2, 1}}
	for i := len(points) - 1; i >= 0; i-- {
		a := points[i]
		if end < a[0] {
			continue
		}
		if i == len(points)-1 {
			return h.P
		}
		b := points[i+1]
		return h.P * (a[1] + (b[1]-a[1])*(end-a[0])/max(1e-9, b[0]-a[0]))
	}
	return 0
}
