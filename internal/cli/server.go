package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

// serveCommand runs the daemon.
func (e *env) serveCommand() *cobra.Command {
	var c app.Config
	var tokenFile, autonomy string
	cmd := &cobra.Command{
		Use: "serve", Short: "watch, decide and act until stopped", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Log, c.Autonomy, c.Console = e.log(), backout.Autonomy(autonomy), e.out
			if tokenFile != "" {
				b, err := os.ReadFile(tokenFile)
				if err != nil {
					return fmt.Errorf("read --playground-token-file: %w", err)
				}
				c.PlaygroundToken = strings.TrimSpace(string(b))
			}
			c.Database = cmp.Or(c.Database, os.Getenv("BACKOUT_DATABASE")) // not as the flag's default, which help would show
			return e.serve(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Catalog, "catalog", "", "folder of catalog files (needed)")
	f.StringVar(&c.Data, "data", "", "folder to keep state in (needed)")
	f.StringVar(&c.Database, "database", "", "postgres://user:password@host/name to be one replica of several; empty = BACKOUT_DATABASE, else a file in --data")
	f.StringVar(&c.Listen, "listen", "127.0.0.1:8470", "loopback host:port to serve on")
	f.StringVar(&c.Prometheus, "prometheus", "", "URL of a Prometheus-compatible server; empty = the embedded one")
	f.StringVar(&c.Targets, "targets", "", "http_sd URL of what the embedded server scrapes")
	f.StringVar(&c.TargetsTokenFile, "targets-token-file", "", "file with the bearer token that --targets asks for")
	f.DurationVar(&c.Step, "step", 15*time.Second, "sampling step")
	f.DurationVar(&c.Minute, "minute", time.Minute, "length of a model minute; shorter only for rehearsals")
	f.DurationVar(&c.Scrape, "scrape", 0, "scrape interval of the embedded server; 0 = half a step")
	f.StringVar(&c.Notify, "notify", "", "file that says how people are told; empty = the catalog's Notify document, or on-call by the console")
	f.StringVar(&autonomy, "autonomy", "", "shadow, ask or act; empty = as the catalog's Policy says")
	f.StringVar(&c.WebhookSecretFile, "webhook-secret-file", "", "file with the secrets of signed webhooks, one a line: whsec_... or GitHub's")
	f.StringToStringVar(&c.AlertLabels, "alert-label", nil, "which label of an alert names what, such as service=app,location=region")
	f.StringVar(&c.AnchorFile, "anchor-file", "", "another file that gets a copy of the audit anchors, one a line, such as one in a git repository")
	f.StringVar(&c.AnchorURL, "anchor-url", "", "URL that gets each audit anchor by POST, as JSON; tried until it answers 2xx")
	f.StringVar(&c.Playground, "playground", "", "URL of the playground shop's control API")
	f.StringVar(&tokenFile, "playground-token-file", "", "file with the playground's token")
	return cmd
}

// client finds the running server: flags first, then the environment.
type client struct {
	url, tokenFile string
}

func (c *client) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.url, "server", cmp.Or(os.Getenv("BACKOUT_URL"), "http://127.0.0.1:8470"), "the running backout (BACKOUT_URL)")
	cmd.Flags().StringVar(&c.tokenFile, "token-file", os.Getenv("BACKOUT_TOKEN_FILE"), "file with its token (BACKOUT_TOKEN_FILE)")
}

func (c *client) open() (*web.Client, error) {
	out := &web.Client{URL: c.url}
	if c.tokenFile != "" {
		b, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read --token-file: %w", err)
		}
		out.Token = strings.TrimSpace(string(b))
	}
	return out, nil
}

// incidents opens the client and lists what it knows of.
func (c *client) incidents(ctx context.Context) (*web.Client, []backout.Incident, error) {
	cl, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	all, err := cl.Incidents(ctx)
	return cl, all, err
}

