package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/bench/dataset"
	"github.com/backout-dev/backout/internal/attribute"
	"github.com/backout-dev/backout/internal/detect"
)

func TestRanking_breaksTiesByLot(t *testing.T) {
	scores := func(x ...float64) map[string]float64 {
		out := map[string]float64{}
		for i, s := range x {
			out[string(rune('a'+i))] = s
		}
		return out
	}
	for name, c := range map[string]struct {
		scores                                 map[string]float64
		hit1, hit3, rank, reciprocal, innocent float64
	}{
		"first":       {scores(3, 2, 1), 1, 1, 1, 1, 0},
		"second":      {scores(2, 3, 1), 0, 1, 2, .5, 1},
		"all tied":    {scores(1, 1, 1, 1), .25, .75, 2.5, (1 + .5 + 1./3 + .25) / 4, 3},
		"tied second": {scores(1, 2, 1, 1), 0, 2. / 3, 3, (.5 + 1./3 + .25) / 3, 1},
		"not ranked":  {map[string]float64{"b": 1, "c": 1}, 0, 1, 3, 1. / 3, 2},
	} {
		r := ranking{c.scores, "a"}
		got := []float64{r.hit(1), r.hit(3), r.rank(), r.reciprocal(), r.innocent()}
		want := []float64{c.hit1, c.hit3, c.rank, c.reciprocal, c.innocent}
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); d != "" {
			t.Errorf("%s: hit@1, hit@3, place, 1/place, innocent (-want +got):\n%s", name, d)
		}
	}
}

func TestInterval_holdsTheMean(t *testing.T) {
	x := make([]float64, 100)
	for i := range 70 {
		x[i] = 1
	}
	// The normal approximation is 0.7 ± 1.96·sqrt(0.21/100).
	if got := interval(x); math.Abs(got[0]-.61) > .011 || math.Abs(got[1]-.79) > .011 {
		t.Errorf("95 %% interval of 70 of 100 is %v, expected about [0.61, 0.79]", got)
	}
}

func TestCalibration_ofHonestAnswers(t *testing.T) {
	var claims []claim
	for i := range 100 {
		right := i < 80
		claims = append(claims, claim{top: .8, truth: map[bool]float64{true: .8, false: .2}[right], squares: map[bool]float64{true: .08, false: 1.28}[right], right: right})
	}
	c := calibrationOf(claims)
	if math.Abs(c.NLL-(-.8*math.Log(.8)-.2*math.Log(.2))) > 1e-9 || math.Abs(c.Brier-.32) > 1e-9 || c.ECE > .33 {
		t.Errorf("got %+v", c)
	}
}

func TestRun_saysHowToGetTheData(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, options{Options: dataset.Options{Set: "changerca", Data: t.TempDir() + "/none", Output: "text"}, until: "4m"}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "skipped: ") || !strings.Contains(out.String(), "github.com/") {
		t.Errorf("got %q, expected that it is skipped and where the set comes from", out.String())
	}
	if err := run(&out, options{Options: dataset.Options{Set: "nab", Output: "text"}}); err == nil {
		t.Error("an unknown set is measured")
	}
}

// public is the folder of a public set, for tests that need the real thing.
func public(t *testing.T, set string) string {
	t.Helper()
	root := os.Getenv("BACKOUT_PUBLIC_DATA")
	if root == "" {
		t.Skip("set BACKOUT_PUBLIC_DATA to the folder that holds " + set)
	}
	return root + "/" + set
}

// What the peers are measured on is what we are measured on.
func TestWindow_isWhatTheReplayMeasures(t *testing.T) {
	sets := map[string]func(*testing.T) ([]recorded.Case, error){
		"changerca": func(t *testing.T) ([]recorded.Case, error) {
			return recorded.ReadChangeRCA(public(t, "changerca"), 4*time.Minute)
		},
		"petshop": func(t *testing.T) ([]recorded.Case, error) {
			return recorded.ReadPetShop(recorded.PetShopDir(public(t, "petshop")), 8*time.Minute)
		},
	}
	for set, read := range sets {
		t.Run(set, func(t *testing.T) {
			cases, err := read(t)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cases {
				a, err := ask(context.Background(), c)
				if err != nil {
					t.Fatal(err)
				}
				d, err := detect.New(detect.Config{})
				if err != nil {
					t.Fatal(err)
				}
				w := c.Window()
				d.Tick(w)
				direct := attribute.Rank(attribute.Question{World: c.World(), Residuals: d.Residuals(w.Now.Add(-time.Hour), w.Now)})
				if math.Abs(direct.PNone-a.PNone) > .02 {
					t.Errorf("%s: no change has %.3f directly, %.3f by the path", c.ID, direct.PNone, a.PNone)
				}
			}
		})
	}
}
