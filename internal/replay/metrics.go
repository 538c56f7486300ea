package replay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// Sample is one line of a metrics file. Key is the series as it is written and,
// like what Series gives, valid until the next line is read.
type Sample struct {
	Key    []byte
	Series func() labels.Labels
	At     int64 // milliseconds since 1970
	Value  float64
}

// ReadMetrics reads OpenMetrics text and hands over every sample, in the order of
// the file; what add says against a sample becomes a problem of its line. The
// file is mapped, not loaded. The error is [Problems] with the first problem:
// after it the rest can't be trusted to mean what it says.
func ReadMetrics(name, path string, add func(Sample) error) error {
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return problem(name, 0, "", "empty: expected OpenMetrics text that ends with # EOF")
	}
	m, err := fileutil.OpenMmapFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	err = parseMetrics(name, m.Bytes(), add)
	return errors.Join(err, m.Close())
}

func parseMetrics(name string, text []byte, add func(Sample) error) error {
	p := textparse.NewOpenMetricsParser(text, labels.NewSymbolTable())
	series := func() labels.Labels {
		var l labels.Labels
		p.Labels(&l)
		return l
	}
	for line := 1; ; line++ { // each entry is a line
		entry, err := p.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && strings.Contains(err.Error(), "# EOF"):
			return problem(name, line, "", "the text does not end with # EOF: the file seems to be cut off")
		case err != nil:
			return problem(name, line, "", "expected OpenMetrics: %v", err)
		case entry != textparse.EntrySeries:
			continue
		}
		key, at, value := p.Series()
		if at == nil {
			return problem(name, line, "", "%.200s has no time: expected seconds since 1970 after the value", key)
		}
		if err := add(Sample{key, series, *at, value}); err != nil {
			return problem(name, line, "", "%.200s: %v", key, err)
		}
	}
}
