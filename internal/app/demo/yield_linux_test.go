package demo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// In a process of its own: whoever has stepped back may not step forward again.
func TestYield_everyThreadStepsBack(t *testing.T) {
	const child = "BACKOUT_TEST_YIELD"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestYield_everyThreadStepsBack$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0) // 20 less the value
	if err != nil {
		t.Fatal(err)
	}
	want := min(19, 20-own+guest)
	if err := yield(); err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(threads) == 0 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	for _, path := range threads {
		id, _ := strconv.Atoi(filepath.Base(path))
		raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, id) // 20 less the value
		if errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil || 20-raw != want {
			t.Errorf("thread %d has %d, %v; want %d", id, 20-raw, err, want)
		}
	}
}
