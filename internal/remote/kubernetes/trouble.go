package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Reason is why a cluster does not do what it was asked, by what helps against it.
type Reason string

// The reasons.
const (
	Misconfigured Reason = "misconfigured"  // what we were given can't be used: mend it
	Unreachable   Reason = "unreachable"    // nothing answers there: check address, network, API server
	Slow          Reason = "slow"           // no answer in time: try again
	Untrusted     Reason = "untrusted"      // its certificate is not signed by whom we trust, or names somebody else
	Unknown       Reason = "unknown to it"  // it does not know us: the token is wrong or has expired
	Forbidden     Reason = "forbidden"      // it knows us and does not let us: grant it
	Busy          Reason = "busy"           // it has too much to do: try again
	NotKubernetes Reason = "not kubernetes" // something else answers there
	Gone          Reason = "gone"           // what was asked about is not there any more
	Conflicted    Reason = "conflict"       // somebody else has written it meanwhile: read it again
	Invalid       Reason = "invalid"        // it refuses what was sent
	Unexplained   Reason = "unexplained"    // anything else
)

var help = map[Reason]string{
	Misconfigured: "mend how the cluster is given",
	Unreachable:   "check the address, the network and the API server",
	Slow:          "it may still come; check the API server's load and the network",
	Untrusted:     "give the certificate that signs the API server's, and an address that it names",
	Unknown:       "check the token: it is wrong, or it has expired",
	Forbidden:     "grant it to us, or do without",
	Busy:          "it goes on by itself when there is less to do",
	NotKubernetes: "check the address: what answers there is no Kubernetes API server",
	Gone:          "look what is there now",
	Conflicted:    "read it again and decide anew",
	Invalid:       "see what it said",
	Unexplained:   "see what it said",
}

// Trouble is why a cluster could not be asked, or refused.
type Trouble struct {
	Cluster, Server string
	Reason          Reason
	Err             error
}

// Error says which cluster, why, what it said and what helps.
func (t *Trouble) Error() string {
	of := "cluster " + t.Cluster
	if t.Server != "" {
		of += " (" + t.Server + ")"
	}
	return fmt.Sprintf("%s: %s: %v: %s", of, t.Reason, t.Err, help[t.Reason])
}

// Unwrap is what the client said.
func (t *Trouble) Unwrap() error { return t.Err }

// ReasonOf is the reason of an error from this package, or of one that a client of a
// cluster gave; "" of none.
func ReasonOf(err error) Reason {
	var t *Trouble
	switch {
	case err == nil:
		return ""
	case errors.As(err, &t):
		return t.Reason
	}
	return reason(err)
}

// Explain wraps what a client of the cluster gave; nil stays nil.
func (c *Cluster) Explain(err error) error {
	if err == nil {
		return nil
	}
	var t *Trouble
	if errors.As(err, &t) {
		return err
	}
	return &Trouble{Cluster: c.Name, Server: c.Server, Reason: reason(err), Err: err}
}

func reason(err error) Reason {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		op        *net.OpError
		dns       *net.DNSError
		status    apierrors.APIStatus
	)
	switch {
	case errors.As(err, &status):
		return statusReason(err)
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &verify):
		return Untrusted
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return NotKubernetes
	case errors.As(err, &dns):
		return Unreachable
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return Slow
	case errors.As(err, &op), strings.Contains(err.Error(), "EOF"), strings.Contains(err.Error(), "connection lost"):
		return Unreachable
	}
	return Unexplained
}

func statusReason(err error) Reason {
	switch {
	case apierrors.IsUnauthorized(err):
		return Unknown
	case apierrors.IsForbidden(err):
		return Forbidden
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return Conflicted
	case apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return Busy
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return Slow
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return Invalid
	case apierrors.IsNotFound(err) && !fromKubernetes(err):
		return NotKubernetes
	case apierrors.IsNotFound(err), apierrors.IsGone(err), apierrors.IsResourceExpired(err):
		return Gone
	}
	return Unexplained
}

// fromKubernetes reports whether a not-found came from an API server: those of others
// have no status in their body, and the client makes one up.
func fromKubernetes(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	d := status.Status().Details
	for _, c := range causes(d) {
		if c == "UnexpectedServerResponse" {
			return false
		}
	}
	return true
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
