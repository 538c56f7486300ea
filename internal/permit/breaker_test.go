package permit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// change is one of payment's, some time ago.
func (s *scene) change(id backout.ChangeID, from, to backout.Version, ago time.Duration) backout.Change {
	return backout.Change{ID: id, Component: payment, From: from, To: to, Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: s.world.Now.Add(-ago), Share: 1}}}}
}

func (s *scene) spend(steps int, ago ...time.Duration) {
	for _, d := range ago {
		s.world.Spent = append(s.world.Spent, backout.Spent{Attempt: "INC-0/1", At: s.world.Now.Add(-d), Steps: steps})
	}
}

func TestBreakers_eachAsksAPerson(t *testing.T) {
	const minutes = time.Minute
	for name, tc := range map[string]struct {
		spoil func(*scene)
		words string // "" = it runs by itself
	}{
		"fresh failure": {func(s *scene) { s.policy.MaxFailureAge = backout.Duration(20 * minutes) }, ""},
		"old failure": {func(s *scene) {
			s.policy.MaxFailureAge, s.incident.Onset = backout.Duration(20*minutes), s.world.Now.Add(-21*minutes)
		}, "the failure is 21m0s old, since 11:39:00 UTC, and is answered without a person up to 20m0s only"},
		"old failure, no bound": {func(s *scene) { s.incident.Onset = s.world.Now.Add(-24 * time.Hour) }, ""},
		"old failure in a rehearsal": {func(s *scene) {
			s.world.Minute = backout.Duration(time.Second)
			s.policy.MaxFailureAge, s.incident.Onset = backout.Duration(20*minutes), s.world.Now.Add(-21*time.Second)
		}, "is answered without a person up to 20s only"},
		"rollout goes on": {func(s *scene) {
			s.policy.Settle, s.world.Changes = backout.Duration(3*minutes), []backout.Change{s.change("c1", "1", "2", 2*minutes)}
		}, "payment@production/eu-1 settles until 12:01:00 UTC after the rollout of 2 at 11:58:00 UTC"},
		"rollout has settled": {func(s *scene) {
			s.policy.Settle, s.world.Changes = backout.Duration(3*minutes), []backout.Change{s.change("c1", "1", "2", 3*minutes)}
		}, ""},
		"its last stage counts": {func(s *scene) {
			c := s.change("c1", "1", "2", 30*minutes)
			c.Exposure.Stages = append(c.Exposure.Stages, backout.ExposureStage{At: s.world.Now.Add(-time.Minute), Share: 1})
			s.policy.Settle, s.world.Changes = backout.Duration(3*minutes), []backout.Change{c}
		}, "settles until 12:02:00 UTC"},
		"our own last action": {func(s *scene) {
			s.policy.Settle, s.policy.Cooldown = backout.Duration(3*minutes), 0
			s.world.Responses = []backout.Response{{Attempt: "INC-0/1", Component: payment, To: "9", At: s.world.Now.Add(-time.Minute)}}
		}, "settles until 12:02:00 UTC after INC-0/1"},
		"what we took away again": {func(s *scene) { s.discard("1", "2") },
			"deployment:payment@production/eu-1 was at 1 already and we took it away from there again (INC-0/1): not a second time without a person"},
		"what we took away again, and somebody shipped since": {func(s *scene) {
			s.discard("1", "2")
			s.world.Changes = append(s.world.Changes, s.change("c8", "2", "1", 50*minutes), s.change("c7", "1", "2", 40*minutes))
		}, ""},
		"what others took away": {func(s *scene) {
			s.discard("1", "4")
			s.world.Changes = append(s.world.Changes, s.change("c8", "1", "2", 61*minutes))
		}, ""},
		"what we went on to elsewhere": {func(s *scene) { s.discard("9", "2") }, ""},
		"a rollback by somebody": {func(s *scene) {
			s.step(0).Reverts, s.step(0).From, s.step(0).To = []backout.ChangeID{"c2"}, "1", "2"
			s.world.Changes = []backout.Change{s.change("c1", "1", "2", 30*minutes), s.change("c2", "2", "1", 20*minutes)}
			s.world.Changes[1].Actor = "ann"
		}, "ann took deployment:payment@production/eu-1 back to 1 itself (c2): no rollback of a rollback"},
		"shipped again after a rollback": {func(s *scene) {
			s.step(0).Reverts = []backout.ChangeID{"c3"}
			s.world.Changes = []backout.Change{s.change("c1", "1", "2", 30*minutes), s.change("c2", "2", "1", 20*minutes), s.change("c3", "1", "2", 10*minutes)}
		}, ""},
		"another version": {func(s *scene) {
			s.world.Changes = []backout.Change{s.change("c0", "0", "1", 30*minutes), s.change("c1", "1", "2", 20*minutes)}
		}, ""},
		"plans an hour left": {func(s *scene) { s.policy.Budget.PlansPerHour = 2; s.spend(1, 59*minutes, time.Hour) }, ""},
		"plans an hour spent": {func(s *scene) { s.policy.Budget.PlansPerHour = 2; s.spend(1, 59*minutes, minutes) },
			"the budget is spent: 2 of 2 plans an hour without a person, and this plan needs 1, more from 12:01:00 UTC"},
		"plans a day spent":  {func(s *scene) { s.policy.Budget.PlansPerDay = 2; s.spend(1, 23*time.Hour, 22*time.Hour) }, "2 of 2 plans a day"},
		"steps an hour left": {func(s *scene) { s.policy.Budget.StepsPerHour = 5; s.spend(3, minutes) }, ""},
		"steps an hour too many": {func(s *scene) { s.policy.Budget.StepsPerHour = 5; s.spend(4, minutes) },
			"4 of 5 steps an hour without a person, and this plan needs 2"},
		"steps a day spent": {func(s *scene) { s.policy.Budget.StepsPerDay = 6; s.spend(5, 20*time.Hour) }, "5 of 6 steps a day"},
		"model hours": {func(s *scene) {
			s.world.Minute = backout.Duration(time.Second)
			s.policy.Budget.PlansPerHour = 1
			s.spend(1, 61*time.Second)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			tc.spoil(s)
			r := s.rule(t)
			switch all := strings.Join(r.Reasons, "\n"); {
			case tc.words == "" && !r.Automatic:
				t.Errorf("asks a person: %q", r.Reasons)
			case tc.words != "" && (r.Automatic || r.Forbidden || r.Approvers == 0 || !strings.Contains(all, tc.words)):
				t.Errorf("%+v: want a person, with %q", r, tc.words)
			}
		})
	}
}

