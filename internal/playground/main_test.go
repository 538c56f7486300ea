package playground

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/flagd"
)

// TestMain lets the test binary be the processes that a shop starts.
func TestMain(m *testing.M) {
	if os.Getenv("PLAYGROUND_TEST_ROLE") == "instances" {
		if err := RunInstances(context.Background(), Config{In: os.Stdin, Out: os.Stdout}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func spawnSelf(ctx context.Context, role string, _ ...string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "PLAYGROUND_TEST_ROLE="+role)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// fileFlags is a provider that reads a flagd file anew each time.
type fileFlags struct {
	openfeature.NoopProvider
	path string
}

func (f fileFlags) BooleanEvaluation(_ context.Context, flag string, otherwise bool, who openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return openfeature.BoolResolutionDetail{Value: otherwise}
	}
	d, err := flagd.Parse(raw)
	if err != nil {
		return openfeature.BoolResolutionDetail{Value: otherwise}
	}
	got, err := d.Evaluate(flag, who, time.Now())
	return openfeature.BoolResolutionDetail{Value: err == nil && got.Variant == "on"}
}

func openFileFlags(path string) (openfeature.FeatureProvider, error) {
	return fileFlags{path: path}, nil
}

// sink takes observations as the program would.
type sink struct {
	server *httptest.Server
	mu     sync.Mutex
	got    []backout.Observation
	news   chan struct{}
}

func newSink(t *testing.T) *sink {
	s := &sink{news: make(chan struct{}, 1000)}
	refused := false
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var obs []backout.Observation
		raw, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(raw, &obs); err != nil || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("posted %s with %q", raw, r.Header.Get("Authorization"))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !refused { // the shop must try again
			refused = true
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.got = append(s.got, obs...)
		s.news <- struct{}{}
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *sink) all() []backout.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]backout.Observation(nil), s.got...)
}

// open runs a shop, and its load when the rate is positive, until the test ends.
func openShop(t *testing.T, c Config, withLoad bool) *Client {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	c.Flags, c.Rate = openFileFlags, c.Rate/rateDivisor
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	run := func(name string, f func(context.Context, Config) error) {
		running.Go(func() {
			if err := f(ctx, c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	run("shop", RunShop)
	if withLoad {
		run("load", RunLoad)
	}
	t.Cleanup(func() {
		cancel()
		stopped := time.Now()
		running.Wait()
		if d := time.Since(stopped); d > 2*time.Second {
			t.Errorf("everything stopped after %s, expected within 2s", d)
		}
	})
	dial, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	client, err := Dial(dial, c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
