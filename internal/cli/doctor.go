package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/render"
)

// doctorCommand looks at the running backout itself.
func (e *env) doctorCommand() *cobra.Command {
	var c client
	var output, dir string
	var clean bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "what backout sees, whether it can decide, how ready each service is, and what to mend", Args: cobra.NoArgs,
		Long: "Asks the running backout what it can't see or do now, what that means and what to do about it, and how well the series of each service\n" +
			"can be judged: those with a baseline, with a long history of their own, and with days and weekends in use. Ends with 2 when something is to be mended.\n" +
			"With --clean it asks no backout: it removes from the catalog's clusters what one that is gone for good left there to keep holds.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clean {
				return e.clean(cmd.Context(), dir)
			}
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
	cmd.Flags().BoolVar(&clean, "clean", false, "remove what backout left in the clusters of --catalog")
	cmd.Flags().StringVar(&dir, "catalog", "", "with --clean: folder of catalog files")
	cmd.MarkFlagsRequiredTogether("clean", "catalog")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (e *env) clean(ctx context.Context, dir string) error {
	said, err := app.CleanClusters(ctx, dir)
	for _, line := range said {
		fmt.Fprintln(e.out, line)
	}
	if err == nil && len(said) == 0 {
		fmt.Fprintln(e.out, "The catalog names no cluster.")
	}
	return err
}
