package recorded

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	backout "github.com/backout-dev/backout"
)

// rollout is one change as the set writes it down.
type rollout struct {
	Service  string  `json:"service"`
	Began    int64   `json:"release_time"`
	Replicas int     `json:"target_replica"`
	Stages   []stage `json:"stages"`
}

type stage struct {
	Old      int      `json:"v1"`
	New      int      `json:"v2"`
	Replaced []string `json:"delete_pod"`
	Done     int64    `json:"release_complete_timestamp"`
}

type incident struct {
	Noticed int64     `json:"detect_timestamp"`
	Changes []rollout `json:"changes"`
}

type label struct {
	Culprit string `json:"culprit_service"`
	Fault   string `json:"fault"`
}

// ReadChangeRCA reads the cases of the ChangeRCA artefact below dir (labels.json
// and cases/ID/...), each as it was known so long after the trouble was noticed. A
// missing or unreadable file is an error that names it.
func ReadChangeRCA(dir string, after time.Duration) ([]Case, error) {
	var labels map[string]label
	if err := readJSON(filepath.Join(dir, "labels.json"), &labels); err != nil {
		return nil, err
	}
	out := make([]Case, 0, len(labels))
	for _, id := range slices.Sorted(maps.Keys(labels)) {
		c, err := readRollouts(filepath.Join(dir, "cases", id), after)
		if err != nil {
			return nil, err
		}
		l := labels[id]
		c.ID, c.Truth = id, Truth{Service: backout.ServiceID(l.Culprit), Change: true, Fault: l.Fault}
		out = append(out, c)
	}
	return out, nil
}

func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read recorded case: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read recorded case %s: %w", file, err)
	}
	return nil
}

// readRollouts reads one case. Its 60 second gauges are sampled every 15 seconds:
// pods are measured at different moments of a minute.
func readRollouts(dir string, after time.Duration) (Case, error) {
	var in incident
	if err := readJSON(filepath.Join(dir, "case.json"), &in); err != nil {
		return Case{}, err
	}
	noticed := time.Unix(in.Noticed, 0).UTC()
	c := Case{At: noticed.Add(after), Noticed: noticed, Step: 15 * time.Second, Scrape: time.Minute}
	in.Changes = slices.DeleteFunc(in.Changes, func(r rollout) bool { return r.Began > in.Noticed })
	replaced := map[string]time.Time{} // pod -> since when its file shows its successor
	for _, r := range in.Changes {
		c.Observations = append(c.Observations, r.observe(c.At)...)
		began := time.Unix(r.Began, 0).UTC()
		for _, s := range r.known(c.At) {
			for _, p := range s.Replaced {
				replaced[p] = began
			}
			began = time.Unix(s.Done, 0).UTC()
		}
	}
	var err error
	if c.Services, err = readCalls(filepath.Join(dir, "dependency.csv"), in.Changes); err != nil {
		return c, err
	}
	if err = c.readEdges(dir); err != nil {
		return c, err
	}
	if err = c.readPods(filepath.Join(dir, "pods"), replaced); err != nil {
		return c, err
	}
	c.cutOff()
	c.Questions = rolloutQuestions()
	return c, nil
}

// known are the stages completed by the cut-off.
func (r rollout) known(at time.Time) []stage {
	n := 0
	for n < len(r.Stages) && !time.Unix(r.Stages[n].Done, 0).After(at) {
		n++
	}
	return r.Stages[:n]
}

// observe says what a deployment's history shows by the cut-off: one instance when
// it begins, and the counts of each completed stage.
func (r rollout) observe(at time.Time) []backout.Observation {
	id := backout.NewComponentID(backout.KindDeployment, name(r.Service), environment, everywhere)
	note := func(sec int64, share float64, what string) backout.Observation {
		return backout.Observation{Source: "rollout", NativeID: r.Service + "/" + what, At: time.Unix(sec, 0).UTC(), Component: id, From: "v1", To: "v2", Share: share}
	}
	out := []backout.Observation{note(r.Began, 1/float64(max(1, r.Replicas)), "began")}
	for i, s := range r.known(at) {
		out = append(out, note(s.Done, float64(s.New)/float64(max(1, s.Old+s.New)), fmt.Sprintf("stage %d", i+1)))
	}
	return out
}

