package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// holdCommand is about what keeps components from being deployed to.
func (e *env) holdCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hold", Short: "what is kept from being deployed, and until when"}
	cmd.AddCommand(e.holdListCommand(), e.holdAddCommand(), e.holdReleaseCommand())
	return cmd
}

func (e *env) holdListCommand() *cobra.Command {
	var c client
	var output string
	cmd := &cobra.Command{
		Use: "list", Short: "the holds in force", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			all, err := cl.Holds(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return e.printJSON(map[string]any{"format": 1, "holds": all})
			}
			if len(all) == 0 {
				fmt.Fprintln(e.out, "Nothing is held.")
			}
			for _, h := range all {
				fmt.Fprintf(e.out, "%s  by %s until %s: %s\n  released by %s\n", h.Component, h.Owner, h.Until.UTC().Format("2006-01-02 15:04 UTC"), h.Reason, h.Release)
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (e *env) holdAddCommand() *cobra.Command {
	var c client
	var h backout.Hold
	var span time.Duration
	cmd := &cobra.Command{
		Use: "add COMPONENT", Short: "keep everybody, backout too, from moving a component", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			h.Component, h.Until = backout.ComponentID(args[0]), time.Now().UTC().Add(span)
			placed, err := cl.Hold(cmd.Context(), h)
			if err == nil {
				fmt.Fprintf(e.out, "%s: held by %s until %s\n", placed.Component, placed.Owner, render.Clock(placed.Until))
			}
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&h.Reason, "reason", "", "kept in the audit log (needed)")
	cmd.Flags().StringVar(&h.Owner, "by", me(), "who holds it")
	cmd.Flags().DurationVar(&span, "for", time.Hour, "for how long; it vanishes then by itself")
	_ = cmd.MarkFlagRequired("reason") // the flag exists
	return cmd
}

func (e *env) holdReleaseCommand() *cobra.Command {
	var c client
	var owner, by, reason string
	cmd := &cobra.Command{
		Use: "release COMPONENT", Short: "end the holds of a component", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			ended, err := cl.Release(cmd.Context(), backout.ComponentID(args[0]), owner, by, reason)
			for _, h := range ended {
				fmt.Fprintf(e.out, "%s: the hold by %s is over (%s)\n", h.Component, h.Owner, h.Reason)
			}
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log (needed)")
	cmd.Flags().StringVar(&owner, "owner", "", "whose hold; empty = all of them")
	cmd.Flags().StringVar(&by, "by", me(), "who releases it")
	_ = cmd.MarkFlagRequired("reason") // the flag exists
	return cmd
}
