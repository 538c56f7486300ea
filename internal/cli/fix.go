package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// fixCommand holds what people say about mending it forward.
func (e *env) fixCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "fix", Short: "forward fixes: roll forward instead of back"}
	cmd.AddCommand(e.announceCommand(), e.withdrawCommand())
	return cmd
}

// announceCommand tells the running server that a fix is on its way.
func (e *env) announceCommand() *cobra.Command {
	var c client
	var f backout.Fix
	var eta time.Duration
	var by string
	cmd := &cobra.Command{
		Use: "announce [INCIDENT]", Short: "say that a fix is on its way; the plan weighs waiting for it", Args: cobra.MaximumNArgs(1),
		Example: "  backout fix announce INC-... --eta 20m --confidence .7 --text 'hot fix 2.4.1'",
		Long: "Says that a forward fix is on its way. The next plan weighs waiting for it against going back, in the same money. When its time\n" +
			"has passed and the trouble is still there, it counts no more and another plan is made. Announcing again replaces it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if eta <= 0 {
				return exit{2, errors.New("announce fix: --eta: expected how long it takes from now, for example 20m")}
			}
			f.ETA = time.Now().UTC().Add(eta)
			return e.announce(cmd, c, args, by, &f)
		},
	}
	c.flags(cmd)
	cmd.Flags().DurationVar(&eta, "eta", 0, "how long until it is live everywhere, for example 20m (needed)")
	cmd.Flags().Float64Var(&f.Confidence, "confidence", .5, "probability that it arrives by then and ends the trouble")
	cmd.Flags().StringVar((*string)(&f.Change), "change", "", "the change that it mends; empty = the trouble, whatever caused it")
	cmd.Flags().StringVar(&f.Text, "text", "", "what it is, in a line")
	cmd.Flags().StringVar(&by, "by", me(), "who says so")
	return cmd
}

// withdrawCommand tells the running server that the fix is not coming.
func (e *env) withdrawCommand() *cobra.Command {
	var c client
	var by string
	cmd := &cobra.Command{
		Use: "withdraw [INCIDENT]", Short: "say that the announced fix is not coming", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.announce(cmd, c, args, by, nil) },
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&by, "by", me(), "who says so")
	return cmd
}

func (e *env) announce(cmd *cobra.Command, c client, args []string, by string, f *backout.Fix) error {
	cl, all, err := c.incidents(cmd.Context())
	if err != nil {
		return err
	}
	id, err := oneIncident(args, all)
	if err != nil {
		return err
	}
	inc, err := cl.Announce(cmd.Context(), id, by, f)
	switch {
	case backout.CodeOf(err) == backout.CodeInvalid:
		return exit{2, err}
	case err != nil:
		return err
	case f == nil:
		fmt.Fprintf(e.out, "%s: no fix is waited for\n", inc.ID)
	default:
		fmt.Fprintf(e.out, "%s: a fix is noted for %s UTC; the next plan weighs waiting for it\n", inc.ID, render.Clock(f.ETA))
	}
	return nil
}
