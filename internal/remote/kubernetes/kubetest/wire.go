package kubetest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Wire is a connection to the API server that can be cut: what is behind it goes on
// while nobody on this side sees it.
type Wire struct {
	// URL is what a client uses instead of the stack's.
	URL string

	target string
	mu     sync.Mutex
	cut    bool                  // guarded by mu
	open   map[net.Conn]struct{} // guarded by mu
}

// Wire makes one; it ends with the test.
func (s *Stack) Wire(t testing.TB) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{URL: "https://" + l.Addr().String(), target: s.URL[len("https://"):], open: map[net.Conn]struct{}{}}
	t.Cleanup(func() { _ = l.Close(); w.Cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *Wire) carry(c net.Conn) {
	defer func() { _ = c.Close() }()
	to, err := net.Dial("tcp", w.target)
	if err != nil || !w.keep(c, to) {
		return
	}
	defer func() { _ = to.Close() }()
	go func() { _, _ = io.Copy(to, c); _ = to.Close() }()
	_, _ = io.Copy(c, to)
}

// keep notes the two ends of a connection, unless the wire is cut.
func (w *Wire) keep(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range ends {
		if w.cut {
			_ = c.Close()
			continue
		}
		w.open[c] = struct{}{}
	}
	return !w.cut
}

// Cut ends every connection and refuses new ones.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.open {
		_ = c.Close()
	}
	w.open = map[net.Conn]struct{}{}
}

// Mend lets connections through again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}
