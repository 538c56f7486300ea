package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// asked is what a server was asked about the past.
type asked struct {
	Queries   int     `json:"queries"`
	Longest   float64 `json:"longest_query_seconds"`
	AtOnce    int     `json:"queries_at_once"` // the most
	Busy      float64 `json:"query_seconds"`   // all together
	Megabytes float64 `json:"answer_mb"`
	Refused   int     `json:"refused"` // answers other than 200
	Live      int     `json:"tick_queries"`
}

// counter is a proxy before a Prometheus server that counts.
type counter struct {
	address string
	server  *http.Server

	mu  sync.Mutex
	all asked // guarded by mu
	now int   // guarded by mu: questions about the past that are not answered yet
}

func newCounter(target string) (*counter, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{address: "http://" + l.Addr().String()}
	pass := httputil.NewSingleHostReverseProxy(to)
	c.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) { c.serve(pass, out, in) })}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

func (c *counter) close() { _ = c.server.Close() }

// live tells a question of the tick from one about the past: its end is now. The last piece of
// the past ends now too, and counts as the tick's.
func live(form url.Values) bool {
	end := form.Get("end")
	if end == "" {
		end = form.Get("time")
	}
	at, err := strconv.ParseFloat(end, 64)
	return err == nil && time.Since(time.UnixMilli(int64(at*1e3))) < 2*time.Minute
}

func (c *counter) serve(pass http.Handler, out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	form, _ := url.ParseQuery(string(body) + "&" + in.URL.RawQuery) // what can't be read is of the past
	again := in.Clone(in.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	m := &measured{ResponseWriter: out, status: http.StatusOK}
	if live(form) {
		pass.ServeHTTP(m, again)
		c.mu.Lock()
		c.all.Live++
		c.mu.Unlock()
		return
	}
	c.mu.Lock()
	c.now++
	c.all.AtOnce = max(c.all.AtOnce, c.now)
	c.mu.Unlock()
	began := time.Now()
	pass.ServeHTTP(m, again)
	took := time.Since(began).Seconds()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	c.all.Queries++
	c.all.Busy += took
	c.all.Longest = max(c.all.Longest, took)
	c.all.Megabytes += float64(m.bytes) / 1e6
	if m.status != http.StatusOK {
		c.all.Refused++
	}
}

func (c *counter) result() asked { c.mu.Lock(); defer c.mu.Unlock(); return c.all }

// measured counts what is written as it comes from the server, compressed where it is.
type measured struct {
	http.ResponseWriter
	bytes, status int
}

// WriteHeader meets http.ResponseWriter.
func (m *measured) WriteHeader(status int) { m.status = status; m.ResponseWriter.WriteHeader(status) }

// Write meets io.Writer.
func (m *measured) Write(b []byte) (int, error) {
	n, err := m.ResponseWriter.Write(b)
	m.bytes += n
	return n, err
}
