package goose

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/infer/migration"
)

// file is one migration in a folder.
type file struct {
	migration.Migration
	name string
}

// migrations reads a folder; files are NUMBER_name.sql.
func migrations(dir string) (map[int64]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	out := map[int64]file{}
	for _, e := range entries {
		number, _, ok := strings.Cut(e.Name(), "_")
		if !ok || e.IsDir() || filepath.Ext(e.Name()) != ".sql" {
			continue
		}
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			continue
		}
		if first, taken := out[v]; taken {
			return nil, fmt.Errorf("read migrations: %s and %s have one number", first.name, e.Name())
		}
		text, err := fs.ReadFile(os.DirFS(dir), e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		out[v] = file{migration.Parse(string(text)), e.Name()}
	}
	return out, nil
}

// back says what going from one version down to another loses: the worst of all
// migrations on the way.
func back(all map[int64]file, applied []int64, to int64) (backout.Loss, string) {
	order := map[backout.Loss]int{backout.LossNone: 0, backout.LossSome: 1, backout.LossUnknown: 2, backout.LossOneWay: 3}
	worst, words := backout.LossNone, []string{}
	for _, v := range applied {
		if v <= to {
			continue
		}
		loss, lost := backout.LossOneWay, fmt.Sprintf("the file of migration %d is missing", v)
		if m, ok := all[v]; ok {
			loss, lost = m.Loss(m.name)
		}
		if order[loss] > order[worst] {
			worst = loss
		}
		if lost != "" {
			words = append(words, lost)
		}
	}
	return worst, strings.Join(words, "; ")
}
