package plan

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// Every plan for a random world passes the independent checker, and plans that
// were tampered with don't.
func TestMake_passesTheChecker(t *testing.T) {
	acts, waits, optimal := 0, 0, 0
	for seed := range uint64(400) {
		w := randomTown(seed, 4+int(seed%9))
		p, derived := w.derive(t)
		if found := check.Plan(w.req.World, p); len(found) > 0 {
			t.Fatalf("seed %d: %v\nwaves %q\ngaps %q", seed, found, shapeOf(p), p.Gaps)
		}
		if found := check.Values(w.req.World, w.req.Attribution, p); len(found) > 0 {
			t.Fatalf("seed %d: %v", seed, found)
		}
		cert, found := check.Cost(p, derived)
		if len(found) > 0 {
			t.Fatalf("seed %d: %v", seed, found)
		}
		if cert.Optimal {
			optimal++
		}
		if cert.Gap.Minor < 0 || cert.Optimal != (cert.Gap.Minor == 0) {
			t.Fatalf("seed %d: certificate %+v for a cost of %s", seed, cert, p.Cost)
		}
		forgeCost(t, seed, p, derived)
		if len(p.Waves) > 0 {
			acts++
		}
		if len(p.Waves) > 1 {
			waits++
			tamper(t, seed, w.req.World, p)
		}
	}
	if acts < 100 || waits < 30 || optimal < 100 {
		t.Errorf("%d plans act, %d wait, %d are proven optimal: too few to mean anything", acts, waits, optimal)
	}
	t.Logf("%d plans act, %d wait, %d of 400 are proven optimal", acts, waits, optimal)
}

// forgeCost makes a plan look cheaper, or its moves sooner, than its derivation says.
func forgeCost(t *testing.T, seed uint64, p backout.Plan, d backout.Derivation) {
	t.Helper()
	p.Cost.Minor--
	if cert, found := check.Cost(p, d); len(found) == 0 || cert.Optimal {
		t.Errorf("seed %d: a cost of a minor unit less was not noticed", seed)
	}
	p.Cost.Minor++
	d.Rest -= d.Unit
	if _, found := check.Cost(p, d); len(found) == 0 {
		t.Errorf("seed %d: less to lose than the plan says was not noticed", seed)
	}
	d.Rest += d.Unit
	if len(p.Waves) == 0 {
		return
	}
	for name, change := range map[string]func(s *backout.Step){
		"later":     func(s *backout.Step) { s.Start += 3 * backout.Duration(d.Tick) },
		"elsewhere": func(s *backout.Step) { s.ToLevel-- },
		"other":     func(s *backout.Step) { s.Component = "deployment:nobody@production/eu-1" },
	} {
		steps := p.Steps()
		change(&steps[0])
		forged := p
		forged.Waves = []backout.Wave{{Steps: steps}}
		if _, found := check.Cost(forged, d); len(found) == 0 {
			t.Errorf("seed %d: a first step that goes %s was not noticed", seed, name)
		}
	}
	forged := p
	forged.Waves = p.Waves[1:]
	if _, found := check.Cost(forged, d); len(found) == 0 {
		t.Errorf("seed %d: a wave left out was not noticed", seed)
	}
}

func tamper(t *testing.T, seed uint64, w backout.World, p backout.Plan) {
	t.Helper()
	for name, change := range map[string]func(*backout.Plan){
		"swap the first two waves": func(q *backout.Plan) {
			q.Waves[0], q.Waves[1] = q.Waves[1], q.Waves[0]
			retime(q)
		},
		"drop the waits": func(q *backout.Plan) {
			q.Waves = []backout.Wave{{Steps: q.Steps()}}
			retime(q)
		},
		"start everything at once": func(q *backout.Plan) {
			for _, wave := range q.Waves {
				for k := range wave.Steps {
					wave.Steps[k].Start = 0
				}
			}
		},
		"leave out the first wave": func(q *backout.Plan) {
			q.Waves = q.Waves[1:]
			retime(q)
		},
	} {
		q := p
		q.Waves = nil
		for _, wave := range p.Waves {
			q.Waves = append(q.Waves, backout.Wave{Steps: slices.Clone(wave.Steps)})
		}
		change(&q)
		q.Fingerprint = w.Fingerprint(q.Touched())
		q.Digest = q.ExecutableDigest() // a forger would do as much
		if found := check.Plan(w, q); len(found) == 0 {
			t.Errorf("seed %d: %s was not noticed: %q became %q", seed, name, shapeOf(p), shapeOf(q))
		}
	}
}

