package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/planfile"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

// somethingToDo is the exit status of a plan with steps and of a difference.
const somethingToDo = 2

// planCommand makes a plan and prints it, or keeps it in a file.
func (e *env) planCommand() *cobra.Command {
	var c client
	var facts facts
	var output, out, dir, at, change string
	cmd := &cobra.Command{
		Use: "plan [INCIDENT]", Short: "make the way back and print it; nothing is done", Args: cobra.MaximumNArgs(1),
		Long: "Makes the way back as it would be now and prints it. Nothing is saved, told or done. It comes from the running backout for the open incident; with\n" +
			"--change the plan that lies ready for one recent change, as if it were the cause; with --replay from a recording; with --catalog from files alone.\n" +
			"Exit codes: 0 nothing to do (now), 1 error, 2 there are steps, or a person must decide. `backout apply FILE` carries out what --out FILE keeps.",
		Example: "  backout plan --out plan.json\n  backout plan --change payment=2.14.0\n  backout plan --replay ./last-two-weeks --at 2026-11-24T09:56:00Z",
		RunE: func(cmd *cobra.Command, args []string) error {
			var f backout.PlanFile
			var err error
			switch {
			case dir != "":
				f, err = e.replayedPlan(cmd.Context(), dir, at)
			case facts.Catalog != "" && change == "":
				err = errors.New("plan: --catalog: without a running backout or a recording, --change must say which change to take back")
			case change != "":
				f, err = e.preparedPlan(cmd.Context(), c, facts, at, change)
			default:
				f, err = e.livePlan(cmd.Context(), c, args)
			}
			if err != nil {
				return err
			}
			return e.tellPlan(f, output, out, dir == "")
		},
	}
	c.flags(cmd)
	facts.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().StringVar(&out, "out", "", "keep the plan in this file")
	cmd.Flags().StringVar(&dir, "replay", "", "plan from this recorded folder instead of a running backout")
	cmd.Flags().StringVar(&at, "at", "", "with --replay or --catalog: as of this moment (RFC 3339)")
	cmd.Flags().StringVar(&change, "change", "", "the plan for this change, by its id or a part of it")
	return cmd
}

// livePlan asks the running backout. Without an open incident there is nothing to
// plan for.
func (e *env) livePlan(ctx context.Context, c client, args []string) (backout.PlanFile, error) {
	cl, all, err := c.incidents(ctx)
	if err != nil {
		return backout.PlanFile{}, err
	}
	if len(args) == 0 && !anyOpen(all) {
		return planfile.Make(nothingOpen(time.Now().UTC())), nil
	}
	id, err := oneIncident(args, all)
	if err != nil {
		return backout.PlanFile{}, err
	}
	f, err := cl.Propose(ctx, id)
	if err != nil {
		return f, err
	}
	if err := planfile.Verify(f); err != nil {
		return f, fmt.Errorf("plan of %s as it arrived from %s: %w", id, c.url, err)
	}
	return f, nil
}

func anyOpen(all []backout.Incident) bool {
	for _, inc := range all {
		if !inc.State.Terminal() {
			return true
		}
	}
	return false
}

// nothingOpen is the plan for a product without an incident.
func nothingOpen(now time.Time) backout.Plan {
	p := backout.Plan{Format: 1, ID: "P-none", MadeAt: now, Action: backout.ActionNone, Summary: "No action: no incident is open.", Waves: []backout.Wave{}}
	p.Fingerprint = backout.FingerprintOf(p.Grounds)
	p.Digest = p.ExecutableDigest()
	return p
}

// preparedPlan is what lies ready for one change, in the running backout or by facts
// in files.
func (e *env) preparedPlan(ctx context.Context, c client, f facts, at, change string) (backout.PlanFile, error) {
	known, err := e.knownChange(ctx, c, f, at, change)
	if err != nil {
		return backout.PlanFile{}, err
	}
	if known.Digest == "" {
		return backout.PlanFile{}, &backout.Error{Code: backout.CodeNotFound, Message: "there is no plan for this change: `backout change show` says why"}
	}
	return planfile.Make(known), nil
}

func (e *env) knownChange(ctx context.Context, c client, f facts, at, change string) (backout.Plan, error) {
	if f.Catalog != "" {
		p, err := e.preparedByFacts(ctx, f, at, change)
		return p.Plan, err
	}
	cl, err := c.open()
	if err != nil {
		return backout.Plan{}, err
	}
	k, err := cl.Change(ctx, change)
	if err != nil || k.Prepared == nil {
		return backout.Plan{}, err
	}
	return k.Prepared.Plan, nil
}

