package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/prometheus"
	"github.com/backout-dev/backout/internal/watch"
)

// fetch is what it costs this process to ask a Prometheus server for so many series
// once a minute, in grouped queries, to read the answers and to judge them.
type fetch struct {
	Series    int     `json:"series"`
	Queries   int     `json:"queries_per_tick"`
	Megabytes float64 `json:"answer_mb_per_tick"`
	CPU       float64 `json:"cpu_seconds_per_minute"` // processor time of one tick, median
	Wall      float64 `json:"wall_seconds_per_tick"`
	RSS       float64 `json:"peak_rss_mb"`
	Live      float64 `json:"live_heap_mb"`
}

const served = 20 // signals, two queries each: one tick is 40 answers

// measureFetch starts this program once more as the server, so that only asking is
// counted here.
func measureFetch(many int) (f fetch, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	address, stop, err := startServer(self, many)
	if err != nil {
		return f, err
	}
	defer stop()
	sampler, err := prometheus.New(prometheus.Config{URL: address, Ask: metrics.Config{Timeout: time.Minute}})
	if err != nil {
		return f, err
	}
	var signals []backout.Signal
	for i := range served {
		signals = append(signals, backout.Signal{Name: backout.SignalName(fmt.Sprint("signal", i)), Kind: backout.SignalLatency, Direction: backout.WorseUp,
			Query: fmt.Sprintf("seconds%d", i), Total: fmt.Sprintf("requests%d", i), Opens: true})
	}
	w, err := watch.New(watch.Config{Sampler: sampler, Signals: signals, Step: time.Minute, History: 1, Detector: detect.Config{Warm: 20}, Timeout: 5 * time.Minute, Report: func(context.Context, watch.Report) {}})
	if err != nil {
		return f, err
	}
	var cpu, wall []float64
	for i := range 26 {
		before, began := used(), time.Now()
		r := w.Tick(context.Background(), epoch.Add(time.Duration(i)*time.Minute))
		if r.Why != "" || len(r.Missing) > 0 {
			return f, fmt.Errorf("measure fetching: %s %v", r.Why, r.Missing)
		}
		if i >= 21 { // every series has a baseline by then
			cpu, wall = append(cpu, used()-before), append(wall, time.Since(began).Seconds())
		}
	}
	slices.Sort(cpu)
	slices.Sort(wall)
	f = fetch{Series: w.State().Series, Queries: 2 * served, CPU: cpu[len(cpu)/2], Wall: wall[len(wall)/2], RSS: peak()}
	f.Megabytes = float64(2*served*len(answer(0, 0, many/served, epoch))) / 1e6
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Live = float64(m.HeapAlloc) / 1e6
	runtime.KeepAlive(w)
	return f, nil
}

// startServer runs the server and reads its address.
func startServer(self string, many int) (address string, stop func(), err error) {
	cmd := exec.Command(self, "-serve", strconv.Itoa(many))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start the server: %w", err)
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	var line string
	if _, err := fmt.Fscanln(out, &line); err != nil {
		stop()
		return "", nil, fmt.Errorf("read the server's address: %w", err)
	}
	return line, stop, nil
}

// serve answers instant queries as Prometheus does, with so many series in all.
func serve(many int) error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	s := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		query := in.FormValue("query")
		at, err := strconv.ParseFloat(in.FormValue("time"), 64)
		name := strings.TrimLeft(query, "abcdefghijklmnopqrstuvwxyz")
		signal, bad := strconv.Atoi(name)
		if err != nil || bad != nil {
			http.Error(out, "what?", http.StatusBadRequest)
			return
		}
		kind := 0
		if strings.HasPrefix(query, "requests") {
			kind = 1
		}
		out.Header().Set("Content-Type", "application/json")
		_, _ = out.Write(answer(signal, kind, many/served, time.Unix(int64(at), 0)))
	})}
	return s.Serve(l)
}

// answer is a vector of one series a service, of a signal's seconds (kind 0) or requests.
func answer(signal, kind, services int, at time.Time) []byte {
	b := []byte(`{"status":"success","data":{"resultType":"vector","result":[`)
	minute := int(at.Unix() / 60)
	for i := range services {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"metric":{"service":"service-%05d"},"value":[%d,"`, i, at.Unix())
		v := 1000.0
		if kind == 0 {
			v = 200 * math.Exp(.2*math.Sin(float64(i*7919+signal*104729+minute*15485863)))
		}
		b = strconv.AppendFloat(b, v, 'f', -1, 64)
		b = append(b, `"]}`...)
	}
	return append(b, `]}}`...)
}
