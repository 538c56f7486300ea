package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/detect"
)

// outcome is a set measured.
type outcome struct {
	Set   string `json:"set"`
	Until string `json:"until"`
	N     int    `json:"n"`
	accuracy
	// Specificity is the share of calm windows without an incident, of CalmWindows;
	// null where the set has no calm recording.
	Specificity *float64           `json:"specificity"`
	CalmWindows int                `json:"calm_windows"`
	MedianMS    float64            `json:"median_ms"` // loading the world and attributing, by case
	MaxMS       float64            `json:"max_ms"`
	Calibration *calibration       `json:"calibration,omitempty"` // where changes are the candidates
	PNone       float64            `json:"p_none"`                // mean
	Faults      map[string]tallied `json:"faults"`                // by kind of fault, where it is known
	// Told is the same for a ranking that is told when the trouble was noticed, which
	// the path does not tell it yet.
	Told      accuracy            `json:"told"`
	Baselines map[string]accuracy `json:"baselines"`
	misses    []string
}

// tallied is how many cases of a kind were right at the first place.
type tallied struct {
	N   int     `json:"n"`
	AC1 float64 `json:"ac1"`
}

// answered is one case and what the replay said of it.
type answered struct {
	recorded.Case
	replay.Answer
}

// ask plays a case up to its cut-off and asks there.
func ask(ctx context.Context, c recorded.Case) (replay.Answer, error) {
	dir, err := os.MkdirTemp("", "backout-recorded-")
	if err != nil {
		return replay.Answer{}, fmt.Errorf("play case %s: %w", c.ID, err)
	}
	defer os.RemoveAll(dir)
	if err := c.Write(dir); err != nil {
		return replay.Answer{}, err
	}
	r, err := replay.Play(ctx, replay.Config{Dir: dir, At: []time.Time{c.At}, Temp: dir, Seed: 1})
	if err != nil {
		return replay.Answer{}, fmt.Errorf("play case %s: %w", c.ID, err)
	}
	if len(r.Incidents) != 1 {
		return replay.Answer{}, fmt.Errorf("play case %s: %d answers, expected one", c.ID, len(r.Incidents))
	}
	return r.Incidents[0], nil
}

// told attributes a case as the path does, from the same samples, but says when
// the trouble was noticed.
func told(c recorded.Case) (backout.Attribution, error) {
	d, err := detect.New(detect.Config{})
	if err != nil {
		return backout.Attribution{}, err
	}
	w := c.Window()
	d.Tick(w)
	return attribute.Rank(attribute.Question{World: c.World(), Noticed: c.Noticed, Residuals: d.Residuals(w.Now.Add(-time.Hour), w.Now)}), nil
}

// ours ranks the changes by their probability, or, in sets without changes, the
// services by the probability that they broke by themselves.
func (a answered) ours() ranking {
	r := ranking{map[backout.ServiceID]float64{}, a.Truth.Service}
	if len(a.Observations) > 0 {
		for _, s := range a.Suspects {
			r.scores[serviceOf(s.Component)] += s.P
		}
		return r
	}
	together, untold := 0.0, 0.0
	for _, o := range a.Origins {
		if o.Service == "" && o.Kind == backout.OriginSpontaneous {
			together += o.P
		}
		r.scores[o.Service] += o.P
	}
	delete(r.scores, "")
	for _, s := range a.Services {
		if _, told := r.scores[s.ID]; !told {
			untold++
		}
	}
	for _, s := range a.Services {
		if _, told := r.scores[s.ID]; !told {
			r.scores[s.ID] = together / untold
		}
	}
	delete(r.scores, a.Truth.Target)
	return r
}

// serviceOf is the service of a component that is named like it.
func serviceOf(id backout.ComponentID) backout.ServiceID {
	_, name, _, _, _ := id.Split()
	return backout.ServiceID(name)
}

func (a answered) claim() claim {
	r := a.ours()
	c := claim{top: a.PNone, truth: r.scores[r.truth], squares: a.PNone * a.PNone}
	for id, p := range r.scores {
		if p > c.top {
			c.top, c.right = p, id == r.truth
		}
		y := one(id == r.truth)
		c.squares += (p - y) * (p - y)
	}
	return c
}

