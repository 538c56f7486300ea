package execute

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Mover tries effects; what it must answer is said at [Actuator].
type Mover interface {
	Do(ctx context.Context, e backout.Effect) (backout.Outcome, error)
}

// Prober reads what is live now.
type Prober interface {
	Look(ctx context.Context, c backout.Component) (Sight, error)
}

// Sight is what a prober sees.
type Sight struct {
	backout.Reality
	// Versions are those that the target could be brought to; nil when it doesn't say.
	Versions []backout.Version
}

// ErrAccepted is a mover's error when its target took the effect and will bring it
// about later. The outcome with it is unknown.
var ErrAccepted = errors.New("accepted, and not seen done yet")

// Declared is an actuator that somebody put together from what there is: one means
// that moves, one that sees, and what is said of going back, which neither can be
// asked. Its zero Within leaves waiting to the executor.
type Declared struct {
	Mover  Mover
	Prober Prober
	// Within is how long an effect may take to show once the mover has answered.
	Within time.Duration
	// Tick is the first pause between two looks meanwhile; 0 = 500 ms.
	Tick   time.Duration
	Stated Stated
}

// Stated is what is said of going back.
type Stated struct {
	Loss     backout.Loss
	Lost     string
	Shares   []float64 // ascending, ending at 1
	Mixed    bool
	Takes    time.Duration
	Headroom float64
	// CompareAndSwap is set when the mover hands on Effect.IfVersion.
	CompareAndSwap bool
	// OnceByKey is set when the target takes an effect's key once only.
	OnceByKey bool
}

var (
	_ Actuator  = (*Declared)(nil)
	_ Patient   = (*Declared)(nil)
	_ OnceByKey = (*Declared)(nil)
)

// OnceByKey says what was stated of the target.
func (d *Declared) OnceByKey(backout.Component) bool { return d.Stated.OnceByKey }

// Probe reads what is live now.
func (d *Declared) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	s, err := d.look(ctx, c)
	if err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	return s.Reality, nil
}

func (d *Declared) look(ctx context.Context, c backout.Component) (Sight, error) {
	if err := ctx.Err(); err != nil {
		return Sight{}, err
	}
	s, err := d.Prober.Look(ctx, c)
	if err != nil {
		return s, err
	}
	if s.At.IsZero() {
		s.At = time.Now().UTC()
	}
	if s.Live.At.IsZero() {
		s.Live.At = s.At
	}
	return s, nil
}

// Survey offers the earlier versions, as far as the target says which it has, with
// the loss that was stated.
func (d *Declared) Survey(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{}, At: time.Now().UTC()}
	s, err := d.look(ctx, c)
	if ctx.Err() != nil {
		return rev, fmt.Errorf("survey %s: %w", c.ID, ctx.Err())
	}
	if err != nil {
		rev.Why = err.Error()
		return rev, nil
	}
	st := d.Stated
	rev.Known, rev.Current, rev.CompareAndSwap = true, s.Live.Version(), st.CompareAndSwap
	rev.Shares, rev.Mixed, rev.Takes, rev.Headroom = slices.Clone(st.Shares), st.Mixed, backout.Duration(st.Takes), st.Headroom
	if len(rev.Shares) == 0 {
		rev.Shares = []float64{1}
	}
	for l := range stack {
		v := Behind(stack, l)
		if v == "" || s.Versions != nil && !slices.Contains(s.Versions, v) {
			continue
		}
		rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: v, Loss: cmp.Or(st.Loss, backout.LossUnknown), Lost: st.Lost, Verified: Lived(stack, l)})
	}
	return rev, nil
}

// Do hands the effect to the mover and, unless nothing was done, looks for a while
// whether it shows.
func (d *Declared) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	out, err := d.Mover.Do(ctx, e)
	if err != nil {
		err = fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	if out == backout.OutcomeNotDone || d.Within <= 0 || !d.shows(ctx, e) {
		return out, err
	}
	if out == backout.OutcomeDone || errors.Is(err, ErrAccepted) {
		return backout.OutcomeDone, nil
	}
	return out, err // it is there, and the executor sees that; why it was in doubt is worth a word
}

