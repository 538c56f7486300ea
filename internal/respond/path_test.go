package respond

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/permit"
)

// memory is a store with compare-and-swap that remembers every save.
type memory struct {
	incidents map[backout.IncidentID]backout.Incident
	saves     []string
	messages  []backout.Message
	refuse    error
	reviews   []backout.Review
	priors    backout.Priors
	holds     []backout.Hold
}

func (m *memory) Incident(_ context.Context, id backout.IncidentID) (backout.Incident, error) {
	if in, ok := m.incidents[id]; ok {
		return in, nil
	}
	return backout.Incident{}, &backout.Error{Code: backout.CodeNotFound, Message: "no incident"}
}

func (m *memory) Latest(_ context.Context, key string) (backout.Incident, bool, error) {
	var out backout.Incident
	for _, id := range slices.Sorted(maps.Keys(m.incidents)) {
		if in := m.incidents[id]; in.Key == key {
			out = in
		}
	}
	return out, out.ID != "", nil
}

func (m *memory) Open(_ context.Context, in backout.Incident, e backout.AuditEntry, messages []backout.Message) (backout.Incident, bool, error) {
	for _, old := range m.incidents {
		if old.Key == in.Key && !old.State.Terminal() {
			return old, false, nil
		}
	}
	in.Row = 1
	m.incidents[in.ID] = in
	m.saves, m.messages = append(m.saves, e.What), append(m.messages, messages...)
	return in, true, nil
}

func (m *memory) Transition(_ context.Context, in backout.Incident, e backout.AuditEntry, messages []backout.Message) (backout.Incident, error) {
	if m.refuse != nil {
		return in, m.refuse
	}
	if m.incidents[in.ID].Row != in.Row {
		return in, &backout.Error{Code: backout.CodeConflict, Message: "the row moved"}
	}
	in.Row++
	m.incidents[in.ID] = in
	m.saves, m.messages = append(m.saves, e.What), append(m.messages, messages...)
	return in, nil
}

func (m *memory) SaveReview(_ context.Context, r backout.Review) error {
	m.reviews = append(m.reviews, r)
	return nil
}
func (m *memory) Priors(context.Context) (backout.Priors, error) { return m.priors, nil }
func (m *memory) SavePriors(_ context.Context, p backout.Priors) error {
	m.priors = p
	return nil
}
func (m *memory) SaveHold(_ context.Context, h backout.Hold) error {
	m.holds = append(m.holds, h)
	return nil
}

// town is a product of three services in which payment was released and is ill
// since.
type town struct {
	*testing.T
	store   *memory
	world   backout.World
	signals signals
	runner  *scripted
	r       *Responder
	now     time.Time
}

