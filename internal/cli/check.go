package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

// facts are flags for what is known from files alone.
type facts struct{ replay.Facts }

func (f *facts) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Catalog, "catalog", "", "ask this folder of catalog files instead of a running backout")
	cmd.Flags().StringVar(&f.Changes, "changes", "", "with --catalog: file of recent changes, one observation a line")
	cmd.Flags().StringVar(&f.Settings, "settings", "", "with --catalog: file like a recording's replay.yaml, for its reversals")
	cmd.Flags().StringArrayVar(&f.Live, "live", nil, "with --catalog: what runs, as ID=VERSION; may be given several times")
}

// as sets the moment that the facts are of.
func (f *facts) as(at string) error {
	f.Now = time.Now().UTC()
	return parseTime("--at", at, &f.Now)
}

// preparedByFacts finds what would lie ready for one change.
func (e *env) preparedByFacts(ctx context.Context, f facts, at, change string) (backout.Prepared, error) {
	if err := f.as(at); err != nil {
		return backout.Prepared{}, err
	}
	all, err := replay.Prepare(ctx, f.Facts)
	if err != nil {
		return backout.Prepared{}, e.factsError(f.Catalog, err)
	}
	found := []backout.Prepared{}
	for _, p := range all {
		if strings.Contains(string(p.Change), change) {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return backout.Prepared{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("%d of the %d changes known at %s are called %s: expected one", len(found), len(all), f.Now.Format(time.RFC3339), change)}
	}
	return found[0], nil
}

// checkCommand asks before a deployment whether it could be undone.
func (e *env) checkCommand() *cobra.Command {
	var c client
	var f facts
	var q web.Question
	var output, at string
	var d deployFlags
	cmd := &cobra.Command{
		Use: "check", Short: "before a deploy: could this release be undone, and may it go out now?", Args: cobra.NoArgs,
		Long: "Asks whether a release, once it is out and nothing else has changed, could be taken back without loss and with proof, and says what to do if not.\n" +
			"It asks the running backout, or with --catalog files alone. Exit codes: 0 it could, 1 error, 2 it could not.\n\n" +
			"With --deploy it asks whether this deployment may go ahead now: is the component or the artifact held, does a plan run, does another pipeline\n" +
			"have the deploy lock? With --lock the answer yes comes with the lock. Exit codes: 0 go ahead, 1 error, 2 held: by whom, why, until when, what to do.",
		Example: "  backout check --service payment --version 2.15.0\n" +
			"  backout check --service payment --version 2.15.0 --component schema:ledger@production/eu-1=43 -o markdown\n" +
			"  backout check --service payment --version 2.15.0 --from 2.14.0 --catalog ./catalog\n" +
			"  backout check --deploy deployment:payment@production/eu-1 --to 2.15.0 --digest sha256:... --lock 30m --owner ci-123",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" && output != "markdown" {
				return fmt.Errorf("check: -o %q: expected text, json or markdown", output)
			}
			if d.Component != "" {
				return e.checkDeploy(cmd.Context(), c, d.Deployment, output)
			}
			answer, err := e.check(cmd.Context(), c, f, at, q)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				err = e.printJSON(answer)
			case "markdown":
				fmt.Fprint(e.out, render.CheckMarkdown(answer))
			default:
				fmt.Fprint(e.out, render.Check(answer, e.style(e.out)))
			}
			if err == nil && !answer.Reversible {
				return exit{code: somethingToDo}
			}
			return err
		},
	}
	c.flags(cmd)
	f.flags(cmd)
	d.flags(cmd)
	cmd.Flags().StringVar(&q.Service, "service", "", "whose deployments are about to be shipped")
	cmd.Flags().StringVar(&q.Version, "version", "", "the version to be shipped")
	cmd.Flags().StringVar(&q.From, "from", "", "the version to go back to; empty = what runs now")
	cmd.Flags().StringVar(&q.Environment, "environment", "", "only here; empty = everywhere")
	cmd.Flags().StringVar(&q.Location, "location", "", "only here; empty = everywhere")
	cmd.Flags().StringArrayVar(&q.Components, "component", nil, "what is shipped with it or instead, as ID=VERSION, or ID for --version; may be given several times")
	cmd.Flags().StringVar(&at, "at", "", "with --catalog: as of this moment (RFC 3339)")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or markdown")
	return cmd
}

func (e *env) check(ctx context.Context, c client, f facts, at string, q web.Question) (backout.ReleaseCheck, error) {
	if f.Catalog != "" {
		if err := f.as(at); err != nil {
			return backout.ReleaseCheck{}, err
		}
		answer, err := replay.Check(ctx, f.Facts, q)
		if err != nil {
			return answer, e.factsError(f.Catalog, err)
		}
		return answer, nil
	}
	cl, err := c.open()
	if err != nil {
		return backout.ReleaseCheck{}, err
	}
	return cl.Check(ctx, q)
}

// factsError prints every problem of the files on a line of its own. Wrong files
// are an error here: exit code 2 is an answer.
func (e *env) factsError(dir string, err error) error {
	var x exit
	if err = e.folderError(dir, err); errors.As(err, &x) {
		return x.err
	}
	return err
}
