package kubernetes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
)

// kind is what differs between the kinds of workload.
type kind interface {
	// resource is its name in addresses and rights.
	resource() string
	// read gets one workload.
	read(ctx context.Context, c kubernetes.Interface, ns, name string) (*workload, error)
	// history lists the releases that the cluster still has, the newest revision first.
	history(ctx context.Context, c kubernetes.Interface, w *workload) ([]past, error)
	// shares are those that it can be held at, ascending and ending at 1.
	shares(w *workload) []float64
}

var kinds = map[string]kind{"deployment": deployment{}, "statefulset": statefulSet{}, "daemonset": daemonSet{}}

// workload is one workload as it stands, in the same words for every kind.
type workload struct {
	kind     kind
	kindName string
	meta     metav1.ObjectMeta
	template corev1.PodTemplateSpec
	selector *metav1.LabelSelector
	print    string // of everything in its spec but how many
	hashKey  string // label by which its pods tell their release
	wanted   int32  // pods
	// partition is how many pods, those with the lowest ordinals, keep their release.
	partition int32
	set       int32 // the partition as the spec has it, an ordinal
	first     int32 // ordinal of the first pod
	// surge pods may exist beyond those wanted, unavailable ones may be missing.
	surge, unavailable int32
	onDelete, paused   bool
	parts              bool // it has a partition that can be set
	claims             bool // its pods keep volumes
	ordered            bool // a pod that is not ready keeps the others from changing
	minReady           int32
	history            int32 // how many releases it keeps
	// seen and settled are the controller's word: that it has seen the newest spec, and
	// that everything is as the spec has it.
	seen, settled bool
	// trouble is why the controller does not get on; late says that it has given up waiting.
	trouble string
	late    bool
}

// past is one release that the cluster still has.
type past struct {
	version  backout.Version
	template corev1.PodTemplateSpec
	hash     string // what its pods have in workload.hashKey
	name     string // of the ReplicaSet or ControllerRevision that keeps it
	revision int64
	at       time.Time
	pods     int32 // how many it last ran with; 0 = nobody noted it
}

// String is the workload's name for people.
func (w *workload) String() string { return w.kindName + " " + w.meta.Namespace + "/" + w.meta.Name }

// fingerprint names a spec without its number of replicas, which autoscalers move all
// the time.
func fingerprint(uid string, spec any) string {
	doc, err := json.Marshal(spec)
	if err != nil {
		return uid // what was read from JSON can be written as JSON
	}
	sum := sha256.Sum256(doc)
	return uid + "/" + hex.EncodeToString(sum[:8])
}

// target is a component's place.
type target struct{ cluster, namespace, kind, name string }

func parseLocator(c backout.Component) (target, error) {
	p := strings.Split(c.Locator, "/")
	if len(p) != 4 || slices.Contains(p, "") {
		return target{}, invalid("%s: locator %q: expected cluster/namespace/kind/name, such as eu-1/shop/deployment/web", c.ID, c.Locator)
	}
	return target{p[0], p[1], strings.ToLower(p[2]), p[3]}, nil
}

func invalid(f string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(f, args...)}
}

// listPods lists a workload's pods that are not going, in the order of their names, and
// counts those that are.
func listPods(ctx context.Context, c kubernetes.Interface, w *workload) (pods []corev1.Pod, going int, err error) {
	selector, err := metav1.LabelSelectorAsSelector(w.selector)
	if err != nil {
		return nil, 0, invalid("%s: selector: %v", w, err)
	}
	list, err := c.CoreV1().Pods(w.meta.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, 0, fmt.Errorf("list pods of %s: %w", w, err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { // by ordinal, where there is one
		return backout.CompareVersions(backout.Version(a.Name), backout.Version(b.Name))
	})
	for _, p := range list.Items {
		if p.DeletionTimestamp != nil {
			going++
		}
	}
	pods = slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded || metav1.GetControllerOf(&p) == nil
	})
	return pods, going, nil
}

func ready(p corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// newest sorts releases, the highest revision first.
func newest(all []past) []past {
	slices.SortStableFunc(all, func(a, b past) int { return cmp.Compare(b.revision, a.revision) })
	return all
}

// find is the newest revision of a version.
func find(all []past, v backout.Version) (past, bool) {
	for _, p := range all {
		if p.version == v {
			return p, true
		}
	}
	return past{}, false
}

func controlled(m metav1.Object, by metav1.ObjectMeta) bool {
	o := metav1.GetControllerOf(m)
	return o != nil && o.UID == by.UID
}

// matches reports whether a selector takes the pods of a workload.
func matches(s *metav1.LabelSelector, w *workload) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(w.template.Labels))
}
