package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// turnCommand turns the kill switch: stop and go.
func (e *env) turnCommand(on bool) *cobra.Command {
	var c client
	var by, reason string
	cmd := &cobra.Command{
		Use: "stop", Short: "kill switch: nothing is changed any more until backout go", Args: cobra.NoArgs,
		Long: "Stops every effect at once, of all plans and on all replicas: what is under way ends, nothing further is tried, not even taking a step back.\n" +
			"Plans that run wait where they are, which is a state that the checker allows. backout keeps watching and telling.",
	}
	if !on {
		cmd.Use, cmd.Short = "go", "turns the kill switch off: what waits carries on"
		cmd.Long = "Lets what waits carry on from where it is. Before each effect it is asked again whether it is still safe."
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cl, err := c.open()
		if err != nil {
			return err
		}
		to, err := cl.Turn(cmd.Context(), on, by, reason)
		switch {
		case err != nil:
			return err
		case on:
			fmt.Fprintln(e.out, to.Words())
		default:
			fmt.Fprintln(e.out, "the kill switch is off: what waits carries on")
		}
		return nil
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log (needed)")
	cmd.Flags().StringVar(&by, "by", me(), "who says so")
	_ = cmd.MarkFlagRequired("reason") // the flag exists
	return cmd
}
