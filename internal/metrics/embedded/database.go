package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/backout-dev/backout"
)

func (c Config) withDefaults() Config {
	c.Retention = cmp.Or(c.Retention, 7*24*time.Hour)
	c.OutOfOrder = max(cmp.Or(c.OutOfOrder, 10*time.Minute), 0)
	c.Lookback = cmp.Or(c.Lookback, 5*time.Minute)
	c.MaxSamples = cmp.Or(c.MaxSamples, 10_000_000)
	c.Ask.ScrapeInterval = cmp.Or(c.Ask.ScrapeInterval, 15*time.Second)
	c.Ask.Timeout = cmp.Or(c.Ask.Timeout, 5*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// open opens the database in c.Dir. The settings keep it small: backout watches
// thousands of series where Prometheus is made for millions.
func open(c Config, reg prometheus.Registerer) (*tsdb.DB, error) {
	if c.Dir == "" {
		return nil, invalid("metrics directory: expected a path")
	}
	if err := writable(c.Dir); err != nil {
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("metrics directory %s can't be written", c.Dir), Err: err}
	}
	// A block is what moves from memory to disk. Fast scraping fills the head
	// sooner, so its span is shorter.
	block := 2 * time.Hour
	if c.Ask.ScrapeInterval < 5*time.Second {
		block = 30 * time.Minute
	}
	o := tsdb.DefaultOptions()
	o.RetentionDuration = max(c.Retention, block).Milliseconds()
	o.MinBlockDuration = block.Milliseconds()
	o.MaxBlockDuration = max(c.Retention/10, block).Milliseconds()
	o.OutOfOrderTimeWindow = c.OutOfOrder.Milliseconds()
	o.WALCompression = compression.Snappy
	o.WALSegmentSize = 16 << 20
	o.StripeSize = 1 << 10
	o.HeadChunksWriteBufferSize = 256 << 10
	db, err := tsdb.Open(c.Dir, c.Log.With("part", "database"), reg, o, tsdb.NewDBStats())
	if err != nil {
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("open metrics in %s (is another process using it?)", c.Dir), Err: err}
	}
	return db, nil
}

// writable creates the directory and tries to create a file in it, because the
// database's own message would name some file of its own.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func newEngine(c Config, reg prometheus.Registerer) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger:                   c.Log.With("part", "query"),
		Reg:                      reg,
		MaxSamples:               c.MaxSamples,
		Timeout:                  2 * time.Minute, // of questions over HTTP; our own have a shorter one
		LookbackDelta:            c.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return c.Ask.ScrapeInterval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
	})
}

func invalid(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}
