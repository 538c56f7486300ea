package cli

import (
	"bytes"
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
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/web"
)

// reportCommand writes what is left to read after an incident.
func (e *env) reportCommand() *cobra.Command {
	var a archive
	var output string
	cmd := &cobra.Command{
		Use: "report INCIDENT", Short: "write the report of an incident as Markdown or as one HTML file", Args: cobra.ExactArgs(1),
		Long: "Writes what happened, who did it, what was forecast and what came, the way back as it went, gates, approvals, messages, what was left and what to\n" +
			"follow up, with the state of the records. The file's ending says the format: .md or .html. The HTML file needs nothing else and prints on A4.",
		Example: "  backout report INC-... -o report.html\n  backout report INC-... > report.md\n  backout report INC-... --data ./data -o report.md",
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := formatOf(output)
			if err != nil {
				return exit{2, err}
			}
			var b bytes.Buffer
			if err := a.report(cmd.Context(), backout.IncidentID(args[0]), format, &b); err != nil {
				return err
			}
			if output == "" || output == "-" {
				_, err := e.out.Write(b.Bytes())
				return err
			}
			if err := writeWhole(output, b.Bytes()); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
			fmt.Fprintf(e.errs, "Written to %s.\n", output)
			return nil
		},
	}
	a.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write, ending in .md or .html; empty or - = Markdown on stdout")
	return cmd
}

func formatOf(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case path == "" || path == "-" || ext == ".md":
		return web.ReportMarkdown, nil
	case ext == ".html" || ext == ".htm":
		return web.ReportHTML, nil
	}
	return "", fmt.Errorf("report -o %s: expected a file that ends in .md or .html", path)
}

// report asks a server, or reads a data folder; there the graph is not known, and
// the picture of the forecast has no arrows.
func (a *archive) report(ctx context.Context, id backout.IncidentID, format string, w io.Writer) error {
	if a.data == "" {
		cl, err := a.open()
		if err != nil {
			return err
		}
		return cl.Report(ctx, id, format, w)
	}
	from, done, err := app.Archive(ctx, a.data)
	if err != nil {
		return err
	}
	defer done()
	f, err := from.Report(ctx, time.Now().UTC(), id, backout.Graph{})
	if err != nil {
		return err
	}
	text, _, err := web.WriteReport(f, format)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

// writeWhole writes a file whole or not at all.
func writeWhole(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".backout-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
