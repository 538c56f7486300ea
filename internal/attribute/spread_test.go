package attribute

import (
	"math"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
)

// seenAs is a reading that says the same of every minute.
func seenAs(service backout.ServiceID, ratio float64) reading {
	return newReading(place{service: service}, track{repeat(ratio, 60), ratio})
}

// along is the evidence of a cause at a with the ways a > b > c, all three measured.
func along(a, b, c float64) float64 {
	p := &panel{clock: clock{n: 60}, readings: []reading{seenAs("a", a), seenAs("b", b), seenAs("c", c)},
		of: map[backout.ServiceID][]int{"a": {0}, "b": {1}, "c": {2}}}
	rs := roads{"a": {{"b", .65}}, "b": {{"c", .65}}}
	return p.evidence(p.blastOf(backout.Graph{}, rs, []backout.ServiceID{"a"}, ""))[30]
}

func TestEvidence_troubleGoesOnFromWhatIsSeenIll(t *testing.T) {
	const ill, quiet, untold = 200, .02, 1
	if behindIll, behindQuiet := along(ill, ill, quiet)-along(ill, ill, untold), along(ill, quiet, quiet)-along(ill, quiet, untold); behindIll > -.9 || behindQuiet < -.05 {
		t.Errorf("a quiet service adds %.2f behind an ill one and %.2f behind a quiet one, expected much and nearly nothing", behindIll, behindQuiet)
	}
	if behindIll, behindQuiet := along(ill, ill, ill)-along(ill, ill, untold), along(ill, quiet, ill)-along(ill, quiet, untold); behindIll < behindQuiet+1 {
		t.Errorf("an ill service adds %.2f behind an ill one and %.2f behind a quiet one, expected much more", behindIll, behindQuiet)
	}
	// Of a tree the filter is exact: the four ways it may have gone, added up.
	want := math.Log((1 - ownVisible + ownVisible*5) * (.35 + .65*3*(.35+.65*7)))
	if got := along(5, 3, 7); math.Abs(got-want) > 1e-9 {
		t.Errorf("evidence %.6f, expected %.6f", got, want)
	}
}

// turned is a track that turned ill in minute 45.
func turned(ratio float64) track {
	t := track{repeat(.01, 60), .01}
	t.ratio[45] = ratio
	return t
}

func TestFoldWitnesses_oneTroubleHoweverManySeeIt(t *testing.T) {
	alone, _ := foldWitnesses([]track{turned(1500)})
	var seen []track
	for range 200 {
		seen = append(seen, turned(1500))
	}
	for _, n := range []int{2, 5, 200} {
		all, _ := foldWitnesses(seen[:n])
		if r := all.ratio[45]; !(r > alone.ratio[45] && r <= 60/background*1.01) || math.IsNaN(all.never) {
			t.Errorf("seen by %d: ratio %v, expected more than %v and at most what one trouble of its own allows", n, r, alone.ratio[45])
		}
	}
}

// One caller's view is evidence of bad calls only if the callee looks healthy otherwise.
func TestFoldWitnesses_badCallsToAnIllCallee(t *testing.T) {
	healthy := track{repeat(1, 60), 1}
	_, others := foldWitnesses([]track{turned(1500), healthy, healthy})
	_, itself := foldWitnesses([]track{turned(1500), turned(1500), turned(1500)})
	if healthy, ill := 1500*others[0], 1500*itself[0]; healthy < 300 || ill > 5 {
		t.Errorf("a caller's view of a callee that others find healthy counts %.1f, of one that all find ill %.1f", healthy, ill)
	}
}

// However many entries show it, a rise counts once: as much as it is rarer anyhow than
// before trouble. It leads the trouble by minutes, not by half an hour, and does not follow it.
func TestDemand_entriesAreOneWitness(t *testing.T) {
	one := risenAt(40, 1)
	for _, entries := range []int{1, 12} {
		got := risenAt(40, entries)
		if math.Abs(got[42]/one[42]-1) > .01 || got[42] > 60/anyRise {
			t.Errorf("%d entries: %.1f with the rise, one has %.1f", entries, got[42], one[42])
		}
		if got[40] < 20 || got[46] < 8 || got[10] > .1 || got[36] > .1 {
			t.Errorf("%d entries: %.1f with the rise, %.1f six minutes after, %.1f half an hour before, %.1f four minutes before", entries, got[40], got[46], got[10], got[36])
		}
	}
}

func risenAt(minute, entries int) []float64 {
	p := &panel{clock: clock{n: 60}, traffic: map[place][]float64{}}
	var g backout.Graph
	for i := range entries {
		id := backout.ServiceID(rune('a' + i))
		g.Services = append(g.Services, backout.Service{ID: id, Kind: backout.ServiceOwn})
		up := repeat(-5, 60)
		up[minute] = 50
		p.traffic[place{service: id}], p.trafficOrder = up, append(p.trafficOrder, place{service: id})
	}
	return p.demand(g)
}

