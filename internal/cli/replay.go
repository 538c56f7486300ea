package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/render"
)

// replayCommand plays a recording.
func (e *env) replayCommand() *cobra.Command {
	c, output, until, at := replay.Config{}, "", "", []string{}
	from, to := "", ""
	cmd := &cobra.Command{
		Use: "replay DIR", Short: "what backout would have said about recorded incidents; acts on nothing", Args: cobra.ExactArgs(1),
		Long: "replay plays a recorded folder (catalog/, changes.jsonl, metrics.om or blocks/, optionally replay.yaml) through the path of a running backout:\n" +
			"measure, detect, attribute, forecast, plan, check, permit. Nothing that was recorded after a moment is known at that moment, and nothing is acted on.\n" +
			"`backout replay record` makes such a folder out of a running Prometheus.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Dir, c.Log, c.Progress = args[0], e.log(), e.progress
			if err := errors.Join(parseTime("--from", from, &c.From), parseTime("--to", to, &c.To)); err != nil {
				return err
			}
			for _, text := range at {
				var t time.Time
				if err := parseTime("--at", text, &t); err != nil {
					return err
				}
				c.At = append(c.At, t)
			}
			if until != "" {
				d, err := time.ParseDuration(until)
				if err != nil {
					return fmt.Errorf("--until %q: expected a time after detection such as 0s or 4m", until)
				}
				c.Until = &d
			}
			r, err := replay.Play(cmd.Context(), c)
			if err != nil {
				return e.folderError(args[0], err)
			}
			if output == "json" {
				return e.printJSON(r)
			}
			e.printReplay(r)
			return nil
		},
	}
	cmd.AddCommand(e.replayRecordCommand())
	f := cmd.Flags()
	f.StringVar(&until, "until", "", "decide this long after each detection, such as 0s or 4m; empty = when the program would")
	f.StringArrayVar(&at, "at", nil, "decide at this moment (RFC 3339) even if nothing was detected; may be given several times")
	f.StringVar(&from, "from", "", "judge from here on (RFC 3339); what is before teaches what is normal")
	f.StringVar(&to, "to", "", "end here (RFC 3339)")
	f.Uint64Var(&c.Seed, "seed", 0, "of the forecasts' draws")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func parseTime(flag, text string, into *time.Time) error {
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("%s %q: expected a time such as 2026-11-24T10:00:00Z", flag, text)
	}
	*into = t.UTC()
	return nil
}

// progress writes a line of progress to stderr.
func (e *env) progress(line string) { fmt.Fprintln(e.errs, line) }

// folderError prints every problem of a folder on a line of its own.
func (e *env) folderError(dir string, err error) error {
	var wrong replay.Problems
	if !errors.As(err, &wrong) {
		return err
	}
	for _, p := range wrong {
		fmt.Fprintln(e.errs, p)
	}
	return exit{2, fmt.Errorf("%s in %s", render.Plural(len(wrong), "problem"), dir)}
}

func (e *env) printReplay(r replay.Result) {
	s := e.style(e.out)
	fmt.Fprintf(e.out, "%s from %s to %s, a step every %s: %d series, %s. Decisions %s.\n",
		r.Dir, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), render.Span(r.Step.Std()), r.Series, render.Plural(r.Changes, "change"), r.Asked)
	for _, n := range r.Notes {
		fmt.Fprintf(e.out, "%s %s\n", s.Paint(render.InkWaits, "!"), n)
	}
	for _, a := range r.Incidents {
		fmt.Fprintf(e.out, "\n%s\n", strings.Repeat("-", cmp.Or(min(s.Width, 78), 78)))
		fmt.Fprintf(e.out, "detected %s, decided %s\n", a.DetectedAt.Format(time.DateTime), a.DecidedAt.Format(time.DateTime))
		fmt.Fprint(e.out, render.Incident(a.Incident, s, a.Incident.UpdatedAt))
		if a.PlanError != "" {
			fmt.Fprintf(e.out, "%s no plan: %s\n", s.Paint(render.InkWaits, "!"), a.PlanError)
		}
		if a.Plan != nil && len(a.Plan.Ruling.Reasons) > 0 {
			fmt.Fprintf(e.out, "The policy: %s.\n", ruling(a.Plan.Ruling))
		}
		printKnown(e.out, a, s)
	}
	e.printSummary(r, s)
}

func ruling(r backout.Ruling) string {
	why := strings.Join(r.Reasons, "; ")
	switch {
	case r.Forbidden:
		return "it may not run: " + why
	case r.Automatic:
		return "it may run by itself: " + why
	}
	return fmt.Sprintf("%s must say yes: %s", render.Plural(max(1, r.Approvers), "approver"), why)
}

func printKnown(w io.Writer, a replay.Answer, s render.Style) {
	if a.Known == nil {
		return
	}
	truth := "no change did it"
	if len(a.Known.Culprits) > 0 {
		truth = strings.Join(a.Known.Culprits, ", ")
	}
	mark := s.Paint(render.InkOK, s.Glyph("✔")+" ranked first")
	switch {
	case a.Known.Rank == 0:
		mark = s.Paint(render.InkBad, s.Glyph("✖")+" not among the suspects")
	case a.Known.Rank > 1:
		mark = s.Paint(render.InkBad, fmt.Sprintf("%s ranked %d", s.Glyph("✖"), a.Known.Rank))
	}
	fmt.Fprintf(w, "What was found out: %s. %s, %s\n", truth, mark, render.Percent(a.Known.P))
}

func (e *env) printSummary(r replay.Result, s render.Style) {
	fmt.Fprintln(e.out)
	sum := r.Summary
	if sum.Incidents == 0 {
		fmt.Fprintf(e.out, "No incidents: no signal left its baseline for worse in this time.\n  %s\n", r.Ready)
		names := []string{}
		for name := range r.Missing {
			names = append(names, string(name))
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(e.out, "  %s signal %s was not measured at the end: %s\n", s.Paint(render.InkWaits, "!"), name, r.Missing[backout.SignalName(name)])
		}
		fmt.Fprint(e.out, "  Only signals with `opens: true` open an incident, after their warm-up. To ask about a moment all the same: backout replay DIR --at TIME\n")
	} else {
		fmt.Fprintf(e.out, "%s: %d plans to roll back, %d to ask a person, %d to change nothing. Attribution took %.1f ms (median).\n",
			s.Paint(render.InkBold, render.Plural(sum.Incidents, "incident")), sum.RollBack, sum.Ask, sum.NoAction, sum.MedianAttributionMS)
	}
	if sum.Labels == 0 {
		return
	}
	fmt.Fprintf(e.out, "Of %s that people know of, %d detected (median after %s); culprit ranked first in %d, among the first three in %d; plan right in %d.\n",
		render.Plural(sum.Labels, "incident"), sum.WithLabel, render.Span(time.Duration(sum.MedianDelayS*float64(time.Second))), sum.Top1, sum.Top3, sum.PlanRight)
	for _, at := range r.Missed {
		fmt.Fprintf(e.out, "  %s not detected: %s\n", s.Paint(render.InkBad, s.Glyph("✖")), at.Format(time.RFC3339))
	}
}
