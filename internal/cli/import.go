package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/postmortem"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

// atOnce is how many past incidents are handed in with one request.
const atOnce = 500

// importReport is what an import says as JSON.
type importReport struct {
	Format int  `json:"format"`
	DryRun bool `json:"dry_run"`
	Read   int  `json:"read"`
	backout.Kept
	Files []importFile `json:"files"`
}

type importFile struct {
	File   string   `json:"file"`
	Source string   `json:"source"`
	Read   int      `json:"read"`
	Worth  string   `json:"worth"`
	Notes  []string `json:"notes"`
}

// historyImportCommand brings past incidents in.
func (e *env) historyImportCommand() *cobra.Command {
	var a archive
	var source, output string
	var dry bool
	cmd := &cobra.Command{
		Use: "import FILE...", Short: "bring in past incidents that people wrote down: CSV, JSON, or public postmortems", Args: cobra.MinimumNArgs(1),
		Long: "Reads past incidents so that new ones can be compared with them and the priors know how often which kind of change hurt. They are marked as\n" +
			"imported, are never taken for backout's own, and never make a plan run without a person. Importing again changes nothing.\n\n" +
			"CSV has a header line, JSON a list of objects or an object with one under each id; fields are " + strings.Join(postmortem.Fields(), ", ") + ".\n" +
			"Needed are id, started, and something that says what it looked like. services, symptoms and mitigation hold several, with ; between them.\n" +
			"cause is deployment, config, flag, schema, traffic, infrastructure, none or unknown. Where anything is wrong, nothing is kept.",
		Example: "  backout history import incidents.csv --dry-run\n  backout history import structured.json --source postmortems\n  backout history import old.csv --data ./data",
		RunE: func(cmd *cobra.Command, args []string) error {
			r := importReport{Format: 1, DryRun: dry, Files: []importFile{}}
			all, err := e.readPast(args, source, &r)
			if err != nil {
				return err
			}
			if !dry {
				if r.Kept, err = e.keepPast(cmd.Context(), a, all); err != nil {
					return err
				}
			}
			if output == "json" {
				return e.printJSON(r)
			}
			e.tellImport(r)
			return nil
		},
	}
	a.flags(cmd)
	cmd.Flags().Lookup("data").Usage = "import into this data folder, on which no backout may run, instead of asking a server"
	cmd.Flags().StringVar(&source, "source", "", "where they come from, as they are marked; empty = the file's name")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "read and check the files, keep nothing")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// readPast reads all files before anything is kept, and tells every problem of them all.
func (e *env) readPast(names []string, source string, r *importReport) ([]backout.Precedent, error) {
	var all []backout.Precedent
	from := map[backout.PrecedentID]string{}
	wrong := 0
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		as := cmp.Or(source, strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)))
		more, notes, err := postmortem.Read(name, as, body)
		var problems postmortem.Problems
		switch {
		case errors.As(err, &problems):
			for _, p := range problems {
				fmt.Fprintln(e.errs, p)
			}
			wrong += len(problems)
			continue
		case err != nil:
			return nil, err
		}
		for _, p := range more {
			if other, twice := from[p.ID]; twice {
				return nil, exit{2, fmt.Errorf("import: %s is in %s and in %s: give files with the same ids different sources, one import for each", p.ID, other, name)}
			}
			from[p.ID] = name
		}
		all, r.Read = append(all, more...), r.Read+len(more)
		r.Files = append(r.Files, importFile{name, as, len(more), postmortem.Worth(more, time.Now().UTC()), append([]string{}, notes...)})
	}
	if wrong > 0 {
		return nil, exit{2, fmt.Errorf("%s: nothing was imported", render.Plural(wrong, "problem"))}
	}
	return all, nil
}

// keepPast hands them in, in portions to a server and whole to a folder.
func (e *env) keepPast(ctx context.Context, a archive, all []backout.Precedent) (backout.Kept, error) {
	if err := web.Importable(all); err != nil {
		return backout.Kept{}, err
	}
	if a.data != "" {
		return app.ImportInto(ctx, a.data, all)
	}
	cl, err := a.open()
	if err != nil {
		return backout.Kept{}, err
	}
	var sum backout.Kept
	for i := 0; i < len(all); i += atOnce {
		k, err := cl.Import(ctx, all[i:min(i+atOnce, len(all))])
		if err != nil {
			return sum, fmt.Errorf("after %d of %d were kept: %w; importing again goes on", i, len(all), err)
		}
		sum.New, sum.Changed, sum.Same = sum.New+k.New, sum.Changed+k.Changed, sum.Same+k.Same
		if len(all) > atOnce {
			e.progress(fmt.Sprintf("kept %d of %d", min(i+atOnce, len(all)), len(all)))
		}
	}
	return sum, nil
}

func (e *env) tellImport(r importReport) {
	for _, f := range r.Files {
		fmt.Fprintf(e.out, "%s: %s, as %s.\n  %s.\n", f.File, render.Plural(f.Read, "incident"), f.Source, f.Worth)
		for _, n := range f.Notes {
			fmt.Fprintf(e.out, "  ! %s\n", n)
		}
	}
	if r.DryRun {
		fmt.Fprintln(e.out, "A dry run: nothing was kept.")
		return
	}
	fmt.Fprintf(e.out, "Kept: %d new, %d changed, %d there already.\n", r.New, r.Changed, r.Same)
}
