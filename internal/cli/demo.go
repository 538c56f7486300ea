package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/app/demo"
)

// demoCommand plays the main job.
func (e *env) demoCommand() *cobra.Command {
	var c demo.Config
	var output, svg string
	var compare bool
	cmd := &cobra.Command{
		Use: "demo", Short: "a live shop, ten changes, one of them bad, and the way back", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if compare && c.Kubernetes {
				return exit{2, errors.New("--compare: expected without --kubernetes, since the one who rolls back by hand there takes no time for it")}
			}
			if compare {
				c.Seed = cmp.Or(c.Seed, newSeed())
				return e.compare(cmd.Context(), c, output, svg)
			}
			return e.perform(cmd.Context(), c, output, "backout demo --scenario "+c.Scenario)
		},
	}
	cmd.Flags().StringVar(&c.Scenario, "scenario", "payment-degraded", "a name that `backout drill list` tells, or a file")
	cmd.Flags().BoolVar(&compare, "compare", false, "the same incident three times: nobody acts, everything is rolled back one by one, backout")
	cmd.Flags().StringVar(&svg, "svg", "", "with --compare: draw the result into this file")
	performFlags(cmd, &c, &output)
	return cmd
}

// newSeed is another one at every call.
func newSeed() uint64 { return uint64(time.Now().UnixNano()%1_000_000) + 1 }

// perform plays a scenario, and fails when it did not end as it should.
func (e *env) perform(ctx context.Context, c demo.Config, output, again string) error {
	c.Seed = cmp.Or(c.Seed, newSeed())
	e.tellStory(&c, output)
	if c.Approve && term.IsTerminal(int(os.Stdin.Fd())) {
		c.Confirm = e.confirm
	}
	if _, problems := app.CheckScenario(c.Scenario); len(problems) > 0 {
		return exit{2, errors.New(strings.Join(problems, "\n"))}
	}
	if c.Kubernetes && c.Short {
		return exit{2, errors.New("--short: expected without --kubernetes, which dates what happens with whole seconds: four minutes at that pace")}
	}
	if c.Kubernetes {
		again += " --kubernetes"
	}
	fmt.Fprintf(c.Story, "%s --seed %d\n", again, c.Seed)
	r, err := demo.Run(ctx, c)
	if err != nil {
		return err
	}
	if output == "json" {
		if err := e.printJSON(r); err != nil {
			return err
		}
	}
	if !r.AsExpected {
		return exit{1, errors.New("the run did not end as it should: " + r.Why)}
	}
	return nil
}

// tellStory sends the narration where it does not get in the way of the answer.
func (e *env) tellStory(c *demo.Config, output string) {
	c.Story, c.Log = e.out, e.log()
	if output == "json" {
		c.Story = e.errs
	}
	c.Style = e.style(c.Story)
}

// performFlags are those of everything that plays a scenario.
func performFlags(cmd *cobra.Command, c *demo.Config, output *string) {
	f := cmd.Flags()
	f.Uint64Var(&c.Seed, "seed", 0, "draws versions, order, times and decoys; 0 = a new one each time")
	f.BoolVar(&c.Blind, "blind", false, "replace every name, so that nothing can be guessed from one")
	f.BoolVar(&c.Short, "short", false, "at most 45 seconds")
	f.BoolVar(&c.Kubernetes, "kubernetes", false, "run the shop's deployments in a Kubernetes on this machine, built by make kubestack")
	f.BoolVar(&c.Approve, "approve", false, "ask before acting")
	f.StringVar(&c.Dir, "dir", "", "keep everything in this folder; empty = a temporary one")
	f.StringVar(&c.Listen, "listen", "127.0.0.1:0", "loopback host:port of the page")
	f.StringVarP(output, "output", "o", "text", "text, or json as the last line")
}

// compare plays the incident three times and sets the results side by side.
func (e *env) compare(ctx context.Context, c demo.Config, output, svg string) error {
	e.tellStory(&c, output)
	if _, problems := app.CheckScenario(c.Scenario); len(problems) > 0 {
		return exit{2, errors.New(strings.Join(problems, "\n"))}
	}
	fmt.Fprintf(c.Story, "backout demo --compare --scenario %s --seed %d\n", c.Scenario, c.Seed)
	r, err := demo.Compare(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprint(c.Story, "\n"+demo.SideBySide(r))
	if svg != "" {
		if err := os.WriteFile(svg, []byte(demo.Picture(r).SVG()+"\n"), 0o644); err != nil {
			return fmt.Errorf("draw comparison: %w", err)
		}
	}
	if output == "json" {
		return e.printJSON(r)
	}
	return nil
}

// confirm asks on the terminal; only the word yes approves.
func (e *env) confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(e.out, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an ended input is a no
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case a := <-answer:
		return a == "yes", nil
	}
}

// playgroundCommand runs the demo's own processes.
func (e *env) playgroundCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "playground", Short: "the processes of the demo's shop", Hidden: true}
	for _, role := range []string{"shop", "load", "instances"} {
		cmd.AddCommand(e.playgroundRole(role))
	}
	return cmd
}

func (e *env) playgroundRole(role string) *cobra.Command {
	c, kubeconfig := app.PlaygroundConfig{}, ""
	cmd := &cobra.Command{
		Use: role, Args: cobra.NoArgs, Short: "the " + role + " process",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			c.Log = e.log()
			err := app.Playground(ctx, role, kubeconfig, c)
			if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
				return nil
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Dir, "dir", "", "folder that the processes share")
	f.DurationVar(&c.Step, "step", time.Second, "sampling step and model minute")
	f.Uint64Var(&c.Seed, "seed", 1, "draws versions, order, times and decoys")
	f.StringVar(&c.Scenario, "scenario", "", "a name or a file; empty = payment-degraded")
	f.BoolVar(&c.Blind, "blind", false, "replace every name")
	f.Float64Var(&c.Rate, "rate", 0, "transactions a second")
	f.StringVar(&kubeconfig, "kubeconfig", "", "run the deployments in this cluster; empty = in the shop's own processes")
	return cmd
}
