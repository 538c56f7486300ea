package recorded_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/attribution/recorded"
)

// disguise gives everything in a case another name and puts it into another order.
// back tells the services' own names.
func disguise(c recorded.Case, seed uint64) (_ recorded.Case, back map[string]string) {
	r := rand.New(rand.NewPCG(seed, 9))
	back = map[string]string{}
	service := map[backout.ServiceID]backout.ServiceID{}
	for i, k := range r.Perm(len(c.Services)) {
		id := backout.ServiceID(fmt.Sprintf("n%02d", k))
		service[c.Services[i].ID], back[string(id)] = id, string(c.Services[i].ID)
	}
	version := map[backout.Version]backout.Version{"v1": "green", "v2": "blue"}
	out := c
	out.Services = nil
	for _, s := range c.Services {
		n := s
		n.ID, n.DependsOn = service[s.ID], nil
		for _, d := range s.DependsOn {
			n.DependsOn = append(n.DependsOn, service[d])
		}
		out.Services = append(out.Services, n)
	}
	out.Observations = nil
	for i, o := range c.Observations {
		kind, name, env, loc, _ := o.Component.Split()
		o.Component = backout.NewComponentID(kind, string(service[backout.ServiceID(name)]), env, loc)
		o.NativeID, o.From, o.To = fmt.Sprintf("e%d", i), version[o.From], version[o.To]
		out.Observations = append(out.Observations, o)
	}
	out.Metrics = nil
	for _, m := range c.Metrics {
		n := recorded.Metric{Name: m.Name, Help: m.Help}
		for i, row := range m.Rows {
			labels := maps.Clone(row.Labels)
			for _, k := range []string{"service", "caller"} {
				if v, ok := labels[k]; ok {
					labels[k] = string(service[backout.ServiceID(v)])
				}
			}
			if v, ok := labels["version"]; ok {
				labels["version"], labels["pod"] = string(version[backout.Version(v)]), fmt.Sprintf("p%d-%d", seed, i)
			}
			n.Rows = append(n.Rows, recorded.Row{Labels: labels, Points: slices.Clone(row.Points)})
		}
		r.Shuffle(len(n.Rows), func(i, j int) { n.Rows[i], n.Rows[j] = n.Rows[j], n.Rows[i] })
		out.Metrics = append(out.Metrics, n)
	}
	r.Shuffle(len(out.Metrics), func(i, j int) { out.Metrics[i], out.Metrics[j] = out.Metrics[j], out.Metrics[i] })
	r.Shuffle(len(out.Services), func(i, j int) { out.Services[i], out.Services[j] = out.Services[j], out.Services[i] })
	r.Shuffle(len(out.Observations), func(i, j int) {
		out.Observations[i], out.Observations[j] = out.Observations[j], out.Observations[i]
	})
	return out, back
}
