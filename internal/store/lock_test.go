package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

const cart, web = backout.ComponentID("deployment:cart@production/eu-1"), backout.ComponentID("deployment:web@production/eu-1")

func lock(owner, token string, at time.Time) backout.DeployLock {
	return backout.DeployLock{Component: cart, Owner: owner, Token: token, To: "2", At: at, Until: at.Add(30 * time.Minute)}
}

func take(t *testing.T, s *store.Store, l backout.DeployLock) (backout.DeployLock, bool) {
	t.Helper()
	held, taken, err := s.TakeLock(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return held, taken
}

func TestLock_oneOwnerAtATime(t *testing.T) {
	s := storetest.New(t)
	if _, taken := take(t, s, lock("ci-1", "a", noon)); !taken {
		t.Fatal("a free lock was not given")
	}
	if held, taken := take(t, s, lock("ci-2", "b", noon.Add(29*time.Minute))); taken || held.Owner != "ci-1" || held.Token != "" {
		t.Errorf("%+v, taken %t: want ci-1's, without its token", held, taken)
	}
	if _, err := s.RenewLock(t.Context(), cart, "b", noon.Add(time.Hour)); backout.CodeOf(err) != backout.CodeConflict || !strings.Contains(err.Error(), "held by ci-1") {
		t.Errorf("renewed by somebody else: %v", err)
	}
	if l, err := s.RenewLock(t.Context(), cart, "a", noon.Add(time.Hour)); err != nil || !l.Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v, %v: want it until one", l, err)
	}
	if _, taken := take(t, s, lock("ci-2", "b", noon.Add(59*time.Minute))); taken {
		t.Error("a renewed lock was given away")
	}
	if _, taken := take(t, s, lock("ci-2", "b", noon.Add(time.Hour))); !taken {
		t.Error("a lock that ran out was not given")
	}
	if err := s.EndLock(t.Context(), cart, "a"); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Locks(t.Context(), noon.Add(time.Hour)); err != nil || len(all) != 1 || all[0].Owner != "ci-2" || all[0].Token != "" {
		t.Errorf("%+v, %v: an old token must not end it, and no list tells a token", all, err)
	}
	if err := s.EndLock(t.Context(), cart, "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RenewLock(t.Context(), cart, "b", noon.Add(2*time.Hour)); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("renewed after its end: %v", err)
	}
}

func TestLock_endsWhenTheDeploymentIsSeenDone(t *testing.T) {
	s := storetest.New(t)
	take(t, s, lock("ci-1", "a", noon))
	for _, c := range []struct {
		to    backout.Version
		at    time.Time
		holds int
	}{{"3", noon.Add(time.Minute), 1}, {"2", noon.Add(-2 * time.Minute), 1}, {"2", noon.Add(time.Minute), 0}} {
		if err := s.Deployed(t.Context(), cart, c.to, c.at); err != nil {
			t.Fatal(err)
		}
		if all, err := s.Locks(t.Context(), noon); err != nil || len(all) != c.holds {
			t.Errorf("after %s at %s: %+v, %v, want %d", c.to, c.at.Format(time.TimeOnly), all, err, c.holds)
		}
	}
}

