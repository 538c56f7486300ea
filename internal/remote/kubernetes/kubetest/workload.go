package kubetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Namespace makes a namespace and deletes it when the test ends.
func (s *Stack) Namespace(t testing.TB) string {
	t.Helper()
	ns, err := s.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}) // a stack that is gone has none
	})
	return ns.Name
}

// As gives a client of one of the users.
func (s *Stack) As(t testing.TB, user string) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(s.Config(user))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Grant lets a user do what the rules say, in all namespaces.
func (s *Stack) Grant(t testing.TB, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	role, err := s.Client.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}, Rules: rules}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	binding, err := s.Client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Client.RbacV1().ClusterRoleBindings().Delete(ctx, binding.Name, metav1.DeleteOptions{})
		_ = s.Client.RbacV1().ClusterRoles().Delete(ctx, role.Name, metav1.DeleteOptions{})
	})
}

// Workload is a Deployment in few words.
type Workload struct {
	Name     string
	Image    string // one whose tag begins with "bad" never gets ready
	Replicas int32
	// Labels and Annotations of the Deployment itself.
	Labels, Annotations map[string]string
	// ConfigMaps and Secrets that its pods take their environment from.
	ConfigMaps, Secrets []string
	// Deadline is when a rollout that makes no progress is stuck, in seconds; 0 = 5.
	Deadline int32
	// CPU requested by a pod, such as 100m; "" = 100m.
	CPU string
}

// Deployment is the whole object: its pods have the label app=Name, and one container c.
func (w Workload) Deployment(namespace string) *appsv1.Deployment {
	if w.Deadline == 0 {
		w.Deadline = 5
	}
	if w.CPU == "" {
		w.CPU = "100m"
	}
	labels := map[string]string{"app": w.Name}
	c := corev1.Container{Name: "c", Image: w.Image, Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(w.CPU)}}}
	for _, name := range w.ConfigMaps {
		c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}})
	}
	for _, name := range w.Secrets {
		c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}})
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: w.Name, Namespace: namespace, Labels: w.Labels, Annotations: w.Annotations},
		Spec: appsv1.DeploymentSpec{
			Replicas: &w.Replicas, ProgressDeadlineSeconds: &w.Deadline, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}}},
		},
	}
}

// Deploy makes a Deployment as the tester.
func (s *Stack) Deploy(t testing.TB, namespace string, w Workload) *appsv1.Deployment {
	t.Helper()
	d, err := s.Client.AppsV1().Deployments(namespace).Create(t.Context(), w.Deployment(namespace), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// SetImage gives a Deployment's container c another image, as some user.
func (s *Stack) SetImage(t testing.TB, user, namespace, name, image string) {
	t.Helper()
	body := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, image)
	if _, err := s.As(t, user).AppsV1().Deployments(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{FieldManager: user}); err != nil {
		t.Fatal(err)
	}
}

// Settled waits until a Deployment's pods all are of its newest template and available.
func (s *Stack) Settled(t testing.TB, namespace, name string) *appsv1.Deployment {
	t.Helper()
	var d *appsv1.Deployment
	Eventually(t, "settled "+name, func() (bool, string) {
		var err error
		if d, err = s.Client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			return false, err.Error()
		}
		st, n := d.Status, *d.Spec.Replicas
		return st.ObservedGeneration >= d.Generation && st.UpdatedReplicas == n && st.AvailableReplicas == n && st.Replicas == n, fmt.Sprintf("%+v", st)
	})
	return d
}

// Stuck waits until a Deployment has exceeded its progress deadline.
func (s *Stack) Stuck(t testing.TB, namespace, name string) {
	t.Helper()
	Eventually(t, "stuck "+name, func() (bool, string) {
		d, err := s.Client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", d.Status)
	})
}

// Images is CountImages, without which the test can't go on.
func (s *Stack) Images(t testing.TB, namespace, name string) map[string]int {
	t.Helper()
	images, err := s.CountImages(t.Context(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// CountImages counts the pods with the label app=name by image, those that are going
// left out.
func (s *Stack) CountImages(ctx context.Context, namespace, name string) (map[string]int, error) {
	all, err := s.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, p := range all.Items {
		if p.DeletionTimestamp == nil {
			out[p.Spec.Containers[0].Image]++
		}
	}
	return out, nil
}

// Eventually asks until it is so, at most a minute; else the test fails with what was
// said last.
func Eventually(t testing.TB, what string, is func() (bool, string)) {
	t.Helper()
	said := ""
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ok, now := is()
		if ok {
			return
		}
		said = now
	}
	t.Fatalf("not within %s: %s: %s", ready, what, strings.TrimSpace(said))
}