// retime gives steps the times that go with their waves.
func retime(p *backout.Plan) {
	var at backout.Duration
	for _, wave := range p.Waves {
		var longest backout.Duration
		for k := range wave.Steps {
			wave.Steps[k].Start = at
			longest = max(longest, wave.Steps[k].Takes)
		}
		at += longest
	}
}

// A plan stays provable while it is carried out, whatever steps of the running
// wave have got how far.
func TestMake_staysProvableUnderWay(t *testing.T) {
	for seed := range uint64(120) {
		w := randomTown(seed, 8)
		p := w.make(t)
		live := w.req.World.Live
		for k, wave := range p.Waves {
			for _, s := range wave.Steps {
				live[s.Component] = backout.Live{Shares: map[backout.Version]float64{s.From: .5, s.To: .5}}
				if found := check.Remaining(w.req.World, p); len(found) > 0 {
					t.Fatalf("seed %d, wave %d under way: %v", seed, k, found)
				}
				if k > 0 && len(check.Plan(w.req.World, p)) == 0 {
					t.Fatalf("seed %d: a plan half done must not be begun again", seed)
				}
			}
			for _, s := range wave.Steps {
				live[s.Component] = backout.Live{Shares: map[backout.Version]float64{s.To: 1}}
			}
			if found := check.Remaining(w.req.World, p); len(found) > 0 {
				t.Fatalf("seed %d, wave %d done: %v", seed, k, found)
			}
		}
	}
}

func TestMake_inputOrderDoesNotMatter(t *testing.T) {
	for seed := range uint64(40) {
		w := randomTown(seed, 8)
		want, _ := json.Marshal(w.make(t))
		r := rand.New(rand.NewPCG(seed, 1))
		g := &w.req.World.Graph
		r.Shuffle(len(g.Components), func(i, j int) { g.Components[i], g.Components[j] = g.Components[j], g.Components[i] })
		c := w.req.World.Contracts
		r.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
		p := w.make(t)
		p.Fingerprint = "" // hashes contracts in the given order
		var q backout.Plan
		if err := json.Unmarshal(want, &q); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(shapeOf(q), shapeOf(p)); diff != "" || q.Cost != p.Cost {
			t.Fatalf("seed %d: cost %s and %s, waves\n%s", seed, q.Cost, p.Cost, diff)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	for _, n := range []int{50, 1000} {
		w := randomTown(1, n)
		for seed := uint64(2); len(w.make(b).Waves) < 2; seed++ {
			w = randomTown(seed, n)
		}
		b.Run(fmt.Sprintf("components=%d", n), func(b *testing.B) {
			for b.Loop() {
				w.make(b)
			}
		})
		p := w.make(b)
		b.Run(fmt.Sprintf("check/components=%d", n), func(b *testing.B) {
			for b.Loop() {
				if found := check.Plan(w.req.World, p); len(found) > 0 {
					b.Fatal(found)
				}
			}
		})
	}
}

// Code and configuration of one service meet without a contract; a traffic split
// does not care which code runs behind it.
func TestMake_gapsWithinAService(t *testing.T) {
	for kind, want := range map[backout.ComponentKind]int{backout.KindConfig: 1, backout.KindFlag: 1, backout.KindTraffic: 0} {
		w := newTown()
		payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
		w.part(kind, "limits", 8*time.Minute, "r1", "r2")
		w.req.World.Graph.Components[1].Service = "payment"
		w.suspect(payment, "2.14.0", .8)
		p := w.make(t)
		wantShape(t, p, backout.ActionRollBack, "payment:2.13.2")
		if len(p.Gaps) != want {
			t.Errorf("%s: gaps %q, want %d", kind, p.Gaps, want)
		}
		if found := check.Plan(w.req.World, p); len(found) > 0 {
			t.Errorf("%s: violations %v although the gap is named", kind, found)
		}
		p.Gaps = []string{}
		if found := check.Plan(w.req.World, p); len(found) != want {
			t.Errorf("%s: violations %v, want %d for the gap kept quiet", kind, found, want)
		}
	}
}
