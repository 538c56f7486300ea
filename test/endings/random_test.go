package endings

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/test/town"
)

// trial plays one script and collects what was not as it must be.
type trial struct {
	script
	tt      *testing.T
	product *town.Product
	path    *town.Path
	mouth   *town.Mouth
	file    string
	done    chan struct{}

	mu        sync.Mutex
	policyNow backout.Policy
	changed   time.Time // when the policy last became stricter
	approved  bool
	calls     int
	busy      int
	unseen    bool
	hands     map[backout.ComponentID]bool // whom somebody else moved after the ships
	handMoves int
	late      map[backout.ComponentID]bool // whom a call that was given up may have moved
	keys      map[string]int
	ends      []backout.Incident
	wrong     []string
}

func (t *trial) fail(format string, args ...any) {
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

// play runs a script and gives what was wrong, and the story.
func play(tt *testing.T, s script, seen map[string]int) (wrong []string, story string) {
	file := filepath.Join(tt.TempDir(), "backout.db")
	synctest.Test(tt, func(tt *testing.T) {
		live := map[backout.ComponentID]backout.Version{}
		for _, c := range s.graph.Components {
			live[c.ID] = "1"
		}
		t := &trial{
			tt: tt, script: s, file: file, done: make(chan struct{}), mouth: &town.Mouth{}, policyNow: s.policy, product: town.NewProduct(s.graph, live),
			hands: map[backout.ComponentID]bool{}, late: map[backout.ComponentID]bool{}, keys: map[string]int{},
		}
		t.product.Seed, t.product.Fault = s.seed, t.misbehave
		t.product.Hide(t.see)
		if err := t.open(tt.Context()); err != nil {
			tt.Fatal(err)
		}
		t.run(tt.Context())
		t.judge(tt.Context())
		story = t.story(tt.Context())
		close(t.done)
		if err := t.path.Close(); err != nil {
			t.fail("close: %v", err)
		}
		wrong = t.wrong
		t.count(seen)
	})
	return wrong, story
}

func (t *trial) open(ctx context.Context) (err error) {
	t.path, err = town.Open(ctx, town.Config{
		Product: t.product, File: t.file, Contracts: t.contracts, Step: 30 * time.Second, History: 80, Mouth: t.mouth,
		Policy: func() backout.Policy {
			t.mu.Lock()
			defer t.mu.Unlock()
			return t.policyNow
		},
	})
	return err
}

// run lets the script happen, until every incident has ended and everything was told.
func (t *trial) run(ctx context.Context) {
	t.harms()
	t.pass(ctx, minute)
	begun := time.Now()
	for i, x := range t.ships {
		t.pass(ctx, x.after)
		t.move(ctx, x.part, x.to, "ci", true)
		if i == max(t.harm, 0) {
			begun = time.Now()
			if t.harm < 0 {
				t.product.Hurt(town.Trouble{From: begun, Services: t.hit("s0")})
			}
		}
	}
	for _, e := range t.events {
		t.pass(ctx, time.Until(begun.Add(e.after)))
		t.happen(ctx, e)
	}
	t.pass(ctx, time.Until(begun.Add(6*minute))) // by then what hurts is found
	t.mouth.Away(false)
	t.steer(ctx, "resume")
	t.rule("kill switch off") // a run waits while it is on
	quiet := 0 * minute       // whoever was blind may find what hurts late
	for end := time.Now().Add(8 * time.Hour); time.Now().Before(end) && quiet < longestBlind+6*minute; {
		t.pass(ctx, 5*minute)
		quiet += 5 * minute
		if open, err := t.path.Store.OpenIncidents(ctx); err != nil || len(open) > 0 {
			quiet = 0
		}
		if time.Until(end) < 5*time.Hour {
			t.product.Heal()
		}
	}
}

// longestBlind is how long the metrics stay away.
const longestBlind = 15 * minute

func (t *trial) pass(ctx context.Context, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		t.path.Tick(ctx)
		if t.answers && time.Now().Second() == 0 {
			t.steer(ctx, "approve")
		}
		time.Sleep(15 * time.Second)
	}
}

