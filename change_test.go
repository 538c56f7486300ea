package backout_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

const pay = backout.ComponentID("deployment:payment@production/eu-1")

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func seen(source, id string, minute int, to backout.Version, share float64) backout.Observation {
	return backout.Observation{Source: source, NativeID: id, At: noon.Add(time.Duration(minute) * time.Minute), Component: pay, From: "1", To: to, Share: share}
}

func TestFold_oneEventSeenThreeTimes(t *testing.T) {
	changes, _ := backout.Fold([]backout.Observation{
		seen("ci", "1", 0, "2", .3), seen("kubernetes", "7", 0, "2", .3), seen("chat", "x", 1, "2", .3),
		seen("ci", "2", 4, "2", 1), seen("ci", "2", 4, "2", 1),
	})
	if len(changes) != 1 {
		t.Fatalf("%d changes, want one: %+v", len(changes), changes)
	}
	c := changes[0]
	if !slices.Equal(c.Sources, []string{"chat", "ci", "kubernetes"}) || len(c.Exposure.Stages) != 2 || c.Exposure.Share(noon.Add(2*time.Minute)) != .3 || c.Exposure.Share(noon.Add(5*time.Minute)) != 1 {
		t.Errorf("%+v: want three sources and the stages 0.3 and 1", c)
	}
}

func TestFold_keepsApart(t *testing.T) {
	for name, c := range map[string]struct {
		obs                []backout.Observation
		changes, responses int
	}{
		"two versions":              {[]backout.Observation{seen("ci", "1", 0, "2", 1), seen("ci", "2", 5, "3", 1)}, 2, 0},
		"a version that comes back": {[]backout.Observation{seen("ci", "1", 0, "2", 1), seen("ci", "2", 5, "1", 1), seen("ci", "3", 9, "2", 1)}, 3, 0},
		"another artifact":          {[]backout.Observation{digest(seen("ci", "1", 0, "2", 1), "a"), digest(seen("k", "2", 1, "2", 1), "b")}, 2, 0},
		"an attempt of our own":     {[]backout.Observation{seen("ci", "1", 0, "2", 1), ours(seen("ci", "2", 5, "1", 1))}, 1, 1},
	} {
		changes, responses := backout.Fold(c.obs)
		if len(changes) != c.changes || len(responses) != c.responses {
			t.Errorf("%s: %d changes, %d responses; want %d, %d", name, len(changes), len(responses), c.changes, c.responses)
		}
	}
}

// A CI system knows tag and digest, a delivery tool the digest alone, and a person
// the tag: it is one release, whoever speaks first.
func TestFold_namesAndDigestsOfOneArtifact(t *testing.T) {
	const sum = "sha256:0b31b1c02ff458ad"
	obs := []backout.Observation{
		digest(seen("delivery", "1", 0, sum, 1), sum), seen("person", "x", 1, "2", 1), digest(seen("ci", "7", 2, "2", 1), sum),
		digest(seen("delivery", "2", 30, "sha256:77", 1), "sha256:77"),
	}
	obs[3].From = sum
	for range 20 {
		rand.Shuffle(len(obs), func(i, j int) { obs[i], obs[j] = obs[j], obs[i] })
		changes, _ := backout.Fold(obs)
		if len(changes) != 2 || changes[0].To != "2" || changes[0].Digest != sum || len(changes[0].Sources) != 3 || changes[1].From != "2" {
			t.Fatalf("%+v: want one release of 2 with three sources, and the next from it", changes)
		}
	}
}

func digest(o backout.Observation, d string) backout.Observation { o.Digest = d; return o }
func ours(o backout.Observation) backout.Observation             { o.Attempt = "INC-1/1"; return o }

// Late, doubled and shuffled facts fold to the same changes.
func TestFold_orderAndDuplicatesDontMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		var obs []backout.Observation
		for i := range n {
			o := seen(rapid.SampledFrom([]string{"ci", "k8s"}).Draw(t, "source"), string(rune('a'+i)), rapid.IntRange(0, 9).Draw(t, "minute"),
				rapid.SampledFrom([]backout.Version{"1", "2", "3"}).Draw(t, "to"), rapid.SampledFrom([]float64{.3, .6, 1}).Draw(t, "share"))
			obs = append(obs, o)
		}
		want, _ := backout.Fold(obs)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		mixed := append(slices.Clone(obs), obs[r.IntN(n)])
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		got, _ := backout.Fold(mixed)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("another order folds differently (-want +got):\n%s", d)
		}
	})
}

