package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// plugin is backout as `kubectl backout`: called kubectl-backout somewhere in the path,
// it finds the backout that runs in the cluster, which listens on its pod's loopback
// only, through a port-forward of kubectl's. So who may reach it is who may do that.
type plugin struct {
	namespace, name, context string
	end                      func()
}

// pluginTimeout is how long kubectl gets to connect.
const pluginTimeout = 20 * time.Second

// asPlugin makes the commands of root ask the backout in the cluster, unless they are
// told of another. The function that comes back ends the connection.
func (e *env) asPlugin(root *cobra.Command) (end func()) {
	p := &plugin{end: func() {}}
	root.Use = "kubectl backout"
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl backout"}
	f := root.PersistentFlags()
	f.StringVarP(&p.namespace, "namespace", "n", "backout", "where backout runs in the cluster")
	f.StringVar(&p.name, "release", "backout", "the StatefulSet that it runs as")
	f.StringVar(&p.context, "context", "", "kubeconfig context; empty = the current one")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		server := cmd.Flags().Lookup("server")
		if server == nil || server.Changed || os.Getenv("BACKOUT_URL") != "" {
			return nil
		}
		return p.connect(cmd)
	}
	return func() { p.end() }
}

// connect opens the way to the server and hands it, with the token for writes, to the
// command.
func (p *plugin) connect(cmd *cobra.Command) error {
	url, end, err := p.forward(cmd.Context())
	if err != nil {
		return fmt.Errorf("reach backout in namespace %s: %w", p.namespace, err)
	}
	dir, err := os.MkdirTemp("", "kubectl-backout")
	if err != nil {
		end()
		return fmt.Errorf("keep the token: %w", err)
	}
	p.end = func() {
		end()
		_ = os.RemoveAll(dir)
	}
	if err := cmd.Flags().Set("server", url); err != nil {
		return err
	}
	if given := cmd.Flags().Lookup("token-file"); given == nil || given.Changed || os.Getenv("BACKOUT_TOKEN_FILE") != "" {
		return nil
	}
	// Who may read and not run commands in the pod has no token, and is told so by the
	// server when one is needed.
	token, err := p.kubectl(cmd.Context(), "exec", "statefulset/"+p.name, "--", "/backout", "token", "--data", "/var/lib/backout").Output()
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	path := filepath.Join(dir, "token")
	if err := os.WriteFile(path, bytes.TrimSpace(token), 0o600); err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	return cmd.Flags().Set("token-file", path)
}

func (p *plugin) kubectl(ctx context.Context, args ...string) *exec.Cmd {
	all := []string{"--namespace", p.namespace}
	if p.context != "" {
		all = append(all, "--context", p.context)
	}
	return exec.CommandContext(ctx, "kubectl", append(all, args...)...) //nolint:gosec // no shell; the words are the person's own
}

var forwards = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// forward begins a port-forward on a free port and waits until it stands.
func (p *plugin) forward(ctx context.Context) (url string, end func(), err error) {
	ctx, stop := context.WithCancel(ctx)
	cmd := p.kubectl(ctx, "port-forward", "statefulset/"+p.name, ":8470", "--address", "127.0.0.1")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stop()
		return "", nil, err
	}
	end = func() {
		stop()
		_ = cmd.Wait() // it was killed
	}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := forwards.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
				break
			}
		}
		close(found)
		_, _ = io.Copy(io.Discard, out) // or kubectl would wait for a reader
	}()
	select {
	case at, ok := <-found:
		if ok {
			return "http://" + at, end, nil
		}
		end()
		return "", nil, errors.New(strings.TrimSpace("kubectl port-forward ended: " + said.String()))
	case <-time.After(pluginTimeout):
		end()
		return "", nil, fmt.Errorf("kubectl port-forward does not stand after %s", pluginTimeout)
	case <-ctx.Done():
		end()
		return "", nil, ctx.Err()
	}
}

// tokenCommand shows the token of a data folder, to whoever can read it.
func (e *env) tokenCommand() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use: "token", Short: "the token for writes, from the --data folder of a backout that runs here", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := os.ReadFile(filepath.Join(data, "token"))
			if err != nil {
				return fmt.Errorf("read token: %w", err)
			}
			fmt.Fprintln(e.out, strings.TrimSpace(string(b)))
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "folder that serve keeps its state in (needed)")
	_ = cmd.MarkFlagRequired("data") // the flag exists
	return cmd
}
