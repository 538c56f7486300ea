package kubernetes

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// forbidden lists the kinds that we may not read and can do without: workloads, their
// revisions and pods are needed, what limits and configures them is worth having. What
// is missing is told for as long as the process lives; after it was granted, a restart
// reads it.
func (s *Source) forbidden(ctx context.Context) []string {
	var out, names []string
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
			if err := list(); kubernetes.ReasonOf(err) == kubernetes.Forbidden { // all else is the informers' to wait for
				out = append(out, kind)
				names = append(names, strings.TrimSpace(kind+"s "+ns))
			}
		}
	}
	if len(out) > 0 {
		s.lacking = &kubernetes.Trouble{
			Cluster: s.config.Cluster.Name, Server: s.config.Cluster.Server, Reason: kubernetes.Forbidden,
			Err: fmt.Errorf("changes of these are not seen, since we may not list them: %s", strings.Join(names, ", ")),
		}
	}
	return out
}

// tell passes trouble on; when it is over, what we may not read is left.
func (s *Source) tell(err error) {
	if err == nil {
		err = s.lacking
	}
	s.config.Trouble(err)
}