// What people see of the breakers is what the rules go by.
func TestBreakers_forPeople(t *testing.T) {
	s := good()
	s.policy.Budget = backout.Budget{PlansPerHour: 3, StepsPerDay: 10}
	s.spend(2, time.Minute, 2*time.Hour)
	at := func(ago time.Duration) time.Time { return s.world.Now.Add(-ago) }
	s.world.Responses = []backout.Response{
		{Attempt: "INC-0/1", Component: payment, At: at(9 * time.Minute)}, {Attempt: "INC-0/2", Component: payment, At: at(4 * time.Minute)},
		{Attempt: "INC-0/1", Component: express, At: at(time.Hour)},
	}
	p, err := Compile(s.policy)
	if err != nil {
		t.Fatal(err)
	}
	want := backout.Breakers{
		Cooldowns: []backout.Cooldown{{Component: payment, Attempt: "INC-0/2", Until: at(-6 * time.Minute)}},
		Allowance: []backout.Allowance{
			{What: "plans an hour", Most: 3, Used: 1, Next: at(-59 * time.Minute)}, {What: "steps a day", Most: 10, Used: 4, Next: at(-22 * time.Hour)},
		},
	}
	if diff := cmp.Diff(want, p.Breakers(s.world)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.world.Stop = backout.Stop{On: true, By: "ann", Reason: "strange plans", At: s.world.Now}
	if r := s.rule(t); !r.Forbidden || !strings.Contains(r.Reasons[0], "ann stopped everything (strange plans)") || !strings.Contains(r.Reasons[0], "backout go") {
		t.Errorf("stopped: %+v", r)
	}
	if got := p.Breakers(s.world).Stop; got != s.world.Stop {
		t.Errorf("stop %+v", got)
	}
}

func TestDeploy_holdsAndLocks(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	bad := backout.Hold{Component: payment, Owner: "backout INC-1", Reason: "payment 2 is to blame", BadTo: "2", BadDigest: "sha256:aa", Until: now.Add(time.Hour), Rule: backout.ReleaseNewDigest}
	version := bad
	version.BadDigest, version.Rule = "", ""
	person := backout.Hold{Component: payment, Owner: "ann", Reason: "debugging"}
	ours := backout.DeployLock{Component: payment, Owner: "backout", Attempt: "INC-1/1", Until: now.Add(time.Hour), Token: "secret"}
	theirs := backout.DeployLock{Component: payment, Owner: "ci-1", To: "3", Until: now.Add(time.Hour), Token: "secret"}
	over := bad
	over.Until = now
	ran := theirs
	ran.Until = now
	for name, c := range map[string]struct {
		d       backout.Deployment
		hold    backout.Hold
		lock    backout.DeployLock
		words   string // "" = allowed
		release string
	}{
		"nothing held":               {backout.Deployment{To: "2"}, backout.Hold{}, backout.DeployLock{}, "", ""},
		"the bad artifact":           {backout.Deployment{To: "2", Digest: "sha256:aa"}, bad, backout.DeployLock{}, "backout INC-1 holds it until 2026-11-23 13:00 UTC: payment 2 is to blame; this artifact was bad (digest sha256:aa)", "ship another artifact"},
		"another name for it":        {backout.Deployment{To: "2.0.1", Digest: "sha256:aa"}, bad, backout.DeployLock{}, "2.0.1 is the same artifact as 2, which was bad", "backout hold release " + string(payment)},
		"named by its digest":        {backout.Deployment{To: "sha256:aa"}, bad, backout.DeployLock{}, "same artifact", ""},
		"the bad version, no digest": {backout.Deployment{To: "2"}, bad, backout.DeployLock{}, "version 2 was bad", ""},
		"another, no digest":         {backout.Deployment{To: "3"}, bad, backout.DeployLock{}, "3 names no digest, so it can't be told from the bad artifact", "--digest"},
		"another digest":             {backout.Deployment{To: "3", Digest: "sha256:bb"}, bad, backout.DeployLock{}, "", ""},
		"rebuilt under its name":     {backout.Deployment{To: "2", Digest: "sha256:bb"}, bad, backout.DeployLock{}, "", ""},
		"by version, the bad one":    {backout.Deployment{To: "2", Digest: "sha256:bb"}, version, backout.DeployLock{}, "version 2 was bad", "ship another version"},
		"by version, another":        {backout.Deployment{To: "3"}, version, backout.DeployLock{}, "", ""},
		"a person's":                 {backout.Deployment{To: "3", Digest: "sha256:bb"}, person, backout.DeployLock{}, "ann holds it: debugging; nothing is deployed", "backout hold release"},
		"it has run out":             {backout.Deployment{To: "2"}, over, backout.DeployLock{}, "", ""},
		"a plan runs":                {backout.Deployment{To: "3", Owner: "ci-1"}, backout.Hold{}, ours, "backout is taking things back here (INC-1/1) until 2026-11-23 13:00 UTC at the latest", "backout abort"},
		"another pipeline":           {backout.Deployment{To: "4", Owner: "ci-2"}, backout.Hold{}, theirs, "ci-1 is deploying 3 here", "wait for ci-1"},
		"its own lock":               {backout.Deployment{To: "4", Owner: "ci-1"}, backout.Hold{}, theirs, "", ""},
		"nobody's name":              {backout.Deployment{To: "4"}, backout.Hold{}, theirs, "ci-1 is deploying", ""},
		"a lock that ran out":        {backout.Deployment{To: "4", Owner: "ci-2"}, backout.Hold{}, ran, "", ""},
		"another component":          {backout.Deployment{Component: express, To: "2"}, person, ours, "", ""},
	} {
		if c.d.Component == "" {
			c.d.Component = payment
		}
		a := Deploy(c.d, []backout.Hold{c.hold}, []backout.DeployLock{c.lock}, now)
		said, todo := strings.Join(a.Reasons, "\n"), strings.Join(a.Release, "\n")
		if a.Allowed != (c.words == "") || !strings.Contains(said, c.words) || !strings.Contains(todo, c.release) || len(a.Reasons) != len(a.Release) {
			t.Errorf("%s: allowed %t, %q, to do %q; want %q, %q", name, a.Allowed, said, todo, c.words, c.release)
		}
		if a.Lock != nil && a.Lock.Token != "" {
			t.Errorf("%s: tells somebody else's token", name)
		}
		if slices.ContainsFunc(a.Holds, func(h backout.Hold) bool { return h.Owner != c.hold.Owner }) {
			t.Errorf("%s: holds %+v", name, a.Holds)
		}
	}
}

// discard has us bring payment to a version and, two minutes later, on to another, before
// somebody ships 3; what the plan does is to take that back to 1.
func (s *scene) discard(to, on backout.Version) {
	s.policy.Cooldown, s.policy.Settle = 0, 0
	at := s.world.Now.Add(-62 * time.Minute)
	s.step(0).From, s.step(0).To = "3", "1"
	s.world.Changes = []backout.Change{s.change("c9", on, "3", 10*time.Minute)}
	s.world.Responses = []backout.Response{{Attempt: "INC-0/1", Component: payment, To: to, At: at}, {Attempt: "INC-0/1", Component: payment, To: on, At: at.Add(2 * time.Minute)}}
}