const (
	minute  = time.Minute
	payment = backout.ComponentID("deployment:payment@production/eu")
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type signals struct {
	levels map[backout.SeriesID]func(time.Time) float64
}

func (s signals) Residuals(from, to time.Time) []backout.Residuals {
	var out []backout.Residuals
	for id, level := range s.levels {
		r := backout.Residuals{ID: id, Kind: backout.SignalErrors, Mode: backout.ModeSeasonal, From: from.Add(minute), Step: minute}
		for at := r.From; !at.After(to); at = at.Add(minute) {
			r.Levels, r.Innovations = append(r.Levels, level(at)), append(r.Innovations, level(at))
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b backout.Residuals) int {
		return len(fmt.Sprint(a.ID)) - len(fmt.Sprint(b.ID))
	})
	return out
}

func (s signals) Baselines(ids []backout.SeriesID) []backout.Baseline {
	out := []backout.Baseline{}
	for _, id := range ids {
		out = append(out, backout.Baseline{Series: id, Scale: 1})
	}
	return out
}

// scripted is a runner whose runs a test decides.
type scripted struct {
	started []backout.Attempt
	run     backout.Run
	lost    bool // the run is not known: the program died before it was started
	told    []string
}

func (s *scripted) Start(_ context.Context, a backout.Attempt, _ map[backout.ComponentID]backout.Component) error {
	s.started, s.lost = append(s.started, a), false
	return nil
}

func (s *scripted) Run(_ context.Context, id backout.AttemptID) (backout.Run, error) {
	if s.lost {
		return backout.Run{}, &backout.Error{Code: backout.CodeNotFound, Message: "no run"}
	}
	r := s.run
	r.Attempt = id
	return r, nil
}
func (s *scripted) Pause(context.Context, backout.AttemptID, string) error {
	s.told = append(s.told, "pause")
	return nil
}
func (s *scripted) Resume(context.Context, backout.AttemptID, string) error {
	s.told = append(s.told, "resume")
	return nil
}
func (s *scripted) Abort(context.Context, backout.AttemptID, string) error {
	s.told = append(s.told, "abort")
	return nil
}

func (t *town) World(_ context.Context, now time.Time, _ bool) (backout.World, error) {
	w := t.world
	w.Now = now
	return w, nil
}

// newTown is ill since ten minutes; the release came a minute before, if guilty.
func newTown(t *testing.T, guilty bool, change func(*backout.Policy)) *town {
	t.Helper()
	service := func(id backout.ServiceID, kind backout.ServiceKind) backout.Service {
		return backout.Service{ID: id, Kind: kind, Tier: 1}
	}
	released := noon.Add(-11 * minute)
	if !guilty {
		released = noon.Add(-80 * minute)
	}
	p := backout.Policy{Version: "1", Autonomy: backout.AutonomyAct, ColdStart: backout.ColdStartActIfReversible, MinConfidence: .6, MaxPNone: .3, MaxAttempts: 2, FourEyesTier: -1, ApprovalTimeout: backout.Duration(20 * minute)}
	if change != nil {
		change(&p)
	}
	tw := &town{T: t, store: &memory{incidents: map[backout.IncidentID]backout.Incident{}}, runner: &scripted{}, now: noon}
	tw.world = backout.World{
		Minute: backout.Duration(minute), Policy: p,
		Graph: backout.Graph{
			Services:     []backout.Service{service("shop", backout.ServiceOwn), service("payment", backout.ServiceOwn), service("bank", backout.ServiceExternal)},
			Dependencies: []backout.Dependency{{From: "shop", To: "payment", Hard: true}, {From: "payment", To: "bank", Hard: true}},
			Components:   []backout.Component{{ID: payment, Kind: backout.KindDeployment, Name: "payment", Service: "payment", Environment: "production", Location: "eu", Actuator: "x", Instances: 3}},
			Journeys:     []backout.Journey{{ID: "buy", Name: "Buy", Services: []backout.ServiceID{"shop", "payment"}, ValuePerMinute: backout.Money{Minor: 100000, Currency: "EUR"}}},
		},
		Changes: []backout.Change{{
			ID: "c1", Kind: backout.KindDeployment, Component: payment, Services: []backout.ServiceID{"payment"}, From: "1", To: "2", Sources: []string{"ci"},
			Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: released, Share: 1}}},
		}},
		Live: map[backout.ComponentID]backout.Live{payment: {Shares: map[backout.Version]float64{"2": 1}, Healthy: true}},
		Reversals: map[backout.ComponentID]backout.Reversal{payment: {
			Component: payment, Known: true, Current: "2", Shares: []float64{1.0 / 3, 1}, Mixed: true, CompareAndSwap: true, Takes: backout.Duration(10 * time.Second),
			Levels: []backout.Reachable{{Level: 0, Version: "1", Loss: backout.LossNone, Verified: true}},
		}},
	}
	ill := func(at time.Time) float64 {
		if at.Before(noon.Add(-10 * minute)) {
			return 0
		}
		return 9
	}
	quiet := func(time.Time) float64 { return 0 }
	own := func(s backout.ServiceID) backout.SeriesID {
		return backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: s}}
	}
	edge := backout.SeriesID{Signal: "edge", Subject: backout.Subject{Caller: "payment", Service: "bank"}}
	tw.signals = signals{map[backout.SeriesID]func(time.Time) float64{own("shop"): ill, own("payment"): ill, edge: quiet}}
	if !guilty {
		tw.signals.levels[edge] = ill
	}
	rules, err := permit.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	tw.r, err = New(Config{Store: tw.store, Learner: tw.store, Facts: tw, Signals: tw.signals, Runner: tw.runner, Permit: rules, Step: minute, Minute: minute, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return tw
}

// detect opens the incident with payment's finding.
func (t *town) detect() backout.IncidentID {
	t.Helper()
	id, err := t.r.Observe(t.Context(), t.now, "production", []backout.Finding{{
		ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "payment"}}, Kind: backout.SignalErrors, At: t.now, Onset: noon.Add(-10 * minute), Opens: true,
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// until steps, a minute a call, until the incident is in one of the states, and
// checks that each call makes at most one transition.
func (t *town) until(id backout.IncidentID, states ...backout.State) backout.Incident {
	t.Helper()
	for range 80 {
		before := t.store.incidents[id]
		if slices.Contains(states, before.State) {
			return before
		}
		if _, err := t.r.Step(t.Context(), t.now, id); err != nil {
			t.Fatalf("step in state %s: %v", before.State, err)
		}
		if after := t.store.incidents[id]; after.Row > before.Row+1 {
			t.Fatalf("one step made %d saves, from %s to %s", after.Row-before.Row, before.State, after.State)
		}
		t.now = t.now.Add(minute)
	}
	t.Fatalf("incident ended %s (%s), wanted %v; saves: %v", t.store.incidents[id].State, t.store.incidents[id].Why, states, t.store.saves)
	return backout.Incident{}
}

func TestPath_recovers(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	inc := tw.until(id, backout.StateExecuting)
	if c := inc.Plan.Certificate; !c.Optimal || c.Gap.Minor != 0 || c.LowerCost != inc.Plan.Cost {
		t.Errorf("certificate %+v for a cost of %s: the checker should have proven it optimal", c, inc.Plan.Cost)
	}
	if len(tw.runner.started) != 1 || tw.runner.started[0].Digest != inc.Plan.Digest || !inc.Plan.Certificate.Safe {
		t.Fatalf("started %+v for plan %.8s (safe %t)", tw.runner.started, inc.Plan.Digest, inc.Plan.Certificate.Safe)
	}
	if len(tw.store.holds) != 1 || tw.store.holds[0].BadTo != "2" {
		t.Errorf("holds %+v: want the bad version held", tw.store.holds)
	}
	tw.runner.run = backout.Run{State: backout.RunCompleted, Why: "every step is done", Entries: []backout.Entry{{Kind: backout.EntryEffect, Step: inc.Plan.Steps()[0].ID, Outcome: backout.OutcomeDone, Share: 1}}}
	inc = tw.until(id, backout.StateRecovered)
	if len(tw.store.reviews) != 1 || !slices.Equal(tw.store.reviews[0].Culprits, []backout.ChangeID{"c1"}) || tw.store.priors.Incidents == 0 {
		t.Errorf("reviews %+v, priors %+v: want the culprit learnt", tw.store.reviews, tw.store.priors)
	}
	row := inc.Row
	if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil || tw.store.incidents[id].Row != row {
		t.Errorf("a terminal incident moved: row %d to %d, %v", row, tw.store.incidents[id].Row, err)
	}
	if last := tw.store.messages[len(tw.store.messages)-1]; !last.Terminal || last.State != backout.StateRecovered {
		t.Errorf("last message %+v: want the terminal one", last)
	}
}

func TestPath_endings(t *testing.T) {
	yes, reason := backout.Principal{Name: "ann", Role: backout.RoleApprover}, "looks right"
	ask := func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk }
	cases := map[string]struct {
		guilty bool
		policy func(*backout.Policy)
		play   func(*town, backout.IncidentID)
		want   backout.State
		starts int
	}{
		"a provider is ill": {false, nil, func(*town, backout.IncidentID) {}, backout.StateNoAction, 0},
		"shadow mode":       {true, func(p *backout.Policy) { p.Autonomy = backout.AutonomyShadow }, func(*town, backout.IncidentID) {}, backout.StateShadowed, 0},
		"nobody answers":    {true, ask, func(*town, backout.IncidentID) {}, backout.StateHalted, 0},
		"a person says no":  {true, ask, func(tw *town, id backout.IncidentID) { tw.answer(id, false, yes, reason) }, backout.StateAborted, 0},
		"a person says yes": {true, ask, func(tw *town, id backout.IncidentID) { tw.answer(id, true, yes, reason) }, backout.StateExecuting, 1},
		"the kill switch":   {true, func(p *backout.Policy) { p.KillSwitch = true }, func(*town, backout.IncidentID) {}, backout.StateHalted, 0},
		"it halts, twice": {true, nil, func(tw *town, _ backout.IncidentID) {
			tw.runner.run = backout.Run{State: backout.RunHalted, Why: "worse"}
		}, backout.StateHalted, 1},
		"a person aborts it": {true, nil, func(tw *town, _ backout.IncidentID) {
			tw.runner.run = backout.Run{State: backout.RunAborted, Why: "ann"}
		}, backout.StateAborted, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, c.guilty, c.policy)
			id := tw.detect()
			if c.policy != nil && tw.world.Policy.Autonomy == backout.AutonomyAsk {
				tw.until(id, backout.StateWaiting)
			}
			c.play(tw, id)
			tw.until(id, c.want)
			if len(tw.runner.started) < c.starts || c.starts == 0 && len(tw.runner.started) > 0 {
				t.Errorf("%d attempts started, want %d", len(tw.runner.started), c.starts)
			}
			if n := len(tw.runner.started); n > max(1, tw.world.Policy.MaxAttempts) {
				t.Errorf("%d attempts: more than the policy's %d", n, tw.world.Policy.MaxAttempts)
			}
		})
	}
}

