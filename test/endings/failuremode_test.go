package endings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/test/town"
)

// The ways in which automatic rollback is known to fail, by number; what is held for
// each is in docs/decisions/0370-failure-modes.md. Those that show in time are played
// in a town here, those that show in the plan are in failuremode_plan_test.go.

// What was taken back does not come again under another name: the hold knows the
// artifact.
func TestFailureMode03_thePromoterBringsItBack(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		w.ended()
		held, err := w.Store.Holds(w.Context(), time.Now())
		if err != nil || len(held) != 1 {
			t.Fatalf("holds %+v, %v: want one on payment", held, err)
		}
		for to, kept := range map[backout.Version]bool{"2": true, "3": false} {
			if why := held[0].Keeps(backout.Deployment{Component: deployment("payment"), To: to}); (why != "") != kept {
				t.Errorf("shipping %s: %q, want it kept away %t", to, why, kept)
			}
		}
	})
}

// A symptom that comes and goes moves nothing to and fro, and floods nobody.
func TestFailureMode05_theVerdictFlaps(t *testing.T) {
	inTown(t, func(w *world) {
		w.pass(10 * minute)
		w.ship("payment", "2")
		for i := range 30 {
			at := time.Now().Add(time.Duration(2*i) * minute)
			w.product.Hurt(town.Trouble{From: at, To: at.Add(minute), Services: map[backout.ServiceID]float64{"payment": .04}})
		}
		w.pass(time.Hour)
		if n := len(w.product.Moves()); n > 3 { // ci's and at most one way back in two stages
			t.Errorf("%d moves:\n%s", n, w.story())
		}
		if n := len(w.Mouth.Told(backout.AudienceOnCall)); n > 25 {
			t.Errorf("on-call heard %d messages in an hour", n)
		}
	})
}

// Two changes of one service at the same moment can't be told apart by what is
// measured, so nothing is done by itself on a guess.
func TestFailureMode06_coincidentChanges(t *testing.T) {
	inTown(t, func(w *world) {
		w.rule(func(p *backout.Policy) { p.MinConfidence = .8 })
		w.config.Contracts = nil
		w.close()
		w.open()
		w.hurts()
		w.pass(10 * minute)
		w.ship("payment", "2")
		w.by("ci", config("payment"), "2")
		w.reaches(backout.StateWaiting, backout.StateHalted, backout.StateNoAction, backout.StateRecovered)
		inc := w.incident()
		if len(inc.Attempts) > 0 || len(inc.Attribution.Suspects) < 2 || inc.Attribution.Suspects[1].P < .02 {
			t.Errorf("%d attempts, suspects %+v: want nothing tried and both named", len(inc.Attempts), inc.Attribution.Suspects)
		}
	})
}

// The loudest service is the one that calls; the change of the one that is called is
// taken back, and nothing of the caller's.
func TestFailureMode07_symptomServiceIsNotTheGuiltyOne(t *testing.T) {
	inTown(t, func(w *world) {
		w.pass(10 * minute)
		w.product.Harms = []town.Harm{{Component: deployment("payment"), Version: "2", Services: map[backout.ServiceID]float64{"payment": .08, "shop": .3}}}
		w.ship("payment", "2")
		w.ends(ending{backout.StateRecovered, "", "recovered", "completed"})
		for _, m := range w.product.Moves() {
			if m.Component != deployment("payment") {
				t.Errorf("%s was moved", m.Component)
			}
		}
	})
}

// A metrics backend that is away is neither a symptom nor a proof.
func TestFailureMode08_noDataIsNoFailure(t *testing.T) {
	inTown(t, func(w *world) {
		w.pass(10 * minute)
		w.ship("payment", "2")
		w.product.Blind(time.Now(), time.Now().Add(time.Hour))
		w.pass(90 * minute)
		if inc := w.incident(); inc.ID != "" {
			t.Errorf("an outage of the monitoring opened %s: %s", inc.ID, inc.Why)
		}
	})
}

// A handful of requests proves nothing: single errors among them open no incident.
func TestFailureMode09_lowTraffic(t *testing.T) {
	inTown(t, func(w *world) {
		w.product.Requests = 12
		w.close()
		w.open()
		w.ship("payment", "2")
		w.pass(2 * time.Hour)
		if n := len(w.product.Moves()); n != 1 {
			t.Errorf("%d moves, want ci's alone:\n%s", n, w.story())
		}
	})
}