func TestSeenTogether_whileTheRolloutLasted(t *testing.T) {
	shop := backout.ComponentID("deployment:shop@production/eu-1")
	g := backout.Graph{
		Dependencies: []backout.Dependency{{From: "shop", To: "payment"}},
		Components:   []backout.Component{{ID: pay, Service: "payment", Environment: "production"}, {ID: shop, Service: "shop", Environment: "production"}},
	}
	changes, _ := backout.Fold([]backout.Observation{
		seen("ci", "1", 0, "2", .5), seen("ci", "2", 10, "2", 1),
		{Source: "ci", NativeID: "3", At: noon.Add(5 * time.Minute), Component: shop, From: "7", To: "8", Share: 1},
	})
	pairs := backout.SeenTogether(g, changes, nil, noon.Add(time.Hour), 2*time.Minute)
	has := func(p, s backout.Version) bool {
		return slices.ContainsFunc(pairs, func(x backout.Pair) bool {
			return x.A == pay && x.B == shop && x.AVersion == p && x.BVersion == s || x.A == shop && x.B == pay && x.AVersion == s && x.BVersion == p
		})
	}
	for _, c := range []struct {
		p, s backout.Version
		want bool
	}{{"1", "7", true}, {"2", "7", true}, {"1", "8", true}, {"2", "8", true}} {
		if has(c.p, c.s) != c.want {
			t.Errorf("payment %s with shop %s: %t, want %t in %+v", c.p, c.s, !c.want, c.want, pairs)
		}
	}
	late := backout.SeenTogether(g, changes, nil, noon.Add(6*time.Minute), 2*time.Minute)
	if slices.ContainsFunc(late, func(x backout.Pair) bool { return x.BVersion == "8" || x.AVersion == "8" }) {
		t.Errorf("a minute side by side counts as seen: %+v", late)
	}
}

