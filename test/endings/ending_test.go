package endings

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/test/town"
)

// ending is how a scenario must end.
type ending struct {
	state   backout.State
	live    string // what is live of the components that were touched
	told    string // part of what on-call heard last
	journal string // part of the last line of the last attempt's journal; "" = no attempt
}

// ends waits for the end and holds it against what is right.
func (w *world) ends(e ending) {
	w.Helper()
	w.ended()
	moved := len(w.product.Moves())
	w.pass(5 * minute) // nothing comes after the end, and the last message is delivered
	if n := len(w.product.Moves()); n != moved {
		w.Errorf("%d moves after the end", n-moved)
	}
	inc := w.incident()
	heard := last(w.Mouth.Told(backout.AudienceOnCall))
	if inc.State != e.state {
		w.Errorf("ended %s (%s), want %s", inc.State, inc.Why, e.state)
	}
	if got := w.live(); got != e.live {
		w.Errorf("live is %q, want %q", got, e.live)
	}
	if !heard.Terminal || heard.State != inc.State || !strings.Contains(heard.Text, e.told) {
		w.Errorf("on-call heard last (%s, terminal %t) %q, want the end and %q", heard.State, heard.Terminal, heard.Text, e.told)
	}
	end := last(w.run().Entries)
	if e.journal == "" && end.Text != "" || !strings.Contains(end.Text, e.journal) || e.journal != "" && end.Kind != backout.EntryEnded {
		w.Errorf("the journal's last line is %s %q, want %q", end.Kind, end.Text, e.journal)
	}
	if broken := w.Broken(w.Context(), inc.ID); len(broken) > 0 {
		w.Errorf("the audit log does not hold: %+v", broken)
	}
	if w.Failed() {
		w.Log(w.story())
	}
}

// live says where every component is that is not where it began.
func (w *world) live() string {
	var out []string
	for _, c := range w.product.Graph.Components {
		shares := w.product.Live(c.ID)
		if shares["1"] == 1 {
			continue
		}
		var s []string
		for _, v := range slices.Sorted(maps.Keys(shares)) {
			s = append(s, fmt.Sprintf("%.0f%%@%s", 100*shares[v], v))
		}
		out = append(out, c.Name+" "+strings.Join(s, "+"))
	}
	return strings.Join(out, ", ")
}

// hurts lets payment 2 hurt its own and its callers' users.
func (w *world) hurts() {
	w.product.Harms = append(w.product.Harms, town.Harm{Component: deployment("payment"), Version: "2", Services: map[backout.ServiceID]float64{"payment": .2, "shop": .1}})
}

// begin ships payment 2, which hurts, on a quiet product.
func (w *world) begin() {
	w.hurts()
	w.pass(10 * minute)
	w.ship("payment", "2")
}

// letRun says yes where a person is asked, until something runs.
func (w *world) letRun() {
	w.Helper()
	w.reaches(backout.StateWaiting, backout.StateExecuting)
	if inc := w.incident(); inc.State == backout.StateWaiting {
		if _, err := w.Responder.Approve(w.Context(), time.Now(), inc.ID, backout.Principal{Name: "ann", Role: backout.RoleApprover}, inc.Plan.Digest, "looks right"); err != nil {
			w.Error(err)
		}
	}
	w.reaches(backout.StateExecuting)
}

type deed = func() (backout.Outcome, error)