// The version that comes back starts cold. That is not held against it.
func TestFailureMode10_coldStart(t *testing.T) {
	inTown(t, func(w *world) {
		w.product.Fault = func(_ context.Context, _ backout.Effect, do deed) (backout.Outcome, error) {
			out, err := do()
			w.product.Hurt(town.Trouble{From: time.Now(), To: time.Now().Add(45 * time.Second), Services: map[backout.ServiceID]float64{"payment": .1}})
			return out, err
		}
		w.begin()
		w.ends(ending{backout.StateRecovered, "", "recovered", "completed"})
	})
}

// What breaks half an hour after everybody has it is still laid to the change.
func TestFailureMode11_regressionLongAfterTheRollout(t *testing.T) {
	inTown(t, func(w *world) {
		w.pass(10 * minute)
		w.product.Harms = []town.Harm{{Component: deployment("payment"), Version: "2", Services: map[backout.ServiceID]float64{"payment": .3, "shop": .2}, From: time.Now().Add(30 * minute)}}
		w.ship("payment", "2")
		w.reaches(backout.StatePlanned, backout.StateWaiting, backout.StateApproved, backout.StateExecuting, backout.StateNoAction)
		inc := w.incident()
		if s := inc.Attribution.Suspects; len(s) == 0 || s[0].Component != deployment("payment") {
			t.Errorf("suspects %+v, want payment", s)
		}
	})
}

// A target that is there but not ready stops the way back at its first stage.
func TestFailureMode14_targetIsNotHealthy(t *testing.T) {
	inTown(t, func(w *world) {
		w.product.Fault = func(_ context.Context, e backout.Effect, do deed) (backout.Outcome, error) {
			defer w.product.SetHealthy(e.Component.ID, false)
			return do()
		}
		w.begin()
		w.ends(ending{backout.StateHalted, "payment 33%@1+67%@2", "not healthy", "halted"})
	})
}

// What the target no longer has is no way back, and people hear why.
func TestFailureMode15_artifactIsGone(t *testing.T) {
	inTown(t, func(w *world) {
		w.product.Lose(deployment("payment"), "image payment:1 was deleted from the registry")
		w.begin()
		w.reaches(backout.StateWaiting)
		inc := w.incident()
		if got := fmt.Sprint(inc.Why, inc.Plan.Summary, inc.Plan.Impossible, inc.Plan.Left); !strings.Contains(got, "was deleted from the registry") {
			t.Errorf("nobody is told why: %s", got)
		}
		if n := len(w.product.Moves()); n != 1 {
			t.Errorf("%d moves, want ci's alone", n)
		}
	})
}

// A deed that is reported as done and went half way is not done.
func TestFailureMode16_saidToBeBackAndIsNot(t *testing.T) {
	inTown(t, func(w *world) {
		w.product.Fault = func(_ context.Context, e backout.Effect, do deed) (backout.Outcome, error) {
			if e.Share < 1 {
				return do()
			}
			return backout.OutcomeDone, nil // left at the first stage
		}
		w.begin()
		w.ends(ending{backout.StateHalted, "payment 33%@1+67%@2", "reported as done, but payment is 33 % at 1, 67 % at 2", "halted"})
	})
}

// Every stage has a gate of ours, whatever the target's own tool skips on its way back.
func TestFailureMode25_toolSkipsItsSteps(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		w.ended()
		effects, gates := 0, 0
		for _, e := range w.run().Entries {
			switch {
			case e.Kind == backout.EntryEffect:
				effects++
			case e.Kind == backout.EntryGate && strings.HasPrefix(e.Text, "gate "):
				gates++
			}
		}
		if effects < 2 || gates != effects {
			t.Errorf("%d effects and %d gates:\n%s", effects, gates, w.story())
		}
	})
}

func TestFailureMode26_concurrentDeploy(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute)
		w.by("ann", deployment("payment"), "3")
		w.ends(ending{backout.StateSelfRecovered, "payment 100%@3", "somebody moved", "halted"})
	})
}

