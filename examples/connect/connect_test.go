//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
)

// catalogFor is a copy of the catalog that names the test's server.
func catalogFor(t *testing.T, address string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("catalog")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "backout.yaml")
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(doc, []byte("127.0.0.1:9470")); n != 2 {
		t.Fatalf("the catalog names the deployer %d times", n)
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(doc, []byte("127.0.0.1:9470"), []byte(address)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExample_movesByAllThree(t *testing.T) {
	live := newTarget()
	srv := httptest.NewUnstartedServer(nil)
	address := srv.Listener.Addr().String()
	srv.Config.Handler = live.handler(address)
	srv.Start()
	defer srv.Close()
	dir := catalogFor(t, address)
	if summary, problems := app.Lint(dir); len(problems) > 0 {
		t.Fatalf("%s %q", summary, problems)
	}
	a, err := app.New(t.Context(), app.Config{Catalog: dir, Data: t.TempDir(), Targets: srv.URL + "/targets", Scrape: 250 * time.Millisecond, Step: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer func() { stop(); g.Wait() }()

	if err := a.Move(ctx, "deployment:payment@production/eu-1", "2.3.0"); err != nil {
		t.Fatal(err)
	}
	live.mu.Lock()
	if live.live["payment"] != "2.3.0" || live.writes != 1 {
		t.Errorf("at the deployer %v after %d writes", live.live, live.writes)
	}
	live.mu.Unlock()

	if err := a.Move(ctx, "config:settlement-batch@production/eu-1", "16"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "batch.version")); err != nil || strings.TrimSpace(string(b)) != "16" {
		t.Errorf("the script left %q, %v", b, err)
	}

	const bank = backout.ComponentID("config:bank-limits@production/eu-1")
	scraped(t, a.URL()+"/prometheus/api/v1/query?query=bank_limits", "2026-11")
	seen := make(chan error, 1)
	go func() {
		err := a.Move(ctx, bank, "2026-10")
		for err != nil && strings.Contains(err.Error(), "no data") { // no full step has been measured yet
			time.Sleep(100 * time.Millisecond)
			err = a.Move(ctx, bank, "2026-10")
		}
		seen <- err
	}()
	time.Sleep(1500 * time.Millisecond) // whoever does not wait has answered by now
	select {
	case err := <-seen:
		t.Fatalf("moved before anybody did it: %v", err)
	default:
	}
	live.mu.Lock()
	live.bank = "2026-10" // the bank does as it was asked
	live.mu.Unlock()
	select {
	case err := <-seen:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the metrics show it and nobody looked")
	}
}

// scraped waits until the metrics have a sample.
func scraped(t *testing.T, url, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		res, err := http.Get(url)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		if cerr := res.Body.Close(); err == nil && cerr == nil && bytes.Contains(body, []byte(want)) {
			return
		}
	}
	t.Fatalf("%s never had %s", url, want)
}
