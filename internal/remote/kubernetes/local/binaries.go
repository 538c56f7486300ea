package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrMissing says that Kubernetes was not built here.
var ErrMissing = errors.New("no Kubernetes is built here: `make kubestack` in a clone of the repository builds it, once, in about ten minutes; KUBESTACK_BIN names the folder if it lies elsewhere")

// binaries finds the folder that test/kubestack/build.sh made, or $KUBESTACK_BIN.
func binaries(ctx context.Context) (string, error) {
	if dir := os.Getenv("KUBESTACK_BIN"); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "kwok")); err != nil {
			return "", fmt.Errorf("KUBESTACK_BIN: %w", err)
		}
		return dir, nil
	}
	script, err := buildScript()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "bash", script, "--where").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s where Kubernetes is: %w", script, err)
	}
	dir := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(dir, "kwok")); err != nil {
		return "", ErrMissing
	}
	return dir, nil
}

// buildScript looks for the script upwards from the folder that the program runs in.
func buildScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "test", "kubestack", "build.sh")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

// freePorts finds three that nobody listens on, all held until all are found so that
// they differ.
func freePorts() (ports, error) {
	var found [3]int
	for i := range found {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, err
		}
		defer func() { _ = l.Close() }()
		found[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports{found[0], found[1], found[2]}, nil
}
