package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/detect"
)

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

// said turns an answer of the path into scores of the candidates: changes by their
// probability, or, in sets without changes, services by the probability that they
// broke by themselves.
func said(c recorded.Case, suspects []backout.Suspect, origins []backout.Origin) map[string]float64 {
	scores := map[string]float64{}
	if len(c.Observations) > 0 {
		for _, s := range suspects {
			scores[string(serviceOf(s.Component))] += s.P
		}
		return scores
	}
	together, untold := 0.0, 0.0
	for _, o := range origins {
		if o.Service == "" && o.Kind == backout.OriginSpontaneous {
			together += o.P
		}
		scores[string(o.Service)] += o.P
	}
	delete(scores, "")
	for _, s := range c.Services {
		if _, told := scores[string(s.ID)]; !told {
			untold++
		}
	}
	for _, s := range c.Services {
		if _, told := scores[string(s.ID)]; !told {
			scores[string(s.ID)] = together / untold
		}
	}
	delete(scores, string(c.Truth.Target))
	return conditioned(scores)
}

// conditioned makes probabilities sum to one: whoever complains asks which of the
// others it was.
func conditioned(scores map[string]float64) map[string]float64 {
	sum := 0.0
	for _, id := range slices.Sorted(maps.Keys(scores)) {
		sum += scores[id]
	}
	for id := range scores {
		scores[id] /= max(sum, 1e-12)
	}
	return scores
}

// serviceOf is the service of a component that is named like it.
func serviceOf(id backout.ComponentID) backout.ServiceID {
	_, name, _, _, _ := id.Split()
	return backout.ServiceID(name)
}

// candidatesOf are what we ranked, with when and to what they changed.
func candidatesOf(c recorded.Case, scores map[string]float64) []candidate {
	changes := map[string]candidate{}
	folded, _ := backout.Fold(c.Observations)
	for _, ch := range folded {
		changes[string(serviceOf(ch.Component))] = candidate{began: ch.Exposure.Start(), to: ch.To}
	}
	var out []candidate
	for _, id := range slices.Sorted(maps.Keys(scores)) {
		k := changes[id]
		k.id, k.service = id, backout.ServiceID(id)
		out = append(out, k)
	}
	return out
}

// measureCases plays all cases and ranks them by every method.
func measureCases(ctx context.Context, set string, until string, cases []recorded.Case) (outcome, error) {
	t := newTally(set)
	t.out.Until = until
	for _, c := range cases {
		got, err := ask(ctx, c)
		if err != nil {
			return outcome{}, err
		}
		a := answer{id: c.ID, class: c.Truth.Fault, scores: said(c, got.Suspects, got.Origins), truth: string(c.Truth.Service), none: got.PNone, noneCounts: len(c.Observations) > 0, tookMS: got.TookMS}
		a.candidates = candidatesOf(c, a.scores)
		a.peer = ofRecorded(c, a.candidates)
		t.add(a)
		att, err := told(c)
		if err != nil {
			return outcome{}, err
		}
		t.informed = append(t.informed, ranking{said(c, att.Suspects, att.Origins), a.truth})
	}
	return t.outcome(), nil
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
