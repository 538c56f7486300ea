package kubetest

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// auditPolicy leaves out what Kubernetes does itself. Of everybody else it has each
// call, and of writes what was sent.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules:
- level: None
  users: ["system:kube-controller-manager", "system:kube-scheduler", "system:kwok", "system:apiserver"]
- level: Request
  verbs: [create, update, patch, delete, deletecollection]
- level: Metadata
`

// Call is one line of the audit log.
type Call struct {
	User, Verb, Resource, Subresource, Namespace, Name, UserAgent string
	Group                                                         string // of the resource
	URI                                                           string
	Code                                                          int
	At                                                            time.Time
	Sent                                                          json.RawMessage // of a write: what was sent
}

// Writes reports whether it was meant to change something that stays.
func (c Call) Writes() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, c.Verb) &&
		c.Group != "authentication.k8s.io" && c.Group != "authorization.k8s.io" // questions that are asked by create
}

// String is one line for a failed test.
func (c Call) String() string {
	return strings.Join([]string{c.User, c.Verb, strings.Trim(c.Resource+"/"+c.Subresource, "/"), strings.Trim(c.Namespace+"/"+c.Name, "/"), strconv.Itoa(c.Code)}, " ")
}

// Audit gives the calls that a user has made so far, in order; of everybody but
// Kubernetes itself when user is "". What was answered before it was called is in it.
func (s *Stack) Audit(t testing.TB, user string) []Call {
	t.Helper()
	agent := "kubetest-mark/" + strconv.FormatInt(time.Now().UnixNano(), 36)
	s.mark(t, agent)
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		all := s.readAudit(t)
		if !slices.ContainsFunc(all, func(c Call) bool { return c.UserAgent == agent }) {
			continue
		}
		return slices.DeleteFunc(all, func(c Call) bool {
			return user != "" && c.User != user || strings.HasPrefix(c.UserAgent, "kubetest-mark/")
		})
	}
	t.Fatal("the audit log has no mark of ours")
	return nil
}

// mark makes a call by which the log is known to be written as far as now: a line comes
// shortly after its answer.
func (s *Stack) mark(t testing.TB, agent string) {
	t.Helper()
	config := s.Config(Tester)
	config.UserAgent = agent
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	// Not the test's context: a test may look at the log while it is cleaned up.
	ctx, cancel := context.WithTimeout(s.life, ready)
	defer cancel()
	if _, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s *Stack) readAudit(t testing.TB) []Call {
	t.Helper()
	f, err := os.Open(s.Dir + "/audit.log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := []Call{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct {
			Verb, UserAgent, RequestURI string
			User                        struct{ Username string }
			ObjectRef                   struct{ Resource, Subresource, Namespace, Name, APIGroup string }
			ResponseStatus              struct{ Code int }
			RequestObject               json.RawMessage
			StageTimestamp              time.Time
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // a line that is being written
		}
		o := e.ObjectRef
		out = append(out, Call{
			User: e.User.Username, Verb: e.Verb, Resource: o.Resource, Subresource: o.Subresource, Namespace: o.Namespace, Name: o.Name, UserAgent: e.UserAgent, Group: o.APIGroup,
			URI: e.RequestURI, Code: e.ResponseStatus.Code, At: e.StageTimestamp, Sent: e.RequestObject,
		})
	}
	return out
}

// Writes gives the calls of a user that were meant to change something.
func (s *Stack) Writes(t testing.TB, user string) []Call {
	t.Helper()
	return slices.DeleteFunc(s.Audit(t, user), func(c Call) bool { return !c.Writes() })
}