// A version that closes a hole is not taken back without somebody who may open it.
func TestFailureMode27_securityFix(t *testing.T) {
	inTown(t, func(w *world) {
		w.hurts()
		w.pass(10 * minute)
		w.product.Set(deployment("payment"), "2", "ci")
		if _, err := w.Store.Observe(w.Context(), []backout.Observation{{
			Source: "ci", NativeID: "1", At: time.Now(), Component: deployment("payment"), From: "1", To: "2", Share: 1, Security: "CVE-2026-1234",
		}}); err != nil {
			t.Fatal(err)
		}
		w.reaches(backout.StateWaiting)
		if why := w.incident().Why; !strings.Contains(why, "CVE-2026-1234") {
			t.Errorf("asked without naming the hole: %s", why)
		}
		ann := backout.Principal{Name: "ann", Role: backout.RoleApprover}
		inc, err := w.Responder.Approve(w.Context(), time.Now(), w.incident().ID, ann, w.incident().Plan.Digest, "go ahead")
		if err != nil || inc.State != backout.StateWaiting {
			t.Errorf("an approver's yes made it %s, %v: it takes an admin", inc.State, err)
		}
	})
}

// Who aborts hears what is live, and nothing runs to its end behind their back.
func TestFailureMode29_abortSaysWhatIsLive(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		ann := backout.Principal{Name: "ann", Role: backout.RoleApprover}
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute)
		if _, err := w.Responder.Abort(w.Context(), time.Now(), w.incident().ID, ann); err != nil {
			t.Fatal(err)
		}
		w.ends(ending{backout.StateAborted, "payment 33%@1+67%@2", "payment from 2 to 1 (33 % of it)", "33 % at 1"})
		if _, err := w.Responder.Abort(w.Context(), time.Now(), w.incident().ID, ann); backout.CodeOf(err) != backout.CodeConflict {
			t.Errorf("aborting what has ended: %v, want a conflict", err)
		}
	})
}

func TestFailureMode30_nobodyAnswers(t *testing.T) {
	inTown(t, func(w *world) {
		w.rule(func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk })
		w.close()
		w.open()
		w.begin()
		w.ends(ending{backout.StateHalted, "payment 100%@2", "nobody decided by the deadline; nothing was changed", ""})
	})
}

// A yes binds to what was shown.
func TestFailureMode31_approvalOfAStalePlan(t *testing.T) {
	inTown(t, func(w *world) {
		w.rule(func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk })
		w.close()
		w.open()
		w.begin()
		w.reaches(backout.StateWaiting)
		shown := w.incident()
		w.by("ann", deployment("payment"), "3") // 2 is not live any more
		ann := backout.Principal{Name: "bob", Role: backout.RoleApprover}
		_, _ = w.Responder.Approve(w.Context(), time.Now(), shown.ID, ann, shown.Plan.Digest, "go ahead")
		w.pass(3 * minute)
		for _, m := range w.product.Moves() {
			if strings.Contains(m.By, "/") {
				t.Errorf("%s moved %s by a plan for a world that is gone", m.By, m.Component)
			}
		}
	})
}

// An hour of waiting is a few messages, and the end is one of them.
func TestFailureMode32_stormOrSilence(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.product.Blind(time.Now(), time.Now().Add(time.Hour))
		w.ends(ending{backout.StateRecovered, "", "recovered", "completed"})
		told := w.Mouth.Told(backout.AudienceOnCall)
		ends := 0
		for _, m := range told {
			if m.Terminal {
				ends++
			}
		}
		if len(told) > 20 || ends != 1 {
			t.Errorf("%d messages, %d ends", len(told), ends)
		}
	})
}

// With the metrics and the target away at once nothing is done, nothing is lost, and it
// carries on when they are back.
func TestFailureMode33_partOfTheOutage(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute) // the first effect is known to be done
		w.product.Hide(func(backout.ComponentID) error { return errors.New("the cluster does not answer") })
		w.product.Blind(time.Now(), time.Now().Add(20*minute))
		n := len(w.product.Moves())
		w.pass(20 * minute)
		w.close() // and the machine that backout runs on goes too
		w.open()
		w.pass(10 * minute)
		if len(w.product.Moves()) != n {
			t.Errorf("it moved something blindly:\n%s", w.story())
		}
		w.product.Hide(nil)
		w.ends(ending{backout.StateRecovered, "", "recovered", "completed"})
	})
}

