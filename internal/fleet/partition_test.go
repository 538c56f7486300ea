package fleet_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/fleet"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// Two replicas and a partition. The one that carries out an attempt loses its way to
// the database and keeps its way to what it moves, which is the dangerous half: it
// could go on acting while the other one does the same. The right ending: the other
// one takes over and ends the run, each effect came about once and in order, the
// journal has one end, and the one that was cut off says that it has lost its place
// and does nothing more, also when its connection is back.

// The moments at which the connection goes, all in the second of five stages.
const (
	atGuard = "guard" // it has looked and is about to be allowed to move
	atNote  = "note"  // it is writing down that it will move: its transaction is open, with the lock on its own lease
	atHeld  = "held"  // that is written, and it is about to call the target
	atDo    = "do"    // the target has the call and does not answer
	atGate  = "gate"  // it has moved and asks how that went
)

// How the connection goes.
const (
	cut      = "cut"      // both ends see it, and nobody can connect
	silenced = "silenced" // nobody sees anything, nothing arrives
	deaf     = "deaf"     // what it says arrives, what it is told does not
)

// partition is one case: where the connection goes, how, and what of.
type partition struct {
	moment, how string
	compares    bool // the target compares the version in the instant in which it moves
	loses       bool // the call never gets through
	// numb: losing its place cancels nothing, and no deadline helps, so that the fence
	// alone is left.
	numb bool
	// later: a word is said once the other one has taken over, not before.
	later bool
}

func (c partition) String() string {
	s := c.moment + ", " + c.how
	for _, w := range []struct {
		is   bool
		word string
	}{{c.compares, "compares"}, {c.loses, "call lost"}, {c.numb, "numb"}, {c.later, "word after the take-over"}} {
		if w.is {
			s += ", " + w.word
		}
	}
	return s
}

// callTime bounds one call. Who takes over a call to a target that does not compare
// waits for it and the time to live.
const callTime = 4 * time.Second

// pair is two replicas in the middle of an attempt, the first of them cut off.
type pair struct {
	*testing.T
	partition
	world        *world
	wire         wire
	first, other *part
	side         *side      // the first one's
	stay         chan bool  // closed when the other one's gates may pass
	ended        chan error // what the first one's life ended with
	lost, took   chan bool
	said         *speech
	keys         []string
}

// speech is a log that can be read while it is written.
type speech struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *speech) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *speech) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func cutOff(t *testing.T, c partition) *pair {
	database := postgrestest.Start(t).Database(t)
	p := &pair{T: t, partition: c, ended: make(chan error, 1), lost: make(chan bool), took: make(chan bool), stay: make(chan bool), said: &speech{}}
	p.world = &world{compares: c.compares, share: map[backout.ComponentID]float64{}, moved: map[backout.ComponentID]int{}}
	w, address := newWire(t, database)
	p.wire = w
	p.side = &side{
		world: p.world, name: "first", moment: c.moment, loses: c.loses, caught: make(chan bool), goOn: make(chan bool),
		part: func() { w.part(t, c.how) },
	}
	p.first = &part{fence: func(r *fleet.Replica) execute.Fence { return fence{r, p.side} }}
	p.enter(p.first, address, p.side, p.said, fleet.Config{Lost: func() {
		if !c.numb {
			_ = p.first.engine.Close(2 * time.Second)
		}
		close(p.lost)
	}})
	p.other = &part{}
	var tookOnce sync.Once // a numb one that is back may take its run out of the queue, and it is taken from it again
	p.enter(p.other, database, &side{world: p.world, name: "other", stay: p.stay}, io.Discard, fleet.Config{Took: func(string, int) { tookOnce.Do(func() { close(p.took) }) }})
	r, keys := partitionPlan()
	p.keys = keys
	if err := p.first.executor.Start(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	p.waits("the partition", p.side.caught)
	return p
}

func (p *pair) enter(one *part, database string, s *side, said io.Writer, f fleet.Config) {
	p.Helper()
	timeout := callTime
	if p.numb && one == p.first {
		timeout = time.Minute
	}
	f.Log = slog.New(slog.NewTextHandler(said, nil))
	boot.Lock()
	defer boot.Unlock()
	err := one.join(p.Context(), database+"&pool_max_conns=8", f, execute.Config{
		Actuators: map[string]execute.Actuator{"fake": s}, Guard: s, Gate: s,
		Timeout: timeout, Settle: 300 * time.Millisecond, Tick: 5 * time.Millisecond, MaxTick: 100 * time.Millisecond, Log: f.Log,
	})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = one.engine.Close(5 * time.Second) })
	over := make(chan bool)
	p.Cleanup(func() { <-over })
	go func() {
		defer close(over)
		if err := one.replica.Run(p.Context()); one == p.first {
			p.ended <- err
		} else if err != nil {
			p.Errorf("the other one: %v", err)
		}
	}()
}

