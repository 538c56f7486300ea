package playground

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Workload is one deployment of the shop in a cluster.
type Workload struct {
	Component backout.ComponentID
	Location  backout.Location
	// Namespace and Name are where it is in the cluster.
	Namespace, Name string
	// Service and System are what it is a part of.
	Service, System string
	Version         backout.Version
	Replicas        int
	Pace            Pace
}

// Pace is how fast a rollout goes: so many pods at a time, the next ones when these have
// worked for so long. Clusters know whole seconds.
type Pace struct {
	AtOnce int
	Each   time.Duration
}

// Pod is one that is ready, and made from a version.
type Pod struct {
	Name    string
	Version backout.Version
}

// Pods are where the shop's deployments run when a cluster decides that, and not the
// shop: it asks for versions like everybody else, and each pod that is ready is played by
// one instance.
type Pods interface {
	// Deploy makes workloads, whose pods get ready afterwards.
	Deploy(ctx context.Context, all []Workload) error
	// Ship asks for a version of a workload, in somebody's name. It fails with code
	// conflict when the workload does not ask for from any more.
	Ship(ctx context.Context, w Workload, from, to backout.Version, by string) error
	// Follow tells which pods of a workload are ready, all of them each time, whenever that
	// changes and once at the beginning, until ctx ends. What it tells is not waited for.
	Follow(ctx context.Context, all []Workload, tell func(w Workload, ready []Pod)) error
}

// podsWithin is how long pods may take to be there: at the start of the shop, and the
// first one of a release.
const podsWithin = time.Minute

// pace is what all deployments have, so that none tells by it what will be shipped.
func (s *shop) pace() Pace { return Pace{AtOnce: 1, Each: s.wholeSeconds(stageSpacing)} }

// wholeSeconds is how long each pod of a rollout with so many steps between its stages is
// watched. The last one is as well, so that it is less than what is between stages: all of
// it shall take about as long. The way back takes as long as the way out.
func (s *shop) wholeSeconds(every float64) time.Duration {
	return (s.steps(every) * 2 / 3).Truncate(time.Second)
}

// workloads are the deployments of all our own services, in the order of the table. Each
// location has a namespace of its own.
func (s *shop) workloads() []Workload {
	var out []Workload
	for i := range s.topology.services {
		c := &s.topology.services[i]
		if !c.own() {
			continue
		}
		for _, at := range s.topology.locations {
			out = append(out, Workload{
				Component: c.deploymentAt(at), Location: at, Namespace: s.topology.namespace(at), Name: c.name, Service: c.name, System: c.system,
				Version: backout.Version(c.current), Replicas: c.instances, Pace: s.pace(),
			})
		}
	}
	return out
}

// namespace is where a location's workloads are.
func (t *topology) namespace(at backout.Location) string { return t.placed("shop", at) }

// inCluster is where an actuator finds a deployment: each location is a cluster.
func (t *topology) inCluster(s *service, at backout.Location) string {
	return fmt.Sprintf("%s/%s/deployment/%s", at, t.namespace(at), s.name)
}

// runPods has the cluster run the deployments, and the fleet follow it. It returns when
// every pod is played.
func (s *shop) runPods(ctx context.Context) error {
	all := s.workloads()
	ctx, cancel := context.WithTimeout(ctx, podsWithin)
	defer cancel()
	if err := s.config.Pods.Deploy(ctx, all); err != nil {
		return err
	}
	s.followPods(all)
	for _, w := range all {
		for {
			if shares, n := s.fleet.shares(w.Service, w.Location); n == w.Replicas && shares[w.Version] > .99 {
				break
			}
			if pause(ctx, beatEvery/2) != nil {
				return fmt.Errorf("play the pods of %s: %w", w.Component, ctx.Err())
			}
		}
	}
	return nil
}

