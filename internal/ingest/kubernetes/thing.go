package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// thing reads how a thing stands now; false when it is not there.
func (s *sight) thing(key string, was *thing) (present, bool) {
	kind, rest, _ := strings.Cut(key, "/")
	namespace, name, _ := strings.Cut(rest, "/")
	switch kind {
	case aDeployment, aStatefulSet, aDaemonSet:
		w, ok := s.workload(kind, namespace, name)
		if !ok {
			return present{}, false
		}
		return s.present(w, was), true
	case aScale:
		return s.scale(namespace, name)
	case aConfigMap, aSecret:
		return s.content(kind, namespace, name)
	}
	return s.limit(kind, namespace, name)
}

// content reads a ConfigMap or a Secret. One that no workload takes in is left alone: it
// has no states.
func (s *sight) content(kind, namespace, name string) (present, bool) {
	o, ok := s.get(kind, namespace, name)
	if !ok {
		return present{}, false
	}
	m := o.(metav1.Object)
	p := present{kind: kind, name: namespace + "/" + name, uid: string(m.GetUID()), share: 1, created: m.GetCreationTimestamp().UTC()}
	p.component = s.id(backout.KindConfig, namespace+"."+kind+"."+name)
	p.quiet = true // what is taken in for the first time came with the release that does
	users := s.users(kind, namespace, name)
	if len(users) == 0 {
		return p, true
	}
	p.service = serviceOf(users[0], users[0].GetName())
	hash := m.GetAnnotations()[seenHash]
	actor, at := written(m, seenSpecBy)
	p.states = []state{{version: backout.Version(hash), state: hash, at: at, actor: actor, attempt: kubernetes.PutBy(m, hash)}}
	return p, true
}

// users are the workloads that take something in, by name.
func (s *sight) users(kind, namespace, name string) []metav1.Object {
	var out []metav1.Object
	for _, of := range []string{aDeployment, aStatefulSet, aDaemonSet} {
		for _, o := range s.by(of, byRef, kind+"/"+namespace+"/"+name) {
			out = append(out, o.(metav1.Object))
		}
	}
	slices.SortFunc(out, func(a, b metav1.Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

// scale reads how many copies of a workload there may be.
func (s *sight) scale(namespace, name string) (present, bool) {
	kind, workload, _ := strings.Cut(name, ".")
	w, ok := s.workload(kind, namespace, workload)
	if !ok || kind == aDaemonSet { // as many as there are nodes
		return present{}, false
	}
	p := present{kind: "scale of " + kind, name: namespace + "/" + workload, uid: string(w.meta.GetUID()) + "/scale", share: 1, created: w.meta.GetCreationTimestamp().UTC(), service: serviceOf(w.meta, w.name)}
	p.component = s.id(backout.KindInfrastructure, s.component(w).Name()+".scale")
	least, most, h := s.bounds(w)
	st := state{version: backout.Version(fmt.Sprint(w.replicas))}
	if h != nil {
		st.version = backout.Version(fmt.Sprintf("%d..%d", least, most))
		st.actor, st.at = written(h, seenSpecBy)
		st.attempt = kubernetes.PutBy(h, string(st.version))
	} else {
		st.actor, st.at = written(w.meta, seenReplicasBy)
	}
	st.state = string(st.version)
	p.states = []state{st}
	return p, true
}

// bounds are between how many copies a workload's autoscaler may choose, or twice the
// number that somebody set.
func (s *sight) bounds(w workload) (least, most int, by *autoscalingv2.HorizontalPodAutoscaler) {
	all := s.by(anHPA, byTarget, w.key())
	if len(all) == 0 {
		return w.replicas, w.replicas, nil
	}
	h := all[0].(*autoscalingv2.HorizontalPodAutoscaler)
	return replicas(h.Spec.MinReplicas), int(h.Spec.MaxReplicas), h
}

// limit reads what limits the way back: a disruption budget, a quota, a node.
func (s *sight) limit(kind, namespace, name string) (present, bool) {
	o, ok := s.get(kind, namespace, name)
	if !ok {
		return present{}, false
	}
	m := o.(metav1.Object)
	p := present{kind: kind, name: strings.Trim(namespace+"/"+name, "/"), uid: string(m.GetUID()), share: 1, created: m.GetCreationTimestamp().UTC()}
	p.component = s.id(backout.KindInfrastructure, strings.Trim(namespace+"."+kind+"."+name, "."))
	actor, at := written(m, seenSpecBy)
	st := state{actor: actor, at: at}
	switch o := o.(type) {
	case *policyv1.PodDisruptionBudget:
		st.version = budgetVersion(o.Spec)
	case *corev1.ResourceQuota:
		st.version = quotaVersion(o.Spec)
	case *corev1.Node:
		if o.Status.NodeInfo.KubeletVersion == "" {
			return p, true // it has not said yet what it is
		}
		st.version = backout.Version(o.Status.NodeInfo.KubeletVersion)
		if o.Spec.Unschedulable {
			st.version += "+cordoned"
		}
		p.quiet = true
	}
	st.state = string(st.version)
	p.states = []state{st}
	return p, true
}

func budgetVersion(b policyv1.PodDisruptionBudgetSpec) backout.Version {
	switch {
	case b.MinAvailable != nil:
		return backout.Version("min " + b.MinAvailable.String())
	case b.MaxUnavailable != nil:
		return backout.Version("max-out " + b.MaxUnavailable.String())
	}
	return "none"
}

func quotaVersion(q corev1.ResourceQuotaSpec) backout.Version {
	var all []string
	for name, n := range q.Hard {
		all = append(all, string(name)+"="+n.String())
	}
	slices.Sort(all)
	text := strings.Join(all, ",")
	if len(text) > 120 {
		sum := sha256.Sum256([]byte(text))
		text = fmt.Sprintf("%d limits %s", len(all), hex.EncodeToString(sum[:])[:12])
	}
	return backout.Version(text)
}

// minAvailable is how many pods of a workload its disruption budgets keep.
func (s *sight) minAvailable(w workload) int {
	most := 0
	for _, i := range s.indexers[aBudget] {
		for _, o := range i.List() {
			b := o.(*policyv1.PodDisruptionBudget)
			if b.Namespace != w.namespace {
				continue
			}
			sel, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			if err != nil || !sel.Matches(labelSet(w.template)) {
				continue
			}
			n := 0
			switch {
			case b.Spec.MinAvailable != nil:
				n = scaled(b.Spec.MinAvailable, w.replicas)
			case b.Spec.MaxUnavailable != nil:
				n = w.replicas - scaled(b.Spec.MaxUnavailable, w.replicas)
			}
			most = max(most, min(n, w.replicas))
		}
	}
	return most
}

// scaled is a number, or a share of all rounded up, as Kubernetes does.
func scaled(v *intstr.IntOrString, of int) int {
	n, err := intstr.GetScaledValueFromIntOrPercent(v, of, true)
	if err != nil {
		return 0
	}
	return n
}
