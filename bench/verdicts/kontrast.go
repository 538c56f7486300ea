package main

import (
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/backout-dev/backout/internal/attribute/coincide"
)

// sample is one change and one KPI with what people said about the two.
type sample struct {
	id, pair string
	guilty   bool
	question coincide.Question
}

// half is 0 or 1: whether the SHA-256 of the pair's name is even or odd.
func (s sample) half() int {
	sum := sha256.Sum256([]byte(s.pair))
	return int(sum[len(sum)-1] & 1)
}

const mostAfter = 120 * time.Minute // of a KPI after the end of a change

func readKontrast(dir string) ([]sample, error) {
	cases, err := table(filepath.Join(dir, "cases.csv"), 3)
	if err != nil {
		return nil, err
	}
	labels, err := table(filepath.Join(dir, "labels.csv"), 3)
	if err != nil {
		return nil, err
	}
	said := map[string][]string{}
	for _, row := range labels {
		said[row[0]] = row
	}
	var out []sample
	for _, row := range cases {
		label, ok := said[row[0]]
		if !ok {
			return nil, fmt.Errorf("labels.csv: no label for case %s", row[0])
		}
		s := sample{id: row[0], pair: label[2], guilty: label[1] == "1"}
		began, err1 := strconv.ParseInt(row[1], 10, 64)
		ended, err2 := strconv.ParseInt(row[2], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("cases.csv: case %s: times %q and %q, expected seconds", row[0], row[1], row[2])
		}
		s.question.Began, s.question.Ended = time.Unix(began, 0).UTC(), time.Unix(ended, 0).UTC()
		if err := s.readSeries(filepath.Join(dir, "kpi", s.id+".csv")); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// table reads a CSV file with a heading and at least so many columns.
func table(path string, columns int) ([][]string, error) {
	f, err := os.Open(path) //nolint:gosec // the folder is the user's own
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) < 2 || len(rows[0]) < columns {
		return nil, fmt.Errorf("%s: expected a heading, rows and %d columns", path, columns)
	}
	return rows[1:], nil
}

// readSeries puts the rows on a grid of minutes and drops what is too late.
func (s *sample) readSeries(path string) error {
	rows, err := table(path, 2)
	if err != nil {
		return err
	}
	const step = 60
	last := s.question.Ended.Add(mostAfter).Unix()
	var first int64
	for i, row := range rows {
		at, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: time %q: expected seconds", path, row[0])
		}
		if i == 0 {
			first = at
		}
		slot := int((at - first) / step)
		if at > last || slot < len(s.question.Values) {
			continue
		}
		for len(s.question.Values) < slot {
			s.question.Values = append(s.question.Values, math.NaN())
		}
		value, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			value = math.NaN() // an empty field is a missing sample
		}
		s.question.Values = append(s.question.Values, value)
	}
	s.question.From, s.question.Step = time.Unix(first, 0).UTC(), step*time.Second
	return nil
}
