package kubernetes

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
)

// most instances are named in one observation.
const mostInstances = 100

// revision is one template of a workload.
type revision struct {
	object  metav1.Object // ReplicaSet or ControllerRevision
	number  int64
	pods    []*corev1.Pod
	created time.Time
}

// workload is one Deployment, StatefulSet or DaemonSet with what belongs to it.
type workload struct {
	kind, namespace, name string
	meta                  metav1.Object
	template              map[string]string // its pods' labels
	replicas              int               // that there should be
	surge                 int
	revisions             []revision // by number; the last is the present one
}

func (w workload) key() string { return w.kind + "/" + w.namespace + "/" + w.name }

// workload reads one; false when it is not there.
func (s *sight) workload(kind, namespace, name string) (workload, bool) {
	o, ok := s.get(kind, namespace, name)
	if !ok {
		return workload{}, false
	}
	w := workload{kind: kind, namespace: namespace, name: name, meta: o.(metav1.Object)}
	switch o := o.(type) {
	case *appsv1.Deployment:
		w.replicas, w.template = replicas(o.Spec.Replicas), o.Spec.Template.Labels
		if r := o.Spec.Strategy.RollingUpdate; r != nil && r.MaxSurge != nil {
			w.surge = scaled(r.MaxSurge, w.replicas)
		}
	case *appsv1.StatefulSet:
		w.replicas, w.template = replicas(o.Spec.Replicas), o.Spec.Template.Labels
	case *appsv1.DaemonSet:
		w.replicas, w.template = int(o.Status.DesiredNumberScheduled), o.Spec.Template.Labels
	}
	w.revisions = s.revisions(w)
	return w, true
}

func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

