package recorded

import (
	"time"

	backout "github.com/backout-dev/backout"
)

// World is the case as its catalog and its facts show it at the cut-off.
func (c Case) World() backout.World {
	w := backout.World{Now: c.At, Minute: backout.Duration(time.Minute)}
	for _, s := range c.Services {
		w.Graph.Services = append(w.Graph.Services, backout.Service{ID: s.ID, Kind: backout.ServiceOwn, Tier: 2})
		for _, to := range s.DependsOn {
			w.Graph.Dependencies = append(w.Graph.Dependencies, backout.Dependency{From: s.ID, To: to, Hard: true, Confidence: 1})
		}
	}
	w.Changes, w.Responses = backout.Fold(c.Observations)
	for i := range w.Changes {
		_, service, _, _, _ := w.Changes[i].Component.Split() // components are named like services
		w.Changes[i].Services = []backout.ServiceID{backout.ServiceID(service)}
	}
	return w
}
