package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
)

// The names in a folder.
const (
	CatalogDir   = "catalog"
	SignalsFile  = "signals.yaml"
	ChangesFile  = "changes.jsonl"
	MetricsFile  = "metrics.om"
	BlocksDir    = "blocks"
	SettingsFile = "replay.yaml"
)

// Folder is a recording, read and checked; the samples are still on disk.
type Folder struct {
	Dir          string
	Catalog      catalog.Catalog
	Observations []backout.Observation // by time
	Settings     Settings
	// Metrics is the path of the OpenMetrics file, or Blocks that of the folder
	// with a Prometheus database; the other is "".
	Metrics, Blocks string
	// Notes says what is odd and no error, in words.
	Notes []string
}

// Problems is everything that is wrong with a folder.
type Problems = catalog.Problems

// Open reads a folder. The error is [Problems] when its content is wrong: each
// names file (relative to the folder), line and what was expected.
func Open(dir string, parse Parse) (Folder, error) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return Folder{}, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("open recording %s: expected a folder with %s/, %s and %s or %s/", dir, CatalogDir, ChangesFile, MetricsFile, BlocksDir)}
	}
	f := Folder{Dir: dir, Notes: []string{}}
	var all Problems
	for _, read := range []func(*Folder) error{readCatalog, readChanges(parse), readSettings, findMetrics} {
		var wrong Problems
		switch err := read(&f); {
		case errors.As(err, &wrong):
			all = append(all, wrong...)
		case err != nil:
			return Folder{}, fmt.Errorf("open recording %s: %w", dir, err)
		}
	}
	if len(all) > 0 {
		return Folder{}, all
	}
	f.strangers()
	return f, nil
}

func problem(file string, line int, field, format string, args ...any) Problems {
	return Problems{{File: file, Line: line, Field: field, Expected: fmt.Sprintf(format, args...)}}
}

func readCatalog(f *Folder) error {
	if info, err := os.Stat(filepath.Join(f.Dir, CatalogDir)); err != nil || !info.IsDir() {
		return problem(CatalogDir, 0, "", "missing: expected a folder of *.yaml catalog files")
	}
	var err error
	if f.Catalog, err = catalog.Load(described{os.DirFS(f.Dir)}); err != nil {
		return err
	}
	if len(f.Catalog.Signals) == 0 {
		return problem(SignalsFile, 0, "", "no signals: expected a SignalSet here or in %s/", CatalogDir)
	}
	return nil
}

// described shows the part of a folder that catalog reads.
type described struct{ fs.FS }

// ReadDir meets fs.ReadDirFS.
func (d described) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(d.FS, name)
	if name == "." {
		list = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() != CatalogDir && e.Name() != SignalsFile })
	}
	return list, err
}

func readChanges(parse Parse) func(*Folder) error {
	return func(f *Folder) error {
		file, err := os.Open(filepath.Join(f.Dir, ChangesFile))
		if errors.Is(err, fs.ErrNotExist) {
			return problem(ChangesFile, 0, "", "missing: expected one observation a line; an empty file when nothing changed")
		}
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		f.Observations, err = ReadChanges(ChangesFile, file, parse)
		return err
	}
}

func readSettings(f *Folder) error {
	doc, err := os.ReadFile(filepath.Join(f.Dir, SettingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.Settings, err = ParseSettings(SettingsFile, doc)
	if err != nil || len(f.Catalog.Graph.Components) == 0 {
		return err
	}
	return f.Settings.Check(SettingsFile, f.Catalog.Graph)
}

func findMetrics(f *Folder) error {
	text, blocks := filepath.Join(f.Dir, MetricsFile), filepath.Join(f.Dir, BlocksDir)
	info, errText := os.Stat(text)
	dir, errBlocks := os.Stat(blocks)
	switch {
	case errText == nil && errBlocks == nil:
		return problem(MetricsFile, 0, "", "%s/ is there too: expected one of them", BlocksDir)
	case errText == nil && info.Mode().IsRegular():
		f.Metrics = text
	case errBlocks == nil && dir.IsDir():
		f.Blocks = blocks
	default:
		return problem(MetricsFile, 0, "", "missing: expected OpenMetrics text with times, or %s/ with a Prometheus database", BlocksDir)
	}
	return nil
}

// strangers notes changes of components that the catalog doesn't know: they are
// suspects that nobody can place.
func (f *Folder) strangers() {
	names := map[string]bool{}
	for _, o := range f.Observations {
		if _, ok := f.Catalog.Graph.Component(o.Component); !ok {
			names[string(o.Component)] = true
		}
	}
	if len(names) == 0 {
		return
	}
	list := []string{}
	for n := range names {
		list = append(list, n)
	}
	slices.Sort(list)
	if len(list) > 3 {
		list = append(list[:3], fmt.Sprintf("and %d more", len(names)-3))
	}
	f.Notes = append(f.Notes, "the catalog doesn't know components that changed, so it isn't known which service they touch: "+strings.Join(list, ", "))
}