// hit hurts a service, and its callers less.
func (t *trial) hit(s backout.ServiceID) map[backout.ServiceID]float64 {
	out := map[backout.ServiceID]float64{s: .5}
	for range t.graph.Services {
		for _, d := range t.graph.Dependencies {
			if h := out[d.To] * .6; h > out[d.From] {
				out[d.From] = h
			}
		}
	}
	return out
}

func (t *trial) harms() {
	if t.harm < 0 {
		return
	}
	x := t.ships[t.harm]
	c, _ := t.graph.Component(x.part)
	h := town.Harm{Component: x.part, Version: x.to, Services: t.hit(c.Service)}
	t.product.Harms = append(t.product.Harms, h)
	for _, later := range t.ships[t.harm+1:] { // what is shipped on top has it in
		if later.part == x.part {
			h.Version = later.to
			t.product.Harms = append(t.product.Harms, h)
		}
	}
}

func (t *trial) move(ctx context.Context, part backout.ComponentID, to backout.Version, by string, reported bool) {
	from := backout.Live{Shares: t.product.Live(part)}.Version()
	t.product.Set(part, to, by)
	if reported {
		if err := t.path.Report(ctx, time.Now().UTC(), part, from, to, by); err != nil {
			t.fail("report: %v", err)
		}
	}
}

// happen lets one event take place.
func (t *trial) happen(ctx context.Context, e event) {
	switch e.what {
	case "restart":
		if err := t.path.Close(); err != nil && !strings.Contains(err.Error(), "timed out") {
			t.fail("close: %v", err)
		}
		time.Sleep(2 * minute)
		if err := t.open(ctx); err != nil {
			panic(err)
		}
	case "by hand", "by hand, unreported", "another ship":
		t.mu.Lock()
		t.hands[e.part], t.handMoves = true, t.handMoves+1
		to := backout.Version(fmt.Sprint(8 + t.handMoves))
		t.mu.Unlock()
		t.move(ctx, e.part, to, "ann", e.what != "by hand, unreported")
	case "kill switch", "kill switch off", "freeze":
		t.rule(e.what)
	case "blind":
		t.product.Blind(time.Now(), time.Now().Add(longestBlind))
	case "nobody listens":
		t.mouth.Away(true)
	case "unseen":
		t.mu.Lock()
		t.unseen = !t.unseen
		t.mu.Unlock()
		time.AfterFunc(10*minute, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.unseen = false
		})
	case "heal":
		t.product.Heal()
	default:
		t.steer(ctx, e.what)
	}
}

func (t *trial) rule(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now().UTC()
	switch what {
	case "kill switch off":
		t.policyNow.KillSwitch = false
		return
	case "kill switch":
		t.policyNow.KillSwitch = true
		time.AfterFunc(30*minute, func() { t.rule("kill switch off") }) // what is stopped waits, for ever if need be
	case "freeze":
		t.policyNow.Freezes = append(slices.Clone(t.policyNow.Freezes), backout.Freeze{From: now, To: now.Add(30 * minute), Reason: "the sale"})
	}
	t.changed = now
}

// steer is a person's word to the newest incident. That it has nothing to steer is no
// matter.
func (t *trial) steer(ctx context.Context, word string) {
	all, err := t.path.Store.Incidents(ctx, store.Query{Limit: 1})
	if err != nil || len(all) == 0 {
		return
	}
	inc, ann := all[0], backout.Principal{Name: "ann", Role: backout.RoleApprover}
	switch word {
	case "pause":
		_, err = t.path.Responder.Pause(ctx, time.Now(), inc.ID, ann)
	case "resume":
		_, err = t.path.Responder.Resume(ctx, time.Now(), inc.ID, ann)
	case "abort":
		_, err = t.path.Responder.Abort(ctx, time.Now(), inc.ID, ann)
	case "approve":
		if inc.Plan == nil {
			return
		}
		if _, err = t.path.Responder.Approve(ctx, time.Now(), inc.ID, ann, inc.Plan.Digest, "looks right"); err == nil {
			t.mu.Lock()
			t.approved = true
			t.mu.Unlock()
		}
	}
	if code := backout.CodeOf(err); err != nil && code != backout.CodeConflict && code != backout.CodeForbidden && code != backout.CodeInvalid {
		t.fail("%s: %v", word, err)
	}
}

