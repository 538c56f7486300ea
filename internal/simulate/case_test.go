package simulate_test

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/simulate"
)

// both visits worlds of training and shifted splits, each with its counterfactual.
func both(t *testing.T, n int, visit func(t *testing.T, seed uint64, c simulate.Case, truth simulate.Truth, without simulate.Case)) {
	t.Helper()
	for _, split := range []simulate.Split{simulate.Train, simulate.Shifted} {
		for seed := range uint64(n) {
			c, truth := simulate.Generate(split, seed)
			visit(t, seed, c, truth, simulate.Counterfactual(split, seed))
		}
	}
}

func byID(w backout.Window) map[backout.SeriesID]backout.Series {
	out := map[backout.SeriesID]backout.Series{}
	for _, s := range w.Series {
		out[s.ID] = s
	}
	return out
}

// differing are the moments at which a series says something else in the other
// window; a sample that is in one of them only counts as well.
func differing(a, b backout.Series) []time.Time {
	values := map[time.Time]backout.Sample{}
	for _, s := range a.Samples {
		values[s.At] = s
	}
	var out []time.Time
	for _, s := range b.Samples {
		if values[s.At] != s {
			out = append(out, s.At)
		}
		delete(values, s.At)
	}
	for at := range values {
		out = append(out, at)
	}
	return out
}

func TestGenerate_isAFunctionOfSplitAndSeed(t *testing.T) {
	for _, split := range []simulate.Split{simulate.Train, simulate.Test, simulate.Shifted} {
		a, at := simulate.Generate(split, 7)
		b, bt := simulate.Generate(split, 7)
		if !reflect.DeepEqual(a, b) || at != bt {
			t.Errorf("%s: the same seed gives two worlds: %v, %v", split, at, bt)
		}
	}
}

// No two worlds of any splits and seeds measure the same anywhere.
func TestSplits_haveNothingInCommon(t *testing.T) {
	seen := map[float64]string{}
	for _, split := range []simulate.Split{simulate.Train, simulate.Test, simulate.Shifted} {
		for seed := range uint64(12) {
			c, _ := simulate.Generate(split, seed)
			for _, s := range c.Window.Series {
				if s.Kind != backout.SignalLatency {
					continue
				}
				v := s.Samples[0].Value
				if other, known := seen[v]; known {
					t.Fatalf("%s/%d has a first latency of %s", split, seed, other)
				}
				seen[v] = string(split)
			}
		}
	}
}

// What is told and what is measured up to the onset is the same whether or not the
// cause acts: nothing says who it will be.
func TestCause_showsNowhereBeforeItsOnset(t *testing.T) {
	both(t, 15, func(t *testing.T, seed uint64, c simulate.Case, truth simulate.Truth, without simulate.Case) {
		if d := cmp.Diff(c.Observations, without.Observations) + cmp.Diff(c.Graph, without.Graph); d != "" || c.At != without.At || c.Noticed != without.Noticed {
			t.Errorf("seed %d: facts depend on the effect of the cause: %s", seed, d)
		}
		calm, after := byID(without.Window), 0
		for _, s := range c.Window.Series {
			for _, at := range differing(s, calm[s.ID]) {
				if !at.After(truth.Onset) {
					t.Fatalf("seed %d: %v differs at %s, before the onset %s", seed, s.ID, at, truth.Onset)
				}
				after++
			}
		}
		if after == 0 {
			t.Errorf("seed %d: %s at %s has no effect at all", seed, truth.Class, truth.Origin)
		}
		if !c.Noticed.After(truth.Onset) || !c.At.After(c.Noticed) {
			t.Errorf("seed %d: onset %s, noticed %s, asked %s", seed, truth.Onset, c.Noticed, c.At)
		}
	})
}

