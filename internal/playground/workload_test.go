package playground

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// imagined is a cluster in memory: a rollout replaces one pod after another.
type imagined struct {
	mu      sync.Mutex
	asked   map[string]backout.Version // guarded by mu, by name
	pods    map[string][]Pod           // guarded by mu
	made    int                        // guarded by mu: pods ever made
	shipped []string                   // guarded by mu: name=version by who
	refuse  bool                       // guarded by mu: somebody else has moved everything
	news    chan Workload
}

func imagine() *imagined {
	return &imagined{asked: map[string]backout.Version{}, pods: map[string][]Pod{}, news: make(chan Workload, 1000)}
}

func (c *imagined) Deploy(_ context.Context, all []Workload) error {
	for _, w := range all {
		c.set(w, w.Version, w.Replicas)
	}
	return nil
}

// set gives a workload so many pods of a version, beside those that it has of others.
func (c *imagined) set(w Workload, v backout.Version, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[w.Name] = v
	old := slices.DeleteFunc(slices.Clone(c.pods[w.Name]), func(p Pod) bool { return p.Version == v })
	pods := old[:min(len(old), w.Replicas-n)]
	for range n {
		c.made++
		pods = append(pods, Pod{fmt.Sprintf("%s-%d", w.Name, c.made), v})
	}
	c.pods[w.Name] = pods
	c.news <- w
}

func (c *imagined) Ship(_ context.Context, w Workload, from, to backout.Version, by string) error {
	c.mu.Lock()
	refuse := c.refuse || c.asked[w.Name] != from
	if !refuse {
		c.shipped = append(c.shipped, fmt.Sprintf("%s=%s by %s", w.Name, to, by))
	}
	c.mu.Unlock()
	if refuse {
		return &backout.Error{Code: backout.CodeConflict, Message: "it was moved"}
	}
	for n := 1; n <= w.Replicas; n++ {
		c.set(w, to, n)
	}
	return nil
}

func (c *imagined) Follow(ctx context.Context, _ []Workload, tell func(Workload, []Pod)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-c.news:
			c.mu.Lock()
			pods := slices.Clone(c.pods[w.Name])
			c.mu.Unlock()
			tell(w, pods)
		}
	}
}

func (c *imagined) names(of string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, p := range c.pods[of] {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return out
}

// routed lists the instances of a service that are routed to.
func routed(t *testing.T, c *Client, service string) []string {
	t.Helper()
	var all []target
	if err := send(within(t, time.Second), c.control, c.token, "GET", "/v1/targets", nil, nil, &all); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range all {
		if x.Labels["service"] == service {
			out = append(out, x.Labels["instance"])
		}
	}
	slices.Sort(out)
	return out
}

func eventually(t *testing.T, what string, is func() (bool, string)) {
	t.Helper()
	ctx, said := within(t, 10*time.Second), ""
	for pause(ctx, 20*time.Millisecond) == nil {
		ok, now := is()
		if ok {
			return
		}
		said = now
	}
	t.Fatalf("%s: %s", what, said)
}

// In a cluster each ready pod is played by one instance of its name; releases go out by
// the cluster, and nobody is told of them but by it.
func TestPods_arePlayedAndShippedByTheCluster(t *testing.T) {
	cluster, dir := imagine(), t.TempDir()
	c := openShop(t, Config{Dir: dir, Step: 40 * time.Millisecond, Seed: 11, Scenario: ScenarioPaymentDegraded, Pods: cluster, Spawn: spawnSelf}, false)
	if c.Ready.Namespaces[location] != "shop" {
		t.Errorf("namespaces %v", c.Ready.Namespaces)
	}
	if got, want := routed(t, c, "payment"), cluster.names("payment"); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("payment is played by %v, the pods are %v", got, want)
	}
	s, sc := newSink(t), drawn(t, ScenarioPaymentDegraded, false, 11)
	if err := c.Begin(within(t, time.Second), s.server.URL, "secret"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the script is through", func() (bool, string) {
		r, err := c.Report(within(t, time.Second))
		return err == nil && !r.Through.IsZero(), fmt.Sprint(err)
	})
	var want []string
	for _, sh := range sc.shipments {
		if sh.component.Kind() == backout.KindDeployment {
			want = append(want, fmt.Sprintf("%s=%s by %s", sh.component.Name(), sh.to, sh.actor))
			eventually(t, "all of it is played", func() (bool, string) {
				st, err := c.Component(within(t, time.Second), sh.component)
				return err == nil && st.Live.Shares[sh.to] > .99, fmt.Sprintf("%+v %v", st, err)
			})
		}
	}
	if !slices.Equal(cluster.shipped, want) || len(want) < 3 {
		t.Errorf("shipped %v, want %v, each once", cluster.shipped, want)
	}
	for _, o := range s.all() {
		if o.Component.Kind() == backout.KindDeployment {
			t.Errorf("%s is reported, and backout reads it from the cluster", o.Component)
		}
	}
	if len(s.all()) == 0 {
		t.Error("nothing else was reported")
	}
}

