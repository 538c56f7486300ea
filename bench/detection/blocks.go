package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// ahead is how far the data reach beyond now, so that there is something to measure while
// the past is learnt.
const ahead = time.Hour

// writeBlocks writes what a Prometheus server would have kept of so many services by now:
// a block a day, from a little earlier than is asked for until ahead of now.
func writeBlocks(dir string, services int, days float64, scrape time.Duration, seed uint64) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	const day = 24 * time.Hour
	now := time.Now()
	from, end := now.Add(-time.Duration(days*float64(day))-ahead).Truncate(scrape), now.Add(ahead)
	all := newGenerated(services, seed)
	for from.Before(end) {
		until := from.Truncate(day).Add(day)
		if until.After(end) {
			until = end
		}
		if err := all.writeBlock(dir, from, until, scrape); err != nil {
			return fmt.Errorf("write the block of %s: %w", from.Format(time.DateOnly), err)
		}
		from = until
	}
	return nil
}

// generated is what the targets show: counters of requests, of those that failed and of their
// seconds, and a gauge, of services with a day and a weekend each.
type generated struct {
	random   *rand.Rand
	services []target
}

type target struct {
	level, phase, depth, slow float64
	requests, failed, seconds float64
	noise, full               float64 // AR(0.9) at 15 s, as minutes of real load are alike
	series                    [4]labels.Labels
}

func newGenerated(services int, seed uint64) *generated {
	s := &generated{random: rand.New(rand.NewPCG(seed, 7))}
	for i := range services {
		r := s.random
		t := target{level: 5 * math.Exp(1.5*r.NormFloat64()), phase: r.Float64(), depth: .2 + .5*r.Float64(), slow: .02 * math.Exp(r.NormFloat64())}
		for k, name := range []string{"requests_total", "failed_total", "request_seconds_sum", "connections_used_ratio"} {
			t.series[k] = labels.FromStrings("__name__", name, "service", string(service(i)), "instance", "10.0.0."+strconv.Itoa(i%250)+":9090")
		}
		s.services = append(s.services, t)
	}
	return s
}

// scrape moves a service by one interval and gives what its target shows.
func (t *target) scrape(r *rand.Rand, at time.Time, every time.Duration) [4]float64 {
	hour := float64(at.Unix()%86400)/86400 + t.phase/8
	load := 1 - t.depth*math.Cos(2*math.Pi*hour)
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		load *= .7
	}
	t.noise = .9*t.noise + .1*r.NormFloat64()
	t.full = .9*t.full + .02*r.NormFloat64()
	n := math.Round(t.level * load * math.Exp(t.noise) * every.Seconds())
	t.requests += n
	for p := n * .003; p > 0 && r.Float64() < p; p-- {
		t.failed++
	}
	t.seconds += n * t.slow * (1 + .3*load) * math.Exp(.15*r.NormFloat64())
	return [4]float64{t.requests, t.failed, t.seconds, math.Max(0, math.Min(1, .2+.15*load+t.full))}
}

func (s *generated) writeBlock(dir string, from, until time.Time, every time.Duration) error {
	w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), dir, (48 * time.Hour).Milliseconds())
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	ctx := context.Background()
	refs := make([][4]storage.SeriesRef, len(s.services))
	app, n := w.Appender(ctx), 0
	for at := from; at.Before(until); at = at.Add(every) {
		for i := range s.services {
			for k, v := range s.services[i].scrape(s.random, at, every) {
				if refs[i][k], err = app.Append(refs[i][k], s.services[i].series[k], at.UnixMilli(), v); err != nil {
					return err
				}
				n++
			}
		}
		if n > 100_000 {
			if err := app.Commit(); err != nil {
				return err
			}
			app, n = w.Appender(ctx), 0
		}
	}
	if err := app.Commit(); err != nil {
		return err
	}
	_, err = w.Flush(ctx)
	return err
}

// startPrometheus runs the real server on the data and waits until it is ready.
func startPrometheus(dir string) (address string, stop func(), err error) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		return "", nil, fmt.Errorf("the real server is needed (apt-get install prometheus): %w", err)
	}
	settings := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(settings, []byte("global: {}\n"), 0o600); err != nil {
		return "", nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	host := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(path, "--config.file="+settings, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+host,
		"--storage.tsdb.retention.time=60d", "--storage.tsdb.max-block-duration=24h", "--log.level=error") // no compaction meanwhile
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start prometheus: %w", err)
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	for range 600 {
		if _, err = get("http://" + host + "/-/ready"); err == nil {
			return "http://" + host, stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("wait for prometheus: %w", err)
}

func get(url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", url, resp.Status)
	}
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// serverCPU is the processor time of the server so far, in seconds, by its own word.
func serverCPU(address string) (float64, error) {
	text, err := get(address + "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, "process_cpu_seconds_total "); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}
	return 0, fmt.Errorf("%s/metrics tells no processor time", address)
}
