package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// instance is one problem in the file format: by component its current level, the
// ticks its move takes, the levels it may end at, and by level the cost and the cost a
// tick until the move has finished; by pair of components which levels may be live
// together (1) or not (0).
type instance struct {
	N       int       `json:"n"`
	Current []int     `json:"cur"`
	D       []int     `json:"d"`
	Domain  [][]int   `json:"dom"`
	F       [][]int64 `json:"f"`
	W       [][]int64 `json:"w"`
	Edges   []edge    `json:"edges"`
	Optimum *int64    `json:"optimum,omitempty"`
}

type edge struct {
	I  int     `json:"i"`
	J  int     `json:"j"`
	OK [][]int `json:"ok"`
}

// read parses a file of instances. An error names the case, counted from 0, and the
// field.
func read(b []byte) ([]instance, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("expected a JSON list of instances: %w", err)
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("the list of instances is empty")
	}
	out := make([]instance, len(raw))
	for k := range raw {
		if err := json.Unmarshal(raw[k], &out[k]); err != nil {
			return nil, fmt.Errorf("case %d: %w", k, err)
		}
		if _, err := out[k].problem(); err != nil {
			return nil, fmt.Errorf("case %d: %w", k, err)
		}
	}
	return out, nil
}

// problem checks an instance and turns it into the planner's form.
func (in instance) problem() (backout.Problem, error) {
	var p backout.Problem
	for _, f := range []struct {
		name string
		n    int
	}{{"cur", len(in.Current)}, {"d", len(in.D)}, {"dom", len(in.Domain)}, {"f", len(in.F)}, {"w", len(in.W)}} {
		if f.n != in.N {
			return p, fmt.Errorf("%s has %d entries, n is %d", f.name, f.n, in.N)
		}
	}
	if in.N < 1 {
		return p, fmt.Errorf("n is %d, expected 1 or more", in.N)
	}
	for i := range in.N {
		p.Movables = append(p.Movables, backout.Movable{
			Current: in.Current[i], Levels: slices.Sorted(slices.Values(in.Domain[i])),
			Duration: in.D[i], Effect: in.D[i], Fixed: in.F[i], Rate: in.W[i],
		})
	}
	for k, e := range in.Edges {
		t := backout.Tie{I: e.I, J: e.J}
		for a, row := range e.OK {
			t.Allowed = append(t.Allowed, nil)
			for b, ok := range row {
				if ok != 0 && ok != 1 {
					return p, fmt.Errorf("edges[%d].ok[%d][%d] is %d, expected 0 or 1", k, a, b, ok)
				}
				t.Allowed[a] = append(t.Allowed[a], ok == 1)
			}
		}
		p.Ties = append(p.Ties, t)
	}
	return p, inWords(p.Valid())
}

// inWords restates what is wrong with a problem in the words of the file.
func inWords(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("in the file's words cur, d, dom, f, w of component i are current, duration, levels, fixed, rate of movable i, and edges are ties: %w", err)
}