// A silent culprit is healthy in its own series and in both of its versions; every
// other culprit is not.
func TestSilentCulprits_areSilent(t *testing.T) {
	silent, loud := 0, 0
	both(t, 22, func(t *testing.T, seed uint64, c simulate.Case, truth simulate.Truth, without simulate.Case) {
		if truth.Culprit == "" {
			return
		}
		calm, own, others := byID(without.Window), 0, 0
		for _, s := range c.Window.Series {
			n := len(differing(s, calm[s.ID]))
			if s.ID.Subject.Service == truth.Origin && s.ID.Subject.Caller == "" {
				own += n
			} else {
				others += n
			}
		}
		switch {
		case truth.Class == simulate.ClassSilent:
			silent++
			if own > 0 || others == 0 {
				t.Errorf("seed %d: a silent culprit changes %d samples of its own and %d of others", seed, own, others)
			}
		case own == 0:
			t.Errorf("seed %d: culprit of class %s changes none of its own samples", seed, truth.Class)
		default:
			loud++
		}
	})
	if silent < 5 || loud < 10 {
		t.Errorf("%d silent culprits and %d others: too few to say anything", silent, loud)
	}
}

// A culprit was exposed before its onset and is one of the changes that are told;
// without a culprit nobody is named.
func TestTruth_namesAChangeOrNone(t *testing.T) {
	for seed := range uint64(60) {
		c, truth := simulate.Generate(simulate.Test, seed)
		var culprit *backout.Change
		changes := c.World().Changes
		for i := range changes {
			if changes[i].ID == truth.Culprit {
				culprit = &changes[i]
			}
		}
		switch truth.Class {
		case simulate.ClassExternal, simulate.ClassSpontaneous, simulate.ClassSurge:
			if truth.Culprit != "" || truth.Component != "" {
				t.Errorf("seed %d: %s is blamed on %s", seed, truth.Class, truth.Culprit)
			}
		default:
			if culprit == nil || culprit.Component != truth.Component || !slices.Equal(culprit.Services, []backout.ServiceID{truth.Origin}) {
				t.Fatalf("seed %d: %s of %s at %s is none of the changes", seed, truth.Class, truth.Culprit, truth.Origin)
			}
			if culprit.Exposure.Start().After(truth.Onset) {
				t.Errorf("seed %d: culprit exposed %s, after the onset %s", seed, culprit.Exposure.Start(), truth.Onset)
			}
		}
	}
}

// Names, versions and kinds of series say nothing about guilt. Where it lies among
// all changes by any of these orders is as good as drawn by lot.
func TestNames_tellNothing(t *testing.T) {
	orders := map[string]func(backout.Change) string{
		"service": func(c backout.Change) string { return string(c.Services[0]) },
		"name": func(c backout.Change) string {
			n := c.Component.Name()
			return n[strings.LastIndex(n, "-")+1:]
		},
		"version": func(c backout.Change) string { return string(c.To) },
	}
	places, n := map[string]float64{}, 0.0
	for seed := range uint64(80) {
		c, truth := simulate.Generate(simulate.Train, seed)
		if truth.Culprit == "" {
			continue
		}
		n++
		for name, key := range orders {
			mine, less, same, all := "", 0.0, 0.0, 0.0
			for _, ch := range c.World().Changes {
				if ch.ID == truth.Culprit {
					mine = key(ch)
				}
			}
			for _, ch := range c.World().Changes {
				all++
				less += map[bool]float64{true: 1}[key(ch) < mine]
				same += map[bool]float64{true: 1}[key(ch) == mine]
			}
			places[name] += (less + same/2) / all
		}
	}
	for name, sum := range places {
		// A uniform place has mean one half and variance one twelfth.
		if mean := sum / n; math.Abs(mean-.5) > 4*math.Sqrt(1./12/n) {
			t.Errorf("by %s the culprit lies at %.3f of the changes on average, expected about one half", name, mean)
		}
	}
}

func TestCase_holdsNoLabel(t *testing.T) {
	c, truth := simulate.Generate(simulate.Test, 3)
	doc, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"guilty", "culprit", "cause", "onset", truth.Family} {
		if strings.Contains(strings.ToLower(string(doc)), strings.ToLower(word)) {
			t.Errorf("a case says %q, which only its truth may", word)
		}
	}
}