// A rollback that worked is no end of the matter: it is reviewed, and the artifact is
// held until another one comes.
func TestFailureMode34_rollbackHidesTheCause(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		w.ended()
		w.pass(minute)
		r, err := w.Store.Review(w.Context(), w.incident().ID)
		if err != nil || len(r.Culprits) != 1 {
			t.Errorf("review %+v, %v: want payment 2 as the culprit", r, err)
		}
		if held, err := w.Store.Holds(w.Context(), time.Now().Add(time.Hour)); err != nil || len(held) != 1 || held[0].BadTo != "2" {
			t.Errorf("holds %+v, %v", held, err)
		}
	})
}

// What was written down can't be changed unnoticed.
func TestFailureMode35_whoCanWriteCanLie(t *testing.T) {
	inTown(t, func(w *world) {
		w.begin()
		w.ended()
		stored, err := w.Records(w.Context(), w.incident().ID)
		if err != nil || len(stored.Entries) < 3 {
			t.Fatalf("%d entries, %v", len(stored.Entries), err)
		}
		for what, forge := range map[string]func(l [][]byte) [][]byte{
			"nothing": func(l [][]byte) [][]byte { return l },
			"another actor": func(l [][]byte) [][]byte {
				l[1] = bytes.Replace(l[1], []byte(`"by":"backout"`), []byte(`"by":"ann"`), 1)
				return l
			},
			"a line gone": func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) },
		} {
			forged := stored
			forged.Entries = forge(slices.Clone(stored.Entries))
			c := attest.New(nil)
			c.Add(forged)
			if found := len(c.Result(false).Broken) > 0; found != (what != "nothing") {
				t.Errorf("%s was changed: noticed %t", what, found)
			}
		}
	})
}

// What went away by itself teaches nothing about who did it.
func TestFailureMode36_recoveredByChance(t *testing.T) {
	inTown(t, func(w *world) {
		w.rule(func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk })
		w.close()
		w.open()
		w.pass(10 * minute)
		w.ship("payment", "2")
		w.product.Hurt(town.Trouble{From: time.Now(), Services: map[backout.ServiceID]float64{"payment": .2, "shop": .1}})
		w.reaches(backout.StateWaiting)
		w.product.Heal()
		w.ended()
		inc := w.incident()
		if _, err := w.Store.Review(w.Context(), inc.ID); backout.CodeOf(err) != backout.CodeNotFound || inc.State == backout.StateRecovered {
			t.Errorf("%s, and a review was written (%v)", inc.State, err)
		}
		if p, err := w.Store.Priors(w.Context()); err != nil || p.Incidents != 0 {
			t.Errorf("priors learnt %v incidents, %v", p.Incidents, err)
		}
	})
}

// The table of the decision names a test that exists, or what it waits for.
func TestFailureModes_areTabled(t *testing.T) {
	page, err := os.ReadFile("../../docs/decisions/0370-failure-modes.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (.+?) \| (.+?) \|$`).FindAllStringSubmatch(string(page), -1)
	if len(rows) != 36 {
		t.Fatalf("%d rows, want 36", len(rows))
	}
	tabled := map[string]bool{}
	for i, r := range rows {
		if r[1] != fmt.Sprint(i+1) {
			t.Errorf("row %d has number %s", i+1, r[1])
		}
		named := regexp.MustCompile("`([\\w/]+\\.go):(Test\\w+)`").FindAllStringSubmatch(r[3], -1)
		if len(named) == 0 && !strings.HasPrefix(r[3], "waits for ") {
			t.Errorf("row %s names neither a test nor what it waits for: %s", r[1], r[3])
		}
		for _, n := range named {
			tabled[n[2]] = true
			source, err := os.ReadFile(filepath.Join("../..", n[1]))
			if err != nil || !strings.Contains(string(source), "func "+n[2]+"(") {
				t.Errorf("row %s names %s in %s, which is not there", r[1], n[2], n[1])
			}
		}
	}
	for _, file := range []string{"failuremode_test.go", "failuremode_plan_test.go"} {
		own, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range regexp.MustCompile(`func (TestFailureMode\d\d_\w+)`).FindAllStringSubmatch(string(own), -1) {
			if !tabled[f[1]] {
				t.Errorf("%s is not in the table", f[1])
			}
		}
	}
}
