package main

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestResponse_inSimulatedTime runs what the command ordered, or two incidents of its
// own, and checks that the moments come in their order.
func TestResponse_inSimulatedTime(t *testing.T) {
	o := orders{Seed: 1, Runs: 2, Scrape: 15 * time.Second}
	if body := os.Getenv(ordersVariable); body != "" {
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			t.Fatal(err)
		}
	}
	var lines []byte
	recovered := 0
	for i := range o.Runs {
		t.Run(fmt.Sprint(o.Seed+uint64(i)), func(t *testing.T) {
			var got Times
			synctest.Test(t, func(t *testing.T) { got = simulate(t, o.Seed+uint64(i), o.Scrape) })
			line, _ := json.Marshal(got)
			lines = append(append(lines, line...), '\n')
			if got.Verified >= 0 {
				recovered++
				if got.Detected > got.Effect || got.Effect > got.Verified {
					t.Errorf("the moments are not in their order: %s", line)
				}
			}
			t.Logf("%s", line)
		})
	}
	if recovered == 0 {
		t.Errorf("none of %d incidents was verified as recovered: %s", o.Runs, lines)
	}
	if o.Out != "" {
		if err := os.WriteFile(o.Out, lines, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
