package recorded

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	backout "github.com/backout-dev/backout"
)

// issue is target.json: what was complained about, and the label.
type issue struct {
	Target struct {
		Node string `json:"node"`
		At   int64  `json:"timestamp"`
	} `json:"target"`
	Root struct {
		Node string `json:"node"`
	} `json:"root_cause"`
	Metadata struct {
		Reproducibility struct {
			Command string `json:"command"`
		} `json:"reproducibility"`
	} `json:"metadata"`
}

// petStep is the interval of the set's measurements.
const petStep = 5 * time.Minute

// petPause lies between the calm recording and an issue's. They were made months
// apart, so that what has changed meanwhile must not look like the issue: it began
// before the evidence.
const petPause = 2 * time.Hour

// PetShopDir is the scenario in a folder: the folder itself, or the only scenario
// in it.
func PetShopDir(dir string) string {
	if graphs, _ := filepath.Glob(filepath.Join(dir, "*", "graph.csv")); len(graphs) == 1 {
		return filepath.Dir(graphs[0])
	}
	return dir
}

// ReadPetShop reads the issues of one traffic scenario of PetShop (graph.csv,
// noissue/, and train/ and test/ issues), each as it was known so long after the
// complaint; a negative span takes all that was recorded. The changes that were
// injected are the labels, and no others are known, so the cases have none: what is
// asked for is the node. The calm recording is moved to end two hours before the
// issue's begins. A missing or unreadable file is an error that names it.
func ReadPetShop(dir string, after time.Duration) ([]Case, error) {
	services, err := readGraph(filepath.Join(dir, "graph.csv"))
	if err != nil {
		return nil, err
	}
	calm, err := readWide(filepath.Join(dir, "noissue", "metrics.csv"))
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "t*", "issue_*", "target.json"))
	if err != nil {
		return nil, fmt.Errorf("read recorded case %s: %w", dir, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("read recorded case %s: no train/ or test/ issues", dir)
	}
	var out []Case
	for _, file := range files {
		var is issue
		if err := readJSON(file, &is); err != nil {
			return nil, err
		}
		rows, err := readWide(filepath.Join(filepath.Dir(file), "metrics.csv"))
		if err != nil {
			return nil, err
		}
		c := Case{ID: filepath.Base(filepath.Dir(filepath.Dir(file))) + "/" + filepath.Base(filepath.Dir(file)), Step: petStep, Scrape: time.Second}
		c.Services, c.Questions = services, petQuestions()
		c.Noticed = time.Unix(is.Target.At, 0).UTC()
		c.At = rows.end()
		if after >= 0 && c.Noticed.Add(after).Before(c.At) {
			c.At = c.Noticed.Add(after)
		}
		c.Metrics = gauges(calm.endingAt(rows.begin().Add(-petPause)), rows)
		c.cutOff()
		c.Truth = Truth{Service: node(is.Root.Node), Target: node(is.Target.Node), Change: !demand(is.Metadata.Reproducibility.Command)}
		out = append(out, c)
	}
	return out, nil
}

// ReadPetShopCalm is the recording without issues, as one long case.
func ReadPetShopCalm(dir string) (Case, error) {
	services, err := readGraph(filepath.Join(dir, "graph.csv"))
	if err != nil {
		return Case{}, err
	}
	calm, err := readWide(filepath.Join(dir, "noissue", "metrics.csv"))
	if err != nil {
		return Case{}, err
	}
	c := Case{ID: "noissue", Step: petStep, Scrape: time.Second, Services: services, Questions: petQuestions(), At: calm.end(), Metrics: gauges(calm)}
	c.cutOff()
	return c, nil
}

func node(s string) backout.ServiceID { return backout.ServiceID(name(s)) }

// demand says that a command injects load instead of changing anything.
func demand(command string) bool { return strings.Contains(command, "requests") }

// readGraph reads the square table of calls: a row calls its columns.
func readGraph(file string) ([]Service, error) {
	by := map[backout.ServiceID]*Service{}
	add := func(id backout.ServiceID) *Service {
		if by[id] == nil {
			by[id] = &Service{ID: id}
		}
		return by[id]
	}
	err := readTable(file, func(row map[string]string) error {
		from := add(node(row[""]))
		for column, v := range row {
			if column == "" {
				continue
			}
			to := add(node(column))
			if number(v) > 0 {
				from.DependsOn = append(from.DependsOn, to.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Service
	for _, s := range by {
		slices.Sort(s.DependsOn)
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Service) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// petQuestions is the SignalSet of all issues.
func petQuestions() []Question {
	by := []string{"service"}
	return []Question{
		{Name: "latency", Kind: backout.SignalLatency, Direction: backout.WorseUp, Metric: "node_latency_seconds", Requests: "node_requests", By: by, Opens: true},
		{Name: "errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Metric: "node_failed_ratio", Requests: "node_requests", By: by, Opens: true},
		{Name: "traffic", Kind: backout.SignalTraffic, Direction: backout.WorseUp, Metric: "node_requests", By: by},
	}
}
