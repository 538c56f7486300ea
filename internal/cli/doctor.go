package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/internal/render"
)

// doctorCommand looks at the running backout itself.
func (e *env) doctorCommand() *cobra.Command {
	var c client
	var output string
	cmd := &cobra.Command{
		Use: "doctor", Short: "what backout sees, whether it can decide, how ready each service is, and what to mend", Args: cobra.NoArgs,
		Long: "Asks the running backout what it can't see or do now, what that means and what to do about it, and how well the series of each service\n" +
			"can be judged: those with a baseline, with a long history of their own, and with days and weekends in use. Ends with 2 when something is to be mended.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			d, err := cl.Diagnose(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				err = e.printJSON(d)
			} else {
				fmt.Fprint(e.out, render.Doctor(d, e.style(e.out)))
			}
			if err == nil && d.Mend() {
				return exit{code: 2}
			}
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
