package replay

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

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
	folder "github.com/backout-dev/backout/internal/replay"
)

// ever is later than everything that was recorded: reading a recording is no
// arrival, so no time in it is ahead of the clock.
var ever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// parseLine reads one observation as the webhook does.
func parseLine(line []byte) (backout.Observation, []folder.Wrong) {
	if line[0] != '{' {
		return backout.Observation{}, []folder.Wrong{{Message: "expected one observation: a JSON object"}}
	}
	report, problems := ingest.Read(line, ever)
	wrong := []folder.Wrong{}
	for _, p := range problems {
		wrong = append(wrong, folder.Wrong{Field: p.Field, Message: p.Message})
	}
	if len(wrong) > 0 {
		return backout.Observation{}, wrong
	}
	return report.Observations[0], nil
}

// tape is the recorded samples, in a database of their own.
type tape struct {
	*embedded.Recorded
	dir     string
	scrape  time.Duration
	samples int
}

// load makes the samples of a folder askable. Nothing in the folder is touched.
func load(ctx context.Context, f folder.Folder, c Config) (_ *tape, err error) {
	t := &tape{}
	if t.dir, err = os.MkdirTemp(c.Temp, "backout-replay-"); err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	ask := metrics.Config{Timeout: 5 * time.Minute, MaxPoints: 1000}
	if f.Blocks != "" {
		if err := copyBlocks(f.Blocks, t.dir); err != nil {
			return nil, err
		}
	}
	if t.Recorded, err = embedded.OpenRecorded(embedded.Config{Dir: t.dir, Ask: ask, MaxSamples: 100_000_000, Log: c.Log}); err != nil {
		return nil, fmt.Errorf("read samples of %s: %w", f.Dir, err)
	}
	if f.Metrics != "" {
		if err := t.read(ctx, f, c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// settle decides how the samples are asked, by the settings or by what is recorded
// up to the first judged moment: later samples must not tell.
func (t *tape) settle(ctx context.Context, f folder.Folder, first time.Time) (err error) {
	if t.scrape = f.Settings.Scrape.Std(); t.scrape == 0 {
		if t.scrape, err = t.Interval(ctx, first); err != nil {
			return err
		}
	}
	t.scrape = cmp.Or(t.scrape, f.Settings.StepOr())
	lookback := t.scrape * 5 / 2
	if f.Blocks != "" {
		lookback = 5 * time.Minute // a database knows where a series ended
	}
	return t.Ask(t.scrape, cmp.Or(f.Settings.Lookback.Std(), lookback))
}

// read streams the OpenMetrics file into the database.
func (t *tape) read(ctx context.Context, f folder.Folder, c Config) error {
	w := t.Writer(ctx)
	err := folder.ReadMetrics(folder.MetricsFile, f.Metrics, func(s folder.Sample) error {
		if err := w.Add(s.Key, s.Series, s.At, s.Value); err != nil {
			return err
		}
		if n := w.Total(); n%1_000_000 == 0 {
			c.progress("read %d million samples", n/1_000_000)
		}
		return ctx.Err()
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	t.samples = w.Total()
	return w.Flush()
}

// Close closes the database and removes it.
func (t *tape) Close() error {
	var err error
	if t.Recorded != nil {
		err = t.Recorded.Close()
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}

// copyBlocks brings a Prometheus data folder into another one: blocks, which are
// never written to, by links to their files; what may be repaired when it is
// opened by copies.
func copyBlocks(from, to string) error {
	from, err := filepath.EvalSymlinks(from) // people link to the folder itself
	if err == nil {
		from, err = filepath.Abs(from)
	}
	if err != nil {
		return fmt.Errorf("find blocks: %w", err)
	}
	found := false
	err = filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(from, path)
		top, rest, _ := strings.Cut(filepath.ToSlash(name), "/")
		target := filepath.Join(to, name)
		switch {
		case top == "lock", top == "queries.active", strings.Contains(top, ".tmp"):
			return nil
		case d.IsDir():
			return os.MkdirAll(target, 0o750)
		case rest == "index", strings.HasPrefix(rest, "chunks/"):
			found = true
			return os.Symlink(path, target)
		}
		found = found || top == "wal"
		return copyFile(path, target)
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", from, err)
	}
	if !found {
		return folder.Problems{{File: folder.BlocksDir, Expected: "expected a Prometheus data folder: blocks (folders with index and chunks/) or a wal"}}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