// measureCases plays all cases and ranks them by every method.
func measureCases(ctx context.Context, set string, until string, cases []recorded.Case) (outcome, error) {
	out := outcome{Set: set, Until: until, N: len(cases), Baselines: map[string]accuracy{}, Faults: map[string]tallied{}}
	var mine, informed []ranking
	var claims []claim
	var took []float64
	theirs := map[string][]ranking{}
	for _, c := range cases {
		answer, err := ask(ctx, c)
		if err != nil {
			return out, err
		}
		a := answered{c, answer}
		r := a.ours()
		mine, claims, took = append(mine, r), append(claims, a.claim()), append(took, answer.TookMS)
		out.PNone += answer.PNone / float64(len(cases))
		f := out.Faults[c.Truth.Fault]
		f.AC1 = (f.AC1*float64(f.N) + r.hit(1)) / float64(f.N+1)
		f.N++
		out.Faults[c.Truth.Fault] = f
		if r.hit(1) < 1 {
			out.misses = append(out.misses, a.miss(r))
		}
		att, err := told(c)
		if err != nil {
			return out, err
		}
		informed = append(informed, answered{c, replay.Answer{Suspects: att.Suspects, Origins: att.Origins, PNone: att.PNone}}.ours())
		p := newPeer(c)
		for _, m := range peers {
			if score := m.score(p); score != nil {
				theirs[m.name] = append(theirs[m.name], rankBy(r, score))
			}
		}
	}
	delete(out.Faults, "")
	out.accuracy, out.Told = accuracyOf(mine), accuracyOf(informed)
	for name, rs := range theirs {
		out.Baselines[name] = accuracyOf(rs)
	}
	if len(cases) > 0 && len(cases[0].Observations) > 0 {
		c := calibrationOf(claims)
		out.Calibration = &c
	}
	slices.Sort(took)
	out.MedianMS, out.MaxMS = took[len(took)/2], took[len(took)-1]
	return out, nil
}

// rankBy scores the candidates that we ranked.
func rankBy(r ranking, score func(backout.ServiceID) float64) ranking {
	out := ranking{map[backout.ServiceID]float64{}, r.truth}
	for id := range r.scores {
		if out.scores[id] = score(id); math.IsInf(out.scores[id], -1) {
			out.scores[id] = -math.MaxFloat64
		}
	}
	return out
}

// miss says in a line what was ranked instead.
func (a answered) miss(r ranking) string {
	ids := make([]backout.ServiceID, 0, len(r.scores))
	for id := range r.scores {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y backout.ServiceID) int {
		return cmp.Or(cmp.Compare(r.scores[y], r.scores[x]), cmp.Compare(x, y))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: place %.1f, none %.2f:", a.Case.ID, a.Truth.Fault, r.rank(), a.PNone)
	for _, id := range ids[:min(4, len(ids))] {
		mark := ""
		if id == r.truth {
			mark = "*"
		}
		fmt.Fprintf(&b, " %s%s %.3f", mark, id, r.scores[id])
	}
	return b.String()
}

// calmSpan is the length of a calm window.
const calmSpan = time.Hour

// specificity plays a recording without issues and counts the windows, side by
// side, in which the detector opened no incident.
func specificity(ctx context.Context, c recorded.Case) (share float64, windows int, err error) {
	dir, err := os.MkdirTemp("", "backout-recorded-")
	if err != nil {
		return 0, 0, fmt.Errorf("play case %s: %w", c.ID, err)
	}
	defer os.RemoveAll(dir)
	if err := c.Write(filepath.Join(dir, "case")); err != nil {
		return 0, 0, err
	}
	r, err := replay.Play(ctx, replay.Config{Dir: filepath.Join(dir, "case"), Temp: dir, Seed: 1})
	if err != nil {
		return 0, 0, fmt.Errorf("play case %s: %w", c.ID, err)
	}
	windows = int(r.To.Sub(r.From) / calmSpan)
	noisy := map[int]bool{}
	for _, i := range r.Incidents {
		if w := int(i.DetectedAt.Sub(r.From) / calmSpan); w < windows {
			noisy[w] = true
		}
	}
	return 1 - float64(len(noisy))/float64(max(1, windows)), windows, nil
}
