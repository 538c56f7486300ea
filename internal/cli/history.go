package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

// historyCommand looks back.
func (e *env) historyCommand() *cobra.Command {
	var a archive
	var l web.Look
	since, output := "", ""
	cmd := &cobra.Command{
		Use: "history [INCIDENT]", Short: "past incidents: what was taken back, how long it took; or one incident's timeline", Args: cobra.MaximumNArgs(1),
		Long: "Without INCIDENT, lists incidents, newest first: what was taken back, the time from the onset to detection, decision, first effect and verified\n" +
			"recovery, what it cost, and who approved. With INCIDENT, everything that was recorded about it in one order: audit log, journals, messages.",
		Example: "  backout history --since 30d --service payment\n  backout history INC-... -o json\n  backout history --data ./data",
		RunE: func(cmd *cobra.Command, args []string) error {
			if since != "" {
				back, err := replay.SinceText(since)
				if err != nil {
					return fmt.Errorf("--since %w", err)
				}
				l.Since = time.Now().UTC().Add(-back)
			}
			from, done, err := a.look(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			if len(args) == 1 {
				id := backout.IncidentID(args[0])
				lines, err := from.Timeline(cmd.Context(), id)
				if err == nil && output == "json" {
					return e.printJSON(map[string]any{"format": 1, "incident": id, "entries": lines})
				}
				if err == nil {
					fmt.Fprint(e.out, render.Timeline(lines, e.style(e.out)))
				}
				return err
			}
			all, err := from.History(cmd.Context(), l)
			if err == nil && output == "json" {
				return e.printJSON(map[string]any{"format": 1, "incidents": all})
			}
			if err == nil {
				fmt.Fprint(e.out, render.History(all, e.style(e.out)))
			}
			return err
		},
	}
	cmd.AddCommand(e.historyImportCommand())
	a.flags(cmd)
	cmd.Flags().StringVar(&since, "since", "", "only incidents that were open since then, such as 30d or 36h; empty = all")
	cmd.Flags().StringVar((*string)(&l.Service), "service", "", "only those that touched this service")
	cmd.Flags().StringVar((*string)(&l.State), "state", "", "only those in this state, such as recovered or halted")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}
