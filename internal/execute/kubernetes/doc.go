// Package kubernetes moves Deployments, StatefulSets and DaemonSets between releases.
//
// # The model in one page
//
// A component's locator is namespace/Kind/name, its location says in which cluster. Its
// versions are releases, named by what is in the pod template (package release). The
// releases that can be reached are those that the cluster still has: the ReplicaSets of
// a Deployment, the ControllerRevisions of the others.
//
// Survey looks for everything that would be in the way before anything is touched: a
// right that we lack, somebody else who writes the workload (Argo CD, Helm, an unknown
// field manager), a release or a ConfigMap that is gone, a quota or a disruption budget
// without room. Who writes a workload that we don't know to write it once only keeps it:
// we then observe and say who it is, since it would write again after us.
//
// Probe counts pods: a version's share is the share of wanted pods that are made from it
// and ready. A release that the workload asks for and of which no pod exists yet counts
// as one pod more, and so does capacity that we have pinned and not given back: what is
// under way is never seen as reached.
//
// Do is one write to the workload: a server-side apply of the target's template under
// our field manager, with the resourceVersion of the very object that was judged, so
// that the API server refuses it when anything has moved since. Apply can't take away
// what somebody else put there (a variable, a sidecar), so it is tried dry first; when
// what comes out is not the target exactly, the template is replaced as a whole, under
// the same precondition. Before it capacity: where an autoscaler has taken pods away,
// its minimum is pinned to what the release ran with, and given back afterwards. The
// former bounds stand in an annotation of the autoscaler, so that whoever comes after a
// kill gives them back. Then Do waits until the controllers have done it, and says why
// when they can't.
//
// How far a kind can be moved in part is its own: a StatefulSet has a partition, which
// makes stages of whole pods. A Deployment and a DaemonSet can be slowed and not held
// at a share, so they are moved whole.
package kubernetes
