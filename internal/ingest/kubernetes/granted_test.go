//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	source "github.com/backout-dev/backout/internal/ingest/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// trouble is what a source has told last.
type trouble struct {
	mu   sync.Mutex
	last string // guarded by mu
}

func (t *trouble) hear(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = fmt.Sprint(err)
}

func (t *trouble) said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// What is granted while we run is read soon, by itself or when somebody asks. What stood
// there is no change then; what changes from then on is, and nothing else was lost.
func TestRights_thatAreGrantedLaterAreUsed(t *testing.T) {
	for name, c := range map[string]struct {
		each time.Duration
		asks bool
	}{"by itself": {300 * time.Millisecond, false}, "when somebody asks": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}}, readOnly[1])
			ns := s.Namespace(t)
			putConfig(t, s, kubetest.Tester, ns, "env", "1")
			s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, ConfigMaps: []string{"env"}})
			s.Settled(t, ns, "web")
			l, said := newLedger(), &trouble{}
			src := open(t, s, l, "", ns, func(c2 *source.Config) { c2.Trouble, c2.AskEach = said.hear, c.each })
			stop := run(t, src)
			if got := said.said(); !strings.Contains(got, "configmaps "+ns) || !strings.Contains(got, "autoscalers "+ns) {
				t.Fatalf("it tells %q, want what it may not read", got)
			}
			s.SetImage(t, kubetest.Pipeline, ns, "web", "web:2")
			l.await(t, ns+".web@", "1>2")
			putConfig(t, s, kubetest.Pipeline, ns, "env", "2") // nobody sees it
			s.Grant(t, kubetest.Product, readOnly[0], readOnly[2], readOnly[3])
			kubetest.Eventually(t, "nothing is lacking any more", func() (bool, string) {
				if c.asks {
					src.Ask()
				}
				got := said.said()
				return got == "<nil>", got
			})
			s.Settled(t, ns, "web")
			time.Sleep(2 * time.Second) // the first look at what was granted, and a second one
			if got := l.moves("config:") + l.moves("infrastructure:"); got != "" {
				t.Errorf("what stood there when it was granted is told as a change: %s", got)
			}
			putConfig(t, s, kubetest.Pipeline, ns, "env", "3")
			kubetest.Eventually(t, "the next content is a change", func() (bool, string) {
				got := l.moves("config:")
				return strings.Count(got, ">") == 1 && !strings.HasPrefix(got, ">"), got
			})
			s.SetImage(t, kubetest.Pipeline, ns, "web", "web:3")
			l.await(t, ns+".web@", "1>2 2>3")
			// A restart makes no news of it either.
			stop()
			run(t, open(t, s, l, "", ns))
			time.Sleep(time.Second)
			if got := l.moves("config:"); strings.Count(got, ">") != 1 {
				t.Errorf("after a restart: %s", got)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.twice) > 0 {
				t.Errorf("told twice: %+v", l.twice)
			}
		})
	}
}