func (t *town) answer(id backout.IncidentID, yes bool, by backout.Principal, reason string) {
	t.Helper()
	do := t.r.Reject
	if yes {
		do = t.r.Approve
	}
	if _, err := do(t.Context(), t.now, id, by, t.store.incidents[id].Plan.Digest, reason); err != nil {
		t.Fatal(err)
	}
}

func TestApprove_refusals(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) { p.Autonomy, p.FourEyesTier = backout.AutonomyAsk, 1 })
	id := tw.detect()
	inc := tw.until(id, backout.StateWaiting)
	ann, bob, eve := backout.Principal{Name: "ann", Role: backout.RoleApprover}, backout.Principal{Name: "bob", Role: backout.RoleAdmin}, backout.Principal{Name: "eve", Role: backout.RoleViewer}
	for name, c := range map[string]struct {
		by             backout.Principal
		digest, reason string
		want           backout.Code
	}{
		"a viewer":       {eve, inc.Plan.Digest, "because", backout.CodeForbidden},
		"another digest": {ann, "0000", "because", backout.CodeConflict},
		"no reason":      {ann, inc.Plan.Digest, " x ", backout.CodeInvalid},
	} {
		if _, err := tw.r.Approve(t.Context(), tw.now, id, c.by, c.digest, c.reason); backout.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	tw.answer(id, true, ann, "because")
	if got := tw.store.incidents[id].State; got != backout.StateWaiting {
		t.Fatalf("one of four eyes made it %s", got)
	}
	if _, err := tw.r.Approve(t.Context(), tw.now, id, ann, inc.Plan.Digest, "again"); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("the same person twice: %v", err)
	}
	tw.answer(id, true, bob, "because")
	if got := tw.store.incidents[id].State; got != backout.StateApproved {
		t.Errorf("four eyes made it %s, want approved", got)
	}
}

