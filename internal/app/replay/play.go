package replay

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	folder "github.com/backout-dev/backout/internal/replay"
	"github.com/backout-dev/backout/internal/watch"
)

// Config says what to play. Only Dir is required.
type Config struct {
	Dir string
	// Until asks for each incident this long after its detection; nil = as the
	// program itself would decide.
	Until *time.Duration
	// At asks at these moments, whether or not something was detected; then nothing
	// else is asked.
	At []time.Time
	// From and To replace what the folder's settings say; zero = as they say.
	From, To time.Time
	Seed     uint64
	// Temp is where the samples are unpacked; "" = the system's temporary folder.
	Temp string
	// Progress hears how it goes on, a line at a time; nil = nobody listens.
	Progress func(line string)
	Log      *slog.Logger
}

func (c Config) progress(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

func (c Config) checked() (Config, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Dir == "":
		return c, invalid("play recording: expected a folder")
	case c.Until != nil && *c.Until < 0:
		return c, invalid("play recording: until %s: expected a time after detection, such as 4m", *c.Until)
	case c.Until != nil && len(c.At) > 0:
		return c, invalid("play recording: until and at: expected one of them")
	}
	c.At = slices.SortedFunc(slices.Values(c.At), time.Time.Compare)
	return c, nil
}

func invalid(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

// Play plays a recording and gives what was said of its incidents. The error is
// [folder.Problems] (of internal/replay) when the folder is wrong, and has code
// invalid when there is nothing to play in the time asked for.
func Play(ctx context.Context, c Config) (Result, error) {
	c, err := c.checked()
	if err != nil {
		return Result{}, err
	}
	f, err := folder.Open(c.Dir, parseLine)
	if err != nil {
		return Result{}, err
	}
	samples, err := load(ctx, f, c)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		if err := samples.Close(); err != nil {
			c.Log.Warn("close recording", "err", err)
		}
	}()
	span, err := schedule(c, f, samples)
	if err != nil {
		return Result{}, err
	}
	if err := samples.settle(ctx, f, span.from); err != nil {
		return Result{}, err
	}
	p, err := newPlayer(ctx, c, f, samples, span)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = p.path.Close() }() // it was in memory
	if err := p.run(ctx); err != nil {
		return Result{}, err
	}
	return p.result(), nil
}

// span is the part of a recording that is played: ticks at from, from+step, ... to.
type span struct {
	first, last time.Time // of the recording
	from, to    time.Time
	step        time.Duration
}

// warmup is how many steps of the beginning only teach what is normal.
const warmup = 60

