package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/render"
)

// contractsCommand lists what is known about which versions get along.
func (e *env) contractsCommand() *cobra.Command {
	show := e.knowingCommand("contracts [FOLDER]", "which versions get along, who says so, and how sure that is", e.printKnown)
	show.AddCommand(e.knowingCommand("missing [FOLDER]", "pairs of which nobody knows, dearest first, and what would close each gap", e.printMissing))
	return show
}

// knowingCommand asks the running backout, or reads a folder of catalog files or of
// a recording, and prints a part of the answer.
func (e *env) knowingCommand(use, short string, show func(backout.Knowing)) *cobra.Command {
	var c client
	output := ""
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.MaximumNArgs(1),
		Long: short + ".\n\nSources, best first: declared (a Contract in the catalog), spec (API specs given with `backout change record --spec`),\n" +
			"migration (given with --migration), observed (seen live together, healthy), skew (the policy's). What a better source\nsays wins; worse ones fill gaps.",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := e.knowing(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			if output == "json" {
				return e.printJSON(map[string]any{"format": 1, "known": k.Known, "missing": k.Missing, "problems": k.Problems})
			}
			show(k)
			for _, p := range k.Problems {
				fmt.Fprintln(e.errs, "not used: "+p)
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (e *env) knowing(ctx context.Context, c client, args []string) (backout.Knowing, error) {
	if len(args) == 1 {
		k, err := replay.Knowing(ctx, args[0])
		if err != nil {
			return k, exit{2, e.folderError("the folder", err)}
		}
		return k, nil
	}
	cl, err := c.open()
	if err != nil {
		return backout.Knowing{}, err
	}
	return cl.Knowing(ctx)
}

func (e *env) printKnown(k backout.Knowing) {
	if len(k.Known) == 0 {
		fmt.Fprintln(e.out, "Nothing is known about which versions get along. `backout contracts missing` says where to begin.")
		return
	}
	t := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SOURCE\tCONFIDENCE\tCONSUMER\tPROVIDER\tWHAT")
	for _, x := range k.Known {
		what := x.What
		if !x.Allows {
			what += ": not together"
		}
		if x.Reason != "" {
			what += " (" + x.Reason + ")"
		}
		fmt.Fprintf(t, "%s\t%.0f %%\t%s\t%s\t%s\n", x.Source, 100*x.Confidence, x.Consumer, x.Provider, what)
	}
	_ = t.Flush() // e.out says what went wrong, if anybody can still read it
	fmt.Fprintf(e.out, "%s; %s of related components without a contract or line: `backout contracts missing`\n", render.Plural(len(k.Known), "line"), render.Plural(len(k.Missing), "pair"))
}

func (e *env) printMissing(k backout.Knowing) {
	if len(k.Missing) == 0 {
		fmt.Fprintln(e.out, "Nothing is missing: of all related components something is written down or inferred.")
		return
	}
	for i, m := range k.Missing {
		best := "nothing is known"
		if m.Best != "" {
			best = "only " + m.Best.Words()
		}
		worth := "no journey has a value"
		if m.AtStake.Minor > 0 {
			worth = m.AtStake.String() + " a minute"
		}
		fmt.Fprintf(e.out, "%d. %s needs %s: %s at stake, %s\n   %s\n", i+1, m.Consumer, m.Provider, worth, best, m.Close)
	}
}
