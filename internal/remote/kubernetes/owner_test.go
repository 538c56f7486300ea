package kubernetes_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

func TestMarks_ofTheToolsThatWriteByThemselves(t *testing.T) {
	for want, o := range map[string]metav1.ObjectMeta{
		"[]":                        {Labels: map[string]string{"app": "web"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl-edit"}}},
		"[Argo CD cart]":            {Annotations: map[string]string{"argocd.argoproj.io/tracking-id": "cart:apps/Deployment:shop/web"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "argocd-controller"}}},
		"[Argo CD shop]":            {Labels: map[string]string{"argocd.argoproj.io/instance": "shop"}},
		"[Argo CD]":                 {ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "argocd-application-controller"}}},
		"[Flux flux-system/apps]":   {Labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
		"[Flux prod/web Helm /web]": {Labels: map[string]string{"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "prod"}, Annotations: map[string]string{"meta.helm.sh/release-name": "web"}},
		"[Helm web]":                {Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "web"}},
		"[Flagger web]":             {OwnerReferences: []metav1.OwnerReference{{APIVersion: "flagger.app/v1beta1", Kind: "Canary", Name: "web"}}},
		"[KEDA web-so]":             {OwnerReferences: []metav1.OwnerReference{{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "web-so"}}, Labels: map[string]string{"scaledobject.keda.sh/name": "web-so"}},
		"[Argo Rollouts web]":       {OwnerReferences: []metav1.OwnerReference{{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "web"}}},
	} {
		if got := fmt.Sprint(kubernetes.Marks(&o)); got != want {
			t.Errorf("marks %s, want %s", got, want)
		}
	}
}

func TestWriterOf_isTheLastOneOfThatPart(t *testing.T) {
	at := func(s int) *metav1.Time {
		m := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, s, 0, time.UTC))
		return &m
	}
	fields := func(raw string) *metav1.FieldsV1 { return &metav1.FieldsV1{Raw: []byte(raw)} }
	o := &metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "helm", Time: at(1), FieldsV1: fields(`{"f:spec":{"f:replicas":{},"f:template":{"f:spec":{}}}}`)},
		{Manager: "kubectl", Time: at(2), FieldsV1: fields(`{"f:spec":{"f:template":{"f:spec":{}}}}`)},
		{Manager: "kube-controller-manager", Time: at(3), Subresource: "status", FieldsV1: fields(`{"f:spec":{"f:template":{}}}`)},
		{Manager: "hpa", Time: at(4), Subresource: "scale", FieldsV1: fields(`{"f:spec":{"f:replicas":{}}}`)},
		{Manager: "labeller", Time: at(5), FieldsV1: fields(`{"f:metadata":{"f:labels":{}}}`)},
		{Manager: "broken", Time: at(6), FieldsV1: fields(`{"f:spec":7`)},
		{Manager: "editor", Time: at(7), FieldsV1: fields(`{"f:data":{"f:a":{}}}`)},
		{Manager: "maker", Time: at(7), FieldsV1: fields(`{"f:data":{"f:b":{},"f:c":{}}}`)},
		{Manager: "emptied", Time: at(7), FieldsV1: fields(`{"f:data":{".":{}}}`)},
		{Manager: "emptied as a server notes it", Time: at(7), FieldsV1: fields(`{"f:data":{}}`)},
		{Manager: "empty", Time: at(7), FieldsV1: fields(`{"f:binaryData":{}}`)},
		{Manager: "timeless", FieldsV1: fields(`{"f:spec":{"f:template":{}}}`)},
	}}
	for path, want := range map[string]string{"spec.template": "kubectl 2", "spec.replicas": "hpa 4", "data": "editor 7", "binaryData": "empty 7", "spec.nothing": " 0", "metadata.labels": "labeller 5"} {
		w := kubernetes.WriterOf(o, path)
		seconds := 0
		if !w.At.IsZero() {
			seconds = w.At.Second()
		}
		if got := fmt.Sprintf("%s %d", w.Manager, seconds); got != want {
			t.Errorf("%s was written by %q, want %q", path, got, want)
		}
	}
}

func TestHash_tellsContentsApart(t *testing.T) {
	maps := []*corev1.ConfigMap{
		{}, {Data: map[string]string{"a": "1"}}, {Data: map[string]string{"a": "2"}}, {Data: map[string]string{"b": "1"}}, {Data: map[string]string{"a": "1", "b": ""}},
		{BinaryData: map[string][]byte{"a": []byte("1")}}, {Data: map[string]string{"a": "1\"text\" \"b\" 0 "}},
	}
	seen := map[string]int{}
	for i, m := range maps {
		h := kubernetes.HashConfigMap(m)
		if j, twice := seen[h]; twice {
			t.Errorf("%d and %d have the hash %s", i, j, h)
		}
		seen[h] = i
		m.Labels = map[string]string{"x": "y"}
		if kubernetes.HashConfigMap(m) != h {
			t.Errorf("%d: a label changes the hash", i)
		}
	}
	s := &corev1.Secret{Data: map[string][]byte{"p": []byte("x")}}
	if kubernetes.HashSecret([]byte("k1"), s) == kubernetes.HashSecret([]byte("k2"), s) || kubernetes.HashSecret([]byte("k1"), s) != kubernetes.HashSecret([]byte("k1"), s) {
		t.Error("a secret's hash depends on the key and on nothing else")
	}
}

func TestRefsOf_allWaysToTakeSomethingIn(t *testing.T) {
	ref := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	spec := &corev1.PodSpec{
		InitContainers: []corev1.Container{{EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref("m1")}}}}},
		Containers: []corev1.Container{{
			EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: ref("s1")}}},
			Env: []corev1.EnvVar{
				{ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref("m2")}}},
				{ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: ref("s2")}}}, {Name: "plain"},
			},
		}},
		Volumes: []corev1.Volume{
			{VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref("m3")}}},
			{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "s3"}}},
			{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref("m4")}}, {Secret: &corev1.SecretProjection{LocalObjectReference: ref("s4")}},
			}}}},
		},
		ImagePullSecrets: []corev1.LocalObjectReference{ref("pull")},
	}
	got := kubernetes.RefsOf(spec)
	if strings.Join(got.ConfigMaps, " ") != "m1 m2 m3 m4" || strings.Join(got.Secrets, " ") != "s1 s2 s3 s4" {
		t.Errorf("refs %+v", got)
	}
}