// statusCommand lists incidents.
func (e *env) statusCommand() *cobra.Command {
	var c client
	var output, by string
	var watch bool
	cmd := &cobra.Command{
		Use: "status [INCIDENT]", Short: "how it is now, and the newest incidents; with -w as it goes on", Args: cobra.MaximumNArgs(1),
		Long: "Says how it is now. With --watch it stays and shows one incident as it goes: the one that is named, until it has ended, or else the newest open one.\n" +
			"On a terminal the lines that change are drawn anew and keys pause, resume and abort, after a 'yes'; elsewhere each change is a line (-o json: an object).",
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			if watch {
				return e.watchStatus(cmd.Context(), cl, backout.IncidentID(strings.Join(args, "")), output, by)
			}
			if len(args) == 1 {
				return exit{2, fmt.Errorf("status %s: expected --watch with an incident; `backout show %s` shows it once", args[0], args[0])}
			}
			st, err := cl.Status(cmd.Context())
			if err != nil {
				return err
			}
			all, err := cl.Incidents(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return e.printJSON(map[string]any{"format": 1, "status": st, "incidents": all})
			}
			s := e.style(e.out)
			fmt.Fprintf(e.out, "mode %s · %s · %s · %s\n", st.Mode, render.Plural(st.Services, "service"), st.Ready, render.Measured(st.MeasuredAt, time.Now()))
			for _, d := range st.Degraded {
				fmt.Fprintf(e.out, "%s %s\n", s.Paint(render.InkWaits, "!"), render.Degraded(d, time.Now()))
			}
			for _, u := range st.Unknown {
				fmt.Fprintf(e.out, "%s %s\n", s.Paint(render.InkWaits, "?"), u)
			}
			for _, b := range st.Barriers() {
				fmt.Fprintf(e.out, "%s %s\n", s.Paint(render.InkHeld, s.Glyph("‖")), b)
			}
			for _, u := range st.Undelivered {
				fmt.Fprintf(e.out, "%s not delivered: %s\n", s.Paint(render.InkWaits, "!"), u)
			}
			if len(all) == 0 {
				fmt.Fprintln(e.out, "No incidents.")
			}
			for _, inc := range all {
				glyph, word, ink := render.StateMark(inc.State)
				fmt.Fprintf(e.out, "%s %s  since %s  %s\n", inc.ID, s.Paint(ink, s.Glyph(glyph)+" "+word), render.Clock(inc.Onset), inc.Why)
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "stay and show how it goes on")
	cmd.Flags().StringVar(&by, "by", me(), "with --watch: who presses the keys")
	return cmd
}

// incidentCommand shows one incident: who did it, what is next, the way back.
func (e *env) incidentCommand() *cobra.Command {
	var c client
	var output string
	cmd := &cobra.Command{
		Use: "show [INCIDENT|FILE]", Short: "one incident: suspects, forecast, plan; or a plan file in words", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && isFile(args[0]) {
				return e.showPlan(args[0], output)
			}
			cl, all, err := c.incidents(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 && len(all) > 0 {
				args = []string{string(all[0].ID)}
			}
			id, err := oneIncident(args, all)
			if err != nil {
				return err
			}
			inc, err := cl.Incident(cmd.Context(), id)
			if err != nil {
				return err
			}
			if output == "json" {
				return e.printJSON(inc)
			}
			if st, err := cl.Status(cmd.Context()); err == nil && !inc.State.Terminal() {
				inc.Degraded = st.Degraded // as it is now, also where it could not be saved
			}
			fmt.Fprint(e.out, render.Incident(inc, e.style(e.out), time.Now()))
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

var decideShort = map[string]string{
	"approve": "say yes to the waiting plan with this digest", "reject": "say no to the waiting plan; nothing is changed",
	"pause": "keep the running plan where it is", "resume": "let a paused plan go on", "abort": "end it; nothing further is changed",
	"takeover": "carry on by hand: a run is aborted, holds stay, nothing further happens by itself", "close": "say what an incident turned out to be",
}

// decideCommand sends one decision to the running server.
func (e *env) decideCommand(verb string) *cobra.Command {
	var c client
	d := web.Decision{Verb: verb}
	cmd := &cobra.Command{
		Use: verb + " [INCIDENT]", Short: decideShort[verb], Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, all, err := c.incidents(cmd.Context())
			if err != nil {
				return err
			}
			if d.Incident, err = oneIncident(args, all); err != nil {
				return err
			}
			for _, inc := range all { // a prefix of eight is enough when it is this incident's plan
				if inc.ID == d.Incident && inc.Plan != nil && len(d.Digest) >= 8 && strings.HasPrefix(inc.Plan.Digest, d.Digest) {
					d.Digest = inc.Plan.Digest
				}
			}
			inc, err := cl.Decide(cmd.Context(), d)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s %s: %s\n", inc.ID, inc.State, inc.Why)
			return nil
		},
	}
	c.flags(cmd)
	switch verb {
	case "close":
		cmd.Flags().StringVar(&d.As, "as", "", "false-alarm, or reviewed (needed)")
		cmd.Flags().StringVar(&d.Cause, "cause", "", "with --as reviewed: the change that did it, by its id, or none; left out = nobody knows")
		_ = cmd.MarkFlagRequired("as") // the flag exists
	case "approve", "reject":
		cmd.Flags().StringVar(&d.Digest, "digest", "", "of the plan as it was shown, at least 8 characters")
	}
	cmd.Flags().StringVar(&d.Reason, "reason", "", "kept in the audit log")
	cmd.Flags().StringVar(&d.By.Name, "by", me(), "who decides")
	return cmd
}

// lintCommand checks a catalog folder, or a file that says how people are told.
func (e *env) lintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "lint PATH", Short: "check a catalog folder or a --notify file; every problem as file:line:field", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			summary, problems := app.Lint(args[0])
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
