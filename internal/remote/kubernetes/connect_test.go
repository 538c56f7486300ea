package kubernetes_test

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// serve gives a server that answers as it is told, and its certificate.
func serve(t *testing.T, h http.HandlerFunc) (url string, ca []byte) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func status(code int, reason string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
	}
}

func TestCheck_saysWhyThereIsNoAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "https://" + l.Addr().String()
	_ = l.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		url    string // instead of the answer's
		trust  bool
		want   kubernetes.Reason
	}{
		"nobody listens":     {nil, nobody, true, kubernetes.Unreachable},
		"no such host":       {nil, "https://nowhere.invalid:6443", true, kubernetes.Unreachable},
		"plain HTTP":         {nil, strings.Replace(plain.URL, "http:", "https:", 1), true, kubernetes.NotKubernetes},
		"another's signer":   {status(200, ""), "", false, kubernetes.Untrusted},
		"an expired token":   {status(401, "Unauthorized"), "", true, kubernetes.Unknown},
		"no right to ask":    {status(403, "Forbidden"), "", true, kubernetes.Forbidden},
		"a web server":       {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<html>nothing here", 404) }, "", true, kubernetes.NotKubernetes},
		"a page for all":     {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>welcome")) }, "", true, kubernetes.NotKubernetes},
		"too many requests":  {status(429, "TooManyRequests"), "", true, kubernetes.Busy},
		"a failing server":   {status(500, "InternalError"), "", true, kubernetes.Busy},
		"silence":            {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "", true, kubernetes.Slow},
		"hangs up":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", true, kubernetes.Unreachable},
		"half an answer":     {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{"major":"1"`)) }, "", true, kubernetes.NotKubernetes},
		"an answer: no fail": {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{"gitVersion":"v1.37.2"}`)) }, "", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := kubernetes.Config{Name: "eu-1", Token: "t", Timeout: 300 * time.Millisecond, Server: c.url}
			if c.answer != nil {
				url, ca := serve(t, c.answer)
				config.Server = url
				if c.trust {
					config.CA = ca
				}
			}
			cluster, err := kubernetes.Open(config)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			version, err := cluster.Check(t.Context())
			if got := kubernetes.ReasonOf(err); got != c.want {
				t.Errorf("reason %q, want %q: %v", got, c.want, err)
			}
			if err == nil && version != "v1.37.2" {
				t.Errorf("version %q", version)
			}
			if err != nil && !strings.Contains(err.Error(), "cluster eu-1 ("+config.Server+")") {
				t.Errorf("%v does not name the cluster and its address", err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestOpen_refusesWhatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("clusters: [}"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good")
	if err := os.WriteFile(good, []byte(`{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {token: t}}],
contexts: [{name: one, context: {cluster: c, user: u}}], current-context: one}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config kubernetes.Config
		says   string // "" = it opens
	}{
		"nothing":             {kubernetes.Config{}, "expected one of"},
		"two ways":            {kubernetes.Config{Kubeconfig: good, InCluster: true}, "expected one of"},
		"no such file":        {kubernetes.Config{Kubeconfig: filepath.Join(dir, "none")}, "there is no such file"},
		"a broken file":       {kubernetes.Config{Kubeconfig: broken}, broken},
		"no such context":     {kubernetes.Config{Kubeconfig: good, Context: "two"}, `"two"`},
		"its context":         {kubernetes.Config{Kubeconfig: good, Context: "one"}, ""},
		"the current context": {kubernetes.Config{Kubeconfig: good}, ""},
		"plain HTTP":          {kubernetes.Config{Server: "http://10.0.0.1", Token: "t"}, "expected an address such as https://"},
		"no token":            {kubernetes.Config{Server: "https://10.0.0.1"}, "expected a token"},
		"no token file":       {kubernetes.Config{Server: "https://10.0.0.1", TokenFile: filepath.Join(dir, "none")}, "read the token"},
		"not in a pod":        {kubernetes.Config{InCluster: true}, "KUBERNETES_SERVICE_HOST"},
		"no certificate":      {kubernetes.Config{Server: "https://10.0.0.1", Token: "t", CA: []byte("x")}, "certificate"},
	} {
		_, err := kubernetes.Open(c.config)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want one that says %q", name, err, c.says)
		case c.says != "" && kubernetes.ReasonOf(err) != kubernetes.Misconfigured:
			t.Errorf("%s: reason %q", name, kubernetes.ReasonOf(err))
		}
	}
}

func TestWatch_outlivesTheDeadlineOfCalls(t *testing.T) {
	agents := make(chan string, 10)
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		agents <- r.Header.Get("User-Agent")
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "true" {
			_ = http.NewResponseController(w).Flush()
			time.Sleep(400 * time.Millisecond)
			_, _ = w.Write([]byte(`{"type":"ADDED","object":{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"late"}}}` + "\n"))
			return
		}
		_, _ = w.Write([]byte(`{"kind":"NamespaceList","apiVersion":"v1","items":[`)) // a list that never ends
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	cluster, err := kubernetes.Open(kubernetes.Config{Name: "c", Server: url, CA: ca, Token: "t", Timeout: 100 * time.Millisecond, Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := cluster.Client.CoreV1().Namespaces().Watch(t.Context(), metav1.ListOptions{Watch: true})
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := <-w.ResultChan(); !ok || e.Type != "ADDED" {
		t.Errorf("the watch ended with %+v before anything came", e)
	}
	began := time.Now()
	if _, err := cluster.Client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("a list without an end took %s: %v", time.Since(began), err)
	}
	if a := <-agents; a != "backout/test" {
		t.Errorf("user agent %q, want backout/test", a)
	}
}
