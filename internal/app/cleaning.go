package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute/admission"
	moves "github.com/backout-dev/backout/internal/execute/kubernetes"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
)

// leftLongEnough is how old something of ours must be to be taken away when nobody knows
// the attempt that set it: longer than any effect waits for pods and capacity.
const leftLongEnough = 24 * time.Hour

// Cleaning says what is looked for in clusters, and whether it is taken away.
type Cleaning struct {
	Catalog string // folder that names the clusters
	Dry     bool   // only say what would be done
	// Attempt asks the running backout for one of its attempts. Code not found = it has
	// none of that name; code unavailable = there is no backout that answers.
	Attempt func(context.Context, backout.AttemptID) (backout.Attempt, error)
}

// CleanClusters removes what backout left in the clusters that a catalog names: of a run
// that was aborted or of a backout that is gone, what an effect had set for a while; and,
// as if it were gone for good, the policy of holds and the holds. What an attempt that
// still runs has set stays. It says in words what it did or would do, a line an object.
func CleanClusters(ctx context.Context, want Cleaning) ([]string, error) {
	c, err := catalog.Load(os.DirFS(want.Catalog))
	if err != nil {
		return nil, fmt.Errorf("read catalog %s: %w", want.Catalog, err)
	}
	reach, err := connectAll(c.Clusters, want.Catalog)
	if err != nil {
		return nil, err
	}
	var said []string
	for _, c := range c.Clusters {
		limited, cancel := context.WithTimeout(ctx, holdsLimit)
		lines, err := want.cluster(limited, c, reach[c.Name])
		cancel()
		for _, line := range lines {
			said = append(said, "cluster "+c.Name+": "+line)
		}
		if err != nil {
			return said, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
	}
	return said, nil
}

func (w Cleaning) cluster(ctx context.Context, c catalog.Cluster, at *remote.Cluster) ([]string, error) {
	a := moves.New(moves.Config{Clusters: map[string]kubernetes.Interface{c.Name: at.Client}})
	all, err := a.Left(ctx, c.Name, c.Namespaces)
	if err != nil {
		return nil, at.Explain(err)
	}
	var said []string
	for _, l := range all {
		line, err := w.one(ctx, a, l)
		if err != nil {
			return said, err
		}
		said = append(said, line)
	}
	line, err := w.holds(ctx, c, at)
	if err != nil {
		return said, err
	}
	return append(said, line), nil
}

func (w Cleaning) one(ctx context.Context, a *moves.Actuator, l moves.Left) (string, error) {
	if why := w.stays(ctx, l, time.Now()); why != "" {
		return fmt.Sprintf("%s: it stays: %s", l, why), nil
	}
	if w.Dry {
		return fmt.Sprintf("%s: with --clean %s", l, l.Then), nil
	}
	if err := a.Take(ctx, l); err != nil {
		return "", fmt.Errorf("%s: %w", l.Object, err)
	}
	return fmt.Sprintf("%s: taken away: %s", l, l.Then), nil
}

// stays says why something is not taken away; "" when it may be.
func (w Cleaning) stays(ctx context.Context, l moves.Left, now time.Time) string {
	attempt, err := w.Attempt(ctx, l.Attempt)
	unknown := ""
	switch code := backout.CodeOf(err); {
	case err == nil && attempt.EndedAt.IsZero():
		return fmt.Sprintf("attempt %s has not ended", l.Attempt)
	case err == nil:
		return ""
	case code == backout.CodeNotFound:
		unknown = fmt.Sprintf("backout knows of no attempt %q", l.Attempt)
	case code == backout.CodeUnavailable:
		unknown = fmt.Sprintf("no backout answers whether attempt %q has ended", l.Attempt)
	default:
		return fmt.Sprintf("backout does not say whether attempt %q has ended: %v", l.Attempt, err)
	}
	if l.At.IsZero() || now.Sub(l.At) < leftLongEnough {
		return fmt.Sprintf("%s, and it was not seen to be older than %.0f hours", unknown, leftLongEnough.Hours())
	}
	return ""
}

func (w Cleaning) holds(ctx context.Context, c catalog.Cluster, at *remote.Cluster) (string, error) {
	k := &admission.Keeper{Cluster: at}
	if w.Dry {
		n, err := k.Count(ctx)
		if line, ok := noHolds(c, err); ok {
			return line, nil
		}
		return fmt.Sprintf("%d of our holds, which --clean removes with their policy", n), err
	}
	n, err := k.Clear(ctx)
	if line, ok := noHolds(c, err); ok {
		return line, nil
	}
	return fmt.Sprintf("%d of our holds removed, and no policy of ours is left", n), err
}

// noHolds is what is said of a cluster that was never to keep holds, and does not let us
// look for any.
func noHolds(c catalog.Cluster, err error) (string, bool) {
	return "it does not let us look for holds, and keeps none for us", !c.Holds && remote.ReasonOf(err) == remote.Forbidden
}
