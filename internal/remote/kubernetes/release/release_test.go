package release_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/backout-dev/backout/internal/remote/kubernetes/release"
)

func template(image string, edit ...func(*corev1.PodTemplateSpec)) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image}}}}
	t.Labels = map[string]string{"app": "web"}
	for _, e := range edit {
		e(&t)
	}
	return t
}

func TestID_isTheTemplatesAlone(t *testing.T) {
	plain := release.ID(template("r.test:5000/web:2.4"))
	if plain[:4] != "2.4-" || len(plain) != len("2.4-12345678") {
		t.Errorf("id %q, want 2.4- and eight digits", plain)
	}
	for name, c := range map[string]struct {
		edit func(*corev1.PodTemplateSpec)
		same bool
	}{
		"a controller's label": {func(t *corev1.PodTemplateSpec) { t.Labels["pod-template-hash"] = "x" }, true},
		"a restart": {func(t *corev1.PodTemplateSpec) {
			t.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
		}, true},
		"an own annotation":       {func(t *corev1.PodTemplateSpec) { t.Annotations = map[string]string{"checksum/config": "1"} }, false},
		"an environment variable": {func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "1"}} }, false},
		"another image":           {func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Image = "r.test:5000/web:2.5" }, false},
	} {
		if got := release.ID(template("r.test:5000/web:2.4", c.edit)); (got == plain) != c.same {
			t.Errorf("with %s: %s, without: %s; want the same: %t", name, got, plain, c.same)
		}
	}
	edited := template("web:1", func(t *corev1.PodTemplateSpec) { t.Labels["pod-template-hash"] = "x" })
	release.ID(edited)
	if edited.Labels["pod-template-hash"] != "x" {
		t.Error("naming a template changed it")
	}
}

func TestTag(t *testing.T) {
	for image, want := range map[string]string{
		"web": "latest", "web:1": "1", "r.test:5000/web": "latest", "r.test:5000/a/web:2.4-rc1": "2.4-rc1",
		"web@sha256:0123456789abcdef": "0123456789ab", "web:1@sha256:0123456789abcdef": "1", "": "latest",
	} {
		if got := release.Tag(image); got != want {
			t.Errorf("tag of %q: %q, want %q", image, got, want)
		}
	}
}

func TestReferences_areThoseThatPodsWaitFor(t *testing.T) {
	yes := true
	got := release.References(template("web:1", func(t *corev1.PodTemplateSpec) {
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
	want := []release.Reference{{Kind: "ConfigMap", Name: "a"}, {Kind: "ConfigMap", Name: "b"}, {Kind: "Secret", Name: "key"}, {Kind: "Secret", Name: "p"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("references (-want +got):\n%s", d)
	}
}

func TestData_isTheContentsAlone(t *testing.T) {
	a := corev1.ConfigMap{Data: map[string]string{"k": "1", "l": "2"}}
	b := corev1.ConfigMap{Data: map[string]string{"l": "2", "k": "1"}}
	b.Labels = map[string]string{"x": "y"}
	c := corev1.ConfigMap{Data: map[string]string{"k": "1"}, BinaryData: map[string][]byte{"l": []byte("2")}}
	if release.Data(a) != release.Data(b) || release.Data(a) == release.Data(c) || len(release.Data(a)) != 12 {
		t.Errorf("%s %s %s", release.Data(a), release.Data(b), release.Data(c))
	}
}
