package execute_test

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// What an earlier version of this program left half done, this one finishes.

// TestPreviousVersion_recorded does so with databases that earlier versions wrote,
// kept for ever: testdata/halfway/N.db.gz, of a victim that was killed at its
// seventh entry, and N.log, what it had done by then.
func TestPreviousVersion_recorded(t *testing.T) {
	if _, on := postgrestest.Given(); on {
		t.Skip("is about files")
	}
	kept, err := filepath.Glob("testdata/halfway/*.db.gz")
	if err != nil || len(kept) == 0 {
		t.Fatalf("nothing is kept: %v", err)
	}
	for _, name := range kept {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := t.TempDir()
			unzip(t, name, filepath.Join(dir, "x.db"))
			log, err := os.ReadFile(strings.TrimSuffix(name, ".db.gz") + ".log")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "log"), log, 0o600); err != nil {
				t.Fatal(err)
			}
			before, err := readEffects(dir)
			if err != nil || len(before) == 0 {
				t.Fatalf("%d effects were done before, %v", len(before), err)
			}
			if spawn(t, dir, "", nil) {
				t.Fatal("killed")
			}
			checkOnce(t, dir)
		})
	}
}

func unzip(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPreviousVersion_built does so with the version before this one: the last
// release, or where there is none what was before the last commit to this package.
// Its victim, which is its test binary, is built and killed half way.
func TestPreviousVersion_built(t *testing.T) {
	if _, on := postgrestest.Given(); on {
		t.Skip("is about files")
	}
	if testing.Short() {
		t.Skip("builds a program")
	}
	victim := previousVictim(t)
	for _, die := range []string{"entry 4", "entry 8", "after 3", "before 2"} {
		t.Run(die, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), victim)
			cmd.Env = append(os.Environ(), envDir+"="+dir, envDie+"="+die)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the previous version was not killed: %v\n%s", err, out)
			}
			if spawn(t, dir, "", nil) {
				t.Fatal("killed")
			}
			checkOnce(t, dir)
		})
	}
}

// previousVictim builds the previous version's test binary. A copy without history
// has none, and is left with what was recorded.
func previousVictim(t *testing.T) string {
	t.Helper()
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "git", args...).Output()
		return strings.TrimSpace(string(out)), err
	}
	revision, err := git("describe", "--tags", "--abbrev=0", "--match=v*")
	if err != nil {
		if revision, err = git("log", "-1", "--format=%H^", "--", "."); err == nil {
			revision, err = git("rev-parse", "--verify", "--quiet", revision)
		}
	}
	if err != nil {
		t.Skipf("the previous version can't be found without the history: %v", err)
	}
	top, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, step := range []string{
		"git -C '" + top + "' archive " + revision + " | tar -x -C '" + dir + "'",
		"cd '" + dir + "' && go test -buildvcs=false -c -o victim ./internal/execute",
	} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", step).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", step, err, out)
		}
	}
	t.Logf("the previous version is %.12s", revision)
	return filepath.Join(dir, "victim")
}
