package metricstest

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// readyWithin is how long a program may take until it is ready, on a busy machine.
const readyWithin = 90 * time.Second

// Program finds one of the names of a program that Debian's package deb installs.
// Where it is missing a test is skipped with the way to get it; in CI that fails.
func Program(t *testing.T, deb string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; CI must have it: apt-get install %s", names[0], deb)
	}
	t.Skipf("needs %s: RUNLEVEL=1 apt-get install --no-install-recommends %s", names[0], deb)
	return ""
}

// Launch runs a program until the test ends or kill is called, and waits until
// http://address/-/ready says so.
func Launch(t *testing.T, address, path string, args ...string) (kill func()) {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }() // killed below, or it ended by itself, which await tells
	kill = func() { _ = cmd.Process.Kill(); <-gone }
	t.Cleanup(kill)
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for !ready(ctx, "http://"+address+"/-/ready") {
		select {
		case <-retry.C:
		case <-gone:
			t.Fatalf("%s ended before it was ready", filepath.Base(path))
		case <-ctx.Done():
			t.Fatalf("%s is not ready after %s", filepath.Base(path), readyWithin)
		}
	}
	return kill
}

func ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Free is an address on the loopback that nobody listens on.
func Free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// Prometheus starts the real server with remote write and room for samples of the
// last two days in any order. base is its URL, data its folder.
func Prometheus(t *testing.T, more ...string) (base, data string, kill func()) {
	t.Helper()
	path, dir, address := Program(t, "prometheus", "prometheus"), t.TempDir(), Free(t)
	settings := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(settings, []byte("storage:\n  tsdb:\n    out_of_order_time_window: 48h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data = filepath.Join(dir, "data")
	args := []string{"--config.file=" + settings, "--storage.tsdb.path=" + data, "--web.listen-address=" + address, "--web.enable-remote-write-receiver", "--log.level=error"}
	return "http://" + address, data, Launch(t, address, path, append(args, more...)...)
}