func (p *pair) waits(what string, ch <-chan bool) {
	p.Helper()
	select {
	case <-ch:
	case <-time.After(40 * time.Second):
		p.Fatalf("waited in vain for %s\n%s", what, p.said)
	}
}

// run is the journal as the survivor reads it.
func (p *pair) run() backout.Run {
	p.Helper()
	r, err := p.other.executor.Run(p.Context(), "i/1")
	if err != nil {
		p.Fatal(err)
	}
	return r
}

// comesBack gives the first one its connection again, lets it go on, and waits until
// it has done all that it will ever do.
func (p *pair) comesBack() {
	p.Helper()
	p.wire.mend(p.T, p.how)
	close(p.side.goOn)
	p.waits("the first one to notice", p.lost)
	select {
	case err := <-p.ended:
		if !errors.Is(err, fleet.ErrLost) {
			p.Errorf("the first one ended with %v, want the loss of its place", err)
		}
	case <-time.After(20 * time.Second):
		p.Error("the first one lives on")
	}
	if p.numb {
		until(p.T, "the first one's run to be refused", 20*time.Second, func() bool { return strings.Contains(p.said.String(), "flow was taken over") })
	}
	if err := p.first.replica.Held(); !errors.Is(err, fleet.ErrLost) {
		p.Errorf("the first one still thinks that it may act: %v", err)
	}
	if !strings.Contains(p.said.String(), "lost the place in the fleet") {
		p.Errorf("the first one did not say that it has lost its place:\n%s", p.said)
	}
}

// endsOnce checks the run's end, that the first did nothing after it was cut off, and
// that nothing came about twice or out of order.
func (p *pair) endsOnce(state backout.RunState, applied []string) backout.Run {
	p.Helper()
	until(p.T, "the end", 40*time.Second, func() bool { return p.run().State.Terminal() })
	r := p.run()
	if r.State != state {
		p.Errorf("ended %s (%s), want %s", r.State, r.Why, state)
	}
	said := map[string]int{}
	for i, e := range r.Entries {
		if e.Seq != int64(i+1) {
			p.Errorf("entry %d has number %d", i+1, e.Seq)
		}
		if e.Kind == backout.EntryEnded && i != len(r.Entries)-1 || e.Kind != backout.EntryEnded && i == len(r.Entries)-1 {
			p.Errorf("entry %d of %d is %s %q: want one end, and that last", i+1, len(r.Entries), e.Kind, e.Text)
		}
		if e.Kind == backout.EntryEffect || e.Kind == backout.EntrySkipped {
			said[e.Key]++
		}
	}
	sent, did := p.world.calls()
	var keys []string
	for _, c := range did {
		keys = append(keys, c.key)
		if said[c.key] != 1 {
			p.Errorf("the journal tells %d times what became of %s", said[c.key], c.key)
		}
	}
	if !slices.Equal(keys, applied) {
		p.Errorf("came about: %v, want %v", keys, applied)
	}
	want := 1 // calls by the first one: those before it was cut off
	if p.moment == atDo || p.moment == atGate {
		want = 2
	}
	if n := len(slices.DeleteFunc(sent, func(c call) bool { return c.by != "first" })); n != want {
		p.Errorf("the first one called the target %d times, want %d", n, want)
	}
	if p.Failed() {
		p.Logf("%s: target %v; journal %+v", p.partition, did, r.Entries)
	}
	return r
}

