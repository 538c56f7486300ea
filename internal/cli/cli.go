// Package cli is the command line: it parses flags, calls app or a running
// server, and prints. It decides nothing. Commands that change something talk to
// the server that owns it; offline commands are functions of app.
//
// Answers go to stdout, progress and errors to stderr. `-o json` prints one
// object as the last thing on stdout. Colour is used on a terminal only, and not
// with NO_COLOR, --no-color or TERM=dumb. Exit codes: 0 done, 1 failed, 2 there
// is something to do or to mend.
package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// exit carries an exit status through cobra.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// me is who says so, unless --by names another.
func me() string { return cmp.Or(os.Getenv("USER"), "cli") }

// env is what every command gets: where to write, and how.
type env struct {
	out, errs io.Writer
	noColour  bool
	ascii     bool
	verbose   bool
}

// Main runs the command line and gives the exit status.
func Main(args []string, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{out: out, errs: errs}
	root := &cobra.Command{
		Use: "backout", Short: "Plans and carries out the way back from a bad change.",
		Long:          "backout watches changes and signals, finds which change broke the product (or that none did),\nforecasts what breaks next and what it costs, computes the smallest safe set of reversals,\nruns it in verified stages with people in the loop, and tells everybody.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().BoolVar(&e.noColour, "no-color", false, "no colours, even on a terminal")
	root.PersistentFlags().BoolVar(&e.ascii, "ascii", false, "only ASCII symbols")
	root.PersistentFlags().BoolVarP(&e.verbose, "verbose", "v", false, "log what happens inside, on stderr")
	root.AddCommand(e.demoCommand(), e.drillCommand(), e.serveCommand(), e.lintCommand(), e.statusCommand(), e.incidentCommand(), e.replayCommand(), e.changeCommand(), e.contractsCommand(), e.notifyCommand(), e.fixCommand(), e.playgroundCommand(),
		e.planCommand(), e.diffCommand(), e.applyCommand(), e.checkCommand(), e.auditCommand(), e.historyCommand(), e.whyCommand(), e.reportCommand(), e.doctorCommand(), e.healthCommand(), e.tokenCommand(), e.answerCommand("done"), e.answerCommand("refuse"),
		e.holdCommand(), e.lockCommand(), e.turnCommand(true), e.turnCommand(false))
	for _, verb := range []string{"approve", "reject", "pause", "resume", "abort", "takeover", "close"} {
		root.AddCommand(e.decideCommand(verb))
	}
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl-") {
		defer e.asPlugin(root)()
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	return e.status(root.ExecuteContext(ctx))
}

func (e *env) status(err error) int {
	if err == nil {
		return 0
	}
	var x exit
	code := 1
	if errors.As(err, &x) {
		code = x.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(e.errs, "backout: "+text)
	}
	return code
}

// style says what a stream can show.
func (e *env) style(w io.Writer) render.Style {
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	s := render.Style{Colour: terminal && !e.noColour && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", ASCII: e.ascii}
	if l := os.Getenv("LC_ALL") + os.Getenv("LC_CTYPE") + os.Getenv("LANG"); terminal && l != "" && !strings.Contains(strings.ToLower(strings.ReplaceAll(l, "-", "")), "utf8") {
		s.ASCII = true
	}
	if terminal {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.Width = width
		}
	}
	return s
}

func (e *env) log() *slog.Logger {
	if !e.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(e.errs, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// printJSON writes one object as the last thing on stdout.
func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	return enc.Encode(v)
}

// oneIncident accepts an incident's id or, when there is just one open, none.
func oneIncident(args []string, all []backout.Incident) (backout.IncidentID, error) {
	if len(args) == 1 {
		return backout.IncidentID(args[0]), nil
	}
	var open []backout.IncidentID
	for _, i := range all {
		if !i.State.Terminal() {
			open = append(open, i.ID)
		}
	}
	if len(open) == 1 {
		return open[0], nil
	}
	return "", fmt.Errorf("%d incidents are open: name one, for example backout %s", len(open), "approve INC-...")
}
