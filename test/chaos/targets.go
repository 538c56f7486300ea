package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// What is what happened to an effect at its target.
type What string

// What can happen.
const (
	Received  What = "received"  // a call of Do arrived
	Refused   What = "refused"   // its picture was stale
	Duplicate What = "duplicate" // the target had done its key already
	Started   What = "started"
	Applied   What = "applied"
)

// Event is one line of the targets' log. The log is the harness's own: no worker
// writes it, and its clock is the harness's.
type Event struct {
	At     time.Time      `json:"at"`
	What   What           `json:"what"`
	Worker string         `json:"worker"`
	Effect backout.Effect `json:"effect"`
	// Shares are the component's after it was applied.
	Shares map[backout.Version]float64 `json:"shares_ratio,omitempty"`
}

// target is one component outside of every process that is killed.
type target struct {
	Manners
	shares   map[backout.Version]float64
	revision int
	moving   int // effects that have started and are not applied yet
	done     map[string]bool
}

// Targets keeps all components and their log, and answers workers over HTTP.
type Targets struct {
	url    string
	server *http.Server
	// called hears of each call just after it has come in; nil = nobody listens.
	called func(what, worker string)

	mu      sync.Mutex // guards everything below
	plans   map[backout.AttemptID]Drawn
	targets map[backout.ComponentID]*target
	asked   map[string]time.Time // first question to a gate that can't see, by wave and round
	log     []Event
}

// serve begins to answer on a free port of the loopback.
func serve() (*Targets, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve targets: %w", err)
	}
	t := &Targets{
		url: "http://" + l.Addr().String(), plans: map[backout.AttemptID]Drawn{},
		targets: map[backout.ComponentID]*target{}, asked: map[string]time.Time{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /probe", t.heard("probe", t.probe))
	mux.HandleFunc("GET /world", t.heard("world", t.world))
	mux.HandleFunc("GET /gate", t.heard("gate", t.gate))
	mux.HandleFunc("POST /do", t.do)
	t.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = t.server.Serve(l) }()
	return t, nil
}

// heard tells of a call before it is answered.
func (t *Targets) heard(what string, fn http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.tell(what, r.Header.Get("Worker"))
		fn(w, r)
	}
}

func (t *Targets) tell(what, worker string) {
	if t.called != nil {
		t.called(what, worker)
	}
}

// add puts a plan's components in place.
func (t *Targets) add(d Drawn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plans[d.Attempt.ID] = d
	for id, m := range d.Manners {
		t.targets[id] = &target{Manners: m, shares: d.live(id), done: map[string]bool{}}
	}
}

// events is the log so far.
func (t *Targets) events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Event(nil), t.log...)
}

func (t *Targets) noteLocked(what What, worker string, e backout.Effect) {
	ev := Event{At: time.Now(), What: what, Worker: worker, Effect: e}
	if what == Applied {
		ev.Shares = maps.Clone(t.targets[e.Component.ID].shares)
	}
	t.log = append(t.log, ev)
}

// accept decides at once what becomes of an effect.
func (t *Targets) accept(worker string, e backout.Effect) (*target, What) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.targets[e.Component.ID]
	if x == nil {
		return nil, Refused
	}
	t.noteLocked(Received, worker, e)
	what := Started
	switch {
	case x.CAS && e.IfVersion != strconv.Itoa(x.revision):
		what = Refused
	case x.Keys && x.done[e.Key]:
		what = Duplicate
	case x.Answer == AnswerNothing:
		return x, Received
	default:
		x.revision++
		x.moving++
		x.done[e.Key] = true
	}
	t.noteLocked(what, worker, e)
	return x, what
}

// apply brings an effect about, after its delay.
func (t *Targets) apply(x *target, worker string, e backout.Effect) {
	time.Sleep(x.Delay)
	t.mu.Lock()
	defer t.mu.Unlock()
	x.moving--
	x.shares = map[backout.Version]float64{e.To: e.Share}
	if rest := 1 - e.Share; rest > 1e-9 {
		x.shares[e.From] += rest
	}
	t.noteLocked(Applied, worker, e)
}

