package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/catalog"
	folder "github.com/backout-dev/backout/internal/replay"
	"github.com/backout-dev/backout/internal/web"
)

// Facts says what is known without a running backout and without measurements.
// Only Catalog is required.
type Facts struct {
	Catalog  string   // folder of catalog files
	Changes  string   // file of observations, one a line; "" = none
	Settings string   // file like a recording's replay.yaml, of which reversals and minute are read; "" = none
	Live     []string // what runs, as ID=VERSION, where no observation says so
	Now      time.Time
}

// long is how far back what is only said to run is taken to run: longer than any
// window of suspicion.
const long = 365 * 24 * time.Hour

// Check answers a pipeline from facts: see [app.App.Check]. The error is [Problems]
// when a file is wrong.
func Check(ctx context.Context, f Facts, q web.Question) (backout.ReleaseCheck, error) {
	if q.From != "" { // what is shipped over runs now
		for _, id := range strings.Fields(strings.Join(q.Components, " ")) {
			if !strings.Contains(id, "=") {
				f.Live = append(f.Live, id+"="+q.From)
			}
		}
	}
	c, err := f.read(q)
	if err != nil {
		return backout.ReleaseCheck{}, err
	}
	return app.CheckRecorded(ctx, c, f.Now, q)
}

// Prepare gives what would lie ready for each change that is known. The error is
// [Problems] when a file is wrong.
func Prepare(ctx context.Context, f Facts) ([]backout.Prepared, error) {
	c, err := f.read(web.Question{})
	if err != nil {
		return nil, err
	}
	return app.PrepareRecorded(ctx, c, f.Now)
}

// read puts the facts together. What a service of the question is shipped over is
// known to run.
func (f Facts) read(q web.Question) (app.RecordedConfig, error) {
	rec := folder.Folder{Dir: f.Catalog, Notes: []string{}}
	if f.Catalog == "" {
		return app.RecordedConfig{}, invalid("read facts: expected a folder of catalog files, by --catalog")
	}
	var err error
	if rec.Catalog, err = catalog.Load(os.DirFS(f.Catalog)); err != nil {
		return app.RecordedConfig{}, err
	}
	if err := f.readChanges(&rec); err != nil {
		return app.RecordedConfig{}, err
	}
	if err := f.readSettings(&rec); err != nil {
		return app.RecordedConfig{}, err
	}
	live := slices.Clone(f.Live)
	for _, c := range rec.Catalog.Graph.Components {
		if q.From != "" && c.Kind == backout.KindDeployment && string(c.Service) == q.Service {
			live = append(live, string(c.ID)+"="+q.From)
		}
	}
	for _, text := range live {
		o, err := f.running(text)
		if err != nil {
			return app.RecordedConfig{}, err
		}
		rec.Observations = append(rec.Observations, o)
	}
	slices.SortStableFunc(rec.Observations, func(a, b backout.Observation) int { return a.At.Compare(b.At) })
	w := folder.NewWorld(rec)
	w.Set(f.Now)
	return app.RecordedConfig{Catalog: rec.Catalog, World: w, Minute: rec.Settings.MinuteOr(), Step: rec.Settings.StepOr()}, nil
}

func (f Facts) readChanges(rec *folder.Folder) (err error) {
	if f.Changes == "" {
		return nil
	}
	file, err := os.Open(f.Changes)
	if err != nil {
		return invalid("read facts: --changes: %v", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	rec.Observations, err = folder.ReadChanges(f.Changes, file, parseLine)
	return err
}

func (f Facts) readSettings(rec *folder.Folder) error {
	if f.Settings == "" {
		return nil
	}
	doc, err := os.ReadFile(f.Settings)
	if err != nil {
		return invalid("read facts: --settings: %v", err)
	}
	if rec.Settings, err = folder.ParseSettings(f.Settings, doc); err != nil {
		return err
	}
	return rec.Settings.Check(f.Settings, rec.Catalog.Graph)
}

// running is the report that a component runs a version since long ago.
func (f Facts) running(text string) (backout.Observation, error) {
	id, version, _ := strings.Cut(text, "=")
	_, _, _, _, err := backout.ComponentID(id).Split()
	if err == nil && version == "" {
		err = errors.New("no version")
	}
	if err != nil {
		return backout.Observation{}, invalid("read facts: live %q: expected ID=VERSION: %v", text, err)
	}
	return backout.Observation{Source: "given", NativeID: fmt.Sprintf("live %s", id), At: f.Now.Add(-long), Component: backout.ComponentID(id), To: backout.Version(version), Share: 1}, nil
}