func TestCompareVersions_orders(t *testing.T) {
	for _, c := range [][2]backout.Version{{"2.9.0", "2.10.0"}, {"v1.2", "v1.10"}, {"0041", "0042"}, {"r1", "r2"}, {"1.0", "1.0.1"}, {"9", "10"}} {
		if backout.CompareVersions(c[0], c[1]) >= 0 || backout.CompareVersions(c[1], c[0]) <= 0 || backout.CompareVersions(c[0], c[0]) != 0 {
			t.Errorf("%s is not before %s", c[0], c[1])
		}
	}
	v := rapid.Custom(func(t *rapid.T) backout.Version {
		return backout.Version(rapid.StringMatching(`v?[0-9a-c]{0,3}(\.[0-9a-c]{1,2}){0,2}`).Draw(t, "v"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := v.Draw(t, "a"), v.Draw(t, "b"), v.Draw(t, "c")
		sign := func(n int) int { return min(1, max(-1, n)) }
		if sign(backout.CompareVersions(a, b)) != -sign(backout.CompareVersions(b, a)) {
			t.Fatalf("%s and %s are not antisymmetric", a, b)
		}
		if backout.CompareVersions(a, b) <= 0 && backout.CompareVersions(b, c) <= 0 && backout.CompareVersions(a, c) > 0 {
			t.Fatalf("%s <= %s <= %s, but not %s <= %s", a, b, c, a, c)
		}
	})
}

func TestContract_allows(t *testing.T) {
	c := backout.Contract{Rules: []backout.ContractRule{{When: backout.VersionRange{From: "on", To: "on"}, Needs: backout.VersionRange{From: "2.14.0"}}}}
	for _, x := range []struct {
		flag, code backout.Version
		want       bool
	}{{"on", "2.14.0", true}, {"on", "2.15.1", true}, {"on", "2.13.9", false}, {"off", "1.0.0", true}} {
		if got := c.Allows(x.flag, x.code); got != x.want {
			t.Errorf("flag %s with %s: %t, want %t", x.flag, x.code, got, x.want)
		}
	}
}

func TestFingerprint_seesWhatMatters(t *testing.T) {
	w := func() backout.World {
		changes, _ := backout.Fold([]backout.Observation{seen("ci", "1", 0, "2", 1)})
		return backout.World{Changes: changes, Live: map[backout.ComponentID]backout.Live{pay: {Shares: map[backout.Version]float64{"2": 1}}}, Policy: backout.Policy{Version: "1"}}
	}
	touched := []backout.ComponentID{pay}
	base := w().Fingerprint(touched)
	later := w()
	later.Now, later.Priors.Incidents = noon, 7
	if later.Fingerprint(touched) != base {
		t.Error("time and priors changed the fingerprint")
	}
	for name, move := range map[string]func(*backout.World){
		"live version": func(w *backout.World) { w.Live[pay] = backout.Live{Shares: map[backout.Version]float64{"3": 1}} },
		"another change": func(w *backout.World) {
			w.Changes = append(w.Changes, backout.Change{ID: "x", Component: pay, From: "2", To: "3"})
		},
		"the policy":  func(w *backout.World) { w.Policy.Version = "2" },
		"kill switch": func(w *backout.World) { w.Policy.KillSwitch = true },
		"a hold":      func(w *backout.World) { w.Holds = []backout.Hold{{Component: pay, Owner: "ann"}} },
		"a contract":  func(w *backout.World) { w.Contracts = []backout.Contract{{ID: "c", Consumer: pay, Provider: "x"}} },
	} {
		x := w()
		move(&x)
		if x.Fingerprint(touched) == base {
			t.Errorf("%s did not change the fingerprint", name)
		}
	}
}

func TestDigest_coversDeedsNotWords(t *testing.T) {
	p := func() backout.Plan {
		return backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a", Component: pay, From: "2", To: "1", Stages: []backout.Stage{{Share: 1, Bake: backout.Duration(time.Minute)}}}}}}}
	}
	base := p().ExecutableDigest()
	words := p()
	words.Summary, words.Success, words.Waves[0].Steps[0].Why = "other words", .3, "because"
	if words.ExecutableDigest() != base {
		t.Error("words changed the digest")
	}
	for name, alter := range map[string]func(*backout.Step){
		"target": func(s *backout.Step) { s.To = "0" }, "share": func(s *backout.Step) { s.Stages[0].Share = .5 },
		"bake": func(s *backout.Step) { s.Stages[0].Bake = 0 }, "component": func(s *backout.Step) { s.Component = "x" }, "audience": func(s *backout.Step) { s.Stages[0].Audience = "partner" },
	} {
		x := p()
		alter(&x.Waves[0].Steps[0])
		if x.ExecutableDigest() == base {
			t.Errorf("another %s has the same digest", name)
		}
	}
}

func TestMoneyAndDuration(t *testing.T) {
	m := backout.Money{Minor: 1050, Currency: "EUR"}
	if got := m.Times(.5).Plus(backout.Money{}).String(); got != "5.25 EUR" {
		t.Errorf("half of 10.50 EUR is %s", got)
	}
	if got := (backout.Money{Minor: -5, Currency: "EUR"}).String(); got != "-0.05 EUR" {
		t.Errorf("minus five cents is %s", got)
	}
	var d backout.Duration
	if err := json.Unmarshal([]byte(`"2m30s"`), &d); err != nil || d.Std() != 150*time.Second {
		t.Errorf("2m30s reads as %s, %v", d, err)
	}
	if err := json.Unmarshal([]byte(`"soon"`), &d); err == nil {
		t.Error("soon is no duration")
	}
}

func TestComponentID_split(t *testing.T) {
	if k, n, e, l, err := pay.Split(); k != backout.KindDeployment || n != "payment" || e != "production" || l != "eu-1" || err != nil {
		t.Errorf("%s splits into %s %s %s %s, %v", pay, k, n, e, l, err)
	}
	if backout.NewComponentID(backout.KindDeployment, "payment", "production", "eu-1") != pay {
		t.Error("joining does not undo splitting")
	}
	for _, bad := range []backout.ComponentID{"", "payment", "deployment:payment", "deployment:@a/b", "deployment:x@a/", ":x@a/b"} {
		if _, _, _, _, err := bad.Split(); err == nil {
			t.Errorf("%q splits", bad)
		}
	}
}

func TestVersionAt_levels(t *testing.T) {
	changes, _ := backout.Fold([]backout.Observation{seen("ci", "1", 0, "2", 1), seen("ci", "2", 5, "3", 1)})
	w := backout.World{Changes: changes}
	for l, want := range map[backout.Level]backout.Version{0: "1", 1: "2", 2: "3"} {
		if got, ok := w.VersionAt(pay, l); !ok || got != want {
			t.Errorf("level %d is %s (%t), want %s", l, got, ok, want)
		}
	}
	if _, ok := w.VersionAt(pay, 3); ok {
		t.Error("a level above the current is known")
	}
}

// One source that knows of the vulnerability is enough, whichever comes first.
func TestFold_securityIsKept(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	plain := backout.Observation{Source: "ci", NativeID: "1", At: at, Component: "deployment:payment@production/eu-1", To: "2", Share: 1}
	knows := plain
	knows.Source, knows.Security = "scanner", "CVE-2026-1234"
	for _, obs := range [][]backout.Observation{{plain, knows}, {knows, plain}} {
		if changes, _ := backout.Fold(obs); len(changes) != 1 || changes[0].Security != "CVE-2026-1234" {
			t.Errorf("changes %+v, want one that closes the vulnerability", changes)
		}
	}
}
