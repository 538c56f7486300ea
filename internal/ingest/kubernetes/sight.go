package kubernetes

import (
	"context"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// The kinds of things, as their keys begin: kind/namespace/name.
const (
	aDeployment  = "deployment"
	aStatefulSet = "statefulset"
	aDaemonSet   = "daemonset"
	aConfigMap   = "configmap"
	aSecret      = "secret"
	aScale       = "scale" // of a workload: scale/namespace/kind.name
	aBudget      = "budget"
	aQuota       = "quota"
	aNode        = "node" // node//name
)

// kinds that are watched, and by which index what belongs to a workload is found.
const (
	aReplicaSet = "replicaset"
	aRevision   = "revision"
	anHPA       = "autoscaler"
	aPod        = "pod"
	byOwner     = "owner" // uid of the controller
	byTarget    = "target"
	byRef       = "ref" // kind/namespace/name of what a workload takes in
)

// sight is the picture that informers keep of a cluster.
type sight struct {
	config    Config
	key       []byte // for hashes of secrets
	mark      func(...string)
	trouble   cache.WatchErrorHandler
	factories []informers.SharedInformerFactory
	indexers  map[string][]cache.Indexer // by kind, one for each namespace that is read
	all       []cache.SharedIndexInformer
}

func newSight(c Config, without []string, key []byte, mark func(...string), trouble cache.WatchErrorHandler) *sight {
	s := &sight{config: c, key: key, mark: mark, trouble: trouble, indexers: map[string][]cache.Indexer{}}
	for _, ns := range namespacesOf(c) {
		// No resync: it would only repeat what is in the picture.
		f := informers.NewSharedInformerFactoryWithOptions(c.Cluster.Client, 0, informers.WithNamespace(ns), informers.WithTransform(s.strip))
		s.factories = append(s.factories, f)
		owner := cache.Indexers{byOwner: ownerIndex}
		workload := cache.Indexers{byRef: refIndex}
		s.watch(aDeployment, f.Apps().V1().Deployments().Informer(), workload)
		s.watch(aStatefulSet, f.Apps().V1().StatefulSets().Informer(), workload)
		s.watch(aDaemonSet, f.Apps().V1().DaemonSets().Informer(), workload)
		s.watch(aReplicaSet, f.Apps().V1().ReplicaSets().Informer(), owner)
		s.watch(aRevision, f.Apps().V1().ControllerRevisions().Informer(), owner)
		s.watch(aPod, f.Core().V1().Pods().Informer(), owner)
		for kind, may := range map[string]func(){
			aConfigMap: func() { s.watch(aConfigMap, f.Core().V1().ConfigMaps().Informer(), nil) },
			aSecret:    func() { s.watch(aSecret, f.Core().V1().Secrets().Informer(), nil) },
			anHPA: func() {
				s.watch(anHPA, f.Autoscaling().V2().HorizontalPodAutoscalers().Informer(), cache.Indexers{byTarget: targetIndex})
			},
			aBudget: func() { s.watch(aBudget, f.Policy().V1().PodDisruptionBudgets().Informer(), nil) },
			aQuota:  func() { s.watch(aQuota, f.Core().V1().ResourceQuotas().Informer(), nil) },
			aNode:   func() { s.watch(aNode, f.Core().V1().Nodes().Informer(), nil) },
		} {
			if !slices.Contains(without, kind) && (kind != aNode || ns == metav1.NamespaceAll) {
				may()
			}
		}
	}
	return s
}

func namespacesOf(c Config) []string {
	if len(c.Namespaces) == 0 {
		return []string{metav1.NamespaceAll}
	}
	return c.Namespaces
}

// reads reports whether a thing is of a kind and a namespace that are read. What is not
// read may be there all the same.
func (s *sight) reads(key string) bool {
	kind, rest, _ := strings.Cut(key, "/")
	namespace, _, _ := strings.Cut(rest, "/")
	if kind == aScale {
		kind = anHPA // without it nobody knows who chooses the number
	}
	return len(s.indexers[kind]) > 0 && (namespace == "" || len(s.config.Namespaces) == 0 || slices.Contains(s.config.Namespaces, namespace))
}

// watch adds one kind. The errors of these calls are of an informer that runs already.
func (s *sight) watch(kind string, i cache.SharedIndexInformer, by cache.Indexers) {
	_ = i.SetWatchErrorHandler(s.trouble)
	if by != nil {
		_ = i.AddIndexers(by)
	}
	note := func(o any) {
		if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		s.mark(s.touches(kind, o)...)
	}
	_, _ = i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: note, DeleteFunc: note,
		UpdateFunc: func(old, now any) {
			note(now)
			if kind == anHPA {
				note(old) // its target may be another one now
			}
		},
	})
	s.indexers[kind] = append(s.indexers[kind], i.GetIndexer())
	s.all = append(s.all, i)
}

func (s *sight) start(ctx context.Context) {
	for _, f := range s.factories {
		f.StartWithContext(ctx)
	}
}

// wait returns when the informers have ended, after the context of start has.
func (s *sight) wait() {
	for _, f := range s.factories {
		f.Shutdown()
	}
}

