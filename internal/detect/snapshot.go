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
	snapshotVersion = 2
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
	// Exposed is when a change last reached everybody who uses the service.
	Exposed int64 `json:"exposed,omitempty"`
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
		if s.group != nil {
			h.Exposed = s.group.exposed
		}
		j, err := json.Marshal(h)
		if err != nil {
			return nil, fmt.Errorf("write snapshot of %v: %w", s.id, err)
		}
		parts := []any{uint32(len(j)), j, &s.state, &s.own}
		if s.other != nil {
			parts = append(parts, s.other)
		}
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
	fresh := Detector{config: d.config, step: time.Duration(step)}
	fresh.clear()
	for range count {
		if err := fresh.readSeries(r); err != nil {
			return err
		}
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

func (d *Detector) readSeries(r *bytes.Reader) error {
	h, err := readHeader(r)
	if err != nil {
		return err
	}
	s := &series{id: h.ID, alert: h.Alert}
	d.admit(s)
	d.describe(s, about{kindOf(h.Signal), h.Signal, h.Worse, h.Opens})
	if s.group != nil {
		s.group.exposed = max(s.group.exposed, h.Exposed)
	}
	if err := get(r, &s.state, &s.own); err != nil {
		return err
	}
	if s.other != nil {
		if err := get(r, s.other); err != nil {
			return err
		}
	}
	if s.Alarm && s.alert == nil {
		return fmt.Errorf("restore detector: %w: %v stands without a finding", ErrSnapshot, h.ID)
	}
	if s.warm, err = readWarm(r, s.kind, h.Warm); err != nil {
		return err
	}
	if h.Season {
		s.season = &season{}
		if err := get(r, s.season); err != nil {
			return err
		}
	}
	if h.Raw {
		s.raw = &rawRing{}
		return get(r, s.raw)
	}
	return nil
}

func readHeader(r *bytes.Reader) (h header, err error) {
	var size uint32
	if err := get(r, &size); err != nil {
		return h, err
	}
	if int64(size) > int64(r.Len()) {
		return h, fmt.Errorf("restore detector: %w: cut short", ErrSnapshot)
	}
	j := make([]byte, size)
	if err := get(r, j); err != nil {
		return h, err
	}
	if err := json.Unmarshal(j, &h); err != nil {
		return h, fmt.Errorf("restore detector: %w: %w", ErrSnapshot, err)
	}
	if h.Warm > 1<<20 || h.Warm < 0 {
		return h, fmt.Errorf("restore detector: %w: %v has %d samples to warm up", ErrSnapshot, h.ID, h.Warm)
	}
	return h, nil
}

func readWarm(r *bytes.Reader, k kind, many int) (out []observation, err error) {
	for range many {
		var o observation
		if err := get(r, &o.at, &o.value, &o.n); err != nil {
			return nil, err
		}
		o, ok := observe(k, o.at, o.value, o.n)
		if !ok {
			return nil, fmt.Errorf("restore detector: %w: it holds a sample that can't be", ErrSnapshot)
		}
		out = append(out, o)
	}
	return out, nil
}