func schedule(c Config, f folder.Folder, t *tape) (span, error) {
	s := span{step: f.Settings.StepOr()}
	var ok bool
	if s.first, s.last, ok = t.Span(); !ok {
		return s, invalid("play recording %s: it has no samples", c.Dir)
	}
	s.to = s.last
	for _, to := range []time.Time{f.Settings.To, c.To} {
		if !to.IsZero() {
			s.to = to
		}
	}
	s.from = s.first.Add(cmp.Or(f.Settings.Warmup.Std(), warmup*s.step))
	for _, from := range []time.Time{f.Settings.From, c.From} {
		if !from.IsZero() {
			s.from = from
		}
	}
	if n := len(c.At); n > 0 {
		s.from, s.to = c.At[0], c.At[n-1]
	}
	s.from = floor(s.from.Add(s.step-1), s.step)
	given := !f.Settings.From.IsZero() || !c.From.IsZero() || len(c.At) > 0
	switch {
	case !given && !s.to.Before(s.first) && s.to.Before(s.from):
		return s, invalid("play recording %s: samples from %s to %s leave nothing to judge after a warm-up until %s: set step or warmup in %s, or ask for a moment with --at", c.Dir, stamp(s.first), stamp(s.to), stamp(s.from), folder.SettingsFile)
	case s.to.Before(s.first) || s.from.After(s.last.Add(s.step)):
		return s, invalid("play recording %s from %s to %s: its samples are from %s to %s", c.Dir, stamp(s.from), stamp(s.to), stamp(s.first), stamp(s.last))
	case len(c.At) == 0 && s.to.Before(s.from):
		return s, invalid("play recording %s: it would end %s, before it begins %s", c.Dir, stamp(s.to), stamp(s.from))
	}
	return s, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// player is one replay going on.
type player struct {
	c       Config
	f       folder.Folder
	samples *tape
	span    span
	world   *folder.World
	path    *app.Recorded
	open    []backout.IncidentID // not answered yet
	answers []Answer
	heard   watch.Report
}

func newPlayer(ctx context.Context, c Config, f folder.Folder, samples *tape, s span) (*player, error) {
	p := &player{c: c, f: f, samples: samples, span: s, world: folder.NewWorld(f)}
	var err error
	p.path, err = app.NewRecorded(ctx, app.RecordedConfig{
		Catalog: f.Catalog, Ruled: folder.OutOfShadow(f.Catalog.Policy), World: p.world, Environment: cmp.Or(f.Settings.Environment, "production"),
		Sampler: newReader(samples.Recorded, s.to, f.Catalog.Signals, samples.scrape, s.step),
		Step:    s.step, Minute: f.Settings.MinuteOr(), Seed: c.Seed, Log: c.Log,
	})
	return p, err
}

func (p *player) run(ctx context.Context) error {
	if len(p.c.At) > 0 {
		for _, now := range p.c.At {
			if err := p.at(ctx, now); err != nil {
				return err
			}
		}
		return nil
	}
	said := time.Now()
	for now := p.span.from; !now.After(p.span.to); now = now.Add(p.span.step) {
		if err := p.tick(ctx, now); err != nil {
			return err
		}
		if time.Since(said) > 2*time.Second {
			said = time.Now()
			p.c.progress("%s, %d %% played, %d incidents", stamp(now), 100*now.Sub(p.span.from)/max(1, p.span.to.Sub(p.span.from)), len(p.answers)+len(p.open))
		}
	}
	for _, id := range p.open {
		inc, err := p.path.Incident(ctx, id)
		if err != nil {
			return err
		}
		if err := p.prepare(ctx, p.world.Now(), inc); err != nil {
			return err
		}
	}
	return nil
}

// tick plays one step.
func (p *player) tick(ctx context.Context, now time.Time) error {
	p.world.Set(now)
	report, id, err := p.path.Tick(ctx, now)
	if err != nil {
		return err
	}
	p.heard = report
	if id != "" && !slices.Contains(p.open, id) && !slices.ContainsFunc(p.answers, func(a Answer) bool { return a.ID == id }) {
		p.open = append(p.open, id)
	}
	still := []backout.IncidentID{}
	for _, id := range p.open {
		inc, err := p.path.Incident(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case p.c.Until != nil && now.Before(inc.OpenedAt.Add(*p.c.Until)), p.c.Until == nil && !inc.State.Terminal():
			still = append(still, id)
		case p.c.Until != nil:
			err = p.prepare(ctx, now, inc)
		default:
			err = p.answer(ctx, now, inc, nil)
		}
		if err != nil {
			return err
		}
	}
	p.open = still
	return nil
}

// at asks at a moment that was given.
func (p *player) at(ctx context.Context, now time.Time) error {
	p.world.Set(now)
	report := p.path.Look(ctx, now)
	if err := ctx.Err(); err != nil {
		return err
	}
	p.heard = report
	return p.prepare(ctx, now, p.path.Imagined(now))
}

// prepare decides as of a moment and keeps the answer; that no plan could be made
// is part of it.
func (p *player) prepare(ctx context.Context, now time.Time, inc backout.Incident) error {
	decided, planned := p.path.Prepare(ctx, now, inc)
	return p.answer(ctx, now, decided, planned)
}

// answer keeps what is said of an incident, and how long attribution took.
func (p *player) answer(ctx context.Context, now time.Time, inc backout.Incident, planned error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	if _, err := p.path.Attribute(ctx, now, inc); err != nil {
		return err
	}
	a := folder.NewAnswer(now, inc, time.Since(began))
	if planned != nil {
		a.PlanError = planned.Error()
	}
	if a.Plan != nil {
		var err error
		if a.Plan.Ruling, err = p.path.Ruling(ctx, now, inc); err != nil {
			return err
		}
	}
	p.answers = append(p.answers, a)
	p.c.progress("%s %s: %s", stamp(now), inc.ID, inc.Why)
	return nil
}
