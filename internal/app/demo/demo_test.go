package demo_test

import (
	"os"
	"strings"
	"testing"

	"github.com/backout-dev/backout/internal/app/demo"
	"github.com/backout-dev/backout/internal/cli"
)

// TestMain lets the test binary be the processes that a performance starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "playground" {
		os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestKubernetes_whereThereIsNoneItSaysHow(t *testing.T) {
	t.Setenv("KUBESTACK_BIN", "")
	t.Setenv("KUBESTACK_CACHE", t.TempDir())
	var told strings.Builder
	_, err := demo.Run(t.Context(), demo.Config{Scenario: "payment-degraded", Seed: 1, Kubernetes: true, Story: &told})
	if err == nil || !strings.Contains(err.Error(), "make kubestack") {
		t.Errorf("without a Kubernetes: %v", err)
	}
}
