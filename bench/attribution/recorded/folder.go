package recorded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	backout "github.com/backout-dev/backout"
)

// Write makes the replay folder of a case in dir. The label is not part of it.
func (c Case) Write(dir string) error {
	changes, err := c.changes()
	if err != nil {
		return fmt.Errorf("write recorded case %s: %w", c.ID, err)
	}
	files := map[string][]byte{"changes.jsonl": changes, "metrics.om": c.openMetrics()}
	for file, docs := range map[string][]any{"catalog/services.yaml": c.catalog(), "signals.yaml": {c.signals()}, "replay.yaml": {c.settings()}} {
		var out bytes.Buffer
		e := yaml.NewEncoder(&out)
		for _, d := range docs {
			if err := e.Encode(d); err != nil {
				return fmt.Errorf("write recorded case %s: %s: %w", c.ID, file, err)
			}
		}
		files[file] = out.Bytes()
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fmt.Errorf("write recorded case %s: %w", c.ID, err)
		}
		if err := os.WriteFile(path, files[file], 0o640); err != nil {
			return fmt.Errorf("write recorded case %s: %w", c.ID, err)
		}
	}
	return nil
}

// fields is one mapping of YAML; its keys are written in order.
type fields map[string]any

func (c Case) settings() fields {
	return fields{"step": c.Step.String(), "scrape": c.Scrape.String()}
}

func (c Case) catalog() []any {
	var out []any
	resources := map[backout.ServiceID]string{}
	for _, s := range c.Services {
		switch s.Kind {
		case backout.ServiceDatastore:
			resources[s.ID] = "database"
		case backout.ServiceExternal:
			resources[s.ID] = "external"
		}
	}
	for _, s := range c.Services {
		out = append(out, s.entity(resources))
		if s.Deployable {
			out = append(out, component(backout.Component{Kind: backout.KindDeployment, Name: string(s.ID), Service: s.ID, Environment: environment, Location: everywhere, Instances: s.Instances}))
		}
	}
	for _, k := range c.Components {
		out = append(out, component(k))
	}
	return out
}

// entity is the service as Backstage's catalog has it; resources are the services
// that are none of ours, with their types.
func (s Service) entity(resources map[backout.ServiceID]string) fields {
	refs := func(to []backout.ServiceID) []string {
		out := []string{}
		for _, id := range to {
			kind := "component:"
			if resources[id] != "" {
				kind = "resource:"
			}
			out = append(out, kind+string(id))
		}
		return out
	}
	meta := fields{"name": string(s.ID)}
	marks := fields{}
	for mark, to := range map[string][]backout.ServiceID{"backout.dev/soft": s.Soft, "backout.dev/holds": s.Holds} {
		if len(to) > 0 {
			marks[mark] = strings.Join(refs(to), ",")
		}
	}
	if len(marks) > 0 {
		meta["annotations"] = marks
	}
	kind, typ := "Component", "service"
	if resources[s.ID] != "" {
		kind, typ = "Resource", resources[s.ID]
	}
	return fields{"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": meta, "spec": fields{"type": typ, "dependsOn": refs(s.DependsOn)}}
}

func component(c backout.Component) fields {
	spec := fields{"kind": string(c.Kind), "service": string(c.Service), "environment": string(c.Environment), "location": string(c.Location), "instances": c.Instances}
	return fields{"apiVersion": "backout.dev/v1alpha1", "kind": "Component", "metadata": fields{"name": c.Name}, "spec": spec}
}

func (c Case) signals() fields {
	list := []fields{}
	for _, q := range c.Questions {
		s := q.Signal()
		f := fields{"name": string(s.Name), "kind": string(s.Kind), "direction": string(s.Direction), "query": s.Query, "opens": s.Opens}
		if s.Total != "" {
			f["total"] = s.Total
		}
		list = append(list, f)
	}
	return fields{"apiVersion": "backout.dev/v1alpha1", "kind": "SignalSet", "metadata": fields{"name": "recorded"}, "spec": fields{"signals": list}}
}

func (c Case) changes() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out) // one a line
	for _, o := range c.Observations {
		if err := e.Encode(o); err != nil {
			return nil, fmt.Errorf("change %s: %w", o.NativeID, err)
		}
	}
	return out.Bytes(), nil
}

// openMetrics writes OpenMetrics text; times are seconds.
func (c Case) openMetrics() []byte {
	var out bytes.Buffer
	for _, m := range c.Metrics {
		fmt.Fprintf(&out, "# TYPE %s gauge\n# HELP %s %s\n", m.Name, m.Name, m.Help)
		for _, r := range m.Rows {
			var labels []string
			for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
				labels = append(labels, k+"="+strconv.Quote(r.Labels[k]))
			}
			series := m.Name + "{" + strings.Join(labels, ",") + "}"
			for _, p := range r.Points {
				fmt.Fprintf(&out, "%s %s %.3f\n", series, strconv.FormatFloat(p.Value, 'g', -1, 64), float64(p.At.UnixMilli())/1000)
			}
		}
	}
	out.WriteString("# EOF\n")
	return out.Bytes()
}
