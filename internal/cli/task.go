package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

var answerShort = map[string]string{
	"done":   "say that a step that waits for a person is done",
	"refuse": "say that a step that waits for a person will not be done; the run halts",
}

// answerCommand sends what a person says of a step that is done by hand. Without a
// step it prints what is waited for.
func (e *env) answerCommand(verb string) *cobra.Command {
	var c client
	a := web.Answer{Done: verb == "done"}
	cmd := &cobra.Command{
		Use: verb + " [INCIDENT] [STEP]", Short: answerShort[verb], Args: cobra.MaximumNArgs(2),
		Long:    answerShort[verb] + ". Without a step it prints what is waited for, and exits with 2 if that is anything.",
		Example: fmt.Sprintf("  backout %s\n  backout %s INC-1 ledger --reason \"restored and checked the totals\"", verb, verb),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, all, err := c.incidents(cmd.Context())
			if err != nil {
				return err
			}
			if a.Incident, a.Step, err = stepNamed(args, all); err != nil {
				return err
			}
			if a.Step == "" {
				return e.waiting(cmd.Context(), cl, a.Incident)
			}
			t, err := cl.Answer(cmd.Context(), a)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s step %s: %s says %s\n", a.Incident, t.Step, t.Answer.By, verb)
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&a.Reason, "reason", "", "kept in the audit log; at least 3 characters")
	cmd.Flags().StringVar(&a.By.Name, "by", me(), "who says so")
	return cmd
}

// stepNamed takes the arguments apart: an incident, which may be left out when just
// one is open, and a step.
func stepNamed(args []string, all []backout.Incident) (id backout.IncidentID, step string, err error) {
	for _, inc := range all {
		if len(args) > 0 && string(inc.ID) == args[0] {
			id, args = inc.ID, args[1:]
			break
		}
	}
	if id == "" {
		if len(args) == 2 {
			return "", "", &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("there is no incident %s", args[0])}
		}
		if id, err = oneIncident(nil, all); err != nil {
			return "", "", err
		}
	}
	if len(args) > 1 {
		return "", "", &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("found %q: expected one step", args)}
	}
	if len(args) == 1 {
		step = args[0]
	}
	return id, step, nil
}

// waiting prints what an incident's run waits for.
func (e *env) waiting(ctx context.Context, cl *web.Client, id backout.IncidentID) error {
	all, err := cl.Waiting(ctx, id)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintf(e.out, "%s waits for nobody\n", id)
		return nil
	}
	for _, t := range all {
		fmt.Fprint(e.out, render.Task(t, e.style(e.out)))
	}
	return exit{somethingToDo, nil}
}
