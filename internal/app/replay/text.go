package replay

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/internal/metrics"
)

// textWriter writes OpenMetrics text. It keeps the newest time of each series, so
// that selectors which overlap write a sample once.
type textWriter struct {
	file    *os.File
	out     *bufio.Writer
	last    map[string]int64 // series as text -> milliseconds of its newest sample
	samples int
}

func newTextWriter(path string) (*textWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &textWriter{file: f, out: bufio.NewWriterSize(f, 1<<20), last: map[string]int64{}}, nil
}

// write appends rows, each in order of time.
func (w *textWriter) write(rows []metrics.Row) error {
	for _, r := range rows {
		name := seriesText(r.Labels)
		last, known := w.last[name]
		for _, p := range r.Points {
			ms := p.At.UnixMilli()
			if known && ms <= last {
				continue
			}
			last, known = ms, true
			w.samples++
			if _, err := fmt.Fprintf(w.out, "%s %s %s\n", name, strconv.FormatFloat(p.Value, 'g', -1, 64), seconds(ms)); err != nil {
				return err
			}
		}
		if known {
			w.last[name] = last
		}
	}
	return nil
}

func (w *textWriter) close() error {
	_, err := w.out.WriteString("# EOF\n")
	return errors.Join(err, w.out.Flush(), w.file.Sync(), w.file.Close())
}

func (w *textWriter) abandon() error { return w.file.Close() }

// seconds writes a time so that it is read back as the same millisecond: readers
// multiply the number of seconds by a thousand and cut off the rest.
func seconds(ms int64) string {
	s := float64(ms) / 1000
	if int64(s*1000) != ms {
		s = math.Nextafter(s, math.Inf(1))
	}
	return strconv.FormatFloat(s, 'f', -1, 64)
}

var (
	plainMetric = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	plainLabel  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	escape      = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// seriesText writes a series; names that are not plain stand in quotes.
func seriesText(labels map[string]string) string {
	var b strings.Builder
	name := labels["__name__"]
	parts := []string{}
	if plainMetric.MatchString(name) {
		b.WriteString(name)
	} else {
		parts = append(parts, `"`+escape.Replace(name)+`"`)
	}
	for _, l := range slices.Sorted(maps.Keys(labels)) {
		key := l
		if !plainLabel.MatchString(l) {
			key = `"` + escape.Replace(l) + `"`
		}
		if l != "__name__" {
			parts = append(parts, key+`="`+escape.Replace(labels[l])+`"`)
		}
	}
	if len(parts) > 0 {
		b.WriteString("{" + strings.Join(parts, ",") + "}")
	}
	return b.String()
}