// A policy that lets everything run by itself still asks an admin before a security
// fix is taken back, and another person's yes is not enough.
func TestApprove_securityFix(t *testing.T) {
	tw := newTown(t, true, nil)
	tw.world.Changes[0].Security = "CVE-2026-1234"
	id := tw.detect()
	inc := tw.until(id, backout.StateWaiting)
	if why := strings.Join(inc.Plan.Ruling.Reasons, "\n"); !strings.Contains(why, "opens CVE-2026-1234 again: one of admin must agree") {
		t.Errorf("reasons %q, want the vulnerability", why)
	}
	tw.answer(id, true, backout.Principal{Name: "ann", Role: backout.RoleApprover}, "because")
	if got := tw.store.incidents[id].State; got != backout.StateWaiting {
		t.Fatalf("anybody's yes made it %s", got)
	}
	tw.answer(id, true, backout.Principal{Name: "bob", Role: backout.RoleAdmin}, "the hole is behind the firewall")
	if got := tw.store.incidents[id].State; got != backout.StateApproved {
		t.Errorf("the admin's yes made it %s, want approved", got)
	}
}

func TestStart_isTriedAgainAfterACrash(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	tw.runner.started, tw.runner.lost = nil, true // it died between saving and starting
	if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
		t.Fatal(err)
	}
	if len(tw.runner.started) != 1 || tw.runner.started[0].ID != tw.store.incidents[id].Attempts[0].ID {
		t.Errorf("started %+v: want the same attempt again", tw.runner.started)
	}
}

