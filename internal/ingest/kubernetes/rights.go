package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// ask lists the kinds that we may not read and can do without, in order, and says it for
// people: workloads, their revisions and pods are needed, what limits and configures them
// is worth having. sure is false when the cluster did not answer everything; then more
// may be missing.
func (s *Source) ask(ctx context.Context) (without []string, lacking error, sure bool) {
	sure = true
	var names []string
	one := metav1.ListOptions{Limit: 1}
	for _, ns := range namespacesOf(s.config) {
		api := s.config.Cluster.Client
		for kind, list := range map[string]func() error{
			aConfigMap: func() error { _, err := api.CoreV1().ConfigMaps(ns).List(ctx, one); return err },
			aSecret:    func() error { _, err := api.CoreV1().Secrets(ns).List(ctx, one); return err },
			anHPA:      func() error { _, err := api.AutoscalingV2().HorizontalPodAutoscalers(ns).List(ctx, one); return err },
			aBudget:    func() error { _, err := api.PolicyV1().PodDisruptionBudgets(ns).List(ctx, one); return err },
			aQuota:     func() error { _, err := api.CoreV1().ResourceQuotas(ns).List(ctx, one); return err },
			aNode:      func() error { _, err := api.CoreV1().Nodes().List(ctx, one); return err },
		} {
			if kind == aNode && ns != metav1.NamespaceAll {
				continue
			}
			switch err := list(); {
			case kubernetes.ReasonOf(err) == kubernetes.Forbidden:
				without = append(without, kind)
				names = append(names, strings.TrimSpace(kind+"s "+ns))
			case err != nil: // the informers wait for it
				sure = false
			}
		}
	}
	slices.Sort(without)
	slices.Sort(names)
	if len(without) == 0 {
		return nil, nil, sure
	}
	return slices.Compact(without), &kubernetes.Trouble{
		Cluster: s.config.Cluster.Name, Server: s.config.Cluster.Server, Reason: kubernetes.Forbidden,
		Err: fmt.Errorf("changes of these are not seen, since we may not list them (they are asked for again by `backout doctor`, and each %s): %s", s.config.AskEach, strings.Join(names, ", ")),
	}, sure
}

// Ask has it asked soon what we may read, since somebody may have granted it. What was
// granted is read then.
func (s *Source) Ask() {
	select {
	case s.asks <- struct{}{}:
	default: // somebody has asked already
	}
}

// changedRights reports whether what we may not read is something else by now.
func (s *Source) changedRights(ctx context.Context, without []string) bool {
	now, _, sure := s.ask(ctx)
	return sure && !slices.Equal(now, without)
}

// meet notes the kinds that are read from now on. Of those that never were before, what
// stands there is no change, as with a cluster that is seen for the first time.
func (s *Source) meet(without []string) {
	s.fresh = sets.New[string]()
	known := s.book.Read
	for _, kind := range []string{aConfigMap, aSecret, anHPA, aBudget, aQuota, aNode} {
		if slices.Contains(without, kind) || slices.Contains(known, kind) {
			continue
		}
		s.book.Read = append(s.book.Read, kind)
		if known != nil { // nil: what was kept is of a time when this was not noted
			s.fresh.Insert(kind)
		}
	}
	s.changed = true
}

// met reports whether a thing that was not seen before stood there before we looked.
func (s *Source) met(key string) bool {
	kind, _, _ := strings.Cut(key, "/")
	if kind == aScale {
		kind = anHPA
	}
	return s.book.First || s.fresh.Has(kind)
}

// tell passes trouble on; when it is over, what we may not read is left.
func (s *Source) tell(err error) {
	if err == nil {
		err = s.lacking
	}
	s.config.Trouble(err)
}