// shows looks until an effect is seen.
func (d *Declared) shows(ctx context.Context, e backout.Effect) bool {
	ctx, cancel := context.WithTimeout(ctx, d.Within)
	defer cancel()
	pause := patience{cmp.Or(d.Tick, 500*time.Millisecond), 10 * time.Second}
	for ctx.Err() == nil {
		if s, err := d.look(ctx, e.Component); err == nil && Reached(s.Reality, e) && liveOf(s.Reality, e).Healthy {
			return true
		}
		pause.rest(ctx, nil, d.Within)
	}
	return false
}

// Patience is how long Do may take: the mover's time and the time to show.
func (d *Declared) Patience(c backout.Component) time.Duration {
	p, ok := d.Mover.(Patient)
	if !ok {
		return d.Within
	}
	return p.Patience(c) + d.Within
}

// Behind is the version that level l of a stack stands for: what was live before
// its change l.
func Behind(stack []backout.Change, l int) backout.Version {
	if l > 0 {
		return stack[l-1].To
	}
	return stack[l].From
}

// Lived reports whether level l was live for everybody before something newer came:
// the oldest state was, others when their rollout had been completed. How healthy it
// was then is for those to say who watched.
func Lived(stack []backout.Change, l int) bool {
	return l == 0 || stack[l-1].Exposure.Share(stack[l].Exposure.Start()) >= 1
}

// ReadSight reads the document that a program prints, or a server answers, to say
// what is live:
//
//	{"shares_ratio": {"2.3": 0.25, "2.4": 0.75}, "healthy": true,
//	 "resource_version": "7", "versions": ["2.3", "2.4"],
//	 "audiences": {"beta": {"2.3": 1}}}
//
// "version": "2.4" says the same as shares_ratio with that version alone. healthy
// left out is true, versions left out means that it doesn't say.
func ReadSight(doc []byte) (Sight, error) {
	var d struct {
		Version         backout.Version                        `json:"version"`
		Shares          map[backout.Version]float64            `json:"shares_ratio"`
		Healthy         *bool                                  `json:"healthy"`
		ResourceVersion string                                 `json:"resource_version"`
		Versions        []backout.Version                      `json:"versions"`
		Audiences       map[string]map[backout.Version]float64 `json:"audiences"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return Sight{}, fmt.Errorf("read what is live: %w", err)
	}
	if d.Version != "" && d.Shares == nil {
		d.Shares = map[backout.Version]float64{d.Version: 1}
	}
	healthy := d.Healthy == nil || *d.Healthy
	now := time.Now().UTC()
	s := Sight{Reality: backout.Reality{Live: backout.Live{Shares: d.Shares, Healthy: healthy, At: now}, Version: d.ResourceVersion, At: now}, Versions: d.Versions}
	for name, shares := range d.Audiences {
		if s.Audiences == nil {
			s.Audiences = map[string]backout.Live{}
		}
		s.Audiences[name] = backout.Live{Shares: shares, Healthy: healthy, At: now}
	}
	return s, s.Check()
}

// Check refuses a sight that can't be: no version at all, or shares that are none.
func (s Sight) Check() error {
	all := []map[backout.Version]float64{s.Live.Shares}
	for _, l := range s.Audiences {
		all = append(all, l.Shares)
	}
	for _, shares := range all {
		total := 0.0
		for v, f := range shares {
			if v == "" || !(f >= 0 && f <= 1) {
				return fmt.Errorf("read what is live: share %v of version %q: expected a ratio from 0 to 1 and a version", f, v)
			}
			total += f
		}
		if total == 0 || total > 1+1e-6 {
			return fmt.Errorf("read what is live: the shares of all versions are %v together: expected more than 0 and at most 1", total)
		}
	}
	return nil
}