// synced waits until everything was listed once; false when ctx ends before. As long
// as a kind can't be listed it waits, and that is told.
func (s *sight) synced(ctx context.Context) bool {
	for _, i := range s.all {
		if !cache.WaitForCacheSync(ctx.Done(), i.HasSynced) {
			return false
		}
	}
	return true
}

// touches lists the things that an object is about.
func (s *sight) touches(kind string, o any) []string {
	m, ok := o.(metav1.Object)
	if !ok {
		return nil
	}
	key := func(kind, name string) string { return kind + "/" + m.GetNamespace() + "/" + name }
	switch kind {
	case aDeployment, aStatefulSet, aDaemonSet:
		out := []string{key(kind, m.GetName()), key(aScale, kind+"."+m.GetName())}
		refs := refsIn(m)
		for _, name := range refs.ConfigMaps {
			out = append(out, key(aConfigMap, name))
		}
		for _, name := range refs.Secrets {
			out = append(out, key(aSecret, name))
		}
		return out
	case aReplicaSet, aRevision:
		if r := metav1.GetControllerOfNoCopy(m); r != nil {
			return []string{key(strings.ToLower(r.Kind), r.Name)}
		}
	case aPod:
		return s.workloadOfPod(m)
	case anHPA:
		if h, ok := o.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			of, name := strings.ToLower(h.Spec.ScaleTargetRef.Kind), h.Spec.ScaleTargetRef.Name
			return []string{key(of, name), key(aScale, of+"."+name)}
		}
	case aConfigMap, aSecret:
		out := []string{key(kind, m.GetName())}
		for _, of := range []string{aDeployment, aStatefulSet, aDaemonSet} { // what they take in has changed
			for _, o := range s.by(of, byRef, key(kind, m.GetName())) {
				out = append(out, key(of, o.(metav1.Object).GetName()))
			}
		}
		return out
	case aBudget:
		out := []string{key(kind, m.GetName())}
		for _, of := range []string{aDeployment, aStatefulSet, aDaemonSet} { // how many of them must stay
			for _, o := range s.by(of, cache.NamespaceIndex, m.GetNamespace()) {
				out = append(out, key(of, o.(metav1.Object).GetName()))
			}
		}
		return out
	default:
		return []string{key(kind, m.GetName())}
	}
	return nil
}

func (s *sight) workloadOfPod(pod metav1.Object) []string {
	r := metav1.GetControllerOfNoCopy(pod)
	switch {
	case r == nil:
		return nil
	case r.Kind != "ReplicaSet":
		return []string{strings.ToLower(r.Kind) + "/" + pod.GetNamespace() + "/" + r.Name}
	}
	set, ok := s.get(aReplicaSet, pod.GetNamespace(), r.Name)
	if !ok {
		return nil
	}
	if r := metav1.GetControllerOfNoCopy(set.(metav1.Object)); r != nil {
		return []string{strings.ToLower(r.Kind) + "/" + pod.GetNamespace() + "/" + r.Name}
	}
	return nil
}

// get finds one object.
func (s *sight) get(kind, namespace, name string) (any, bool) {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	for _, i := range s.indexers[kind] {
		if o, ok, err := i.GetByKey(key); ok && err == nil {
			return o, true
		}
	}
	return nil, false
}

// by finds objects by an index.
func (s *sight) by(kind, index, value string) []any {
	var out []any
	for _, i := range s.indexers[kind] {
		if found, err := i.ByIndex(index, value); err == nil {
			out = append(out, found...)
		}
	}
	return out
}

// things lists the keys of everything that is seen.
func (s *sight) things() []string {
	var out []string
	for _, kind := range []string{aDeployment, aStatefulSet, aDaemonSet, aConfigMap, aSecret, aBudget, aQuota, aNode} {
		for _, i := range s.indexers[kind] {
			for _, o := range i.List() {
				out = append(out, s.touches(kind, o)...)
			}
		}
	}
	return out
}

func ownerIndex(o any) ([]string, error) {
	if m, ok := o.(metav1.Object); ok {
		if r := metav1.GetControllerOfNoCopy(m); r != nil {
			return []string{string(r.UID)}, nil
		}
	}
	return nil, nil
}

func targetIndex(o any) ([]string, error) {
	h, ok := o.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return nil, nil
	}
	return []string{strings.ToLower(h.Spec.ScaleTargetRef.Kind) + "/" + h.Namespace + "/" + h.Spec.ScaleTargetRef.Name}, nil
}

func refIndex(o any) ([]string, error) {
	m, ok := o.(metav1.Object)
	if !ok {
		return nil, nil
	}
	var out []string
	refs := refsIn(m)
	for _, name := range refs.ConfigMaps {
		out = append(out, aConfigMap+"/"+m.GetNamespace()+"/"+name)
	}
	for _, name := range refs.Secrets {
		out = append(out, aSecret+"/"+m.GetNamespace()+"/"+name)
	}
	return out, nil
}

// podReadyAt is when a pod got ready; false when it is not, or is going.
func podReadyAt(p *corev1.Pod) (time.Time, bool) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
			return c.LastTransitionTime.UTC(), true
		}
	}
	return time.Time{}, false
}
