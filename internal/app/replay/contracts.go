package replay

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	folder "github.com/backout-dev/backout/internal/replay"
)

// Knowing lists what is known of components and what is missing, in a folder: of a
// recording as it was at its end, or of catalog files alone.
func Knowing(ctx context.Context, dir string) (backout.Knowing, error) {
	if _, err := os.Stat(filepath.Join(dir, folder.CatalogDir)); err != nil {
		return app.CatalogKnowing(dir)
	}
	f, err := folder.Open(dir, parseLine)
	if err != nil {
		return backout.Knowing{}, err
	}
	end := f.Settings.To
	if n := len(f.Observations); end.IsZero() && n > 0 {
		end = f.Observations[n-1].At.Add(time.Minute)
	}
	w := folder.NewWorld(f)
	w.Set(end)
	return app.RecordedKnowing(ctx, f.Catalog, w, end, f.Settings.MinuteOr(), f.Settings.StepOr())
}
