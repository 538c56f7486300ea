//go:build unix

package cli

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// TestMain runs the test binary as backout itself where a test starts it so.
func TestMain(m *testing.M) {
	if os.Getenv("CLI_TEST_MAIN") != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// heard is what a process said so far.
type heard struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}

// A database that fails over is away for longer than a replica keeps its place. The
// same process begins again by itself, and ends when it is told to.
func TestServe_beginsAgainWhenTheDatabaseWasAway(t *testing.T) {
	database, err := url.Parse(postgrestest.Start(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	wire := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "database", fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(15000)), database.Host)
	if err := wire.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Stop)
	database.Host = wire.Listen
	f := serveFlags(t, "") // for its catalog
	said := &heard{}
	listen := fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(15000))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "-v", "--catalog", filepath.Join(f.dir, "catalog"), "--data", t.TempDir(),
		"--database", database.String(), "--prometheus", calm(t), "--listen", listen)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "CLI_TEST_MAIN=1"), said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(40 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
			select {
			case err := <-ended:
				t.Fatalf("it ended (%v) before %s:\n%s", err, what, said)
			default:
			}
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain: %s\n%s", what, said)
			}
		}
	}
	listens := func(times int) func() bool {
		return func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/healthz", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return strings.Count(said.String(), "backout listens on") == times && resp.StatusCode == http.StatusOK
		}
	}
	until("it listens", listens(1))
	wire.Stop()
	until("it knows that it may not act any more", func() bool { return strings.Contains(said.String(), "begins again as soon as") })
	time.Sleep(2 * time.Second) // a failover takes longer than one try
	if err := wire.Start(); err != nil {
		t.Fatal(err)
	}
	until("it listens again", listens(2))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("told to stop, it ended with %v:\n%s", err, said)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("it does not stop:\n%s", said)
	}
}