func (t *trial) see(backout.ComponentID) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unseen {
		return errors.New("the target does not answer")
	}
	return nil
}

// misbehave is the actuator's Do.
func (t *trial) misbehave(ctx context.Context, e backout.Effect, do deed) (backout.Outcome, error) {
	kind, hands := t.enter(e)
	defer t.leave()
	act := func() (backout.Outcome, error) {
		before := t.product.Live(e.Component.ID)
		out, err := do()
		t.landed(ctx, e, before, hands)
		return out, err
	}
	switch kind {
	case "lies":
		return backout.OutcomeDone, nil
	case "reports an error":
		_, _ = act()
		return backout.OutcomeUnknown, errors.New("connection reset")
	case "fails":
		return backout.OutcomeNotDone, errors.New("exit status 1")
	case "answer lost":
		_, _ = act()
		<-ctx.Done()
		return backout.OutcomeUnknown, ctx.Err()
	case "slow":
		time.Sleep(10 * time.Second)
	case "hangs":
		<-t.done
		return backout.OutcomeUnknown, errors.New("it hung")
	case "hangs, then does it":
		time.Sleep(50 * time.Second)
	case "conflict":
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: "the target moved"}
	case "panics":
		panic("nil map")
	}
	return act()
}

// enter looks at the policy the moment a deed begins. One that became stricter at the
// very same moment may have been asked just before.
func (t *trial) enter(e backout.Effect) (fault, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind, p := fault(""), t.policyNow
	if t.calls < len(t.faults) {
		kind = t.faults[t.calls]
	}
	t.calls++
	t.busy++
	now, settled := time.Now(), time.Now().After(t.changed)
	switch {
	case settled && p.KillSwitch:
		t.fail("%s was done though the kill switch is on", e.Key)
	case p.Autonomy == backout.AutonomyShadow, p.Autonomy == backout.AutonomyAsk && !t.approved:
		t.fail("%s was done under autonomy %s, approved %t", e.Key, p.Autonomy, t.approved)
	case settled && !strings.HasSuffix(e.Key, "/back") && slices.ContainsFunc(p.Freezes, func(f backout.Freeze) bool { return now.After(f.From) && now.Before(f.To) }):
		t.fail("%s was done in a freeze", e.Key)
	}
	return kind, t.handMoves
}

func (t *trial) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy--
}

// landed holds the state that a deed led to against the contracts. What was brought
// together by a call that its caller had given up, or after somebody else moved
// something while the deed was under way, nobody could have prevented.
func (t *trial) landed(ctx context.Context, e backout.Effect, before map[backout.Version]float64, hands int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		t.late[e.Component.ID] = true
		return
	case hands != t.handMoves || before[e.To] > 0:
		return
	}
	for _, c := range t.contracts {
		for _, bad := range t.forbidden(c, e) {
			t.fail("%s brought together %s, which %s forbids", e.Key, bad, c.ID)
		}
	}
}

// forbidden lists the pairs of a contract that an effect's target makes and that it
// does not allow.
func (t *trial) forbidden(c backout.Contract, e backout.Effect) []string {
	var out []string
	consumers, providers := []backout.Version{e.To}, []backout.Version{e.To}
	switch e.Component.ID {
	case c.Consumer:
		providers = slices.Collect(maps.Keys(t.product.Live(c.Provider)))
	case c.Provider:
		consumers = slices.Collect(maps.Keys(t.product.Live(c.Consumer)))
	default:
		return nil
	}
	for _, a := range consumers {
		for _, b := range providers {
			for _, r := range c.Rules {
				if r.When.Contains(a) && !r.Needs.Contains(b) {
					out = append(out, fmt.Sprintf("%s %s and %s %s", c.Consumer, a, c.Provider, b))
				}
			}
		}
	}
	return out
}

