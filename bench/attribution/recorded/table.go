package recorded

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"time"
)

// readTable hands the rows of a CSV file with a head line to f, by column name.
// Errors name the file and the line.
func readTable(file string, f func(row map[string]string) error) error {
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read recorded case: %w", err)
	}
	defer in.Close()
	r := csv.NewReader(in)
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("read recorded case %s:1: %w", file, err)
	}
	row := make(map[string]string, len(head))
	for line := 2; ; line++ {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			for i, name := range head {
				row[name] = values[i]
			}
			err = f(row)
		}
		if err != nil {
			return fmt.Errorf("read recorded case %s:%d: %w", file, line, err)
		}
	}
}

// number reads a value; what is no number was not measured.
func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func seconds(s string) (time.Time, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("timestamp %q: expected seconds since 1970", s)
	}
	return time.UnixMilli(int64(v * 1000)).UTC(), nil
}

func inOrder(rows map[string]*Row) []Row {
	out := make([]Row, 0, len(rows))
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, *rows[k])
	}
	return out
}
