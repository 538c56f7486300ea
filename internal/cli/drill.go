package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/app/demo"
	"github.com/backout-dev/backout/internal/render"
)

// drillCommand rehearses scenarios.
func (e *env) drillCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "drill", Short: "rehearse a scenario in the live shop, and score it"}
	cmd.AddCommand(e.drillRun(), e.drillList(), e.drillCheck())
	return cmd
}

func (e *env) drillRun() *cobra.Command {
	var c demo.Config
	var output string
	cmd := &cobra.Command{
		Use: "run FILE|NAME", Short: "play one; exit 0 when it ends as its file expects, 1 when not", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Scenario = args[0]
			return e.perform(cmd.Context(), c, output, "backout drill run "+c.Scenario)
		},
	}
	performFlags(cmd, &c, &output)
	return cmd
}

func (e *env) drillList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Short: "the scenarios that the program brings along", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := app.Scenarios()
			if err != nil {
				return err
			}
			if output == "json" {
				return e.printJSON(map[string]any{"format": 1, "scenarios": all})
			}
			for _, s := range all {
				fmt.Fprintf(e.out, "%-22s %s [%s]\n", s.Name, s.Sentence, strings.Join(s.Expected, " or "))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (e *env) drillCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "read a scenario without playing it; every problem as file:line:field", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			summary, problems := app.CheckScenario(args[0])
			for _, p := range problems {
				fmt.Fprintln(e.errs, p)
			}
			if len(problems) > 0 {
				return exit{2, fmt.Errorf("%s in %s", render.Plural(len(problems), "problem"), args[0])}
			}
			fmt.Fprintln(e.out, summary)
			return nil
		},
	}
}