// judge holds the end against what must be so in every world.
func (t *trial) judge(ctx context.Context) {
	for _, key := range t.product.Together() {
		t.fail("%s met another deed on its component", key)
	}
	for _, m := range t.product.Moves() {
		if t.keys[m.By]++; strings.Contains(m.By, "/") && t.keys[m.By] > 1 {
			t.fail("%s was done twice", m.By)
		}
	}
	all, err := t.path.Store.Incidents(ctx, store.Query{Limit: 100})
	if err != nil {
		t.fail("read incidents: %v", err)
	}
	t.ends = all
	for _, inc := range all {
		t.judgeIncident(ctx, inc)
	}
	for _, e := range t.path.Errors() {
		t.fail("a tick failed: %s", e)
	}
}

func (t *trial) judgeIncident(ctx context.Context, inc backout.Incident) {
	if !inc.State.Terminal() || inc.Why == "" {
		t.fail("%s is %s (%s): no stated end", inc.ID, inc.State, inc.Why)
	}
	if broken := t.path.Broken(ctx, inc.ID); len(broken) > 0 {
		t.fail("%s: the audit log does not hold: %+v", inc.ID, broken)
	}
	ends := slices.DeleteFunc(t.mouth.Told(backout.AudienceOnCall), func(m backout.Message) bool { return m.Incident != inc.ID || !m.Terminal })
	if len(ends) != 1 || ends[0].State != inc.State {
		t.fail("%s ended %s and on-call heard %d ends", inc.ID, inc.State, len(ends))
	}
	if n := len(inc.Attempts); n > max(1, t.policy.MaxAttempts) {
		t.fail("%s: %d attempts, at most %d are allowed", inc.ID, n, t.policy.MaxAttempts)
	}
	for _, at := range inc.Attempts {
		if at.StartedAt.IsZero() {
			continue
		}
		r, err := t.path.Executor.Run(ctx, at.ID)
		if err != nil || !r.State.Terminal() || last(r.Entries).Kind != backout.EntryEnded {
			t.fail("attempt %s is %s (%v), and its journal ends with %q", at.ID, r.State, err, last(r.Entries).Text)
			continue
		}
		t.judgeRun(at, r)
	}
}

// judgeRun holds what a run says against what is live, unless somebody else or a later
// deed has moved it since.
func (t *trial) judgeRun(at backout.Attempt, r backout.Run) {
	end := last(r.Entries).At
	for _, m := range t.product.Moves() {
		if strings.HasPrefix(m.By, string(at.ID)+"/") && m.At.After(end) && !t.late[m.Component] {
			t.fail("%s moved %s after the run had ended", m.By, m.Component)
		}
	}
	for _, b := range at.TakenBack {
		later := slices.ContainsFunc(t.product.Moves(), func(m town.Move) bool { return m.Component == b.Component && m.At.After(end) })
		if got := t.product.Live(b.Component)[b.To]; !later && !t.hands[b.Component] && got < b.Share-1e-6 {
			t.fail("attempt %s says %.0f %% of %s is back at %s: it is %.0f %%", at.ID, 100*b.Share, b.Component, b.To, 100*got)
		}
	}
}

// count adds to what happened in all worlds.
func (t *trial) count(seen map[string]int) {
	seen["worlds"]++
	for _, inc := range t.ends {
		seen["incidents "+string(inc.State)]++
		for _, at := range inc.Attempts {
			seen["attempts "+string(at.Result)]++
		}
	}
	seen["effects"] += t.calls
	for key := range t.keys {
		if strings.HasSuffix(key, "/back") {
			seen["reversals"]++
		}
	}
}

func (t *trial) story(ctx context.Context) string {
	w := &world{T: t.tt, Path: t.path, product: t.product}
	return fmt.Sprintf("faults %q\nevents %+v\n%s", t.faults, t.events, w.story())
}

// Whatever the world, the faults and the meddling: never two deeds on one component at
// once, never a mixed state that a contract forbids, never outside policy, always a
// stated end, and the end is told. -rapid.checks=N plays more worlds.
func TestWorlds_endAsTheyMust(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.checks", worlds)
		defer func() { _ = flag.Set("rapid.checks", f.DefValue) }()
	}
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := draw(rt)
		if wrong, story := play(t, s, seen); len(wrong) > 0 {
			rt.Fatalf("%s\n%s", strings.Join(wrong, "\n"), story)
		}
	})
	t.Logf("what happened: %v", seen) // a property of worlds in which nothing happens would prove nothing
}
