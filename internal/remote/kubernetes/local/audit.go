package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// Dry reports whether it was only tried: nothing came of it.
func (c Call) Dry() bool { return strings.Contains(c.URI, "dryRun=All") }

// Calls gives the calls that a user has made so far, in order; of everybody but
// Kubernetes itself when user is "". What was answered before it was called is in it.
func (s *Stack) Calls(ctx context.Context, user string) ([]Call, error) {
	agent := markAgent + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := s.mark(ctx, agent); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		all, err := ReadAudit(s.AuditLog())
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if !slices.ContainsFunc(all, func(c Call) bool { return c.UserAgent == agent }) {
			continue
		}
		return slices.DeleteFunc(all, func(c Call) bool {
			return user != "" && c.User != user || strings.HasPrefix(c.UserAgent, markAgent)
		}), nil
	}
	return nil, errors.New("read the audit log: it has no mark of ours")
}

const markAgent = "audit-mark/"

// mark makes a call by which the log is known to be written as far as now: a line comes
// shortly after its answer.
func (s *Stack) mark(ctx context.Context, agent string) error {
	config := s.Config(Operator)
	config.UserAgent = agent
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	_, err = client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	return err
}

// AuditLog is the file in which the API server notes each call, while and after it runs.
func (s *Stack) AuditLog() string { return filepath.Join(s.Dir, "audit.log") }

// ReadAudit reads an audit log, in the order of the calls' ends.
func ReadAudit(path string) ([]Call, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
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
	return out, lines.Err()
}