var scenarios = map[string]struct {
	play func(w *world)
	want ending
}{
	"the actuator says ok but did nothing": {func(w *world) {
		w.product.Fault = func(context.Context, backout.Effect, deed) (backout.Outcome, error) { return backout.OutcomeDone, nil }
		w.begin()
	}, ending{backout.StateHalted, "payment 100%@2", "reported as done, but payment is 100 % at 2", "halted"}},

	"the actuator says error but did it": {func(w *world) {
		w.product.Fault = func(_ context.Context, _ backout.Effect, do deed) (backout.Outcome, error) {
			_, _ = do()
			return backout.OutcomeUnknown, errors.New("connection reset by peer")
		}
		w.begin()
	}, ending{backout.StateRecovered, "", "recovered", "completed"}},

	"the actuator hangs": {func(w *world) {
		w.product.Fault = func(context.Context, backout.Effect, deed) (backout.Outcome, error) {
			<-w.stuck
			return backout.OutcomeUnknown, errors.New("it hung")
		}
		w.begin()
	}, ending{backout.StateHalted, "payment 100%@2", "no answer", "halted"}},

	"the actuator hangs, and the deed shows long after": {func(w *world) {
		w.product.Fault = func(_ context.Context, e backout.Effect, do deed) (backout.Outcome, error) {
			time.Sleep(10 * minute)
			return do()
		}
		w.begin()
	}, ending{backout.StateHalted, "payment 33%@1+67%@2", "no answer: context deadline exceeded (unknown)", "(unknown)"}},

	"the target is broken too": {func(w *world) {
		w.product.Set(deployment("ledger"), "2", "long ago") // as payment 2 needs it
		w.hurts()
		w.product.Harms = append(w.product.Harms, town.Harm{Component: deployment("payment"), Version: "1", Services: map[backout.ServiceID]float64{}})
		w.pass(10 * minute)
		w.ship("payment", "2")
		w.product.Harms[1].Services = map[backout.ServiceID]float64{"payment": .3, "shop": .2}
	}, ending{backout.StateHalted, "payment 100%@2, ledger 100%@2", "what was tried did not help", "no recovery within"}},

	"the symptom disappears mid-plan": {func(w *world) {
		w.pass(10 * minute)
		w.product.Hurt(town.Trouble{From: time.Now().Add(minute), Services: map[backout.ServiceID]float64{"payment": .2, "shop": .1}})
		w.ship("payment", "2")
		w.pass(minute)
		w.ship("cart", "2")
		w.letRun()
		w.product.Heal()
	}, ending{backout.StateRecovered, "payment 100%@2", "recovered", "stopped"}},

	"the wrong culprit was chosen": {func(w *world) {
		w.product.Set(deployment("ledger"), "2", "long ago") // as payment 2 needs it
		w.pass(10 * minute)
		w.ship("shop", "2")
		w.pass(2 * minute)
		w.product.Harms = []town.Harm{{Component: deployment("shop"), Version: "2", Services: map[backout.ServiceID]float64{"payment": .2, "shop": .1}, From: time.Now()}}
		w.ship("payment", "2")
		w.letRun()
		// payment did not help and is put forward again; the second attempt takes the guilty shop.
	}, ending{backout.StateRecovered, "payment 100%@2, ledger 100%@2", "Taken back: shop from 2 to 1", "completed"}},

	"metrics vanish mid-gate": {func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute)
		w.product.Blind(time.Now(), time.Now().Add(30*minute))
		w.reaches(backout.StateFrozen)
		if heard := last(w.Mouth.Told(backout.AudienceOnCall)); heard.State != backout.StateFrozen {
			w.Errorf("nobody heard that backout can't see: %s", heard.Text)
		}
	}, ending{backout.StateRecovered, "", "recovered", "completed"}},

	"metrics never come back": {func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.product.Blind(time.Now(), time.Now().Add(100*time.Hour))
		w.reaches(backout.StateFrozen)
		w.pass(3 * time.Hour)
		if inc := w.incident(); inc.State != backout.StateFrozen || len(inc.Degraded) == 0 {
			w.Errorf("%s, degraded %q: want it frozen, and to say what it can't see", inc.State, inc.Degraded)
		}
		if _, err := w.Responder.Abort(w.Context(), time.Now(), w.incident().ID, backout.Principal{Name: "ann", Role: backout.RoleApprover}); err != nil {
			w.Error(err)
		}
	}, ending{backout.StateAborted, "payment 33%@1+67%@2", "payment from 2 to 1 (33 % of it)", "aborted"}},

	"backout is restarted mid-stage": {func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute)
		w.close()
		time.Sleep(3 * minute)
		w.open()
		w.ended()
		if n := len(w.product.Moves()); n != 3 { // one by ci, two stages
			w.Errorf("%d moves, want each stage once", n)
		}
	}, ending{backout.StateRecovered, "", "recovered", "completed"}},

	"nobody hears the end": {func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.Mouth.Away(true)
		w.ended()
		w.pass(3 * time.Hour)
		if heard := last(w.Mouth.Told(backout.AudienceOnCall)); heard.Terminal {
			w.Errorf("heard %q though nobody listens", heard.Text)
		}
		w.Mouth.Away(false)
		w.pass(10 * minute)
	}, ending{backout.StateRecovered, "", "recovered", "completed"}},

	"a second incident starts": {func(w *world) {
		w.begin()
		w.product.Harms = append(w.product.Harms, town.Harm{Component: deployment("cart"), Version: "2", Services: map[backout.ServiceID]float64{"cart": .2}})
		w.reaches(backout.StateExecuting)
		w.pass(2 * minute)
		w.ship("cart", "2")
		w.ended()
		if first := w.incident(); first.State != backout.StateRecovered {
			w.Errorf("the first one ended %s (%s)", first.State, first.Why)
		} else {
			w.until("another incident", func() bool { return w.incident().ID != first.ID })
		}
	}, ending{backout.StateRecovered, "", "recovered", "completed"}},

	"a part of it has another cause": {func(w *world) {
		w.begin()
		w.product.Hurt(town.Trouble{From: time.Now(), Services: map[backout.ServiceID]float64{"cart": .2}})
		w.letRun()
		w.ended()
		first := w.incident()
		if first.State != backout.StateRecovered || !strings.Contains(first.Why, "with a warning") || w.live() != "" {
			w.Errorf("the first one ended %s (%s) with %q live: what helped must stay", first.State, first.Why, w.live())
		}
		w.until("another incident", func() bool { return w.incident().ID != first.ID })
		if next := w.incident(); len(next.Findings) == 0 || slices.ContainsFunc(next.Findings, func(f backout.Finding) bool { return f.ID.Subject.Service != "cart" }) {
			w.Errorf("the next one is about %+v, want cart alone", next.Findings)
		}
	}, ending{backout.StateNoAction, "", "no change", ""}},

	"someone deploys by hand meanwhile": {func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute)
		w.by("ann", deployment("payment"), "3")
	}, ending{backout.StateSelfRecovered, "payment 100%@3", "somebody moved", "halted"}},

	"someone takes it back by hand meanwhile": {func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute)
		w.by("ann", deployment("payment"), "1")
	}, ending{backout.StateRecovered, "", "recovered", "completed"}},

	"the kill switch mid-stage": {func(w *world) {
		w.begin()
		w.reaches(backout.StateExecuting)
		w.pass(time.Minute)
		moved := len(w.product.Moves())
		w.rule(func(p *backout.Policy) { p.KillSwitch = true })
		w.pass(3 * time.Hour) // longer than changes are remembered without an incident
		if run := w.run(); run.State.Terminal() || len(w.product.Moves()) != moved || !strings.Contains(run.Why, "kill switch") {
			w.Errorf("%s (%s), %d moves since the kill switch was turned on", run.State, run.Why, len(w.product.Moves())-moved)
		}
		w.rule(func(p *backout.Policy) { p.KillSwitch = false })
	}, ending{backout.StateRecovered, "", "recovered", "completed"}},
}

func TestEndings(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTown(t, func(w *world) {
				s.play(w)
				w.ends(s.want)
			})
		})
	}
}

// The package's page lists every scenario with its right ending.
func TestEndings_areListed(t *testing.T) {
	page, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Join(strings.Fields(strings.ReplaceAll(string(page), "//", "")), " ")
	for name, s := range scenarios {
		name, _, _ = strings.Cut(name, ", and the deed shows")
		if !strings.Contains(listed, name) || !strings.Contains(listed, string(s.want.state)) {
			t.Errorf("doc.go does not list %q, which ends %s", name, s.want.state)
		}
	}
}
