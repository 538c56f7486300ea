package kubernetes

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/backout-dev/backout"
)

func template(image string, edit ...func(*corev1.PodTemplateSpec)) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image}}}}
	t.Labels = map[string]string{"app": "web"}
	for _, e := range edit {
		e(&t)
	}
	return t
}

func TestSameness_isAllButWhatControllersAdd(t *testing.T) {
	base := sameness(template("web:2.4"))
	for name, c := range map[string]struct {
		edit func(*corev1.PodTemplateSpec)
		same bool
	}{
		"a controller's label":    {func(t *corev1.PodTemplateSpec) { t.Labels["pod-template-hash"] = "x" }, true},
		"an annotation":           {func(t *corev1.PodTemplateSpec) { t.Annotations = map[string]string{"checksum/config": "1"} }, false},
		"an environment variable": {func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "1"}} }, false},
		"another image":           {func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Image = "web:2.5" }, false},
	} {
		edited := template("web:2.4", c.edit)
		if got := sameness(edited); (got == base) != c.same {
			t.Errorf("with %s the template is the same: %t, want %t", name, got == base, c.same)
		}
	}
	edited := template("web:1", func(t *corev1.PodTemplateSpec) { t.Labels["pod-template-hash"] = "x" })
	if sameness(edited); edited.Labels["pod-template-hash"] != "x" {
		t.Error("looking at a template changed it")
	}
}

func TestCalled_namesByTagAndByHashWhereATagIsTaken(t *testing.T) {
	at := time.Unix(1000, 0)
	all := []past{
		{name: "web-ccc", template: template("web:2"), at: at.Add(2 * time.Hour)},
		{name: "web-bbb", template: template("web:2"), at: at.Add(time.Hour)},
		{name: "web-aaa", template: template("web:1"), at: at.Add(3 * time.Hour)},
	}
	called(all)
	for i, want := range []backout.Version{"2+ccc", "2", "1"} {
		if all[i].version != want {
			t.Errorf("%s is called %s, want %s", all[i].name, all[i].version, want)
		}
	}
}

func TestTag(t *testing.T) {
	for image, want := range map[string]string{
		"web": "latest", "web:1": "1", "r.test:5000/web": "latest", "r.test:5000/a/web:2.4-rc1": "2.4-rc1",
		"web@sha256:0123456789abcdef": "0123456789ab", "web:1@sha256:0123456789abcdef": "1", "": "latest",
	} {
		if got := tag(template(image)); got != want {
			t.Errorf("tag of %q: %q, want %q", image, got, want)
		}
	}
}

func TestReferences_areThoseThatPodsWaitFor(t *testing.T) {
	yes := true
	got := references(template("web:1", func(t *corev1.PodTemplateSpec) {
		c := &t.Spec.Containers[0]
		c.EnvFrom = []corev1.EnvFromSource{
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "b"}}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "maybe"}, Optional: &yes}},
		}
		c.Env = []corev1.EnvVar{{Name: "X", Value: "1"}, {Name: "Y", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "key"}}}}}
		t.Spec.InitContainers = []corev1.Container{{EnvFrom: c.EnvFrom[:1]}}
		t.Spec.Volumes = []corev1.Volume{
			{VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "a"}}}},
			{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "p"}}}}}}},
			{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		}
	}))
	want := []reference{{Kind: "ConfigMap", Name: "a"}, {Kind: "ConfigMap", Name: "b"}, {Kind: "Secret", Name: "key"}, {Kind: "Secret", Name: "p"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("references (-want +got):\n%s", d)
	}
}