func (s *sight) revisions(w workload) []revision {
	var out []revision
	uid := string(w.meta.GetUID())
	for _, o := range s.by(aReplicaSet, byOwner, uid) {
		set := o.(*appsv1.ReplicaSet)
		n, err := strconv.ParseInt(set.Annotations[revisionNote], 10, 64)
		if err != nil {
			continue // it has no number yet
		}
		r := revision{object: set, number: n, created: set.CreationTimestamp.UTC()}
		for _, p := range s.by(aPod, byOwner, string(set.UID)) {
			r.pods = append(r.pods, p.(*corev1.Pod))
		}
		out = append(out, r)
	}
	for _, o := range s.by(aRevision, byOwner, uid) {
		rev := o.(*appsv1.ControllerRevision)
		out = append(out, revision{object: rev, number: rev.Revision, created: rev.CreationTimestamp.UTC()})
	}
	if w.kind != aDeployment {
		for _, p := range s.by(aPod, byOwner, uid) {
			pod := p.(*corev1.Pod)
			hash := pod.Labels[appsv1.ControllerRevisionHashLabelKey]
			for i, r := range out { // StatefulSets label pods with the revision's name, DaemonSets with its hash
				if hash != "" && (hash == r.object.GetName() || hash == r.object.GetLabels()[appsv1.ControllerRevisionHashLabelKey]) {
					out[i].pods = append(out[i].pods, pod)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b revision) int { return cmp.Compare(a.number, b.number) })
	return out
}

// present reads how a workload stands, with the revisions since the one seen last.
func (s *sight) present(w workload, was *thing) present {
	p := present{component: s.component(w), service: serviceOf(w.meta, w.name), system: system(w.meta), kind: w.kind, name: w.namespace + "/" + w.name, uid: string(w.meta.GetUID()), created: w.meta.GetCreationTimestamp().UTC(), replicas: w.replicas, surge: w.surge, names: map[string]backout.Version{}}
	known := map[string]backout.Version{}
	since := int64(-1)
	var after time.Time
	if was != nil {
		known = was.Names
		if was.UID == p.uid {
			since, after = was.Number, was.At
		}
	}
	// Names in the order in which the templates came, so that they are the same each time.
	byAge := slices.Clone(w.revisions)
	slices.SortStableFunc(byAge, func(a, b revision) int { return a.created.Compare(b.created) })
	for _, r := range byAge {
		p.names[r.object.GetName()] = nameVersion(r.object, known, p.names)
	}
	for i, r := range w.revisions {
		last := i == len(w.revisions)-1
		if r.number < since || r.number == since && !last {
			continue
		}
		st := state{version: p.names[r.object.GetName()], state: r.object.GetName(), number: r.number, at: r.created}
		if last {
			actor, at := written(w.meta, seenTemplateBy)
			st.actor, st.note = actor, s.taken(w)
			if !r.created.After(after) || i > 0 && r.created.Before(w.revisions[i-1].created) {
				st.at = at // an old template that has come back
			}
		} else if !r.created.After(after) && i+1 < len(w.revisions) {
			st.at = w.revisions[i+1].created // came back meanwhile, and went: when is not known
		}
		p.states = append(p.states, st)
	}
	if !w.consistent() {
		p.states = nil
	}
	if len(w.revisions) > 0 {
		s.exposure(&p, w)
	}
	p.minAvailable = s.minAvailable(w)
	p.inputs = s.inputs(w)
	return p
}

// consistent reports whether a workload and its revisions are of one moment: they are
// watched apart, and a new revision may be seen before who asked for it.
func (w workload) consistent() bool {
	if len(w.revisions) == 0 {
		return false
	}
	last := w.revisions[len(w.revisions)-1]
	switch o := w.meta.(type) {
	case *appsv1.Deployment:
		return o.Annotations[revisionNote] == strconv.FormatInt(last.number, 10)
	case *appsv1.StatefulSet:
		return o.Status.ObservedGeneration >= o.Generation && o.Status.UpdateRevision == last.object.GetName()
	case *appsv1.DaemonSet:
		return o.Status.ObservedGeneration >= o.Generation
	}
	return true
}

// nameVersion calls a template by the tag of its first image, and by its hash as well
// when another template has that tag already.
func nameVersion(o metav1.Object, known, taken map[string]backout.Version) backout.Version {
	if v, ok := known[o.GetName()]; ok {
		return v
	}
	v := backout.Version(tagOf(firstImage(o)))
	for _, names := range []map[string]backout.Version{known, taken} {
		for other, name := range names {
			if other != o.GetName() && name == v {
				return v + "+" + backout.Version(o.GetName()[strings.LastIndex(o.GetName(), "-")+1:])
			}
		}
	}
	return v
}

// exposure says which of the pods have the present revision: those that are ready, since
// others get no requests.
func (s *sight) exposure(p *present, w workload) {
	now := w.revisions[len(w.revisions)-1]
	ready, total := 0, 0
	for _, r := range w.revisions {
		for _, pod := range r.pods {
			if _, ok := podReadyAt(pod); ok {
				total++
			}
		}
	}
	for _, pod := range now.pods {
		for _, c := range pod.Status.ContainerStatuses {
			if p.digest == "" && (c.Name+"="+firstImage(now.object) == firstOf(now.object)) {
				p.digest = digestOf(c.ImageID)
			}
		}
		at, ok := podReadyAt(pod)
		if !ok {
			continue
		}
		ready++
		if at.After(p.shareAt) {
			p.shareAt = at
		}
		if len(p.instances) < mostInstances {
			p.instances = append(p.instances, pod.Name)
		}
	}
	slices.Sort(p.instances)
	p.digest = cmp.Or(digestOf(firstImage(now.object)), p.digest)
	if total = max(total, w.replicas); total == 0 {
		p.share, p.shareAt = 1, time.Time{} // nobody runs, and whoever comes has it
		return
	}
	p.share = float64(ready) / float64(total)
	p.well = p.share == 1 && ready >= w.replicas
}

func firstOf(o metav1.Object) string {
	first, _, _ := strings.Cut(o.GetAnnotations()[seenImages], ",")
	return first
}

// taken says in words which configuration came with a workload.
func (s *sight) taken(w workload) string {
	var words []string
	for _, r := range s.refs(w) {
		words = append(words, r.kind+" "+r.name+" "+r.hash)
	}
	out := strings.Join(words, ", ")
	if len(out) > 200 {
		out = fmt.Sprintf("%d ConfigMaps and Secrets", len(words))
	}
	return out
}

// ref is something that a workload's pods take in, as it is now; hash "" = it is not there.
type ref struct{ kind, name, hash string }

func (s *sight) refs(w workload) []ref {
	var out []ref
	in := refsIn(w.meta)
	for kind, names := range map[string][]string{aConfigMap: in.ConfigMaps, aSecret: in.Secrets} {
		for _, name := range names {
			r := ref{kind: kind, name: name}
			if o, ok := s.get(kind, w.namespace, name); ok {
				r.hash = o.(metav1.Object).GetAnnotations()[seenHash]
			}
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b ref) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) })
	return out
}

// inputs name what a workload takes in and how it is scaled: when that changes, what was
// verified has to be verified anew.
func (s *sight) inputs(w workload) string {
	least, most, _ := s.bounds(w)
	out := []string{fmt.Sprintf("%d..%d", least, most)}
	for _, r := range s.refs(w) {
		out = append(out, r.kind+"/"+r.name+"="+r.hash)
	}
	return strings.Join(out, " ")
}
