package detect

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/backout-dev/backout"
)

// ErrSnapshot is what Restore wraps when the bytes are not a snapshot that this
// version can read; the caller starts anew from the history of its backend.
var ErrSnapshot = errors.New("not a readable detector snapshot")

const (
	snapshotMagic   = "backout-detect\n"
	snapshotVersion = 1
)

// header is the readable part of one series.
type header struct {
	ID     backout.SeriesID   `json:"id"`
	Signal backout.SignalKind `json:"kind"`
	Worse  backout.Direction  `json:"worse"`
	Opens  bool               `json:"opens"`
	Alert  *backout.Finding   `json:"alert,omitempty"`
	Warm   int                `json:"warm"`
	Season bool               `json:"season"`
	Raw    bool               `json:"raw"`
}

// Snapshot writes everything the detector knows, except its configuration.
func (d *Detector) Snapshot() ([]byte, error) {
	b := bytes.NewBufferString(snapshotMagic)
	put := func(vs ...any) error {
		for _, v := range vs {
			if err := binary.Write(b, binary.LittleEndian, v); err != nil {
				return fmt.Errorf("write snapshot: %w", err)
			}
		}
		return nil
	}
	if err := put(uint32(snapshotVersion), int64(d.step), uint32(len(d.order))); err != nil {
		return nil, err
	}
	for _, s := range d.order {
		h := header{ID: s.id, Signal: s.signal, Worse: s.worse, Opens: s.opens,
			Warm: len(s.warm), Season: s.season != nil, Raw: s.raw != nil, Alert: s.alert}
		j, err := json.Marshal(h)
		if err != nil {
			return nil, fmt.Errorf("write snapshot of %v: %w", s.id, err)
		}
		parts := []any{uint32(len(j)), j, &s.state}
		for _, o := range s.warm {
			parts = append(parts, o.at, o.value, o.n)
		}
		if s.season != nil {
			parts = append(parts, s.season)
		}
		if s.raw != nil {
			parts = append(parts, s.raw)
		}
		if err := put(parts...); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// Restore replaces everything the detector knows by a snapshot. The detector is
// left as it was when the bytes can't be read; the error then wraps ErrSnapshot.
func (d *Detector) Restore(snapshot []byte) error {
	r := bytes.NewReader(snapshot)
	magic := make([]byte, len(snapshotMagic))
	var version, count uint32
	var step int64
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != snapshotMagic {
		return fmt.Errorf("restore detector: %w: it doesn't begin with %q", ErrSnapshot, snapshotMagic)
	}
	if err := get(r, &version, &step, &count); err != nil {
		return err
	}
	if version != snapshotVersion {
		return fmt.Errorf("restore detector: %w: version %d, expected %d", ErrSnapshot, version, snapshotVersion)
	}
	fresh := Detector{config: d.config, step: time.Duration(step), series: map[backout.SeriesID]*series{}}
	for range count {
		s, err := readSeries(r)
		if err != nil {
			return err
		}
		fresh.series[s.id] = s
		fresh.order = append(fresh.order, s)
	}
	*d = fresh
	return nil
}

func get(r *bytes.Reader, vs ...any) error {
	for _, v := range vs {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			return fmt.Errorf("restore detector: %w: %w", ErrSnapshot, err)
		}
	}
	return nil
}

func readSeries(r *bytes.Reader) (*series, error) {
	var size uint32
	if err := get(r, &size); err != nil {
		return nil, err
	}
	if int64(size) > int64(r.Len()) {
		return nil, fmt.Errorf("restore detector: %w: cut short", ErrSnapshot)
	}
	j := make([]byte, size)
	var h header
	if err := get(r, j); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(j, &h); err != nil {
		return nil, fmt.Errorf("restore detector: %w: %w", ErrSnapshot, err)
	}
	s := &series{id: h.ID, kind: kindOf(h.Signal), signal: h.Signal, worse: h.Worse, opens: h.Opens}
	s.alert = h.Alert
	if h.Warm > 1<<20 || h.Warm < 0 {
		return nil, fmt.Errorf("restore detector: %w: %v has %d samples to warm up", ErrSnapshot, h.ID, h.Warm)
	}
	if err := get(r, &s.state); err != nil {
		return nil, err
	}
	for range h.Warm {
		var o observation
		if err := get(r, &o.at, &o.value, &o.n); err != nil {
			return nil, err
		}
		o, ok := observe(s.kind, o.at, o.value, o.n)
		if !ok {
			return nil, fmt.Errorf("restore detector: %w: %v holds a sample that can't be", ErrSnapshot, h.ID)
		}
		s.warm = append(s.warm, o)
	}
	if h.Season {
		s.season = &season{}
		if err := get(r, s.season); err != nil {
			return nil, err
		}
	}
	if h.Raw {
		s.raw = &rawRing{}
		if err := get(r, s.raw); err != nil {
			return nil, err
		}
	}
	return s, nil
}