func TestStart_plansAgainWhenTheWorldMoved(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateApproved)
	tw.world.Live = map[backout.ComponentID]backout.Live{payment: {Shares: map[backout.Version]float64{"3": 1}}}
	if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
		t.Fatal(err)
	}
	if got := tw.store.incidents[id]; got.State != backout.StateAttributed || len(tw.runner.started) > 0 {
		t.Errorf("state %s, %d started: want another look and nothing started", got.State, len(tw.runner.started))
	}
}

func TestStep_changesNothingWhenItCantSave(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateApproved)
	tw.store.refuse = &backout.Error{Code: backout.CodeUnavailable, Message: "disk full"}
	if _, err := tw.r.Step(t.Context(), tw.now, id); err == nil {
		t.Error("a failed save was not told")
	}
	if len(tw.runner.started) > 0 || tw.store.incidents[id].State != backout.StateApproved {
		t.Errorf("%d started in state %s though nothing could be saved", len(tw.runner.started), tw.store.incidents[id].State)
	}
}

func TestControl_reachesTheRun(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	ann, eve := backout.Principal{Name: "ann", Role: backout.RoleApprover}, backout.Principal{Name: "eve", Role: backout.RoleViewer}
	if _, err := tw.r.Pause(t.Context(), tw.now, id, ann); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("pausing what does not run: %v", err)
	}
	tw.until(id, backout.StateExecuting)
	if _, err := tw.r.Pause(t.Context(), tw.now, id, eve); backout.CodeOf(err) != backout.CodeForbidden {
		t.Errorf("a viewer paused: %v", err)
	}
	for _, do := range []func(context.Context, time.Time, backout.IncidentID, backout.Principal) (backout.Incident, error){tw.r.Pause, tw.r.Resume, tw.r.Abort} {
		if _, err := do(t.Context(), tw.now, id, ann); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(tw.runner.told, []string{"pause", "resume", "abort"}) {
		t.Errorf("the run was told %v", tw.runner.told)
	}
}

func TestFollow_mirrorsAFrozenRun(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	tw.runner.run = backout.Run{State: backout.RunFrozen, Why: "no metrics"}
	tw.until(id, backout.StateFrozen)
	tw.runner.run = backout.Run{State: backout.RunActive}
	tw.until(id, backout.StateExecuting)
}