// What is taken back in the cluster is taken back in the shop, and a pod that is gone
// takes no requests.
func TestPods_trafficFollowsTheCluster(t *testing.T) {
	cluster := imagine()
	c := openShop(t, Config{Step: 40 * time.Millisecond, Seed: 12, Pods: cluster}, false)
	id := backout.NewComponentID(backout.KindDeployment, "payment", environment, location)
	st, err := c.Component(within(t, time.Second), id)
	if err != nil {
		t.Fatal(err)
	}
	w := Workload{Component: id, Location: location, Name: "payment", Service: "payment", Replicas: st.Instances}
	old, next := st.Versions[1], st.Versions[2]
	shares := func(v backout.Version, want float64) {
		t.Helper()
		eventually(t, fmt.Sprintf("%g at %s", want, v), func() (bool, string) {
			st, err := c.Component(within(t, time.Second), id)
			return err == nil && st.Live.Shares[v] > want-.01 && st.Live.Shares[v] < want+.01 && st.Live.Healthy, fmt.Sprintf("%+v %v", st, err)
		})
		if got, want := routed(t, c, "payment"), cluster.names("payment"); !slices.Equal(got, want) {
			t.Errorf("played by %v, the pods are %v", got, want)
		}
	}
	cluster.set(w, next, 1)
	shares(next, 1/float64(w.Replicas))
	cluster.set(w, old, w.Replicas)
	shares(old, 1)
	cluster.set(Workload{Component: id, Location: location, Name: "payment", Service: "payment", Replicas: 1}, old, 1)
	eventually(t, "one pod is left", func() (bool, string) {
		got := routed(t, c, "payment")
		return len(got) == 1, fmt.Sprint(got)
	})
	if _, err := c.Move(within(t, 2*time.Second), id, ComponentMove{To: next}, "", ""); err == nil || !strings.Contains(err.Error(), "cluster") {
		t.Errorf("moved by the shop: %v", err)
	}
}

func TestPods_giveUpWhatSomebodyElseMoved(t *testing.T) {
	cluster := imagine()
	c := openShop(t, Config{Step: 40 * time.Millisecond, Seed: 13, Pods: cluster}, false)
	cluster.mu.Lock()
	cluster.refuse = true
	cluster.mu.Unlock()
	s := newSink(t)
	if err := c.Begin(within(t, time.Second), s.server.URL, "secret"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the script is through", func() (bool, string) {
		r, err := c.Report(within(t, time.Second))
		return err == nil && !r.Through.IsZero(), fmt.Sprint(err)
	})
	for _, o := range s.all() {
		if o.Component.Name() == "express-checkout" {
			t.Error("the flag went on without the release that it needs")
		}
	}
}

func TestPods_catalogSaysWhereTheyAre(t *testing.T) {
	dir := t.TempDir()
	openShop(t, Config{Dir: dir, Seed: 14, Scenario: "one-region", Pods: imagine()}, false)
	raw, err := os.ReadFile(filepath.Join(dir, "catalog", "components.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"locator: eu-1/shop-eu-1/deployment/payment", "locator: us-1/shop-us-1/deployment/payment", "fieldManagers:", "- " + Deployer} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("components.yaml has no %q", want)
		}
	}
	if strings.Contains(string(raw), "kind: deployment\n  actuator: playground") {
		t.Error("a deployment is moved by the shop")
	}
}

// All deployments go at one pace, whether the script ships them or not.
func TestPods_paceTellsNothing(t *testing.T) {
	s := &shop{config: Config{Step: time.Second}, topology: build(3, false)}
	all := s.workloads()
	for _, w := range all {
		if w.Pace != all[0].Pace || w.Pace.AtOnce != 1 || w.Pace.Each != 2*time.Second {
			t.Errorf("%s goes at %+v", w.Component, w.Pace)
		}
	}
	whole, err := s.workload(shipment{component: all[0].Component, shares: []float64{1}, every: 4})
	if err != nil || whole.Pace.AtOnce != max(1, whole.Replicas) {
		t.Errorf("a shipment in one stage goes at %+v, %v", whole.Pace, err)
	}
}
