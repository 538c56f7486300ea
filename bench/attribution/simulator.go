package main

import (
	"fmt"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/detect"
	"github.com/backout-dev/backout/internal/simulate"
)

// generated says which worlds are measured.
type generated struct {
	split simulate.Split
	seed  uint64 // first
	cases int
	// onlyPeers leaves our ranking out: that is how the difficulty of the worlds is
	// set, without knowing what we do on them.
	onlyPeers bool
}

// measureGenerated makes worlds and ranks their changes by every method.
func measureGenerated(g generated) (outcome, error) {
	t := newTally("simulator/" + string(g.split))
	t.out.Seed = g.seed
	detected := 0
	for i := range g.cases {
		c, truth := simulate.Generate(g.split, g.seed+uint64(i))
		a := answer{id: fmt.Sprint(g.seed + uint64(i)), class: string(truth.Class), truth: string(truth.Culprit), noneCounts: true, candidates: changesOf(c.World())}
		a.peer = ofSimulated(c, a.candidates)
		if !g.onlyPeers {
			seen, err := look(c)
			if err != nil {
				return outcome{}, err
			}
			detected += seen.findings
			a.scores, a.none, a.tookMS = byChange(seen.attribution), seen.attribution.PNone, milliseconds(seen.took)
		}
		t.add(a)
	}
	o := t.outcome()
	if !g.onlyPeers && g.cases > 0 {
		share := float64(detected) / float64(g.cases)
		o.Detected = &share
	}
	return o, nil
}

func changesOf(w backout.World) []candidate {
	var out []candidate
	for _, ch := range w.Changes {
		out = append(out, candidate{id: string(ch.ID), service: ch.Services[0], began: ch.Exposure.Start(), to: ch.To})
	}
	return out
}

func byChange(a backout.Attribution) map[string]float64 {
	out := map[string]float64{}
	for _, s := range a.Suspects {
		out[string(s.Change)] = s.P
	}
	return out
}

// looked is a case seen as the path sees it.
type looked struct {
	attribution backout.Attribution
	took        time.Duration // loading the world and attributing
	findings    int           // 1 if something stands that opens incidents
}

// look feeds a case to the detector and asks the ranking, as a replay does that is
// asked at the end of the case: the same samples, defaults and hour of evidence. A
// test holds it against a real replay.
func look(c simulate.Case) (looked, error) {
	d, err := detect.New(detect.Config{})
	if err != nil {
		return looked{}, err
	}
	d.Tick(c.Window)
	var out looked
	var ill []backout.SeriesID
	var found []time.Time
	for _, f := range d.Standing() {
		if ill = append(ill, f.ID); f.Opens {
			out.findings = 1
			found = append(found, f.At)
		}
	}
	var known []backout.Baseline
	if len(ill) > 0 { // none named would be all
		known = d.Baselines(ill...)
	}
	var noticed time.Time // as the path has it
	if slices.SortFunc(found, time.Time.Compare); len(found) > 0 {
		noticed = found[(len(found)-1)/2]
	}
	begin := time.Now()
	out.attribution = attribute.Rank(attribute.Question{World: c.World(), Residuals: d.Residuals(c.At.Add(-time.Hour), c.At), Baselines: known, Noticed: noticed})
	out.took = time.Since(begin)
	return out, nil
}
