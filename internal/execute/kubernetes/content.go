package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
)

// KeptNote is the annotation of a ConfigMap with what was in it before we put something
// else there, so that there is a way back from the way back, whoever goes it.
const KeptNote = "backout.dev/kept"

// mostKept is how many bytes KeptNote may have: annotations have 256 KiB together.
const mostKept = 200 << 10

// Content is what is in a ConfigMap.
type Content struct {
	Data   map[string]string `json:"data,omitempty"`
	Binary map[string][]byte `json:"binary,omitempty"`
}

// version is the content's name as facts know it.
func (c Content) version() backout.Version {
	return backout.Version(remote.HashConfigMap(&corev1.ConfigMap{Data: c.Data, BinaryData: c.Binary}))
}

// kept is what KeptNote holds.
type kept struct {
	Effect string `json:"effect"`
	// Release is the workload and its release that it was there for, such as
	// deployment/web@2.4; "" when the ConfigMap was moved by itself.
	Release string          `json:"release,omitempty"`
	Was     backout.Version `json:"was"`
	Put     backout.Version `json:"put"`
	Content
}

func contentOf(m *corev1.ConfigMap) Content { return Content{m.Data, m.BinaryData} }

// noteOf reads what was kept; nil when nothing was, or when it can't be read any more.
func noteOf(m *corev1.ConfigMap) *kept {
	var k kept
	if m == nil || m.Annotations[KeptNote] == "" || json.Unmarshal([]byte(m.Annotations[KeptNote]), &k) != nil || k.version() != k.Was {
		return nil
	}
	return &k
}

// getConfig reads a ConfigMap; nil when there is none.
func getConfig(ctx context.Context, c kubernetes.Interface, ns, name string) (*corev1.ConfigMap, error) {
	m, err := c.CoreV1().ConfigMaps(ns).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("read ConfigMap "+name, err)
	}
	return m, nil
}

// putConfig makes a ConfigMap hold exactly that, and keeps what was there. It is replaced
// and not applied: apply leaves keys that somebody else has added. m is what was read
// before, nil when there was none; the API server refuses when that is not so any more.
func putConfig(ctx context.Context, c kubernetes.Interface, ns, name string, m *corev1.ConfigMap, want Content, e backout.Effect, release string) error {
	if m == nil {
		fresh := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}, Data: want.Data, BinaryData: want.Binary}
		fresh.Annotations = map[string]string{remote.PutNote: remote.Put(string(want.version()), string(e.Attempt))}
		_, err := c.CoreV1().ConfigMaps(ns).Create(ctx, fresh, metav1.CreateOptions{FieldManager: FieldManager})
		return err
	}
	was := contentOf(m)
	note, err := json.Marshal(kept{e.Key, release, was.version(), want.version(), was})
	if err != nil {
		return err
	}
	ops := []op{{"replace", "/metadata/resourceVersion", m.ResourceVersion}, {"add", "/data", want.Data}, {"add", "/binaryData", want.Binary}}
	if m.Annotations == nil {
		ops = append(ops, op{"add", "/metadata/annotations", map[string]string{}})
	}
	for name, text := range map[string]string{KeptNote: string(note), remote.PutNote: remote.Put(string(want.version()), string(e.Attempt))} {
		ops = append(ops, op{"add", noteAt(name), text})
	}
	body, err := json.Marshal(ops)
	if err != nil {
		return err
	}
	_, err = c.CoreV1().ConfigMaps(ns).Patch(ctx, name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
	return err
}

// fixed says why a ConfigMap can't be written by us; "" when it can.
func (a *Actuator) fixed(m *corev1.ConfigMap) string {
	switch {
	case m == nil:
		return ""
	case m.Immutable != nil && *m.Immutable:
		return "ConfigMap " + m.Name + " is immutable"
	}
	if why := a.keeper(&m.ObjectMeta, "data", "binaryData"); why != "" {
		return fmt.Sprintf("ConfigMap %s is observed only: %s writes it", m.Name, why)
	}
	if doc, err := json.Marshal(contentOf(m)); err != nil || len(doc) > mostKept {
		return fmt.Sprintf("ConfigMap %s has %d bytes: what is in it could not be kept for the way back", m.Name, len(doc))
	}
	return ""
}
