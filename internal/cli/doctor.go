package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
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
			"With --catalog it lists what of ours stands in the catalog's clusters instead: holds, and what a run set there for a while and did not take away, such as an\n" +
			"autoscaler's pinned minimum or the partition of a stage. With --clean as well it takes that away, as if backout were gone for good; but never what an attempt\n" +
			"has set that has not ended, nor, if no backout knows of the attempt or none answers, what is less than 24 hours old.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			if clean || dir != "" {
				return e.clean(cmd.Context(), app.Cleaning{Catalog: dir, Dry: !clean, Attempt: attemptsOf(cl)})
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
	cmd.Flags().BoolVar(&clean, "clean", false, "take away what backout left in the clusters of --catalog")
	cmd.Flags().StringVar(&dir, "catalog", "", "list what backout left in the clusters of this folder of catalog files")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (e *env) clean(ctx context.Context, what app.Cleaning) error {
	if what.Catalog == "" {
		return &backout.Error{Code: backout.CodeInvalid, Message: "--clean: expected --catalog with it, which names the clusters"}
	}
	said, err := app.CleanClusters(ctx, what)
	for _, line := range said {
		fmt.Fprintln(e.out, line)
	}
	if err == nil && len(said) == 0 {
		fmt.Fprintln(e.out, "The catalog names no cluster.")
	}
	return err
}

// attemptsOf asks a running backout for attempts.
func attemptsOf(cl *web.Client) func(context.Context, backout.AttemptID) (backout.Attempt, error) {
	return func(ctx context.Context, id backout.AttemptID) (backout.Attempt, error) {
		incident, _, ok := strings.Cut(string(id), "/")
		if !ok || incident == "" {
			return backout.Attempt{}, &backout.Error{Code: backout.CodeNotFound, Message: "no attempt is named"}
		}
		in, err := cl.Incident(ctx, backout.IncidentID(incident))
		if err != nil {
			return backout.Attempt{}, err
		}
		for _, a := range in.Attempts {
			if a.ID == id {
				return a, nil
			}
		}
		return backout.Attempt{}, &backout.Error{Code: backout.CodeNotFound, Message: "incident " + incident + " has no attempt " + id.Number()}
	}
}
