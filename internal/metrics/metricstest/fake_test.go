package metricstest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
)

func TestMemory_answersInsideTheWindow(t *testing.T) {
	base := time.Unix(1000, 0).UTC()
	var m metricstest.Memory
	for i := range 10 {
		m.Put(backout.Series{ID: backout.SeriesID{Signal: "n"}, Samples: []backout.Sample{{At: base.Add(time.Duration(i) * time.Second), Value: float64(i)}}})
	}
	f := &metricstest.Failing{Sampler: &m}
	var s metrics.Sampler = f
	w, err := s.Sample(t.Context(), []backout.Signal{{Name: "n"}, {Name: "other"}}, base, base.Add(3*time.Second), time.Second)
	if err != nil || len(w.Series) != 1 || len(w.Series[0].Samples) != 3 || w.Missing["other"] == "" || len(w.Missing) != 1 {
		t.Errorf("window %+v, error %v", w, err)
	}
	away := errors.New("away")
	f.Fail(away)
	if _, err := s.Sample(t.Context(), nil, base, base, time.Second); !errors.Is(err, away) {
		t.Errorf("error %v, want %v", err, away)
	}
	f.Fail(nil)
	if _, err := s.Sample(t.Context(), nil, base, base, time.Second); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}
