package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Place is a database and what can be done to it.
type Place interface {
	Name() string
	// Database is what replica i opens.
	Database(i int) string
	Replicas() int
	// Trouble does something bad to the database and says what; "" = nothing. It
	// is called every few seconds.
	Trouble(ctx context.Context, rnd *rand.Rand) string
	// Heal ends all trouble.
	Heal(ctx context.Context) error
	// Runs reads the journal with the harness's own eyes.
	Runs(ctx context.Context) ([]backout.Run, error)
	Close()
}

// inFlight is how many plans run at once.
const inFlight = 12

// handed is what the harness knows of a plan that it handed in.
type handed struct {
	Drawn
	to       int // replica that is to start it
	accepted bool
	ended    bool
}

// storm hands in plans, and kills and freezes those who carry them out.
type storm struct {
	place   Place
	targets *Targets
	seed    uint64
	breakIt string
	say     func(format string, args ...any)
	breath  float64 // makes pauses so many times as long

	mu       sync.Mutex // guards everything below
	rnd      *rand.Rand
	replicas []*replica
	plans    map[backout.AttemptID]*handed
	drawn    int
	armed    map[string]bool // the next replica that comes to such a moment is struck
	over     bool            // no more plans, kills or freezes
	kills    int
	freezes  int
	at       map[string]int // strikes at a moment
	troubles map[string]int
	died     []string // workers that ended and nobody killed them
}

func newStorm(p Place, t *Targets, seed uint64, breakIt string, say func(string, ...any)) *storm {
	s := &storm{
		place: p, targets: t, seed: seed, breakIt: breakIt, say: say, breath: 1, rnd: rand.New(rand.NewPCG(seed, 1<<40)),
		plans: map[backout.AttemptID]*handed{}, armed: map[string]bool{}, at: map[string]int{}, troubles: map[string]int{},
	}
	for i := range p.Replicas() {
		s.replicas = append(s.replicas, newReplica(s, i))
	}
	t.called = s.called
	return s
}

// moments at which replicas are struck, in turn: when they have saved a journal entry
// of each kind, and when they have just called a target, guard or gate. The call
// itself arrives all the same.
var moments = []string{
	"entry " + string(backout.EntryIntent), "call do", "entry " + string(backout.EntryEffect), "call world", "entry " + string(backout.EntryGate),
	"entry " + string(backout.EntryStarted), "call probe", "entry " + string(backout.EntrySkipped), "call gate", "entry " + string(backout.EntryEnded),
	"entry " + string(backout.EntryControl), "entry " + string(backout.EntryReversed),
}

// blow lets the storm rage for a time and gives every plan that was accepted.
func (s *storm) blow(ctx context.Context, lasts, drain time.Duration) error {
	running, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for _, r := range s.replicas {
		all.Go(func() { r.live(running) })
	}
	all.Go(func() { s.handIn(running) })
	storm, calm := context.WithTimeout(running, lasts)
	defer calm()
	var bad sync.WaitGroup
	bad.Go(func() { s.strike(storm) })
	bad.Go(func() { s.trouble(storm) })
	bad.Go(func() { s.people(storm) })
	bad.Wait()
	return s.drain(running, drain)
}

// drain ends the trouble and waits until every plan has ended, at most for a time.
func (s *storm) drain(ctx context.Context, longest time.Duration) error {
	s.mu.Lock()
	s.over = true
	for _, r := range s.replicas {
		r.thawLocked()
	}
	s.mu.Unlock()
	if err := s.place.Heal(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(longest)
	for n := 0; time.Now().Before(deadline) && len(s.open()) > 0 && ctx.Err() == nil; n++ {
		if n%30 == 0 { // a replica that has just begun anew may have missed the word
			for id := range s.open() {
				s.control(id, execute.ControlResume)
			}
		}
		rest(ctx, 100*time.Millisecond)
	}
	s.say("the storm is over; %d of %d plans have not ended", len(s.open()), s.drawn)
	quiet, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	s.targets.quiet(quiet)
	return nil
}

// open are the plans that have not ended, as far as it was heard.
func (s *storm) open() map[backout.AttemptID]*handed {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := maps.Clone(s.plans)
	maps.DeleteFunc(out, func(_ backout.AttemptID, h *handed) bool { return h.ended })
	return out
}

// handIn keeps plans in flight, and hands in again what nobody accepted.
func (s *storm) handIn(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		for len(s.open()) < inFlight && s.drawNext() {
		}
		if n%20 == 0 {
			s.again()
		}
		rest(ctx, 100*time.Millisecond)
	}
}

func (s *storm) drawNext() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	d := draw(s.seed, s.drawn, time.Now().UTC())
	s.drawn++
	s.targets.add(d)
	h := &handed{Drawn: d, to: s.rnd.IntN(len(s.replicas))}
	s.plans[d.Attempt.ID] = h
	s.replicas[h.to].send(Command{Start: &h.Request})
	return true
}

