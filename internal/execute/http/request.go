package http

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Config is one request as it was written down.
type Config struct {
	Method  string           // "" = GET of a prober, POST of a mover
	URL     backout.Template // fields in the path and the query only
	Headers map[string]backout.Template
	// Secrets are headers whose values are asked for at each request.
	Secrets map[string]func() (string, error)
	Body    any // JSON value whose texts are templates; nil = no body
	TLS     TLS
	Timeout time.Duration // of one request, besides the caller's deadline; 0 = 30 s
}

// TLS names PEM files; the zero value is the system's roots and no certificate.
type TLS struct{ CA, Cert, Key string }

// most bounds how much of an answer is read.
const most = 1 << 20

// sender sends one kind of request. Any number may be under way at once.
type sender struct {
	config Config
	client *nethttp.Client
}

func invalid(f string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(f, args...)}
}

func newSender(c Config, method string) (*sender, error) {
	c.Method, c.Timeout = cmp.Or(c.Method, method), cmp.Or(c.Timeout, 30*time.Second)
	values := map[string]string{}
	for _, f := range c.URL.Fields() {
		values[f] = "x"
	}
	plain, err := c.URL.Expand(values, func(s string) (string, error) { return s, nil })
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(plain)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || !strings.HasPrefix(string(c.URL), u.Scheme+"://"+u.Host) {
		return nil, invalid("url %q: expected http(s)://HOST/PATH with fields in path and query only, and no user", string(c.URL))
	}
	trust, err := c.TLS.config()
	if err != nil {
		return nil, err
	}
	return &sender{c, &nethttp.Client{CheckRedirect: sameHost, Transport: &nethttp.Transport{
		Proxy: nethttp.ProxyFromEnvironment, TLSClientConfig: trust, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		// On a connection used before, the transport would send a request with an
		// Idempotency-Key again by itself; whether this server minds the key is not known.
		DisableKeepAlives: method != nethttp.MethodGet,
	}}}, nil
}

func (t TLS) config() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read whom to trust: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, invalid("%s: expected certificates in PEM form", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("read our certificate: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// sameHost follows a redirect only to where the request was meant to go, and never
// one that would turn the request into another.
func sameHost(next *nethttp.Request, via []*nethttp.Request) error {
	first := via[0]
	switch {
	case next.URL.Host != first.URL.Host || next.URL.Scheme != first.URL.Scheme:
		return fmt.Errorf("redirected to %s://%s: only redirects on the same host are followed", next.URL.Scheme, next.URL.Host)
	case next.Method != first.Method:
		return nethttp.ErrUseLastResponse
	case len(via) >= 5:
		return errors.New("redirected five times")
	}
	return nil
}

// answer is what a server said.
type answer struct {
	status int
	header nethttp.Header
	body   []byte
}

// send makes the request and reads the answer. With an error, sent tells whether the
// server may have acted on it.
func (s *sender) send(ctx context.Context, values map[string]string, extra nethttp.Header) (a answer, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return a, false, err
	}
	req, err := s.request(ctx, values, extra)
	if err != nil {
		return a, false, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		var op *net.OpError
		var u *url.Error
		var nobody *tls.CertificateVerificationError
		dialled := (!errors.As(err, &op) || op.Op != "dial") && !errors.As(err, &nobody)
		if errors.As(err, &u) {
			err = u.Err // the address may hold what nobody should read
		}
		return a, dialled, &backout.Error{Code: backout.CodeUnavailable, Message: "no answer from " + req.URL.Host, Err: err}
	}
	defer func() { _ = res.Body.Close() }()
	a = answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, most+1)); err != nil {
		return a, true, &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("the answer of %s broke off", req.URL.Host), Err: err}
	}
	if len(a.body) > most {
		return a, true, &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("the answer of %s is longer than %d bytes", req.URL.Host, most)}
	}
	return a, true, nil
}

func (s *sender) request(ctx context.Context, values map[string]string, extra nethttp.Header) (*nethttp.Request, error) {
	address, err := s.address(values)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if s.config.Body != nil {
		v, err := filled(s.config.Body, values)
		if err != nil {
			return nil, err
		}
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("write body: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := nethttp.NewRequestWithContext(ctx, s.config.Method, address, body)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	req.Header = extra.Clone()
	if req.Header == nil {
		req.Header = nethttp.Header{}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, t := range s.config.Headers {
		v, err := t.Expand(values, headerValue)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		if v != "" { // a header without its value, such as If-Match of nothing, would say something else
			req.Header.Set(name, v)
		}
	}
	for name, ask := range s.config.Secrets {
		v, err := ask()
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		req.Header.Set(name, v)
	}
	return req, nil
}

// address writes the values into path and query. None of them may be a step up or
// down in the path.
func (s *sender) address(values map[string]string) (string, error) {
	out, err := s.config.URL.Expand(values, func(v string) (string, error) { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20"), nil })
	if err != nil {
		return "", fmt.Errorf("url: %w", err)
	}
	path, _, _ := strings.Cut(out, "?")
	for _, part := range strings.Split(path, "/") {
		if part == "." || part == ".." {
			return "", invalid("url: a value makes %q of it: expected no step up in the path", out)
		}
	}
	return out, nil
}

func headerValue(v string) (string, error) {
	for _, r := range v {
		if r < ' ' || r > '~' {
			return "", invalid("%q has no place in a header: expected printable ASCII", v)
		}
	}
	return v, nil
}

// filled writes the values into a JSON value's texts. A text that is one field whose
// value is a number becomes a number.
func filled(v any, values map[string]string) (any, error) {
	switch v := v.(type) {
	case string:
		t := backout.Template(v)
		if f := t.Fields(); len(f) == 1 && "{"+f[0]+"}" == v && slices.Contains(backout.NumberFields(), f[0]) && values[f[0]] != "" {
			return json.Number(values[f[0]]), nil
		}
		return t.Expand(values, func(s string) (string, error) { return s, nil })
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = filled(v[i], values); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			var err error
			if out[k], err = filled(x, values); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// said is the beginning of an answer in one line, for people.
func (a answer) said() string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(a.body[:min(len(a.body), 300)]), "")), " ")
	if text == "" {
		return nethttp.StatusText(a.status)
	}
	return text
}
