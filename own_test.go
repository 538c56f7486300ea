package backout_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// The effects of our own runs are responses, whoever reports them and whether anybody does.
func TestRecognized_ownEffectsAreResponses(t *testing.T) {
	released := seen("ci", "1", 0, "2", 1)
	back := seen("gitops", "2", 20, "1", 1) // 2 -> 1, reported by a source that knows nothing of us
	effect := backout.OwnEffect{Attempt: "INC-1/1", Key: "INC-1/1/a/0", Component: pay, To: "1", Began: noon.Add(19 * time.Minute), Ended: noon.Add(21 * time.Minute)}
	late, early, digested := back, back, digest(back, "sha256:11")
	late.At, early.At = noon.Add(40*time.Minute), noon.Add(18*time.Minute+30*time.Second)
	other := back
	other.To = "3"
	again := seen("ci", "9", 50, "2", 1)
	for name, c := range map[string]struct {
		obs     []backout.Observation
		own     []backout.OwnEffect
		changes []backout.Version
	}{
		"reported in time":              {[]backout.Observation{released, back}, []backout.OwnEffect{effect}, []backout.Version{"2"}},
		"by a clock that is behind":     {[]backout.Observation{released, early}, []backout.OwnEffect{effect}, []backout.Version{"2"}},
		"with a digest":                 {[]backout.Observation{released, digested}, []backout.OwnEffect{effect}, []backout.Version{"2"}},
		"by two sources, one late":      {[]backout.Observation{released, back, late}, []backout.OwnEffect{effect}, []backout.Version{"2"}},
		"late only":                     {[]backout.Observation{released, late}, []backout.OwnEffect{effect}, []backout.Version{"2"}},
		"by nobody":                     {[]backout.Observation{released}, []backout.OwnEffect{effect}, []backout.Version{"2"}},
		"somebody moved it elsewhere":   {[]backout.Observation{released, other}, []backout.OwnEffect{effect}, []backout.Version{"2", "3"}},
		"shipped again afterwards":      {[]backout.Observation{released, back, again}, []backout.OwnEffect{effect}, []backout.Version{"2", "2"}},
		"back again after it was again": {[]backout.Observation{released, back, again, seen("gitops", "3", 60, "1", 1)}, []backout.OwnEffect{effect}, []backout.Version{"2", "2", "1"}},
		"not ours":                      {[]backout.Observation{released, back}, nil, []backout.Version{"2", "1"}},
	} {
		for range 6 {
			rand.Shuffle(len(c.obs), func(i, j int) { c.obs[i], c.obs[j] = c.obs[j], c.obs[i] })
			changes, responses := backout.Fold(backout.Recognized(c.obs, c.own, time.Minute))
			got := []backout.Version{}
			for _, ch := range changes {
				got = append(got, ch.To)
			}
			if d := cmp.Diff(c.changes, got); d != "" {
				t.Fatalf("%s: changes (-want +got):\n%s", name, d)
			}
			if len(c.own) > 0 && (len(responses) != 1 || responses[0].Attempt != "INC-1/1" || responses[0].To != "1") {
				t.Fatalf("%s: responses %+v, want one", name, responses)
			}
		}
	}
}

// While an effect is under way, its first sight is ours as well.
func TestRecognized_whileItGoesOn(t *testing.T) {
	own := []backout.OwnEffect{{Attempt: "INC-1/1", Key: "k", Component: pay, To: "1", Began: noon}}
	if changes, responses := backout.Fold(backout.Recognized([]backout.Observation{seen("k8s", "1", 7, "1", .3)}, own, time.Minute)); len(changes) != 0 || len(responses) != 1 {
		t.Errorf("changes %+v, responses %+v: want one response", changes, responses)
	}
}

// What a rebuilt image reports under an old name is a change even where we stand.
func TestFold_anotherDigestIsAChange(t *testing.T) {
	obs := []backout.Observation{digest(seen("ci", "0", 0, "1", 1), "sha256:11"), seen("ci", "1", 5, "2", 1), ours(seen("backout", "k", 10, "1", 1)), digest(seen("ci", "2", 15, "1", 1), "sha256:99")}
	if changes, _ := backout.Fold(obs); len(changes) != 3 {
		t.Errorf("%+v: want 1, 2 and the rebuilt 1", changes)
	}
}