// Demand that has been above its baseline all the time (a baseline of other hours) must
// not hide that it rises, and a level that stays is no rise.
func TestRiseEvidence_againstTheWindowsOwnLevel(t *testing.T) {
	sums := func(level func(int) float64) minuteSums {
		s := minuteSums{make([]float64, 60), repeat(1, 60)}
		for i := range s.sum {
			s.sum[i] = level(i) + .5*math.Sin(float64(7*i))
		}
		return s
	}
	for _, offset := range []float64{0, 6, -6} {
		rise := riseEvidence(sums(func(i int) float64 { return offset + step(45, 4)(i) }), .3)
		if best := bestOf(rise); best < 44 || best > 46 || rise[best] < 10 {
			t.Errorf("off by %.0f: a rise at 45 is seen at %d with %.1f", offset, best, rise[best])
		}
		if flat := riseEvidence(sums(func(int) float64 { return offset }), .3); flat[bestOf(flat)] > 1 {
			t.Errorf("off by %.0f: a level has %.1f for a rise", offset, flat[bestOf(flat)])
		}
	}
}

// Two changes of one service within the same minute differ only in how they reached its
// instances, and trouble follows one of them.
func TestRank_troubleGrowsWithTheExposure(t *testing.T) {
	for _, follows := range []bool{true, false} {
		s := newScene()
		staged := s.ship(backout.KindTraffic, "staged", "payment", 39.5, .1, 44.5, .5, 49.5, 1)
		atOnce := s.ship(backout.KindTraffic, "at-once", "payment", 39.5, 1)
		level := step(40, 9)
		if follows {
			level = func(m int) float64 { return step(40, .9)(m) + step(45, 3.6)(m) + step(50, 4.5)(m) }
		}
		s.measure(levels{"payment": level, "checkout>payment": level, "checkout": level, "web": level, "web>checkout": level}, nil)
		a := Rank(s.q)
		p, q := probability(a, staged), probability(a, atOnce)
		if follows != (p > 2*q) || !follows && q < 2*p {
			t.Errorf("trouble follows the stages: %v, and the staged change has %.3f, the other %.3f\n%s", follows, p, q, describe(a))
		}
	}
}

// A callee that is a little off beside a caller that is far off is hardly where it began.
func TestEvidence_troubleFadesOnItsWay(t *testing.T) {
	from := func(size float64) float64 {
		a, b := seenAs("a", 100), seenAs("b", 1000)
		a.size, b.size = size, 11
		p := &panel{clock: clock{n: 60}, readings: []reading{a, b}, of: map[backout.ServiceID][]int{"a": {0}, "b": {1}}}
		return p.evidence(p.blastOf(backout.Graph{}, roads{"a": {{"b", .65}}}, []backout.ServiceID{"a"}, ""))[30]
	}
	if little, much, unknown := from(1.5), from(10), from(0); little > unknown-1.5 || much < unknown {
		t.Errorf("evidence %.2f where it is a little off, %.2f where it is far off, %.2f where that is unknown", little, much, unknown)
	}
}

func TestSizeFits_isBoundedAndSilentWhereNothingIsKnown(t *testing.T) {
	if sizeFits(0, 9) != 1 || sizeFits(9, 0) != 1 {
		t.Error("an unknown size says something")
	}
	if lo, hi := sizeFits(12, .1), sizeFits(5, 7); lo < math.Exp(-mostOfSize)-1e-12 || lo > .1 || hi < 1 {
		t.Errorf("twelve from a tenth has %v, five from seven %v", lo, hi)
	}
}

// What is added up four minutes at a time is what the kernel says of each, and what lies
// beyond the window is as it is never.
func TestKernel_convolveEqualsItsDefinition(t *testing.T) {
	const beyond = 0.3
	for n := range 70 {
		x, got := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = math.Exp(float64(i * 7 % 11))
		}
		for h := range hopKernels {
			k := &hopKernels[h]
			k.convolve(got, x, beyond)
			for i := range x {
				want := 0.0
				for d, w := range k.at {
					if i+d < n {
						want += w * x[i+d]
					} else {
						want += w * beyond
					}
				}
				if math.Abs(got[i]/want-1) > 1e-12 {
					t.Fatalf("%d hops, minute %d of %d: %v, want %v", h, i, n, got[i], want)
				}
			}
		}
	}
}

// The hazard of a minute is what the delay's bins have of it, whatever share of a bin
// the minute covers, at every stage of an exposure.
func TestHazard_equalsItsDefinition(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := clock{from: from, minute: time.Minute, n: 120}
	d := newDelays([]float64{9, 0, 3, 1, 0, 7, 2})
	e := backout.Exposure{Stages: []backout.ExposureStage{{At: from.Add(-30 * time.Second), Share: .25}, {At: from.Add(17*time.Minute + 20*time.Second), Share: 1}}}
	within := func(lo, hi float64) (p float64) {
		for i, w := range d.weight {
			if a, b := max(lo, delayEdges[i]), min(hi, delayEdges[i+1]); b > a {
				p += w * (delayBefore(b) - delayBefore(a))
			}
		}
		return p
	}
	for i, got := range hazard(e, d, c) {
		want := 0.0
		for _, s := range e.Stages {
			switch age := c.since(i, s.At); {
			case age > 0:
				want += 0.5 * max(afterOnset, within(max(0, age-1), age)) // each adds half of a root
			case age > -1:
				want += 0.5 * clockSkew
			default:
				want += 0.5 * afterOnset
			}
		}
		if math.Abs(got/max(want, afterOnset)-1) > 1e-9 {
			t.Errorf("minute %d: %v, want %v", i, got, want)
		}
	}
}