func TestTakeOver_whoeverHasIt(t *testing.T) {
	s := storetest.New(t)
	take(t, s, lock("ci-1", "a", noon))
	at := noon.Add(time.Minute)
	for range 2 { // a start that is repeated
		lost, err := s.TakeOver(t.Context(), "INC-1/1", []backout.ComponentID{cart, web}, at, at.Add(time.Hour))
		if err != nil || len(lost) != 1 || lost[0].Component != cart || lost[0].TakenFrom != "ci-1" {
			t.Fatalf("%+v, %v: want cart's taken from ci-1", lost, err)
		}
	}
	if log, err := s.Audit(t.Context(), "INC-1"); err != nil || len(log) != 1 || !strings.Contains(log[0].What, "INC-1/1 took over the deploy lock of ci-1 on "+string(cart)) {
		t.Errorf("%+v, %v: want it noted once", log, err)
	}
	if _, taken := take(t, s, lock("ci-1", "c", at)); taken {
		t.Error("who lost it got it again while the attempt runs")
	}
	if err := s.Deployed(t.Context(), cart, "", at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.EndLock(t.Context(), cart, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepLocks(t.Context(), "INC-1/1", at.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Locks(t.Context(), at.Add(90*time.Minute)); err != nil || len(all) != 2 || all[0].Attempt != "INC-1/1" {
		t.Errorf("%+v, %v: want both kept by the attempt", all, err)
	}
	conflict := func(when string) {
		if _, err := s.RenewLock(t.Context(), cart, "a", at.Add(3*time.Hour)); backout.CodeOf(err) != backout.CodeConflict || !strings.Contains(err.Error(), "taken over by INC-1/1") {
			t.Errorf("%s: %v, want a conflict that names the attempt", when, err)
		}
	}
	conflict("while it runs")
	if err := s.FreeLocks(t.Context(), "INC-1/1"); err != nil {
		t.Fatal(err)
	}
	conflict("after its end")
	if all, err := s.Locks(t.Context(), at); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v: want none after the end", all, err)
	}
	if _, taken := take(t, s, lock("ci-2", "d", at)); !taken {
		t.Error("a lock that the attempt gave back was not given")
	}
	if p, err := s.Prune(t.Context(), noon.Add(time.Hour)); err != nil || p.Locks != 2 {
		t.Errorf("pruned %+v, %v: want both old rows", p, err)
	}
}

func TestHold_liftedWithAudit(t *testing.T) {
	s := storetest.New(t)
	mustOpen(t, s, detected("INC-1", "production"))
	bad := backout.Hold{Component: cart, Owner: "backout INC-1", Incident: "INC-1", BadTo: "2", Until: noon.Add(time.Hour)}
	if err := s.Hold(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	if err := s.Place(t.Context(), backout.Hold{Component: cart, Owner: "ann", Reason: "debugging", At: noon, Until: noon.Add(time.Hour)}, "ann"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Lift(t.Context(), cart, "bob", "bob", "why not", noon); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v: bob holds nothing", got, err)
	}
	if got, err := s.Lift(t.Context(), cart, "", "bob", "2.1 is out", noon); err != nil || len(got) != 2 {
		t.Errorf("%+v, %v: want both ended", got, err)
	}
	if all, err := s.Holds(t.Context(), noon); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	for id, want := range map[backout.IncidentID][]string{
		backout.ControlsLog: {"holds " + string(cart) + " until", "ended the hold of " + string(cart) + " by ann: 2.1 is out", "by backout INC-1: 2.1 is out"},
		"INC-1":             {"checkout errors rose", "ended the hold of " + string(cart) + " by backout INC-1: 2.1 is out"},
	} {
		log, err := s.Audit(t.Context(), id)
		if err != nil || len(log) != len(want) {
			t.Fatalf("%s: %+v, %v, want %d entries", id, log, err, len(want))
		}
		whole(t, s, id)
		for i, w := range want {
			if !strings.Contains(log[i].What, w) {
				t.Errorf("%s: entry %d is %q, want %q", id, i, log[i].What, w)
			}
		}
	}
}

// The kill switch is read as it was turned last, by a store opened anew as well.
func TestStop_survivesAndIsAudited(t *testing.T) {
	db := storetest.Handle(t)
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := s.Stop(t.Context()); err != nil || st.On {
		t.Errorf("%+v, %v: want it off at first", st, err)
	}
	on := backout.Stop{On: true, By: "ann", Reason: "strange plans", At: noon}
	if err := s.Turn(t.Context(), on); err != nil {
		t.Fatal(err)
	}
	again, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := again.Stop(t.Context()); err != nil || st != on {
		t.Errorf("%+v, %v: want it on", st, err)
	}
	if err := again.Turn(t.Context(), backout.Stop{By: "bob", Reason: "looked at", At: noon.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	log, err := s.Audit(t.Context(), backout.ControlsLog)
	if err != nil || len(log) != 2 || log[0].By != "ann" || !strings.Contains(log[1].What, "off: looked at") {
		t.Errorf("%+v, %v", log, err)
	}
}

func TestSpent_countsWhatRanByItself(t *testing.T) {
	s := storetest.New(t)
	in := mustOpen(t, s, detected("INC-1", "production"))
	plan := backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a"}, {ID: "b"}}}}}
	in.Attempts = []backout.Attempt{
		{ID: "INC-1/1", Plan: plan, StartedAt: noon.Add(time.Hour)},
		{ID: "INC-1/2", Plan: plan, StartedAt: noon.Add(2 * time.Hour), Approvals: []backout.Approval{{Yes: true}}},
		{ID: "INC-1/3", Plan: plan},
	}
	in.State = backout.StateHalted
	if _, err := s.Transition(t.Context(), store.Transition{Incident: in, At: noon, By: "backout", What: "x"}); err != nil {
		t.Fatal(err)
	}
	for since, want := range map[time.Time][]backout.Spent{
		noon.Add(12 * time.Minute): {{Attempt: "INC-1/1", At: noon.Add(time.Hour), Steps: 2}}, noon.Add(time.Hour): {},
	} {
		got, err := s.Spent(t.Context(), since)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("since %s: %v (-want +got):\n%s", since, err, d)
		}
	}
}
