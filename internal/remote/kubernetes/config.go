package kubernetes

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HashConfigMap names what is in a ConfigMap: 16 hexadecimal digits, the same for the
// same content.
func HashConfigMap(c *corev1.ConfigMap) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(c.Data)) {
		put(h, "text", k, []byte(c.Data[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(c.BinaryData)) {
		put(h, "binary", k, c.BinaryData[k])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// HashSecret names what is in a Secret, under a key that only we have: without it a
// hash of a short password could be guessed.
func HashSecret(key []byte, s *corev1.Secret) string {
	h := hmac.New(sha256.New, key)
	for _, k := range slices.Sorted(maps.Keys(s.Data)) {
		put(h, string(s.Type), k, s.Data[k])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func put(h hash.Hash, kind, name string, value []byte) {
	fmt.Fprintf(h, "%q %q %d ", kind, name, len(value)) // lengths, so that no two contents look alike
	h.Write(value)
}

// Refs are the ConfigMaps and Secrets that a pod takes in, by name. What is optional
// counts too: it changes what runs as much.
type Refs struct {
	ConfigMaps []string `json:"config_maps,omitempty"`
	Secrets    []string `json:"secrets,omitempty"`
}

// RefsOf finds them: environment, volumes and projected volumes. Secrets for pulling
// images are left out, since they change nothing of what runs.
func RefsOf(p *corev1.PodSpec) Refs {
	maps, secrets := map[string]bool{}, map[string]bool{}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		for _, e := range c.EnvFrom {
			if e.ConfigMapRef != nil {
				maps[e.ConfigMapRef.Name] = true
			}
			if e.SecretRef != nil {
				secrets[e.SecretRef.Name] = true
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
				maps[e.ValueFrom.ConfigMapKeyRef.Name] = true
			}
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				secrets[e.ValueFrom.SecretKeyRef.Name] = true
			}
		}
	}
	for _, v := range p.Volumes {
		if v.ConfigMap != nil {
			maps[v.ConfigMap.Name] = true
		}
		if v.Secret != nil {
			secrets[v.Secret.SecretName] = true
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				maps[s.ConfigMap.Name] = true
			}
			if s.Secret != nil {
				secrets[s.Secret.Name] = true
			}
		}
	}
	return Refs{sorted(maps), sorted(secrets)}
}

func sorted(in map[string]bool) []string { return slices.Sorted(maps.Keys(in)) }

// Target is a state that a workload could go back to.
type Target struct {
	Namespace string
	Kind      string // Deployment, StatefulSet or DaemonSet
	Name      string
	// Revision is the name of the ReplicaSet or ControllerRevision that holds its
	// template; "" = the template is kept elsewhere.
	Revision string
	// ConfigMaps and Secrets that it takes in, by name, with the hashes that they had;
	// SecretKey is the key of the latter.
	ConfigMaps, Secrets map[string]string
	SecretKey           []byte
}

// Missing says what a target lacks, a sentence each: its revision is gone, a ConfigMap
// is gone or is not what it was. Nothing missing means that the target can be reached
// as it was. It reads only, and fails with a [Trouble] when it can't.
func (c *Cluster) Missing(ctx context.Context, t Target) ([]string, error) {
	var out []string
	note := func(err error, what string) error {
		if apierrors.IsNotFound(err) {
			out = append(out, what+" is gone")
			return nil
		}
		return c.Explain(err)
	}
	if t.Revision != "" {
		var err error
		if t.Kind == "Deployment" {
			_, err = c.Client.AppsV1().ReplicaSets(t.Namespace).Get(ctx, t.Revision, metav1.GetOptions{})
		} else {
			_, err = c.Client.AppsV1().ControllerRevisions(t.Namespace).Get(ctx, t.Revision, metav1.GetOptions{})
		}
		if err := note(err, "revision "+t.Revision); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.ConfigMaps)) {
		m, err := c.Client.CoreV1().ConfigMaps(t.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && HashConfigMap(m) != t.ConfigMaps[name] {
			out = append(out, "ConfigMap "+name+" is not what it was")
		} else if err := note(err, "ConfigMap "+name); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Secrets)) {
		s, err := c.Client.CoreV1().Secrets(t.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && HashSecret(t.SecretKey, s) != t.Secrets[name] {
			out = append(out, "Secret "+name+" is not what it was")
		} else if err := note(err, "Secret "+name); err != nil {
			return nil, err
		}
	}
	return out, nil
}
