package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// small makes a file system that is soon full. Mounting needs root; where a root
// in CI can't mount, the test fails rather than passing unseen.
func small(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount tmpfs: %v", err)
		}
		t.Skipf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill takes every free byte.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size >= 1; size >>= 4 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// On a full disk what can't be kept is refused aloud, and the daemon goes on: it
// answers, and keeps again once there is space.
func TestServe_saysThatTheDiskIsFull(t *testing.T) {
	dir := small(t)
	p := start(t, true, "serve", "--catalog", folder(t, good), "--data", filepath.Join(dir, "backout"), "--prometheus", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--step", "200ms", "--minute", "200ms")
	c := client(t, dir, p.url)
	fill(t, dir)
	var status int
	var said string
	n := 0
	post := func() int {
		n++
		body := fmt.Sprintf(`{"source":"ci","native_id":"n%d","at":%q,"component":"deployment:a@p/l","from":"1","to":"2","share_ratio":1,"title":%q}`, n, time.Now().UTC().Format(time.RFC3339), strings.Repeat("x", 400))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/v1/observations", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.Token)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("no answer: %v\n%s", err, p.stderr)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body) // the status says enough
		status, said = res.StatusCode, string(b)
		return status
	}
	// The write-ahead log may have room left that was taken before.
	eventually(t, "an observation is refused", 20*time.Second, func() bool { return post() != http.StatusAccepted })
	t.Logf("after %d observations: %d %s", n, status, said)
	if status != http.StatusServiceUnavailable {
		t.Errorf("answered %d %s, want 503", status, said)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("reading does not work any more: %v", err)
	}
	code, second := fails(t, "serve", "--catalog", folder(t, good), "--data", filepath.Join(dir, "other"), "--prometheus", "http://127.0.0.1:1", "--listen", "127.0.0.1:0")
	t.Logf("a start on a full disk: exit %d: %s", code, second)
	if code != 1 || strings.Contains(second, "panic") || !(strings.Contains(second, "full") || strings.Contains(second, "no space")) {
		t.Errorf("a start on a full disk: exit %d, said %q", code, second)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an observation is kept again", 20*time.Second, func() bool { return post() == http.StatusAccepted })
	select {
	case err := <-p.ended:
		t.Errorf("it ended: %v\n%s", err, p.stderr)
	default:
	}
}