// together plays many cases at the same time: they mostly wait.
func together(t *testing.T, cases []partition, play func(t *testing.T, c partition)) {
	postgrestest.Start(t)
	var wg sync.WaitGroup
	room := make(chan bool, 8)
	for _, c := range cases {
		wg.Go(func() {
			room <- true
			defer func() { <-room }()
			t.Run(c.String(), func(t *testing.T) { play(t, c) })
		})
	}
	wg.Wait()
}

// boot has one replica made at a time. Creating tables is all the work there is here,
// and a slow machine that does a lot of it at once looks like a partition.
var boot sync.Mutex

func TestPartition_theOtherEndsTheRun(t *testing.T) {
	together(t, []partition{
		{moment: atGate, how: cut, compares: true},
		{moment: atGate, how: silenced},
		{moment: atGate, how: silenced, numb: true},
		{moment: atGuard, how: silenced, compares: true},
		{moment: atGuard, how: cut},
		{moment: atGuard, how: deaf, numb: true},
		{moment: atNote, how: silenced},
		{moment: atNote, how: deaf, compares: true},
		{moment: atHeld, how: cut, numb: true, compares: true},
		{moment: atHeld, how: silenced, numb: true},
		{moment: atDo, how: silenced},
		{moment: atDo, how: cut, compares: true},
		{moment: atDo, how: deaf, numb: true},
		{moment: atDo, how: cut, loses: true},
		{moment: atDo, how: silenced, loses: true, compares: true},
	}, func(t *testing.T, c partition) {
		p := cutOff(t, c)
		p.waits("the take-over", p.took)
		switch {
		case c.moment == atDo && !c.compares && !c.loses:
			// The call is still on its way, so the other one must not send it again.
			time.Sleep(time.Second) // far longer than it takes to look
			if sent, _ := p.world.calls(); len(sent) != 2 {
				t.Errorf("sent %v while the second call could still land", sent)
			}
		default: // the other one has brought the stage about itself, or seen it
			until(t, "the other one to be at its gate", 30*time.Second, func() bool { _, did := p.world.calls(); return len(did) == 2 })
		}
		p.comesBack()
		close(p.stay)
		p.endsOnce(backout.RunCompleted, p.keys)
	})
}

// Somebody says abort at the one that is left, while the other one may not even know
// yet that it is cut off. Nothing more is tried, and an effect that is still on its way
// is said to be unknown and not to be none.
func TestPartition_aWordAtTheOtherIsHeard(t *testing.T) {
	together(t, []partition{
		{moment: atGate, how: silenced},
		{moment: atGuard, how: cut},
		{moment: atGuard, how: silenced, numb: true},
		{moment: atDo, how: silenced},
		{moment: atDo, how: cut, compares: true},
		{moment: atDo, how: silenced, loses: true, later: true},
		{moment: atGate, how: cut, compares: true, later: true},
	}, func(t *testing.T, c partition) {
		p := cutOff(t, c)
		if c.later {
			p.waits("the take-over", p.took)
			time.Sleep(500 * time.Millisecond) // it waits in the middle of what it has taken over
		}
		if err := p.other.executor.Control(t.Context(), "i/1", execute.Control{Kind: execute.ControlAbort, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		if c.later {
			if took := until(t, "the end", 30*time.Second, func() bool { return p.run().State.Terminal() }); took > 3*time.Second {
				t.Errorf("heard after %s", took)
			}
		}
		applied := p.keys[:1]
		if c.moment == atGate {
			applied = p.keys[:2]
		}
		until(t, "the end", 30*time.Second, func() bool { return p.run().State.Terminal() })
		p.comesBack()
		if c.moment == atDo {
			var last backout.Entry
			for _, e := range p.run().Entries {
				if e.Kind == backout.EntryEffect {
					last = e
				}
			}
			if last.Key != p.keys[1] || last.Outcome != backout.OutcomeUnknown {
				t.Errorf("of the call that is on its way the journal says %s %q (%s), want that it is unknown", last.Key, last.Text, last.Outcome)
			}
			if !c.loses {
				applied = p.keys[:2]
				until(t, "the call to land", 10*time.Second, func() bool { _, did := p.world.calls(); return len(did) == 2 })
			}
		}
		p.endsOnce(backout.RunAborted, applied)
	})
}