// again hands in what was not accepted, to any replica.
func (s *storm) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.plans)) {
		if h := s.plans[id]; !h.accepted {
			h.to = s.rnd.IntN(len(s.replicas))
			s.replicas[h.to].send(Command{Start: &h.Request})
		}
	}
}

// strike kills and freezes replicas: at each kind of moment in turn, and at random
// instants.
func (s *storm) strike(ctx context.Context) {
	for turn := 0; ctx.Err() == nil; turn++ {
		s.mu.Lock()
		pause := time.Duration(s.breath * float64(time.Duration(600+s.rnd.IntN(3000))*time.Millisecond))
		if s.rnd.IntN(3) > 0 {
			s.armed[moments[turn%len(moments)]] = true
		} else {
			s.hitLocked(s.replicas[s.rnd.IntN(len(s.replicas))])
		}
		s.mu.Unlock()
		rest(ctx, pause)
	}
}

// hitLocked kills a replica, or freezes it for a time; the first is a kill, for a short
// storm may have no second. Where there are others half of the freezes last longer than
// they wait before they take over.
func (s *storm) hitLocked(r *replica) {
	if s.kills == 0 || s.rnd.IntN(3) > 0 {
		r.killLocked()
		return
	}
	longest := 2500 * time.Millisecond
	if len(s.replicas) > 1 && s.rnd.IntN(2) == 0 {
		longest = 20 * time.Second
	}
	r.freezeLocked(time.Duration(s.rnd.Int64N(int64(longest))))
}

// moment strikes the replica that has come to it, where it was armed. Those that are
// rare stay armed until they come.
func (s *storm) moment(what string, r *replica) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over && s.armed[what] {
		delete(s.armed, what)
		s.at[what]++
		s.hitLocked(r)
	}
}

// called is the moment of a call from a worker, named by its replica and life.
func (s *storm) called(what, worker string) {
	for _, r := range s.replicas {
		if strings.HasPrefix(worker, fmt.Sprintf("w%d.", r.index)) {
			s.moment("call "+what, r)
		}
	}
}

func (s *storm) trouble(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		pause := time.Duration(s.breath * float64(time.Duration(2+s.rnd.IntN(8))*time.Second))
		rnd := rand.New(rand.NewPCG(s.rnd.Uint64(), 0))
		s.mu.Unlock()
		rest(ctx, pause)
		if ctx.Err() != nil {
			return
		}
		if what := s.place.Trouble(ctx, rnd); what != "" {
			s.say("%s", what)
			s.mu.Lock()
			s.troubles[what]++
			s.mu.Unlock()
		}
	}
}

// people pause plans and resume them; now and then one is aborted.
func (s *storm) people(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, 2*time.Second)
		ids := slices.Sorted(maps.Keys(s.open()))
		if len(ids) == 0 {
			continue
		}
		s.mu.Lock()
		id, dice := ids[s.rnd.IntN(len(ids))], s.rnd.IntN(20)
		s.mu.Unlock()
		if dice == 0 {
			s.control(id, execute.ControlAbort)
			continue
		}
		s.control(id, execute.ControlPause)
		rest(ctx, time.Second)
		s.control(id, execute.ControlResume)
	}
}

func (s *storm) control(id backout.AttemptID, kind execute.ControlKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := execute.Control{Kind: kind, By: "the harness", Why: "chaos"}
	s.replicas[s.rnd.IntN(len(s.replicas))].send(Command{Attempt: id, Control: &c})
}

// hear takes in what a replica said.
func (s *storm) hear(r *replica, w Word) {
	if w.Entry != nil {
		s.moment("entry "+string(w.Entry.Kind), r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case w.Accepted != "":
		s.plans[w.Accepted].accepted = true
	case w.Ended != "":
		s.plans[w.Ended].ended = true
	}
}

// unended are the plans that a replica that has begun anew is to follow.
func (s *storm) unended(to int) []*handed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*handed
	for _, id := range slices.Sorted(maps.Keys(s.plans)) {
		if h := s.plans[id]; h.to == to && !h.ended {
			out = append(out, h)
		}
	}
	return out
}

// rest waits for a time, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// handed are all plans, and accepted those that a worker said it had accepted.
func (s *storm) handed() map[backout.AttemptID]Drawn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[backout.AttemptID]Drawn{}
	for id, h := range s.plans {
		out[id] = h.Drawn
	}
	return out
}

func (s *storm) accepted() map[backout.AttemptID]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[backout.AttemptID]bool{}
	for id, h := range s.plans {
		if h.accepted {
			out[id] = true
		}
	}
	return out
}
