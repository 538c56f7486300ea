package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/prometheus"
	folder "github.com/backout-dev/backout/internal/replay"
)

// RecordConfig says what to record. Prometheus, Catalog, Out and Since are
// required, and one of Changes and Observations.
type RecordConfig struct {
	Prometheus prometheus.Config
	Catalog    string        // folder
	Since      time.Duration // how far back, counted from To
	To         time.Time     // zero = now
	// Step thins the samples to one each step; 0 = as they are, which rates need.
	Step time.Duration
	// Changes is a file of observations, one a line; or Observations asks a running
	// backout.
	Changes      string
	Observations func(ctx context.Context, since, until time.Time) ([]backout.Observation, error)
	Out          string // must not exist
	Progress     func(line string)
}

// Recorded counts what was recorded.
type Recorded struct {
	Format  int       `json:"format"`
	Dir     string    `json:"dir"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Series  int       `json:"series"`
	Samples int       `json:"samples"`
	Changes int       `json:"changes"`
	// Nothing lists the selectors that gave nothing.
	Nothing []string `json:"nothing"`
}

func (c RecordConfig) checked() (RecordConfig, error) {
	if c.To.IsZero() {
		c.To = time.Now().UTC().Truncate(time.Second)
	}
	switch {
	case c.Since < time.Minute:
		return c, invalid("record: since %s: expected at least a minute", c.Since)
	case c.Step != 0 && (c.Step < time.Second || c.Step%time.Millisecond != 0):
		return c, invalid("record: step %s: expected whole milliseconds, at least a second", c.Step)
	case c.Catalog == "" || c.Out == "":
		return c, invalid("record: a catalog folder and a folder to write are needed")
	case (c.Changes == "") == (c.Observations == nil):
		return c, invalid("record: expected the changes from a file or from a running backout, one of them")
	}
	if _, err := os.Lstat(c.Out); !errors.Is(err, fs.ErrNotExist) {
		return c, invalid("record into %s: it is there already: expected a new name", c.Out)
	}
	return c, nil
}

// Record writes a folder. Everything goes into a folder beside it first, which
// gets its name when it is whole and reads back as a recording; else it is removed.
func Record(ctx context.Context, c RecordConfig) (_ Recorded, err error) {
	if c, err = c.checked(); err != nil {
		return Recorded{}, err
	}
	known, err := catalog.Load(os.DirFS(c.Catalog))
	if err != nil {
		return Recorded{}, fmt.Errorf("read catalog %s: %w", c.Catalog, err)
	}
	server, err := prometheus.NewHistory(c.Prometheus)
	if err != nil {
		return Recorded{}, err
	}
	parent := filepath.Dir(filepath.Clean(c.Out))
	dir, err := os.MkdirTemp(parent, "."+filepath.Base(c.Out)+".partial-")
	if err != nil {
		return Recorded{}, fmt.Errorf("record into %s: %w", c.Out, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	r := recorder{c: c, dir: dir, server: server, from: c.To.Add(-c.Since)}
	for _, write := range []func(context.Context) error{r.catalog, r.settings, r.changes, func(ctx context.Context) error { return r.metrics(ctx, known.Signals) }} {
		if err := write(ctx); err != nil {
			return Recorded{}, fmt.Errorf("record into %s: %w", c.Out, err)
		}
	}
	if _, err := folder.Open(dir, parseLine); err != nil {
		return Recorded{}, fmt.Errorf("record into %s: what was written can't be read: %w", c.Out, err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Rename(dir, c.Out)); err != nil {
		return Recorded{}, fmt.Errorf("record into %s: %w", c.Out, err)
	}
	r.out.Format, r.out.Dir, r.out.From, r.out.To = folder.Format, c.Out, r.from, c.To
	if r.out.Nothing == nil {
		r.out.Nothing = []string{}
	}
	return r.out, nil
}

// recorder is one recording being made.
type recorder struct {
	c      RecordConfig
	dir    string
	server *prometheus.History
	from   time.Time
	out    Recorded
}

func (r *recorder) progress(format string, args ...any) {
	if r.c.Progress != nil {
		r.c.Progress(fmt.Sprintf(format, args...))
	}
}

// catalog copies the catalog's files as they are.
func (r *recorder) catalog(context.Context) error {
	return filepath.WalkDir(r.c.Catalog, func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || d.IsDir() || ext != ".yaml" && ext != ".yml" {
			return err
		}
		name, err := filepath.Rel(r.c.Catalog, path)
		if err != nil {
			return err
		}
		target := filepath.Join(r.dir, folder.CatalogDir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
			return err
		}
		return copyFile(path, target)
	})
}

// settings says from when to judge: an hour later than what was asked for, since
// the first hour teaches what is normal.
func (r *recorder) settings(context.Context) error {
	text := fmt.Sprintf("# Recorded by backout replay record. Known incidents may be added, for scores:\n# incidents: [{at: TIME, culprits: [\"component=version\"]}]\nstep: %s\nfrom: %s\nto: %s\n",
		backout.Duration(max(time.Minute, r.c.Step)), r.from.Add(min(time.Hour, r.c.Since/2)).UTC().Format(time.RFC3339), r.c.To.UTC().Format(time.RFC3339))
	return os.WriteFile(filepath.Join(r.dir, folder.SettingsFile), []byte(text), 0o600)
}

// before is how long before the first judged moment a change may still be a
// suspect: the evidence's window and some more.
const before = 3 * time.Hour

func (r *recorder) changes(ctx context.Context) error {
	var all []backout.Observation
	if r.c.Changes != "" {
		file, err := os.Open(r.c.Changes)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		read, err := folder.ReadChanges(r.c.Changes, file, parseLine)
		if err != nil {
			return err
		}
		all = within(read, r.from.Add(-before), r.c.To)
	}
	for at := r.from.Add(-before); r.c.Observations != nil && at.Before(r.c.To); at = at.Add(24 * time.Hour) {
		until := at.Add(24 * time.Hour)
		if until.After(r.c.To) {
			until = r.c.To
		}
		day, err := r.c.Observations(ctx, at, until)
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		all = append(all, day...)
	}
	r.out.Changes = len(all)
	r.progress("%d observations of changes", len(all))
	return writeLines(filepath.Join(r.dir, folder.ChangesFile), all)
}

func within(all []backout.Observation, from, to time.Time) []backout.Observation {
	out := []backout.Observation{}
	for _, o := range all {
		if !o.At.Before(from) && !o.At.After(to) {
			out = append(out, o)
		}
	}
	return out
}

func writeLines(path string, all []backout.Observation) error {
	var b strings.Builder
	for _, o := range all {
		line, err := json.Marshal(o)
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

// metrics writes what the signals' queries read, selector after selector.
func (r *recorder) metrics(ctx context.Context, signals []backout.Signal) error {
	selectors, err := metrics.Selectors(signals, time.Minute, max(time.Minute, r.c.Step))
	if err != nil {
		return err
	}
	w, err := newTextWriter(filepath.Join(r.dir, folder.MetricsFile))
	if err != nil {
		return err
	}
	begin := r.from
	for _, s := range selectors { // one begin for all: a series may belong to several
		if at := r.from.Add(-s.Reach); at.Before(begin) {
			begin = at
		}
	}
	for i, s := range selectors {
		rows, err := r.selector(ctx, s, begin, w)
		if err != nil {
			return errors.Join(fmt.Errorf("read %s: %w", s.Text, err), w.abandon())
		}
		if rows == 0 {
			r.out.Nothing = append(r.out.Nothing, s.Text)
		}
		r.progress("%d of %d selectors, %d series, %d samples", i+1, len(selectors), len(w.last), w.samples)
	}
	r.out.Series, r.out.Samples = len(w.last), w.samples
	return w.close()
}

// Chunks of time: as long at the beginning, and not shorter than the least when
// the server finds a chunk too much.
const (
	longestChunk  = 2 * time.Hour
	shortestChunk = time.Minute
	answerTimeout = 2 * time.Minute
	tries         = 4
)

// selector writes what one selector gives, and counts the rows.
func (r *recorder) selector(ctx context.Context, s metrics.Selector, begin time.Time, w *textWriter) (rows int, err error) {
	chunk, said := longestChunk, time.Now()
	for at := begin; at.Before(r.c.To); {
		until := at.Add(chunk)
		if until.After(r.c.To) {
			until = r.c.To
		}
		part, err := r.ask(ctx, s.Text, at, until)
		if backout.CodeOf(err) == backout.CodeInvalid && chunk/2 >= shortestChunk {
			chunk /= 2 // too many samples for one answer; a wrong query fails to the end
			continue
		}
		if err == nil {
			err = w.write(part)
		}
		if err != nil {
			return rows, err
		}
		if rows += len(part); time.Since(said) > 2*time.Second {
			said = time.Now()
			r.progress("%s up to %s", s.Text, stamp(until))
		}
		at = until
	}
	return rows, nil
}

// ask asks again, after a pause, while the server is away.
func (r *recorder) ask(ctx context.Context, selector string, from, to time.Time) ([]metrics.Row, error) {
	for try := 1; ; try++ {
		rows, err := r.once(ctx, selector, from, to)
		if backout.CodeOf(err) != backout.CodeUnavailable || try == tries {
			return rows, err
		}
		r.progress("no answer, trying again: %v", err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second << try / 2):
		}
	}
}

func (r *recorder) once(ctx context.Context, selector string, from, to time.Time) ([]metrics.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if r.c.Step == 0 {
		return r.server.Samples(ctx, selector, from, to)
	}
	first := floor(from, r.c.Step).Add(r.c.Step)
	if last := floor(to, r.c.Step); !last.Before(first) {
		return r.server.Steps(ctx, selector, metrics.Range{First: first, Last: last, Step: r.c.Step})
	}
	return nil, nil
}

// SinceText reads a span of time such as 14d, 36h or 90m.
func SinceText(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if h, err := time.ParseDuration(days + "h"); err == nil {
			return 24 * h, nil
		}
	}
	d, err := time.ParseDuration(cmp.Or(text, "0s"))
	if err != nil {
		return 0, fmt.Errorf("%q: expected a time such as 14d, 36h or 90m", text)
	}
	return d, nil
}