// do goes on when the caller dies: what has arrived will be done.
func (t *Targets) do(w http.ResponseWriter, r *http.Request) {
	var e backout.Effect
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	worker := r.Header.Get("Worker")
	x, what := t.accept(worker, e)
	t.tell("do", worker)
	switch {
	case what == Refused:
		http.Error(w, "it has moved meanwhile", http.StatusPreconditionFailed)
		return
	case what != Started:
		return
	case x.Answer == AnswerEarly:
		go t.apply(x, worker, e)
		return
	}
	t.apply(x, worker, e)
	switch x.Answer {
	case AnswerError:
		http.Error(w, "something went wrong", http.StatusInternalServerError)
	case AnswerLost:
		panic(http.ErrAbortHandler)
	}
}

func (t *Targets) liveLocked(id backout.ComponentID) (backout.Live, string) {
	x := t.targets[id]
	if x == nil {
		return backout.Live{}, ""
	}
	return backout.Live{Shares: maps.Clone(x.shares), Healthy: x.moving == 0, At: time.Now().UTC()}, strconv.Itoa(x.revision)
}

func (t *Targets) probe(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	live, revision := t.liveLocked(backout.ComponentID(r.URL.Query().Get("component")))
	t.mu.Unlock()
	answer(w, backout.Reality{Live: live, Version: revision, At: live.At})
}

// world is a plan's world as it is now.
func (t *Targets) world(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	now := t.plans[backout.AttemptID(r.URL.Query().Get("plan"))].World
	now.Now, now.Live = time.Now().UTC(), maps.Clone(now.Live)
	for id := range now.Live {
		now.Live[id], _ = t.liveLocked(id)
	}
	t.mu.Unlock()
	answer(w, now)
}

// gate says what was drawn for a plan's wave. A gate that can't see does so from a
// third of a second after it was first asked.
func (t *Targets) gate(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	wave, _ := strconv.Atoi(q.Get("wave"))
	t.mu.Lock()
	d := t.plans[backout.AttemptID(q.Get("plan"))]
	key := r.URL.RawQuery
	if t.asked[key].IsZero() {
		t.asked[key] = time.Now()
	}
	first := t.asked[key]
	t.mu.Unlock()
	last := q.Get("round") == strconv.Itoa(rounds(d.Attempt.Plan.Waves[wave])-1)
	switch {
	case wave == d.BlindAt && time.Since(first) < time.Second/3:
		answer(w, execute.Answer{Decision: execute.DecisionFreeze, Why: "no samples"})
	case wave == d.HaltAt && last:
		answer(w, execute.Answer{Decision: execute.DecisionHalt, Why: "it got worse", Verdict: backout.VerdictWorse})
	case wave == d.StopAt && last:
		answer(w, execute.Answer{Decision: execute.DecisionStop, Why: "the symptom has gone", Verdict: backout.VerdictRecovered})
	default:
		answer(w, execute.Answer{Decision: execute.DecisionGoOn, Why: "not worse"})
	}
}

func rounds(w backout.Wave) int {
	n := 0
	for _, s := range w.Steps {
		n = max(n, len(s.Stages))
	}
	return n
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// quiet waits until no effect is under way, or ctx ends.
func (t *Targets) quiet(ctx context.Context) {
	for ctx.Err() == nil {
		t.mu.Lock()
		moving := 0
		for _, x := range t.targets {
			moving += x.moving
		}
		t.mu.Unlock()
		if moving == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stepOf takes a step's id out of an effect's key, attempt/step/stage, and says
// which stage: -1 when the effect takes the step back.
func stepOf(e backout.Effect) (id string, stage int) {
	rest := strings.TrimPrefix(e.Key, string(e.Attempt)+"/")
	id, last, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(last)
	if err != nil {
		return id, -1
	}
	return id, n
}
