package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Config says which clusters there are and who may write beside us.
type Config struct {
	// Clusters by name, as locators begin with it.
	Clusters map[string]kubernetes.Interface
	// Managers are field managers, besides kubectl's, that write a workload once when
	// somebody deploys and not again by themselves, such as a pipeline. What they wrote
	// may be taken over. Whoever is not named keeps what is theirs.
	Managers []string
	// Names gives the versions by which the revisions of a component are known already,
	// by the name of the ReplicaSet or ControllerRevision; nil = none are.
	Names func(c backout.Component) map[string]backout.Version
	// Content finds what a ConfigMap had in it at a version, for those that were changed in
	// place; nil = only what the ConfigMap itself still tells is known.
	Content func(ctx context.Context, c backout.Component, v backout.Version) (Content, bool, error)
	// Ran finds what a release ran with when it was last seen to work; nil = nobody keeps
	// that.
	Ran func(ctx context.Context, c backout.ComponentID, v backout.Version) (Ran, bool, error)
	// Patience is how long one effect may take until every pod is there; 0 = 10 min.
	Patience time.Duration
	// Capacity is how long to wait for pods that were taken away before anything is
	// moved; 0 = 2 min.
	Capacity time.Duration
	// Tick is the pause between two looks meanwhile; 0 = 1 s.
	Tick time.Duration
}

// Actuator moves workloads. It holds nothing but its configuration; any number of calls
// may run at once.
type Actuator struct{ config Config }

var (
	_ execute.Actuator  = (*Actuator)(nil)
	_ execute.Patient   = (*Actuator)(nil)
	_ execute.Swapper   = (*Actuator)(nil)
	_ execute.OnceByKey = (*Actuator)(nil)
)

// New makes an actuator and asks no cluster anything.
func New(c Config) *Actuator {
	c.Patience, c.Capacity, c.Tick = cmp.Or(c.Patience, 10*time.Minute), cmp.Or(c.Capacity, 2*time.Minute), cmp.Or(c.Tick, time.Second)
	if c.Names == nil {
		c.Names = func(backout.Component) map[string]backout.Version { return nil }
	}
	if c.Content == nil {
		c.Content = func(context.Context, backout.Component, backout.Version) (Content, bool, error) {
			return Content{}, false, nil
		}
	}
	if c.Ran == nil {
		c.Ran = func(context.Context, backout.ComponentID, backout.Version) (Ran, bool, error) {
			return Ran{}, false, nil
		}
	}
	return &Actuator{c}
}

// isConfig reports whether a component is a ConfigMap.
func isConfig(c backout.Component) bool {
	at, err := parseLocator(c)
	return err == nil && at.kind == "configmap"
}

// Patience bounds one Do: waiting for capacity, then for every pod, and both once more
// when it has to be taken back.
func (a *Actuator) Patience(backout.Component) time.Duration {
	return 2 * (a.config.Patience + a.config.Capacity)
}

// Swaps: the API server compares the resourceVersion in the instant in which it writes.
func (a *Actuator) Swaps(backout.Component) bool { return true }

// OnceByKey: an effect that is there already, whoever sent it, is not written again.
func (a *Actuator) OnceByKey(backout.Component) bool { return true }

// Probe counts pods by release. Its Version names the workload's spec, but for how many
// pods it wants: autoscalers change that all the time.
func (a *Actuator) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	if isConfig(c) {
		return a.probeConfig(ctx, c)
	}
	s, err := a.look(ctx, c)
	if err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	now := time.Now().UTC()
	return backout.Reality{Live: s.live(now), Version: s.print, At: now}, nil
}