// readCalls makes the catalog of the call graph.
func readCalls(file string, changes []rollout) ([]Service, error) {
	needs := map[string][]backout.ServiceID{}
	err := readTable(file, func(row map[string]string) error {
		from, to := row["Source"], row["Target"]
		needs[from] = append(needs[from], backout.ServiceID(name(to)))
		needs[to] = append(needs[to], []backout.ServiceID{}...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	instances := map[string]int{}
	for _, r := range changes {
		instances[r.Service] = r.Replicas
		needs[r.Service] = append(needs[r.Service], []backout.ServiceID{}...)
	}
	var out []Service
	for id, deps := range needs {
		slices.Sort(deps)
		n, changed := instances[id]
		out = append(out, Service{ID: backout.ServiceID(name(id)), DependsOn: slices.Compact(deps), Deployable: changed, Instances: n})
	}
	slices.SortFunc(out, func(a, b Service) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// readEdges reads what both ends of each call report.
func (c *Case) readEdges(dir string) error {
	for _, side := range []struct{ file, metric, help string }{
		{"source_success.csv", "call_failed_ratio", "Share of calls that failed, as the caller reports it."},
		{"destination_success.csv", "served_failed_ratio", "Share of calls that failed, as the callee reports it."},
	} {
		rows := map[string]*Row{}
		err := readTable(filepath.Join(dir, side.file), func(row map[string]string) error {
			at, err := seconds(row["timestamp"])
			for column, value := range row {
				caller, callee, edge := strings.Cut(column, "_")
				if err != nil || !edge {
					continue
				}
				if rows[column] == nil {
					rows[column] = &Row{Labels: map[string]string{"caller": name(caller), "service": name(callee)}}
				}
				rows[column].Points = append(rows[column].Points, Point{at, failed(number(value))})
			}
			return err
		})
		if err != nil {
			return err
		}
		c.Metrics = append(c.Metrics, Metric{side.metric, side.help, inOrder(rows)})
	}
	return nil
}

// readPods reads the files pods/POD_CALLER_CALLEE.csv that are about requests the
// pod served. What a replaced pod's file says after its stage began is about the
// pod that took its place.
func (c *Case) readPods(dir string, replaced map[string]time.Time) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil {
		return fmt.Errorf("read recorded case: %w", err)
	}
	latency, errors := map[string]*Row{}, map[string]*Row{}
	for _, file := range files {
		parts := strings.Split(strings.TrimSuffix(filepath.Base(file), ".csv"), "_")
		if len(parts) != 3 || !strings.HasPrefix(parts[0], parts[2]+"-v") {
			continue // the pod is the caller
		}
		pod, caller, service := parts[0], parts[1], parts[2]
		version, _, _ := strings.Cut(strings.TrimPrefix(pod, service+"-"), "-")
		labels := map[string]string{"service": name(service), "version": version, "pod": pod, "caller": name(caller)}
		slow, bad := &Row{Labels: labels}, &Row{Labels: labels}
		gone, isGone := replaced[pod]
		err := readTable(file, func(row map[string]string) error {
			at, err := seconds(row["Timestamp"])
			success := number(row["SuccessRate"])
			if err != nil || success != success || isGone && at.After(gone) {
				return err // no request in this minute
			}
			slow.Points = append(slow.Points, Point{at, number(row["Latency"]) / 1000})
			bad.Points = append(bad.Points, Point{at, failed(success)})
			return nil
		})
		if err != nil {
			return err
		}
		latency[filepath.Base(file)], errors[filepath.Base(file)] = slow, bad
	}
	c.Metrics = append(c.Metrics,
		Metric{"pod_latency_seconds", "Mean latency of the requests that a pod served.", inOrder(latency)},
		Metric{"pod_failed_ratio", "Share of the requests to a pod that failed.", inOrder(errors)})
	return nil
}

func failed(success float64) float64 { return 1 - success/100 }

// rolloutQuestions is the SignalSet of all cases.
func rolloutQuestions() []Question {
	arm := []string{"service", "version"}
	return []Question{
		{Name: "errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Metric: "served_failed_ratio", By: []string{"service"}, Opens: true},
		{Name: "call-errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Metric: "call_failed_ratio", By: []string{"caller", "service"}},
		{Name: "latency", Kind: backout.SignalLatency, Direction: backout.WorseUp, Metric: "pod_latency_seconds", By: []string{"service"}, Median: true, Opens: true},
		{Name: "arm-errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Metric: "pod_failed_ratio", By: arm},
		{Name: "arm-latency", Kind: backout.SignalLatency, Direction: backout.WorseUp, Metric: "pod_latency_seconds", By: arm},
	}
}