// replayedPlan is the newest plan of a recording, or that of a moment.
func (e *env) replayedPlan(ctx context.Context, dir, at string) (backout.PlanFile, error) {
	c := replay.Config{Dir: dir, Log: e.log(), Progress: e.progress}
	if at != "" {
		var t time.Time
		if err := parseTime("--at", at, &t); err != nil {
			return backout.PlanFile{}, err
		}
		c.At = []time.Time{t}
	}
	r, err := replay.Play(ctx, c)
	if err != nil {
		return backout.PlanFile{}, e.factsError(dir, err)
	}
	if len(r.Incidents) == 0 {
		return planfile.Make(nothingOpen(r.To)), nil
	}
	last := r.Incidents[len(r.Incidents)-1]
	switch {
	case last.PlanError != "":
		return planfile.Errored(backout.Plan{Format: 1, Incident: last.ID, MadeAt: last.DecidedAt}, errors.New(last.PlanError)), nil
	case last.Incident.Plan == nil:
		p := nothingOpen(last.DecidedAt)
		p.Incident, p.Summary = last.ID, "No action: "+last.Why
		return planfile.Make(p), nil
	}
	p := *last.Incident.Plan
	p.Ruling = last.Plan.Ruling
	return planfile.Make(p), nil
}

// tellPlan prints a plan, keeps it if asked, and says by its exit status what there
// is.
func (e *env) tellPlan(f backout.PlanFile, output, out string, live bool) error {
	if out != "" {
		if err := keep(f, out); err != nil {
			return err
		}
	}
	if output == "json" {
		b, err := planfile.Write(f)
		if err != nil {
			return err
		}
		if _, err := e.out.Write(b); err != nil {
			return err
		}
	} else {
		fmt.Fprint(e.out, render.Explain(f, e.style(e.out)))
		if out != "" {
			fmt.Fprintf(e.out, "\nKept in %s.", out)
			if live && f.Applyable {
				fmt.Fprintf(e.out, " To carry it out: backout apply %s --reason ...", out)
			}
			fmt.Fprintln(e.out)
		}
	}
	switch {
	case f.Errored:
		return exit{1, errors.New("no plan could be made: " + f.Error)}
	case f.Plan.Action == backout.ActionRollBack || f.Plan.Action == backout.ActionAsk:
		return exit{code: somethingToDo}
	}
	return nil
}

// keep writes a file whole or not at all.
func keep(f backout.PlanFile, path string) error {
	b, err := planfile.Write(f)
	if err != nil {
		return err
	}
	if err := writeWhole(path, b); err != nil {
		return fmt.Errorf("keep plan in %s: %w", path, err)
	}
	return nil
}

// readPlan reads a plan file; - is standard input.
func readPlan(path string) (backout.PlanFile, []byte, error) {
	in, name := io.Reader(os.Stdin), "standard input"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return backout.PlanFile{}, nil, fmt.Errorf("read plan: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		in, name = file, path
	}
	b, err := io.ReadAll(io.LimitReader(in, planfile.MaxBytes+1))
	if err != nil {
		return backout.PlanFile{}, nil, fmt.Errorf("read plan %s: %w", name, err)
	}
	f, err := planfile.Read(name, b)
	return f, b, err
}