// Survey offers the earlier releases that the cluster still has and could start, unless
// something is in the way of all of them, which Why then says.
func (a *Actuator) Survey(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	if isConfig(c) {
		return a.surveyConfig(ctx, c, stack)
	}
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{}, At: time.Now().UTC()}
	s, err := a.look(ctx, c)
	if ctx.Err() != nil {
		return rev, fmt.Errorf("survey %s: %w", c.ID, ctx.Err())
	}
	if err != nil {
		rev.Why = err.Error()
		return rev, nil
	}
	rev.Known, rev.Current, rev.CompareAndSwap, rev.Mixed = true, s.asked, true, true
	rev.Shares, rev.Takes, rev.Headroom = s.kind.shares(s.workload), backout.Duration(s.takes()), s.headroom()
	if why := a.kept(&s.meta); why != "" {
		rev.Why = fmt.Sprintf("%s is observed only: %s writes it", s.workload, why)
		return rev, nil
	}
	if err := s.allowed(ctx); err != nil {
		rev.Why = err.Error()
		return rev, nil
	}
	var why []string
	for l := range stack {
		level, said, err := a.level(ctx, s, c, stack, l)
		if err != nil {
			return rev, fmt.Errorf("survey %s: %w", c.ID, err)
		}
		if level != nil {
			rev.Levels = append(rev.Levels, *level)
		}
		if said != "" && !slices.Contains(why, said) {
			why = append(why, said)
		}
	}
	if s.scaler != nil && !s.scaler.ours() {
		why = append(why, fmt.Sprintf("%s decides how many pods there are: capacity is not pinned", s.scaler.keeper))
	}
	if s.scaler != nil && s.scaler.note != nil {
		why = append(why, fmt.Sprintf("autoscaler %s is pinned to %d by %s: the next effect gives it its bounds back", s.scaler.object.Name, s.scaler.note.Pinned, s.scaler.note.Effect))
	}
	rev.Why = strings.Join(why, "; ")
	return rev, nil
}

// level says whether a level of the stack can be reached, or why not. A reachable one
// that will soon not be has its reason as well.
func (a *Actuator) level(ctx context.Context, s *sight, c backout.Component, stack []backout.Change, l int) (*backout.Reachable, string, error) {
	v := execute.Behind(stack, l)
	if v == "" {
		return nil, "", nil
	}
	p, ok := find(s.releases, v)
	if !ok {
		return nil, fmt.Sprintf("%s is not among the %d releases that %s keeps", v, len(s.releases), s.workload), nil
	}
	todo, left, err := a.belongs(ctx, s, c, &p)
	if err != nil {
		return nil, "", err
	}
	why, err := s.hinders(ctx, p, todo)
	if err != nil || why != "" {
		return nil, why, err
	}
	out := &backout.Reachable{Level: backout.Level(l), Version: v, Loss: backout.LossNone, Verified: execute.Lived(stack, l), Instances: int(s.floor(p))}
	if s.claims {
		left = append(left, "nobody has checked whether it can read what newer releases wrote to its volumes")
	}
	if len(left) > 0 {
		out.Loss, out.Lost = backout.LossUnknown, strings.Join(left, "; ")
	}
	return out, s.soonGone(p), nil
}

// soonGone warns when the next release pushes an older one out of the history.
func (s *sight) soonGone(p past) string {
	older := 0 // releases that are kept only as history
	for _, r := range s.releases {
		if r.version != s.asked {
			older++
		}
	}
	if last := s.releases[len(s.releases)-1]; last.name != p.name || older < int(s.history) {
		return ""
	}
	return fmt.Sprintf("the next release drops %s: %s keeps %d old ones (revisionHistoryLimit)", p.version, s.workload, s.history)
}

// takes says how long a move is likely to last: so many pods at once, each with the time
// that it must have been ready for, and as long to start as those took that run now.
func (s *sight) takes() time.Duration {
	start := started(s.pods)
	atOnce := max(1, s.surge+s.unavailable)
	batches := (max(1, s.wanted) + atOnce - 1) / atOnce
	return time.Duration(batches) * (start + time.Duration(s.minReady)*time.Second)
}

// started is how long the pods that are ready took until they were, the middle one of
// them: times are whole seconds, so it is one at least. Where none is ready it is a guess.
func started(pods []corev1.Pod) time.Duration {
	var took []time.Duration
	for _, p := range pods {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				took = append(took, c.LastTransitionTime.Sub(p.CreationTimestamp.Time))
			}
		}
	}
	if len(took) == 0 {
		return 10 * time.Second
	}
	slices.Sort(took)
	return max(time.Second, took[len(took)/2])
}

// headroom is which share of the pods may be missing meanwhile.
func (s *sight) headroom() float64 {
	if s.wanted == 0 {
		return 1
	}
	return min(1, float64(s.unavailable)/float64(s.wanted))
}
