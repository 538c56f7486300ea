package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/backout-dev/backout"
	manifests "github.com/backout-dev/backout/deploy/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
)

// podsWithin is how long the shop may take to open when each of its instances waits for
// a pod.
const podsWithin = 90 * time.Second

// account is who backout is in the cluster: the service account of its installation.
const account = "backout"

// cluster is the Kubernetes that a performance runs on.
type cluster struct {
	stack    *local.Stack
	pipeline string // the kubeconfig of who ships
}

// openCluster starts a Kubernetes. What ends in it too early ends the performance.
func (s *show) openCluster(ctx context.Context, running *sync.WaitGroup) error {
	s.story.starting()
	stack, err := local.Open(ctx, local.Config{Dir: filepath.Join(s.dir, "kubernetes"), Agent: "demo", Say: s.story.part})
	if err != nil {
		return err
	}
	s.cluster = &cluster{stack: stack}
	if s.cluster.pipeline, err = stack.Kubeconfig(local.Pipeline); err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	running.Go(func() {
		select {
		case <-ctx.Done():
		case err := <-stack.Failed():
			s.failed <- fmt.Errorf("kubernetes: %w", err)
		}
	})
	return nil
}

func (c *cluster) close() {
	if c != nil {
		c.stack.Close()
	}
}

// install gives backout what deploy/kubernetes says that it needs to see everything and to
// move Deployments, where the shop is and nowhere else, and a catalog that tells where.
func (c *cluster) install(ctx context.Context, s *show) error {
	for _, file := range []string{"install.yaml", "rbac-deployment.yaml"} {
		if err := c.apply(ctx, file); err != nil {
			return fmt.Errorf("install backout in the cluster: %w", err)
		}
	}
	for _, ns := range s.shop.Ready.Namespaces {
		_, err := c.stack.Client.RbacV1().RoleBindings(ns).Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "backout-deployments"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "backout-deployments"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: account}},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("let backout act in %s: %w", ns, err)
		}
	}
	token, err := c.stack.Client.CoreV1().ServiceAccounts(account).CreateToken(ctx, account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make a token for backout: %w", err)
	}
	return c.declare(s, token.Status.Token)
}

// apply makes what a manifest has, but for backout itself and its catalog: it runs here,
// beside the cluster, with a catalog of the shop's.
func (c *cluster) apply(ctx context.Context, file string) error {
	raw, err := manifests.Files.ReadFile(file)
	if err != nil {
		return err
	}
	docs := yamlreader.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode(doc, nil, nil)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		if err := c.make(ctx, o); err != nil {
			return fmt.Errorf("make what %s has: %w", file, err)
		}
	}
}

func (c *cluster) make(ctx context.Context, o runtime.Object) (err error) {
	api, made := c.stack.Client, metav1.CreateOptions{}
	switch o := o.(type) {
	case *corev1.Namespace:
		_, err = api.CoreV1().Namespaces().Create(ctx, o, made)
	case *corev1.ServiceAccount:
		_, err = api.CoreV1().ServiceAccounts(o.Namespace).Create(ctx, o, made)
	case *rbacv1.ClusterRole:
		_, err = api.RbacV1().ClusterRoles().Create(ctx, o, made)
	case *rbacv1.ClusterRoleBinding:
		_, err = api.RbacV1().ClusterRoleBindings().Create(ctx, o, made)
	}
	return err
}

// declare writes a catalog document for each location: each is a cluster to backout,
// though they are namespaces of one here.
func (c *cluster) declare(s *show, token string) error {
	tokenFile, caFile := filepath.Join(c.stack.Dir, "backout.token"), filepath.Join(c.stack.Dir, "ca.crt")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		return fmt.Errorf("keep backout's token: %w", err)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	for _, at := range slices.Sorted(maps.Keys(s.shop.Ready.Namespaces)) {
		err := enc.Encode(map[string]any{"apiVersion": "backout.dev/v1alpha1", "kind": "Cluster", "metadata": map[string]any{"name": string(at)}, "spec": map[string]any{
			"environment": "production", "location": string(at), "server": c.stack.URL, "tokenFrom": map[string]any{"file": tokenFile}, "caFile": caFile,
			"namespaces": []string{s.shop.Ready.Namespaces[at]}, "bake": backout.Duration(10 * s.step).String(),
		}})
		if err != nil {
			return fmt.Errorf("declare the cluster: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "catalog", "cluster.yaml"), b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("declare the cluster: %w", err)
	}
	return nil
}

// wrote tells what the API server has noted of backout's writes.
func (s *show) wrote(ctx context.Context) error {
	if s.cluster == nil {
		return nil
	}
	calls, err := s.cluster.stack.Calls(ctx, "system:serviceaccount:"+account+":"+account)
	if err != nil {
		return err
	}
	s.story.wrote(calls)
	return nil
}
