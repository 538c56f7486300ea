package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

// broken is the exit status of records that are not as they were written.
const broken = 2

// archive finds what was written down: a running server, or a data folder.
type archive struct {
	client
	data string
}

func (a *archive) flags(cmd *cobra.Command) {
	a.client.flags(cmd)
	cmd.Flags().StringVar(&a.data, "data", "", "read this data folder instead of asking a server; no server needs to run on it")
	cmd.MarkFlagsMutuallyExclusive("data", "server")
}

// export writes the records of one incident, or of all, as JSON lines.
func (a *archive) export(ctx context.Context, id backout.IncidentID, w io.Writer) error {
	if a.data != "" {
		return app.ExportAudit(ctx, a.data, id, w)
	}
	cl, err := a.open()
	if err != nil {
		return err
	}
	return cl.ExportAudit(ctx, id, w)
}

// auditCommand is about the records of what was decided and done.
func (e *env) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "the records of what was decided and done, and whether they are whole"}
	cmd.AddCommand(e.auditVerifyCommand(), e.auditExportCommand())
	return cmd
}

func (e *env) auditVerifyCommand() *cobra.Command {
	var a archive
	var copies []string
	var file, output string
	cmd := &cobra.Command{
		Use: "verify [INCIDENT]", Short: "check that no record was changed, removed or added since", Args: cobra.MaximumNArgs(1),
		Long: "Reads audit logs, sealed journals and anchors as they are stored, and checks them here, whoever gave them. Copies of the anchors that were kept\n" +
			"elsewhere (--anchors) show also what somebody changed together with everything else in the database. A data folder's own copy is always compared.\n" +
			"Exit codes: 0 whole, 1 it could not be checked, 2 broken: the first entry that is not as it was written is named.",
		Example: "  backout audit verify\n  backout audit verify --data ./data --anchors ../notes/anchors.jsonl\n  backout audit export > records.jsonl && backout audit verify --file records.jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := backout.IncidentID("")
			if len(args) == 1 {
				id = backout.IncidentID(args[0])
			}
			kept, err := a.copies(copies)
			if err != nil {
				return err
			}
			r, err := e.verify(cmd.Context(), a, file, id, kept)
			if err != nil {
				return err
			}
			return e.tellCheck(r, output)
		},
	}
	a.flags(cmd)
	cmd.Flags().StringArrayVar(&copies, "anchors", nil, "file with a copy of the anchors, one a line; may be given several times")
	cmd.Flags().StringVar(&file, "file", "", "check what backout audit export wrote to this file; - is standard input")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.MarkFlagsMutuallyExclusive("file", "data", "server")
	return cmd
}

// copies reads the copies of the anchors; a data folder has one of its own.
func (a *archive) copies(files []string) ([]attest.Copy, error) {
	out := []attest.Copy{}
	for _, f := range files {
		c, err := app.ReadAnchors(f)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if a.data == "" {
		return out, nil
	}
	own, err := app.ReadAnchors(app.AnchorFile(a.data))
	if errors.Is(err, os.ErrNotExist) {
		own, err = attest.Copy{Name: app.AnchorFile(a.data)}, nil // that it is missing is for the checker to judge
	}
	return append(out, own), err
}

// verify checks an export while it arrives.
func (e *env) verify(ctx context.Context, a archive, file string, id backout.IncidentID, copies []attest.Copy) (backout.AuditCheck, error) {
	in, out := io.Pipe()
	go func() {
		out.CloseWithError(a.read(ctx, file, id, out))
	}()
	defer func() { _ = in.Close() }() // ends the writer, should the reader have given up
	var c *attest.Checker
	found := false
	err := attest.Import(in, func(anchors [][]byte) { c = attest.New(anchors, copies...) }, func(l attest.Log) {
		if id == "" || l.Incident == id {
			found = true
			c.Add(l)
		}
	})
	switch {
	case err != nil:
		return backout.AuditCheck{}, fmt.Errorf("verify audit: %w", err)
	case id != "" && !found:
		return backout.AuditCheck{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("verify audit: there is no incident %s", id)}
	}
	return c.Result(id == ""), nil
}

func (a *archive) read(ctx context.Context, file string, id backout.IncidentID, w io.Writer) error {
	switch file {
	case "":
		return a.export(ctx, id, w)
	case "-":
		_, err := io.Copy(w, os.Stdin)
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	_, err = io.Copy(w, f)
	return err
}

func (e *env) tellCheck(r backout.AuditCheck, output string) error {
	if output == "json" {
		if err := e.printJSON(struct {
			Format int `json:"format"`
			backout.AuditCheck
		}{1, r}); err != nil {
			return err
		}
	} else {
		fmt.Fprint(e.out, render.AuditCheck(r, e.style(e.out)))
	}
	if !r.Whole {
		return exit{code: broken}
	}
	return nil
}

func (e *env) auditExportCommand() *cobra.Command {
	var a archive
	cmd := &cobra.Command{
		Use: "export [INCIDENT]", Short: "write the records of one incident, or of all, as JSON lines", Args: cobra.MaximumNArgs(1),
		Long: "Writes anchors, audit log and sealed journals as they are stored, one JSON object a line, so that somebody else can keep and check them:\n" +
			"backout audit verify --file FILE. The last line has the kind end; without it the export broke off.",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := backout.IncidentID("")
			if len(args) == 1 {
				id = backout.IncidentID(args[0])
			}
			return a.export(cmd.Context(), id, e.out)
		},
	}
	a.flags(cmd)
	return cmd
}

// looker answers questions about the past: a client, or a data folder.
type looker interface {
	History(ctx context.Context, l web.Look) ([]backout.Past, error)
	Timeline(ctx context.Context, id backout.IncidentID) ([]backout.TimelineEntry, error)
	Why(ctx context.Context, id backout.IncidentID) (render.Account, error)
}

// look opens whichever was asked for; done gives it back.
func (a *archive) look(ctx context.Context) (l looker, done func(), err error) {
	if a.data != "" {
		return app.Archive(ctx, a.data)
	}
	cl, err := a.open()
	return cl, func() {}, err
}