// isFile reports whether an argument of `show` means a file and not an incident.
func isFile(arg string) bool {
	if arg == "-" || strings.HasSuffix(arg, ".json") || strings.ContainsRune(arg, filepath.Separator) {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && !info.IsDir()
}

// showPlan prints a plan file in people's words.
func (e *env) showPlan(path, output string) error {
	f, b, err := readPlan(path)
	if err != nil {
		return err
	}
	if output == "json" {
		_, err := e.out.Write(b)
		return err
	}
	fmt.Fprint(e.out, render.Explain(f, e.style(e.out)))
	return nil
}

// diffCommand compares two plan files.
func (e *env) diffCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "diff A B", Short: "how two plan files differ: what would be done, and what is said of it", Args: cobra.ExactArgs(2),
		Long: "Compares two plan files: steps, order, stages and what they rest on, then reasons, money and ruling.\nExit codes: 0 carrying out the one is carrying out the other, 1 error, 2 they differ in what would be done.",
		RunE: func(_ *cobra.Command, args []string) error {
			a, _, err := readPlan(args[0])
			if err != nil {
				return err
			}
			b, _, err := readPlan(args[1])
			if err != nil {
				return err
			}
			d := planfile.Compare(a, b)
			if output == "json" {
				err = e.printJSON(d)
			} else {
				e.printDifference(d)
			}
			if err == nil && !d.Same {
				return exit{code: somethingToDo}
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (e *env) printDifference(d planfile.Difference) {
	s := e.style(e.out)
	print := func(title string, all []planfile.Detail) {
		if len(all) > 0 {
			fmt.Fprintln(e.out, s.Paint(render.InkBold, title))
		}
		for _, x := range all {
			fmt.Fprintf(e.out, "  %s\n", x.What)
			if x.A != "" {
				fmt.Fprintf(e.out, "    %s %s\n", s.Paint(render.InkBad, s.Glyph("−")), x.A)
			}
			if x.B != "" {
				fmt.Fprintf(e.out, "    %s %s\n", s.Paint(render.InkOK, s.Glyph("+")), x.B)
			}
		}
	}
	print("What would be done differs:", d.Executable)
	if d.Same {
		fmt.Fprintln(e.out, "Both do the same.")
	}
	print("What is said of it differs:", d.Words)
}

// applyCommand hands a plan file to the running backout.
func (e *env) applyCommand() *cobra.Command {
	var c client
	d := web.Application{}
	var output, incident string
	var wait bool
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "carry out the plan of a file, if it still stands", Args: cobra.ExactArgs(1),
		Long: "Hands a plan file to the running backout. It is carried out only if it is unaltered, the world is still the one that it was made for, the independent\n" +
			"checker finds it safe again and the policy allows it; it waits for as many approvers as any other plan, and it is carried out once.\n" +
			"Exit codes: 0 recovered (or handed over, with --wait=false), 1 error or another end, 2 it waits for another approver.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, b, err := readPlan(args[0])
			if err != nil {
				return err
			}
			if f.Errored || f.Plan.Action != backout.ActionRollBack {
				return fmt.Errorf("%s: there is nothing in it to carry out: %s", args[0], cmp.Or(f.Error, f.Plan.Summary))
			}
			cl, err := c.open()
			if err != nil {
				return err
			}
			d.File, d.Incident = b, backout.IncidentID(cmp.Or(incident, string(f.Plan.Incident)))
			if d.Incident == "" {
				all, err := cl.Incidents(cmd.Context())
				if err != nil {
					return err
				}
				if d.Incident, err = oneIncident(nil, all); err != nil {
					return fmt.Errorf("apply %s: it was made for no incident, so --incident must name one: %w", args[0], err)
				}
			}
			inc, err := cl.Apply(cmd.Context(), d)
			if err != nil {
				return fmt.Errorf("apply %s: %w", args[0], err)
			}
			return e.followApplied(cmd.Context(), cl, inc, output, wait)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().StringVar(&incident, "incident", "", "the incident to apply it to; empty = the one it was made for")
	cmd.Flags().StringVar(&d.Reason, "reason", "", "kept in the audit log, at least 3 characters (needed)")
	cmd.Flags().StringVar(&d.By.Name, "by", me(), "who applies it")
	cmd.Flags().BoolVar(&wait, "wait", true, "print how it goes until it ends")
	return cmd
}

// followApplied prints the journal of the attempt until the incident ends. Ending
// the command ends the printing only.
func (e *env) followApplied(ctx context.Context, cl *web.Client, inc backout.Incident, output string, wait bool) error {
	said, state := 0, backout.State("")
	progress := e.out
	if output == "json" {
		progress = e.errs
	}
	s := e.style(progress)
	stands := func() {
		if inc.State != state {
			glyph, word, ink := render.StateMark(inc.State)
			fmt.Fprintf(progress, "%s %s: %s\n", inc.ID, s.Paint(ink, s.Glyph(glyph)+" "+word), inc.Why)
			state = inc.State
		}
	}
	for {
		if !inc.State.Terminal() { // an end is said after what led to it
			stands()
		}
		run, err := cl.Run(ctx, inc.ID)
		if err == nil {
			for ; said < len(run.Entries); said++ {
				fmt.Fprintf(progress, "  %s %s\n", render.Clock(run.Entries[said].At), render.Entry(run.Entries[said], s))
			}
		}
		if stands(); inc.State.Terminal() || inc.State == backout.StateWaiting || !wait {
			return e.appliedStatus(inc, output, wait)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped looking; %s goes on: backout show %s", inc.ID, inc.ID)
		case <-time.After(500 * time.Millisecond):
		}
		if inc, err = cl.Incident(ctx, inc.ID); err != nil {
			return fmt.Errorf("follow %s (it goes on): %w", inc.ID, err)
		}
	}
}

// appliedStatus is the exit status of an applied plan.
func (e *env) appliedStatus(inc backout.Incident, output string, wait bool) error {
	if output == "json" {
		if err := e.printJSON(inc); err != nil {
			return err
		}
	}
	switch {
	case inc.State == backout.StateWaiting:
		return exit{code: somethingToDo}
	case wait && inc.State != backout.StateRecovered && inc.State != backout.StateReviewed:
		return fmt.Errorf("%s ended %s: %s", inc.ID, inc.State, inc.Why)
	}
	return nil
}
