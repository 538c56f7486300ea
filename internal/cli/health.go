package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/internal/render"
)

// healthTimeout is how long a probe waits for its answer.
const healthTimeout = 5 * time.Second

// healthCommand is for those who supervise backout by a command: an image without a
// shell has nothing else to ask /healthz with.
func (e *env) healthCommand() *cobra.Command {
	var c client
	var ready bool
	cmd := &cobra.Command{
		Use: "health", Short: "is the running backout alive, or with --ready can it decide; for probes", Args: cobra.NoArgs,
		Long: "Ends with 0 when it is, else with 1 and what it lacks. Alive means that each of its loops turns: one that is not alive should be\n" +
			"started again. Ready means besides that nothing it lacks keeps it from deciding: waiting helps, and so does `backout doctor`.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			h, err := cl.Health(ctx)
			if err != nil {
				return err
			}
			good, word := h.Alive, "alive"
			if ready {
				good, word = h.Ready, "ready"
			}
			if good {
				fmt.Fprintln(e.out, word)
				return nil
			}
			for _, d := range h.Degraded {
				fmt.Fprintln(e.out, render.Degraded(d, h.At))
			}
			return fmt.Errorf("not %s", word)
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&ready, "ready", false, "can it decide")
	return cmd
}
