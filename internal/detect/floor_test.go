package detect

import (
	"testing"

	"github.com/backout-dev/backout"
)

// Forty calm samples of few requests don't show how much their mean latency wanders;
// of many requests they do. A long history speaks for itself.
func TestScaleFloor_fewRequestsTellBadly(t *testing.T) {
	s := series{about: &about{}}
	s.kind, s.Mode, s.Requests = kindOf(backout.SignalLatency), short, 4
	few := s.scaleFloor()
	s.Requests = 10_000
	many := s.scaleFloor()
	if few < .15 || many > .05 || many < .01 {
		t.Errorf("floor %.3f of 4 requests and %.3f of 10,000", few, many)
	}
	s.Requests, s.Mode = 4, seasonal
	if own := s.scaleFloor(); own != many {
		t.Errorf("floor %.3f once the series has a past of its own, want %.3f", own, many)
	}
}
