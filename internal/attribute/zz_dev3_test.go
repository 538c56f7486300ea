package attribute

import (
	"encoding/gob"
	"fmt"
	"os"
	"testing"
)

func TestDevCal(t *testing.T) {
	path := os.Getenv("DEV_CAL")
	if path == "" {
		t.Skip()
	}
	f, _ := os.Open(path)
	dec := gob.NewDecoder(f)
	for {
		var dc devCase
		if dec.Decode(&dc) != nil {
			break
		}
		tr := newTrial(dc.Q)
		p, _ := tr.posterior()
		a := Rank(dc.Q)
		best := bestOf(p)
		top, id := a.PNone, ""
		for _, s := range a.Suspects {
			if s.P > top {
				top, id = s.P, string(s.Change)
			}
		}
		right := id == string(dc.Truth.Culprit)
		c := tr.causes[best]
		on := bestOf(c.weight)
		u := 0.0
		reached := map[int]bool{}
		for _, th := range c.blast.readings {
			reached[th.reading] = th.a >= reachedEnough
		}
		nIll, nUn, nExpl, late := 0, 0, 0, 0
		for _, k := range tr.panel.ill {
			nIll++
			r := &tr.panel.readings[k]
			if !reached[k] {
				nUn++
				u += r.peak
				if r.ratio[on] > 5 {
					late++
				}
			} else if r.hop(0)[on] > 1 {
				nExpl++
			}
		}
		kind := "change"
		if c.change == nil {
			kind = string(c.kind)
		}
		arms := 0
		if c.arms.known {
			arms = 1
		}
		fmt.Printf("C %.5f %v %s %d %d %d %d %.2f %.2f %d\n", top, right, kind, nIll, nUn, nExpl, late, u, c.evidence[on], arms)
	}
}
