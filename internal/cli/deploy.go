package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// deployFlags say what is about to be deployed.
type deployFlags struct{ backout.Deployment }

func (d *deployFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(&d.Component), "deploy", "", "may this component be deployed to now? kind:name@environment/location")
	cmd.Flags().StringVar((*string)(&d.To), "to", "", "with --deploy: the version to be deployed (needed)")
	cmd.Flags().StringVar(&d.Digest, "digest", "", "with --deploy: the artifact's digest")
	cmd.Flags().DurationVar((*time.Duration)(&d.Lock), "lock", 0, "with --deploy: take the component's deploy lock for so long, such as 30m")
	cmd.Flags().StringVar(&d.Owner, "owner", "", "with --deploy: who deploys, such as the pipeline's run; needed with --lock")
}

// checkDeploy asks the running backout whether a deployment may go ahead.
func (e *env) checkDeploy(ctx context.Context, c client, d backout.Deployment, output string) error {
	switch {
	case d.To == "":
		return errors.New("check --deploy: --to: expected the version to be deployed")
	case d.Lock > 0 && d.Owner == "":
		return errors.New("check --deploy: --owner: expected who deploys, since --lock was given")
	case output == "markdown":
		return errors.New(`check --deploy: -o "markdown": expected text or json`)
	}
	cl, err := c.open()
	if err != nil {
		return err
	}
	a, err := cl.Deploy(ctx, d)
	if err != nil {
		return err
	}
	if output == "json" {
		err = e.printJSON(a)
	} else {
		e.showDeploy(a)
	}
	if err == nil && !a.Allowed {
		return exit{code: somethingToDo}
	}
	return err
}

func (e *env) showDeploy(a backout.DeployAnswer) {
	s := e.style(e.out)
	what := render.What(a.Deployment.Component, a.Deployment.To)
	if a.Allowed {
		fmt.Fprintf(e.out, "%s: %s\n", what, s.Paint(render.InkOK, s.Glyph("✔")+" may be deployed"))
		if a.Lock != nil {
			fmt.Fprintf(e.out, "  · deploy lock until %s; token %s\n", render.Clock(a.Lock.Until), a.Lock.Token)
		}
		return
	}
	fmt.Fprintf(e.out, "%s: %s\n", what, s.Paint(render.InkHeld, s.Glyph("‖")+" held"))
	for i, r := range a.Reasons {
		fmt.Fprintf(e.out, "  · %s\n  %s what to do: %s\n", r, s.Glyph("→"), a.Release[i])
	}
}

// lockCommand holds what pipelines say about a deploy lock they have.
func (e *env) lockCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "lock", Short: "deploy locks of pipelines; backout check --deploy --lock takes one"}
	var c client
	var token string
	var span time.Duration
	renew := &cobra.Command{
		Use: "renew COMPONENT", Short: "keep a deploy lock; fails when backout has taken it over", Args: cobra.ExactArgs(1),
		Long: "Keeps a deploy lock for a while from now on. Exit codes: 0 kept, 1 error, 2 it is lost: stop deploying. Who has it now is said.",
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			l, err := cl.RenewLock(cmd.Context(), backout.ComponentID(args[0]), token, span)
			switch code := backout.CodeOf(err); {
			case code == backout.CodeConflict || code == backout.CodeNotFound:
				return exit{somethingToDo, err}
			case err == nil:
				fmt.Fprintf(e.out, "%s: deploy lock until %s\n", l.Component, render.Clock(l.Until))
			}
			return err
		},
	}
	release := &cobra.Command{
		Use: "release COMPONENT", Short: "give a deploy lock back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			if err := cl.ReleaseLock(cmd.Context(), backout.ComponentID(args[0]), token); err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s: no deploy lock with this token\n", args[0])
			return nil
		},
	}
	for _, sub := range []*cobra.Command{renew, release} {
		c.flags(sub)
		sub.Flags().StringVar(&token, "token", "", "the token that came with the lock (needed)")
		_ = sub.MarkFlagRequired("token") // the flag exists
	}
	renew.Flags().DurationVar(&span, "for", 30*time.Minute, "for how long from now on")
	cmd.AddCommand(renew, release)
	return cmd
}
