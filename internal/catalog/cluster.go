package catalog

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Cluster is a Kubernetes cluster whose changes are read. It is one location of one
// environment. One of Kubeconfig, Server and InCluster says how it is reached.
type Cluster struct {
	Name        string              `json:"name"`
	Environment backout.Environment `json:"environment"`
	Location    backout.Location    `json:"location"` // left out = the cluster's name
	// Kubeconfig is the path of a kubeconfig file, Context one of its contexts.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	Context    string `json:"context,omitempty"`
	// Server is an https address; Token says who we are, CAFile who signs its certificate.
	Server string    `json:"server,omitempty"`
	Token  Reference `json:"token_from,omitzero"`
	CAFile string    `json:"ca_file,omitempty"`
	// InCluster uses the service account of the pod that backout runs in.
	InCluster bool `json:"in_cluster,omitempty"`
	// Namespaces that are read; none = all.
	Namespaces []string `json:"namespaces,omitempty"`
	// Timeout of one call; left out = 10s.
	Timeout backout.Duration `json:"timeout,omitempty"`
	// Bake is how long a release must have worked to be kept as one that can be gone
	// back to; left out = 10m.
	Bake backout.Duration `json:"bake"`
}

func readCluster(e *entity) {
	c := Cluster{Name: e.name, Bake: backout.Duration(10 * time.Minute)}
	e.spec.fields(map[string]func(cursor){
		"environment": text(&c.Environment), "location": text(&c.Location),
		"kubeconfig": text(&c.Kubeconfig), "context": text(&c.Context),
		"server": text(&c.Server), "tokenFrom": reference(&c.Token), "caFile": text(&c.CAFile), "inCluster": yes(&c.InCluster),
		"namespaces": names(&c.Namespaces), "timeout": span(&c.Timeout), "bake": span(&c.Bake),
	})
	e.required(map[string]bool{"environment": c.Environment == ""})
	if c.Location == "" {
		c.Location = backout.Location(c.Name)
	}
	if err := c.fits(); err != nil {
		e.wrong("spec.%v", err)
	}
	if strings.ContainsAny(string(c.Environment)+string(c.Location), " @:/=") {
		e.wrong("spec: found environment %q and location %q: expected no spaces and none of @ : / =", c.Environment, c.Location)
	}
	// Two clusters at one place would give their workloads the same names.
	if e.unique("cluster", c.Name) && e.unique("cluster at", fmt.Sprintf("%s/%s", c.Environment, c.Location)) {
		e.out.Clusters = append(e.out.Clusters, c)
	}
}

func (c Cluster) fits() error {
	u, err := url.Parse(c.Server)
	token := c.Token != Reference{}
	switch {
	case count(c.Kubeconfig != "", c.Server != "", c.InCluster) != 1:
		return errors.New("kubeconfig, server, inCluster: expected one of them")
	case c.Context != "" && c.Kubeconfig == "":
		return errors.New("context: expected only with kubeconfig")
	case c.Server != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil):
		return fmt.Errorf("server: found %q: expected an address such as https://10.0.0.1:6443", c.Server)
	case c.Server != "" && !token:
		return errors.New("tokenFrom: expected {file: PATH} or {env: NAME} with server")
	case c.Server == "" && (token || c.CAFile != ""):
		return errors.New("tokenFrom, caFile: expected only with server")
	case c.Bake <= 0:
		return errors.New("bake: expected more than nothing")
	}
	return nil
}
