package catalog

import (
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// kubernetesActuator is how components in clusters call their actuator. It is always
// there; an Actuator of this name says more about it.
const kubernetesActuator = "kubernetes"

// Kubernetes is what the built-in actuator of workloads in clusters has to know.
type Kubernetes struct {
	// FieldManagers write a workload once when somebody deploys, such as a pipeline: what
	// they wrote may be taken over. kubectl's are known.
	FieldManagers []string `json:"field_managers,omitempty"`
	// Patience is how long one effect may take until every pod is there; left out = 10m.
	// Capacity is how long to wait for pods that were taken away, before it; left out = 2m.
	Patience backout.Duration `json:"patience,omitempty"`
	Capacity backout.Duration `json:"capacity,omitempty"`
}

// again are field managers, by the beginning of their name, that write again by
// themselves what somebody else has changed.
var again = []string{"argocd", "kustomize-controller", "helm", "source-controller", "flagger", "keda", "rollouts-controller", "argo-rollouts", "kube-controller-manager"}

func readKubernetes(into **Kubernetes) func(cursor) {
	return func(c cursor) {
		k := &Kubernetes{}
		c.fields(map[string]func(cursor){
			"patience": span(&k.Patience), "capacity": span(&k.Capacity),
			"fieldManagers": func(l cursor) {
				names(&k.FieldManagers)(l)
				for _, name := range k.FieldManagers {
					if slices.ContainsFunc(again, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
						l.wrong("found %s, which writes again what it wrote: expected such as write once", name)
					}
				}
			},
		})
		*into = k
	}
}
