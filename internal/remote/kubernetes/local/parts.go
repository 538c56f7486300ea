package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

//go:embed stages.yaml
var stages []byte

// controllers are those that tests and the demo need. No node lifecycle: KWOK's nodes are
// always well.
var controllers = []string{
	"deployment-controller", "replicaset-controller", "statefulset-controller", "daemonset-controller", "job-controller",
	"garbage-collector-controller", "namespace-controller", "endpoints-controller", "endpointslice-controller",
	"horizontal-pod-autoscaler-controller", "disruption-controller", "resourcequota-controller",
}

func (s *Stack) startEtcd() error {
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", s.ports.etcd), fmt.Sprintf("http://127.0.0.1:%d", s.ports.peer)
	p, err := s.start("etcd", "etcd", "--name=e", "--data-dir="+s.Dir+"/etcd", "--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=e="+peer, "--unsafe-no-fsync", "--log-level=warn")
	if err != nil {
		return err
	}
	return s.await(p, func() bool { return strings.Contains(s.ask(http.DefaultClient, client+"/health", ""), "true") })
}

func (s *Stack) startAPIServer() error {
	f := func(name string) string { return s.Dir + "/" + name }
	p, err := s.start(APIServer, APIServer,
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", s.ports.etcd), "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", s.ports.api),
		"--endpoint-reconciler-type=none", // a loopback address is no endpoint
		"--tls-cert-file="+f("apiserver.crt"), "--tls-private-key-file="+f("apiserver.key"), "--token-auth-file="+f("tokens.csv"), "--anonymous-auth=false", "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+f("account.pub"), "--service-account-signing-key-file="+f("account.key"),
		"--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
		// Nobody makes default service accounts here, and nobody takes the taint of a new node away.
		"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
		"--proxy-client-cert-file="+f("proxy.crt"), "--proxy-client-key-file="+f("proxy.key"), "--requestheader-client-ca-file="+f("ca.crt"), "--requestheader-allowed-names=proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--audit-policy-file="+f("audit.yaml"), "--audit-log-path="+f("audit.log"), "--profiling=false", "--v=0")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	return s.await(p, func() bool { return s.ask(client, s.URL+"/readyz", s.tokens[Operator]) == "ok" })
}

func (s *Stack) startControllers() error {
	for name, args := range map[string][]string{
		ControllerManager: {
			"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0", "--controllers=" + strings.Join(controllers, ","), "--kube-api-qps=300", "--kube-api-burst=600",
			// A real cluster takes minutes to scale up and down; a test has seconds.
			"--horizontal-pod-autoscaler-sync-period=1s", "--horizontal-pod-autoscaler-downscale-stabilization=1s",
			"--horizontal-pod-autoscaler-initial-readiness-delay=0s", "--horizontal-pod-autoscaler-cpu-initialization-period=1s", "--v=0",
		},
		"kube-scheduler": {"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0", "--v=0"},
		"kwok":           {"--manage-all-nodes=true", "--cidr=10.244.0.0/16", "--node-ip=10.0.0.1", "--config=" + s.Dir + "/stages.yaml"},
	} {
		config, err := s.Kubeconfig("system:" + name)
		if err != nil {
			return err
		}
		if _, err := s.start(name, name, append(args, "--kubeconfig="+config)...); err != nil {
			return err
		}
	}
	return nil
}

// The parts that a stack consists of, as [Stack.Kill] and [Stack.Signal] name them.
const (
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
)

// StartAPIServer starts a killed API server again, on the same port, and returns when it
// is ready.
func (s *Stack) StartAPIServer() error { return s.startAPIServer() }

// Etcd is where etcd answers.
func (s *Stack) Etcd() string { return fmt.Sprintf("http://127.0.0.1:%d", s.ports.etcd) }

// ask gives the body of an answer, or "".
func (s *Stack) ask(client *http.Client, url, token string) string {
	ctx, cancel := context.WithTimeout(s.life, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(b)
}
