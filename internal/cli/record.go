package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/render"
)

// replayRecordCommand makes a recording.
func (e *env) replayRecordCommand() *cobra.Command {
	var c replay.RecordConfig
	var cl client
	since, output, step := "", "", ""
	cmd := &cobra.Command{
		Use: "record", Short: "make a recording out of a running Prometheus and the changes somebody kept", Args: cobra.NoArgs,
		Example: "  backout replay record --from http://127.0.0.1:9090 --since 14d --catalog ./catalog --changes changes.jsonl --out ./last-two-weeks\n" +
			"  backout replay ./last-two-weeks",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if c.Since, err = replay.SinceText(since); err != nil {
				return fmt.Errorf("--since %w", err)
			}
			if c.Step, err = replay.SinceText(step); err != nil {
				return fmt.Errorf("--step %w", err)
			}
			if c.Changes == "" {
				server, err := cl.open()
				if err != nil {
					return err
				}
				c.Observations = server.Observations
			} else if cmd.Flags().Changed("server") {
				return errors.New("--server and --changes: the changes come from one of them")
			}
			c.Progress = e.progress
			r, err := replay.Record(cmd.Context(), c)
			if err != nil {
				return e.folderError("what was to be recorded", err)
			}
			if output == "json" {
				return e.printJSON(r)
			}
			e.printRecorded(r)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Prometheus.URL, "from", "", "URL of a Prometheus-compatible server (needed)")
	f.StringVar(&c.Prometheus.BearerTokenFile, "from-token-file", "", "file with the bearer token it asks for")
	f.StringVar(&since, "since", "14d", "how far back, such as 14d or 36h")
	f.StringVar(&c.Catalog, "catalog", "", "folder of catalog files (needed)")
	f.StringVar(&c.Changes, "changes", "", "file with one observation a line; empty = ask the running backout")
	f.StringVar(&c.Out, "out", "", "folder to write (needed); it must not exist")
	f.StringVar(&step, "step", "", "keep one sample each step only; empty = every sample, as rates need it")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	cl.flags(cmd)
	return cmd
}

func (e *env) printRecorded(r replay.Recorded) {
	s := e.style(e.out)
	fmt.Fprintf(e.out, "%s: %s to %s, %d series with %d samples, %d observations of changes.\n",
		r.Dir, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), r.Series, r.Samples, r.Changes)
	for _, n := range r.Nothing {
		fmt.Fprintf(e.out, "%s the server has nothing of %s\n", s.Paint(render.InkWaits, "!"), n)
	}
	if r.Changes == 0 {
		fmt.Fprintf(e.out, "%s no changes: every incident will have nobody to blame\n", s.Paint(render.InkWaits, "!"))
	}
	fmt.Fprintf(e.out, "Play it: backout replay %s\n", r.Dir)
}
