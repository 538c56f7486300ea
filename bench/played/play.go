package played

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/simulate"
)

// Config is one world to play.
type Config struct {
	World *simulate.Play
	// Watched is from when on findings count; the detector learns from what comes before.
	Watched time.Time
	Policy  backout.Policy
	// PerMinute is what the product earns a minute; zero = nobody knows.
	PerMinute backout.Money
	Priors    backout.Priors
	// Answer is how long a person takes to approve a plan that waits for one; negative =
	// nobody answers.
	Answer time.Duration
	// Alone ends the play with the first incident.
	Alone bool
	Seed  uint64
}

// Result is what became of it.
type Result struct {
	Incidents []backout.Incident // in the order in which they opened
	// Early is what the ranking said of the first incident a few minutes after it opened,
	// whatever the path did; nil if it ended before.
	Early *backout.Attribution
	// Planned is what it said when the first plan was made.
	Planned *backout.Attribution
	Reviews []backout.Review
}

// Acts are the attempts that began, in order.
func (r Result) Acts() []backout.Attempt {
	var out []backout.Attempt
	for _, inc := range r.Incidents {
		for _, a := range inc.Attempts {
			if !a.StartedAt.IsZero() {
				out = append(out, a)
			}
		}
	}
	return out
}

// early is when the first answer is kept: as soon as the path decides at the earliest.
const early = 2 * time.Minute

// stepsAtOnce bounds how far an incident goes at one moment.
const stepsAtOnce = 8

// player holds the parts of one play.
type player struct {
	Config
	kept     *memory
	detector *detect.Detector
	runner   *runner
	path     *respond.Responder
	wakes    map[backout.IncidentID]time.Time
	asked    map[string]time.Time // when a plan, by digest, first waited for a person
	began    bool
	out      Result
}

// Residuals and Baselines are the detector's, as respond asks for them.
func (p *player) Residuals(from, to time.Time) []backout.Residuals {
	return p.detector.Residuals(from, to)
}

// Baselines implements respond.Signals.
func (p *player) Baselines(ids []backout.SeriesID) []backout.Baseline {
	return p.detector.Baselines(ids...)
}

// Play plays a world to its end, or to the end of its first incident.
func Play(ctx context.Context, c Config) (Result, error) {
	p, err := newPlayer(c)
	if err != nil {
		return Result{}, err
	}
	w := c.World
	p.detector.Tick(w.Window(w.Start(), c.Watched))
	for at, step := c.Watched.Add(w.Step()), w.Step(); !at.After(w.End()); at = at.Add(step) {
		if err := p.moment(ctx, at); err != nil {
			return Result{}, fmt.Errorf("play seed %d at %s: %w", c.Seed, at.Format(time.DateTime), err)
		}
		if n := len(p.kept.order); c.Alone && n > 0 && len(p.kept.open()) == 0 {
			break
		}
	}
	p.out.Incidents, p.out.Reviews = p.kept.all(), p.kept.reviews
	return p.out, nil
}

func newPlayer(c Config) (*player, error) {
	d, err := detect.New(detect.Config{})
	if err != nil {
		return nil, err
	}
	rules, err := permit.Compile(c.Policy)
	if err != nil {
		return nil, err
	}
	p := &player{Config: c, kept: newMemory(c.Priors), detector: d, wakes: map[backout.IncidentID]time.Time{}, asked: map[string]time.Time{}}
	known := newFacts(c.World, c.Policy, c.PerMinute, p.kept)
	p.runner = &runner{facts: known, runs: map[backout.AttemptID]*running{}}
	p.runner.guard = &respond.Guard{Facts: known, Permit: rules, Now: func() time.Time { return p.runner.now }}
	p.runner.gate = &respond.Gate{Store: p.kept, Signals: p, Facts: known, Minute: minute}
	p.path, err = respond.New(respond.Config{Store: p.kept, Learner: p.kept, Facts: known, Signals: p, Runner: p.runner, Permit: rules, Step: c.World.Step(), Minute: minute, Seed: c.Seed})
	return p, err
}

// moment is one sample: measured, observed, carried out, decided.
func (p *player) moment(ctx context.Context, now time.Time) error {
	found := p.detector.Tick(p.World.Window(now.Add(-p.World.Step()), now))
	if !p.began {
		p.began, found = true, p.detector.Standing() // what stands when we begin to watch, as package watch has it
	}
	if _, err := p.path.Observe(ctx, now, environment, found, nil); err != nil {
		return err
	}
	if err := p.runner.advance(ctx, now); err != nil {
		return err
	}
	for _, id := range p.kept.open() {
		if err := p.walk(ctx, now, id); err != nil {
			return err
		}
	}
	return nil
}

// walk steps an incident as far as it goes at this moment, as the server does.
func (p *player) walk(ctx context.Context, now time.Time, id backout.IncidentID) error {
	if now.Before(p.wakes[id]) {
		return nil
	}
	for range stepsAtOnce {
		wake, err := p.path.Step(ctx, now, id)
		if p.wakes[id] = wake; err != nil {
			return err
		}
		p.keep(now, id)
		if err := p.answer(ctx, now, id); err != nil {
			return err
		}
		if p.kept.incidents[id].State.Terminal() || wake.After(now) && p.kept.incidents[id].State != backout.StateApproved {
			break
		}
	}
	return nil
}

// keep notes what was said of the first incident.
func (p *player) keep(now time.Time, id backout.IncidentID) {
	inc := p.kept.incidents[id]
	if id != p.kept.order[0] || inc.Attribution == nil {
		return
	}
	if p.out.Planned == nil && inc.Plan != nil {
		p.out.Planned = inc.Attribution
	}
	if p.out.Early == nil && (now.Sub(inc.OpenedAt) >= early || inc.Plan != nil) {
		p.out.Early = inc.Attribution
	}
}

// answer says yes to a plan that has waited long enough for a person.
func (p *player) answer(ctx context.Context, now time.Time, id backout.IncidentID) error {
	inc := p.kept.incidents[id]
	if p.Answer < 0 || inc.State != backout.StateWaiting || inc.Plan == nil || len(inc.Plan.Waves) == 0 || inc.Plan.Ruling.Forbidden {
		return nil
	}
	first, known := p.asked[inc.Plan.Digest]
	if !known {
		first = now
		p.asked[inc.Plan.Digest] = now
	}
	if now.Sub(first) < p.Answer {
		p.wakes[id] = slices.MinFunc([]time.Time{p.wakes[id], first.Add(p.Answer)}, time.Time.Compare)
		return nil
	}
	_, err := p.path.Approve(ctx, now, id, backout.Principal{Name: "on-call", Role: backout.RoleApprover}, inc.Plan.Digest, "it looks right to me")
	return err
}
