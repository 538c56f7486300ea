// Package kubernetes connects to clusters. It knows where a cluster is and how to say
// who we are, puts a deadline on every call, and tells in words why a cluster can't be
// reached. It knows nothing of changes and plans: who reads and who writes bring their
// own, on the clients of a [Cluster].
//
// A cluster is given in one of three ways: a kubeconfig file with a context, the
// address of an API server with a token, or the service account of the pod that this
// runs in.
package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config says how to reach one cluster: by Kubeconfig, by Server, or from inside it when
// both are empty and InCluster is set.
type Config struct {
	// Name is how the cluster is called in messages.
	Name string
	// Kubeconfig is the path of a kubeconfig file, Context one of its contexts; "" = its
	// current one.
	Kubeconfig, Context string
	// Server is the https address of an API server; Token or TokenFile says who we are.
	// The file is read again every minute, since tokens expire.
	Server, Token, TokenFile string
	// CA is the certificate in PEM, CAFile its path, that signs the server's own; without
	// them the system's are used.
	CA     []byte
	CAFile string
	// InCluster uses the service account of the pod that we run in.
	InCluster bool
	// Timeout is the longest that one call may take, and the longest until a watch begins;
	// 10s when zero. A watch itself goes on.
	Timeout time.Duration
	// QPS and Burst limit how often we ask; 50 a second and 100 at once when zero.
	QPS   float32
	Burst int
	// Agent is what follows backout/ in the user agent, such as a version or a part.
	Agent string
}

// Cluster is one cluster and the clients to it, which may be used by several goroutines.
type Cluster struct {
	Name string
	// Server is its address, for messages.
	Server string
	Client kubernetes.Interface
	// Metadata reads objects without what is in them, Dynamic those without Go types.
	Metadata metadata.Interface
	Dynamic  dynamic.Interface
}

// Open makes the clients of a cluster. It asks the cluster nothing: see [Cluster.Check].
// A [Trouble] says what is wrong with the configuration.
func Open(c Config) (*Cluster, error) {
	config, err := c.rest()
	if err != nil {
		return nil, &Trouble{Cluster: c.Name, Server: c.Server, Reason: Misconfigured, Err: err}
	}
	timeout := cmp.Or(c.Timeout, 10*time.Second)
	config.QPS, config.Burst = cmp.Or(c.QPS, 50), cmp.Or(c.Burst, 100)
	config.UserAgent = "backout/" + cmp.Or(c.Agent, "unreleased")
	config.Timeout = 0 // it would end watches too
	config.Wrap(deadlines(timeout))
	out := &Cluster{Name: c.Name, Server: config.Host}
	client, err := rest.HTTPClientFor(config)
	if err == nil {
		out.Client, err = kubernetes.NewForConfigAndClient(config, client)
	}
	if err == nil {
		out.Metadata, err = metadata.NewForConfigAndClient(config, client)
	}
	if err == nil {
		out.Dynamic, err = dynamic.NewForConfigAndClient(config, client)
	}
	if err != nil {
		return nil, &Trouble{Cluster: c.Name, Server: config.Host, Reason: Misconfigured, Err: err}
	}
	return out, nil
}

func (c Config) rest() (*rest.Config, error) {
	ways := 0
	for _, given := range []bool{c.Kubeconfig != "", c.Server != "", c.InCluster} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return nil, errors.New("expected one of a kubeconfig, a server, or in-cluster")
	case c.InCluster:
		return rest.InClusterConfig()
	case c.Server != "":
		return c.explicit()
	}
	if _, err := os.Stat(c.Kubeconfig); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("kubeconfig %s: there is no such file", c.Kubeconfig)
	}
	loading := &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig}
	out, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(loading, &clientcmd.ConfigOverrides{CurrentContext: c.Context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	return out, nil
}

func (c Config) explicit() (*rest.Config, error) {
	u, err := url.Parse(c.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("server %q: expected an address such as https://10.0.0.1:6443", c.Server)
	}
	if (c.Token == "") == (c.TokenFile == "") {
		return nil, errors.New("expected a token or a token file with the server")
	}
	if c.TokenFile != "" {
		if _, err := os.ReadFile(c.TokenFile); err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
	}
	return &rest.Config{
		Host: c.Server, BearerToken: c.Token, BearerTokenFile: c.TokenFile,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.CA, CAFile: c.CAFile},
	}, nil
}

// Check asks the cluster for its version, such as v1.37.2, and fails with a [Trouble]
// that says why there is no answer.
func (c *Cluster) Check(ctx context.Context) (version string, err error) {
	// Not Discovery, which knows no context and keeps the cause of an error to itself;
	// and without retries, since the first answer is the one to tell.
	raw, err := c.Client.Discovery().RESTClient().Get().AbsPath("/version").MaxRetries(0).Do(ctx).Raw()
	if err != nil {
		return "", c.Explain(err)
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(raw, &v); err != nil || v.GitVersion == "" {
		return "", &Trouble{Cluster: c.Name, Server: c.Server, Reason: NotKubernetes, Err: fmt.Errorf("its version can't be read: %.40q", raw)}
	}
	return v.GitVersion, nil
}
