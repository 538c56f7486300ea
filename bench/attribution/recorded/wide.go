package recorded

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"time"
)

// wide is a table with a column for each node, metric and statistic, as PetShop
// writes it: three head lines, then a line with the name of the time column.
type wide struct {
	head  [][3]string // node, metric, statistic
	at    []time.Time
	value [][]float64 // by row
}

func readWide(file string) (wide, error) {
	in, err := os.Open(file)
	if err != nil {
		return wide{}, fmt.Errorf("read recorded case: %w", err)
	}
	defer in.Close()
	lines, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return wide{}, fmt.Errorf("read recorded case %s: %w", file, err)
	}
	if len(lines) < 5 {
		return wide{}, fmt.Errorf("read recorded case %s: %d lines, expected four head lines and values", file, len(lines))
	}
	var w wide
	for i := 1; i < len(lines[0]); i++ {
		w.head = append(w.head, [3]string{lines[0][i], lines[1][i], lines[2][i]})
	}
	for n, line := range lines[4:] {
		at, err := seconds(line[0])
		if err != nil {
			return wide{}, fmt.Errorf("read recorded case %s:%d: %w", file, n+5, err)
		}
		row := make([]float64, len(w.head))
		for i := range row {
			row[i] = number(line[i+1])
		}
		w.at, w.value = append(w.at, at), append(w.value, row)
	}
	return w, nil
}

func (w wide) begin() time.Time { return w.at[0] }
func (w wide) end() time.Time   { return w.at[len(w.at)-1] }

// endingAt moves the table in time.
func (w wide) endingAt(at time.Time) wide {
	by := at.Sub(w.end())
	moved := make([]time.Time, len(w.at))
	for i, t := range w.at {
		moved[i] = t.Add(by)
	}
	w.at = moved
	return w
}

// petMetrics says which columns become which gauges.
var petMetrics = []struct {
	metric, statistic, gauge, help string
	value                          func(float64) float64
}{
	{"latency", "Average", "node_latency_seconds", "Mean latency of a node.", func(v float64) float64 { return v }},
	{"availability", "Average", "node_failed_ratio", "Share of a node's requests that failed.", failed},
	{"requests", "Sum", "node_requests", "Requests to a node in five minutes.", func(v float64) float64 { return v }},
}

// series collects the points of each gauge and node.
func (w wide) series(into map[string]map[string]*Row) {
	for i, h := range w.head {
		for _, m := range petMetrics {
			if h[1] != m.metric || h[2] != m.statistic {
				continue
			}
			if into[m.gauge] == nil {
				into[m.gauge] = map[string]*Row{}
			}
			id := name(h[0])
			if into[m.gauge][id] == nil {
				into[m.gauge][id] = &Row{Labels: map[string]string{"service": id}}
			}
			for k, at := range w.at {
				if v := w.value[k][i]; !math.IsNaN(v) {
					into[m.gauge][id].Points = append(into[m.gauge][id].Points, Point{at, m.value(v)})
				}
			}
		}
	}
}

// gauges joins tables, the earlier first.
func gauges(tables ...wide) []Metric {
	rows := map[string]map[string]*Row{}
	for _, w := range tables {
		w.series(rows)
	}
	out := make([]Metric, len(petMetrics))
	for i, m := range petMetrics {
		out[i] = Metric{m.gauge, m.help, inOrder(rows[m.gauge])}
	}
	return out
}
