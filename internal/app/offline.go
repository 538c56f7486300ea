package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/playground"
	"github.com/backout-dev/backout/internal/playground/pods"
	"github.com/backout-dev/backout/internal/remote/flagd"
)

// Lint checks a catalog folder, or a file that says how people are told. problems
// are file:line:field sentences; summary says what was read when there are none.
func Lint(dir string) (summary string, problems []string) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "", []string{fmt.Sprintf("%s: expected a folder of *.yaml catalog files, or a file for --notify", dir)}
	case !info.IsDir():
		n, _, err := readNotify(dir)
		if err != nil {
			return "", strings.Split(err.Error(), "\n")
		}
		return fmt.Sprintf("%s is fine: %d channels", dir, len(n.Channels)), nil
	}
	c, err := catalog.Load(os.DirFS(dir))
	if err != nil {
		var all catalog.Problems
		if errors.As(err, &all) {
			for _, p := range all {
				problems = append(problems, p.String())
			}
			return "", problems
		}
		return "", strings.Split(err.Error(), "\n")
	}
	if _, err := permit.Compile(c.Policy); err != nil {
		return "", []string{err.Error()}
	}
	if problems := wrong(c.Actuators); len(problems) > 0 {
		return "", problems
	}
	g := c.Graph
	return fmt.Sprintf("%s is fine: %d services, %d dependencies, %d components, %d journeys, %d contracts, %d signals",
		dir, len(g.Services), len(g.Dependencies), len(g.Components), len(g.Journeys), len(c.Contracts), len(c.Signals)), nil
}

// Scenario is one rehearsal that the program brings along.
type Scenario struct {
	Name     string `json:"name"`
	Sentence string `json:"sentence"`
	// Expected are the right endings.
	Expected []string `json:"expected"`
}

// Scenarios lists what the program brings along.
func Scenarios() ([]Scenario, error) {
	out := []Scenario{}
	for _, name := range playground.ScenarioNames() {
		s, err := playground.OpenScenario(name)
		if err != nil {
			return nil, err
		}
		out = append(out, Scenario{s.Name, s.Sentence, s.Expect.Outcomes})
	}
	return out, nil
}

// CheckScenario reads a scenario without playing it. problems are file:line:field
// sentences; summary says what it is when there are none.
func CheckScenario(nameOrFile string) (summary string, problems []string) {
	s, err := playground.OpenScenario(nameOrFile)
	if err != nil {
		return "", strings.Split(err.Error(), "\n")
	}
	return fmt.Sprintf("%s is fine: %s (%d shipments and a day's, %d faults, expected %s)", nameOrFile, s.Sentence, len(s.Ship), len(s.Faults), strings.Join(s.Expect.Outcomes, " or ")), nil
}

// PlaygroundConfig says how to run a process of the playground.
type PlaygroundConfig = playground.Config

// Playground runs one process of the playground: shop, load or instances. With a
// kubeconfig file the shop's deployments run in that cluster.
func Playground(ctx context.Context, role, kubeconfig string, c playground.Config) error {
	switch role {
	case "load":
		return playground.RunLoad(ctx, c)
	case "instances":
		c.In, c.Out = os.Stdin, os.Stdout
		return playground.RunInstances(ctx, c)
	case "shop":
		c.Flags = func(path string) (openfeature.FeatureProvider, error) {
			p, err := flagd.NewProvider(path)
			if err != nil {
				return nil, err
			}
			go func() { _ = p.Run(ctx) }() // ends with ctx; a broken file is told by the provider
			return p, nil
		}
		c.Spawn = func(ctx context.Context, role string, args ...string) (*exec.Cmd, error) {
			self, err := os.Executable()
			if err != nil {
				return nil, fmt.Errorf("find own program: %w", err)
			}
			return exec.CommandContext(ctx, self, append([]string{"playground", role}, args...)...), nil
		}
		if kubeconfig != "" {
			p, err := pods.New(kubeconfig)
			if err != nil {
				return err
			}
			c.Pods = p
		}
		return playground.RunShop(ctx, c)
	}
	return fmt.Errorf("run playground: role %q: expected shop, load or instances", role)
}
