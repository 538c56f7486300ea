//go:build kubernetes

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/drill"
	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
)

// The demo on a cluster, with seeds that nobody has seen. Whatever a stalling machine
// does to it, nothing unsafe happens, and by the API server's own log backout has written
// to the guilty workload and nothing else; of two performances one ends as it should.
func TestDemo_onKubernetes(t *testing.T) {
	for range 2 {
		if playedOnKubernetes(t) || t.Failed() {
			return
		}
	}
	t.Error("neither of two performances ended as it should")
}

// playedOnKubernetes plays the demo once, and reports whether it ended as it should.
func playedOnKubernetes(t *testing.T) bool {
	dir, seed := t.TempDir(), rand.IntN(1_000_000)+1
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var out, story bytes.Buffer
	cmd := exec.CommandContext(ctx, binary(t), "demo", "--kubernetes", "-o", "json", "--seed", fmt.Sprint(seed), fmt.Sprintf("--blind=%t", seed%2 == 0), "--dir", dir)
	cmd.Stdout, cmd.Stderr = &out, &story
	err := cmd.Run()
	if strings.Contains(story.String(), local.ErrMissing.Error()) && os.Getenv("CI") == "" {
		t.Skip(local.ErrMissing)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var r drill.Result
	if json.Unmarshal([]byte(lines[len(lines)-1]), &r) != nil || len(r.Truth) == 0 {
		t.Fatalf("seed %d: no result: %v\n%s", seed, err, story.String())
	}
	t.Logf("seed %d, %s: %s %s", seed, r.Mode, r.Outcome, r.Why)
	if r.UnsafeRequests > 0 || r.UnsafeStates > 0 || r.AsExpected != (err == nil) {
		t.Errorf("%d unsafe requests, %d unsafe states, ended with %v", r.UnsafeRequests, r.UnsafeStates, err)
	}
	id, _, _ := strings.Cut(r.Truth[0], "=")
	wrote := auditedOn(t, dir, backout.ComponentID(id).Name())
	if told := strings.Contains(story.String(), "patch deployments shop/"); told != (wrote > 0) {
		t.Errorf("backout wrote %d times, and the story tells it: %t", wrote, told)
	}
	if len(r.Reverted) > 0 && wrote == 0 {
		t.Errorf("%v went back, and nothing was written", r.Reverted)
	}
	if !r.AsExpected || t.Failed() {
		t.Log(story.String())
	}
	eventually(t, "the demo's processes are gone", 5*time.Second, func() bool { return len(mentioning(dir)) == 0 })
	return r.AsExpected
}

// auditedOn counts backout's writes in the API server's log. Those to another workload
// than the guilty one are mistakes, and so is a log without the pipelines' writes.
func auditedOn(t *testing.T, dir, guilty string) (wrote int) {
	t.Helper()
	calls, err := local.ReadAudit(filepath.Join(dir, "kubernetes", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	shipped := 0
	for _, call := range calls {
		switch {
		case !call.Writes() || call.Dry() || call.Code >= 300:
		case call.User == local.Pipeline && call.Verb == "patch":
			shipped++
		case call.User == "system:serviceaccount:backout:backout":
			wrote++
			if call.Verb != "patch" || call.Resource != "deployments" || call.Namespace != "shop" || call.Name != guilty {
				t.Errorf("backout wrote %s, want patches of deployment shop/%s and nothing else", call, guilty)
			}
		}
	}
	if shipped < 3 {
		t.Errorf("pipelines wrote %d times, want the releases of the script", shipped)
	}
	return wrote
}
