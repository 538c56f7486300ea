package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// whyCommand answers the first question after every incident.
func (e *env) whyCommand() *cobra.Command {
	var a archive
	var output string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "why INCIDENT", Short: "why backout thinks so: what changed, what speaks for and against it, what would change its mind", Args: cobra.ExactArgs(1),
		Long: "Answers on one screen: what changed, what speaks for and against each suspect in words and numbers, what would change the answer, what was\n" +
			"done and what it taught, and which past incident it is like. Also when the answer is that none of the changes did it.",
		Example: "  backout why INC-...\n  backout why INC-... --data ./data -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			from, done, err := a.look(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			account, err := from.Why(cmd.Context(), backout.IncidentID(args[0]))
			if err != nil {
				return err
			}
			if asJSON || output == "json" {
				return e.printJSON(account)
			}
			fmt.Fprint(e.out, render.Why(account, e.style(e.out)))
			return nil
		},
	}
	a.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as -o json")
	return cmd
}
