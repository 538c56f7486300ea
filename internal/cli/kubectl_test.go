//go:build unix

package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A plugin is this program under another name. Pods that really run are not to be had
// here: kubectl is a script that forwards to a real server and hands out its token.
func TestPlugin_asksTheClustersBackout(t *testing.T) {
	a := serve(t, "")
	at, err := url.Parse(a.URL())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "kubectl-backout")); err != nil {
		t.Fatal(err)
	}
	kubectl := func(forward string) {
		script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %[1]s/asked\ncase \"$*\" in\n*port-forward*) %[2]s;;\n*exec*) echo %[3]s;;\nesac\n", dir, forward, a.Token())
		if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o700); err != nil { //nolint:gosec // it is a script
			t.Fatal(err)
		}
	}
	call := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(dir, "kubectl-backout"), args...)
		cmd.Env = append(os.Environ(), "CLI_TEST_MAIN=1", "PATH="+dir+":/usr/bin:/bin", "BACKOUT_URL=", "BACKOUT_TOKEN_FILE=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	kubectl("echo Forwarding from 127.0.0.1:" + at.Port() + " -\\> 8470; exec sleep 60")
	if out, err := call("status", "-n", "ops"); err != nil || !strings.Contains(out, "No incidents.") {
		t.Errorf("status: %v %s", err, out)
	}
	if out, err := call("hold", "add", "deployment:payment@production/eu-1", "--reason", "a look"); err != nil {
		t.Errorf("a write, which needs the token: %v %s", err, out)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || !strings.Contains(string(asked), "--namespace ops port-forward statefulset/backout :8470") || !strings.Contains(string(asked), "exec statefulset/backout -- /backout token") {
		t.Errorf("kubectl was asked: %s %v", asked, err)
	}
	kubectl("echo 'error: no such statefulset' >&2; exit 1")
	if out, err := call("status"); err == nil || !strings.Contains(out, "reach backout in namespace backout: kubectl port-forward ended: error: no such statefulset") {
		t.Errorf("nothing there: %v %s", err, out)
	}
	if out, err := call("--help"); err != nil || !strings.Contains(out, "kubectl backout [command]") {
		t.Errorf("help: %v %s", err, out)
	}
	if out, err := call("token", "--data", filepath.Dir(a.TokenFile())); err != nil || strings.TrimSpace(out) != a.Token() {
		t.Errorf("token: %v %s", err, out)
	}
}
