package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// taught is how long a fresh detector takes until it knows two weeks of a real
// Prometheus server, and what that costs either side.
type taught struct {
	Series int     `json:"series"`
	Days   float64 `json:"days"`
	Scrape float64 `json:"scrape_seconds"`
	// From the start of the process, time without one left out: until all series are
	// judged; until the past is known too, by all and by the median service.
	Judged float64 `json:"seconds_until_judged"`
	Ready  float64 `json:"seconds_until_ready"`
	Median float64 `json:"seconds_until_ready_median_service"`
	asked
	CPU       float64 `json:"cpu_seconds"` // of the learning process
	RSS       float64 `json:"peak_rss_mb"`
	ServerCPU float64 `json:"server_cpu_seconds"`
	// Share is the server's processor time per second while it was learnt from.
	Share   float64  `json:"server_cpu_share"`
	Resumed *resumed `json:"resumed,omitempty"`
}

// resumed is what a kill in the middle cost.
type resumed struct {
	At   float64 `json:"killed_at_ratio"`
	From float64 `json:"went_on_at_ratio"`
}

// seen is a line that the learning process prints.
type seen struct {
	Judged   int     `json:"judged"`
	Opening  int     `json:"opening"`
	Ratio    float64 `json:"ratio"`
	Ready    int     `json:"ready"`    // services that know the past
	Services int     `json:"services"` // with series that may open incidents
	CPU      float64 `json:"cpu"`
	RSS      float64 `json:"rss"`
}

// life is one life of the learning process.
type life struct {
	first, last    seen
	judged, median float64 // seconds, 0 = not yet
	took           float64
}

// measureLearning makes the data, starts a Prometheus server on them and a process of
// ours that learns from it, through a proxy that counts. With a kill, that process is
// killed once so much of the past is learnt, and another goes on.
func measureLearning(many int, days float64, scrape time.Duration, kill float64, seed uint64) (l taught, err error) {
	if many < signalsEach || days <= 0 || scrape < time.Second || kill < 0 || kill >= 1 {
		return l, fmt.Errorf("measure learning: %d series, %v days, scraped each %s, killed at %v: expected %d series at least, some time, a second at least and less than 1", many, days, scrape, kill, signalsEach)
	}
	dir, err := os.MkdirTemp("", "learning-")
	if err != nil {
		return l, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := writeBlocks(filepath.Join(dir, "data"), many/signalsEach, days, scrape, seed); err != nil {
		return l, err
	}
	server, stop, err := startPrometheus(dir)
	if err != nil {
		return l, err
	}
	defer stop()
	count, err := newCounter(server)
	if err != nil {
		return l, err
	}
	defer count.close()
	before, err := serverCPU(server)
	if err != nil {
		return l, err
	}
	l = taught{Series: many / signalsEach * signalsEach, Days: days, Scrape: scrape.Seconds()}
	state, until, spent := filepath.Join(dir, "state"), kill, 0.0
	for {
		one, err := learnOnce(count.address, state, scrape, until)
		if err != nil {
			return l, err
		}
		l.add(one, spent)
		spent += one.took
		if until == 0 {
			l.Ready = spent
			break
		}
		until = 0
	}
	after, err := serverCPU(server)
	l.asked, l.ServerCPU, l.Share = count.result(), after-before, (after-before)/spent
	return l, err
}

// add puts a life that began after so many seconds of others into the result.
func (l *taught) add(one life, spent float64) {
	if l.Judged == 0 && one.judged > 0 {
		l.Judged = spent + one.judged
	}
	if l.Median == 0 && one.median > 0 {
		l.Median = spent + one.median
	}
	l.CPU, l.RSS = l.CPU+one.last.CPU, max(l.RSS, one.last.RSS)
	switch {
	case one.last.Ratio < 1:
		l.Resumed = &resumed{At: one.last.Ratio}
	case l.Resumed != nil:
		l.Resumed.From = one.first.Ratio
	}
}

// learnOnce runs the learning process until it knows the past, or is killed at a share of it.
func learnOnce(server, state string, scrape time.Duration, kill float64) (l life, err error) {
	self, err := os.Executable()
	if err != nil {
		return l, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-learner", server, "-scrape", scrape.String(), "-state", state)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return l, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return l, fmt.Errorf("start the learning process: %w", err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var s seen
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return l, fmt.Errorf("read %q of the learning process: %w", lines.Text(), err)
		}
		l.note(s, time.Since(began).Seconds())
		if s.Services > 0 && s.Ready == s.Services || kill > 0 && s.Ratio >= kill {
			return l, nil
		}
	}
	return l, fmt.Errorf("the learning process ended early: %w", cmd.Wait())
}

func (l *life) note(s seen, at float64) {
	if l.first.Opening == 0 {
		l.first = s
	}
	l.last, l.took = s, at
	if l.judged == 0 && s.Opening > 0 && s.Judged == s.Opening {
		l.judged = at
	}
	if l.median == 0 && s.Services > 0 && 2*s.Ready >= s.Services {
		l.median = at
	}
}

// show is the result for people.
func (l taught) show() {
	fmt.Printf("%d series, %v days scraped each %v s: judged after %.0f s, ready after %.0f s (the median service after %.0f s)\n", l.Series, l.Days, l.Scrape, l.Judged, l.Ready, l.Median)
	fmt.Printf("%d queries about the past, the longest %.2f s, %d at once at most, %.0f MB; %d of the tick\n", l.Queries, l.Longest, l.AtOnce, l.Megabytes, l.Live)
	fmt.Printf("%.0f s of our processor time, %.0f MB resident at most; %.0f s of the server's, %.2f of a core\n", l.CPU, l.RSS, l.ServerCPU, l.Share)
	if r := l.Resumed; r != nil {
		fmt.Printf("killed with %.0f %% learnt, went on with %.0f %%\n", 100*r.At, 100*r.From)
	}
}

// file keeps a state in a file, its moment in front.
type file string

// Save meets watch.Snapshots.
func (f file) Save(_ context.Context, at time.Time, state []byte) error {
	next := string(f) + ".next"
	if err := os.WriteFile(next, append(strconv.AppendInt(nil, at.UnixNano(), 10), append([]byte{'\n'}, state...)...), 0o600); err != nil {
		return err
	}
	return os.Rename(next, string(f)) // a kill leaves the old one or the new one
}

// Load meets watch.Snapshots.
func (f file) Load(context.Context) ([]byte, time.Time, error) {
	b, err := os.ReadFile(string(f))
	if os.IsNotExist(err) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	i := slices.Index(b, '\n')
	ns, err := strconv.ParseInt(string(b[:max(i, 0)]), 10, 64)
	return b[i+1:], time.Unix(0, ns).UTC(), err
}