// followPods keeps the fleet as the cluster has it, for as long as the shop lives. Each
// workload has a loop of its own, which looks at what was told last.
func (s *shop) followPods(all []Workload) {
	told := map[backout.ComponentID]chan []Pod{}
	for _, w := range all {
		mail := make(chan []Pod, 1)
		told[w.Component] = mail
		crew := s.fleet.crews[place{w.Service, w.Location}]
		go func() {
			for {
				select {
				case <-s.life.Done():
					return
				case pods := <-mail:
					s.play(crew, pods, mail)
				}
			}
		}()
	}
	tell := func(w Workload, ready []Pod) {
		mail := told[w.Component]
		select { // what nobody has looked at yet is out of date
		case <-mail:
		default:
		}
		mail <- ready
	}
	go func() {
		if err := s.config.Pods.Follow(s.life, all, tell); err != nil && s.life.Err() == nil {
			s.config.Log.Error("the cluster is no longer followed", "err", err)
			s.stop() // traffic would be answered by what is not there any more
		}
	}()
}

// play matches a crew with pods, again and again until it can be done or something newer
// was told.
func (s *shop) play(c *crew, pods []Pod, newer <-chan []Pod) {
	for len(newer) == 0 {
		err := s.fleet.match(s.life, c, pods)
		if err == nil || pause(s.life, 5*beatEvery) != nil {
			return
		}
		s.config.Log.Error("play pods", "service", c.service.name, "location", c.location, "err", err)
	}
}

// match makes a crew play these pods and no others. New ones are routed to before those
// that are gone are taken out and drained.
func (f *fleet) match(ctx context.Context, c *crew, pods []Pod) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var stay, gone []running
	for _, m := range c.members {
		if slices.ContainsFunc(pods, func(p Pod) bool { return p.Name == m.id }) {
			stay = append(stay, m)
		} else {
			gone = append(gone, m)
		}
	}
	var wrong error
	for _, p := range pods {
		if slices.ContainsFunc(stay, func(m running) bool { return m.id == p.Name }) {
			continue
		}
		r, err := f.launch(ctx, c, p.Name, string(p.Version))
		if err == nil {
			if err = ready(ctx, r.address); err != nil {
				r.stop()
			}
		}
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("play pod %s: %w", p.Name, err))
			continue
		}
		stay = append(stay, r)
	}
	f.edit(func() { c.members = stay })
	for _, m := range gone {
		f.retire(m)
	}
	return wrong
}

// rollOut ships a release by the cluster, and returns when the first pod of it takes
// requests, or when none got ready in time: then it is out all the same.
func (d *director) rollOut(ctx context.Context, s shipment) error {
	w, err := d.shop.workload(s)
	if err != nil {
		return err
	}
	if err := d.shop.config.Pods.Ship(ctx, w, s.from, s.to, s.actor); err != nil {
		return err
	}
	until := time.Now().Add(podsWithin)
	for time.Now().Before(until) {
		if shares, _ := d.shop.fleet.shares(w.Service, w.Location); shares[s.to] > 0 {
			return nil
		}
		if err := pause(ctx, beatEvery/4); err != nil {
			return err
		}
	}
	return nil
}

// workload is the one of a shipment, at the pace of its stages.
func (s *shop) workload(of shipment) (Workload, error) {
	all := s.workloads()
	i := slices.IndexFunc(all, func(w Workload) bool { return w.Component == of.component })
	if i < 0 {
		return Workload{}, fmt.Errorf("%s is no deployment of the shop", of.component)
	}
	w := all[i]
	w.Pace.Each = s.wholeSeconds(of.every)
	if of.shares[0] == 1 && w.Replicas > 1 {
		w.Pace = Pace{AtOnce: w.Replicas}
	}
	return w, nil
}

// byCluster reports whether a component is moved by the cluster and not by the shop.
func (s *shop) byCluster(id backout.ComponentID) bool {
	return s.config.Pods != nil && id.Kind() == backout.KindDeployment
}
