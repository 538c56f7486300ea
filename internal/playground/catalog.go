package playground

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout"
)

// The actuators that the catalog names: the control API, the flagd file and
// goose.
const (
	ActuatorShop  = "playground"
	ActuatorFlags = "flagd"
	ActuatorGoose = "goose"
	// ActuatorKubernetes moves what runs in a cluster.
	ActuatorKubernetes = "kubernetes"
)

// Deployer is who made the workloads of a shop in a cluster, before anything was shipped.
const Deployer = "shop-setup"

// entity is one document of the catalog.
type entity struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       any      `yaml:"spec"`
}

type metadata struct {
	Name        string            `yaml:"name"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

const (
	backstageVersion = "backstage.io/v1alpha1"
	ownVersion       = "backout.dev/v1alpha1"
)

func own(kind, name string, spec any) entity {
	return entity{ownVersion, kind, metadata{Name: name}, spec}
}

// fields is a spec: short documents read better as they are written.
type fields = map[string]any

// writeCatalog writes what the shop declares of itself into a folder.
func writeCatalog(dir string, t *topology, sc script, c Config) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write catalog: %w", err)
	}
	for name, docs := range map[string][]entity{
		"services.yaml":   t.declareServices(),
		"components.yaml": t.declareComponents(c),
		"business.yaml":   t.declareBusiness(c.Rate),
		"contracts.yaml":  append(t.declareContracts(), t.declareBindings(sc)...),
		"signals.yaml":    {own("SignalSet", "shop", fields{"signals": signals(len(t.locations) > 1)})},
		"policy.yaml":     {own("Policy", "shop", policy(c))},
	} {
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		for _, d := range docs {
			if err := enc.Encode(d); err != nil {
				return fmt.Errorf("write catalog %s: %w", name, err)
			}
		}
		if err := writeAtomic(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write catalog: %w", err)
		}
	}
	return nil
}

func (t *topology) ref(name string) string {
	if t.service(name).own() {
		return "component:" + name
	}
	return "resource:" + name
}

func (t *topology) declareServices() []entity {
	var out []entity
	groups, systems := map[string]bool{}, map[string]bool{}
	for i := range t.services {
		s := &t.services[i]
		if !groups[s.owner] {
			groups[s.owner] = true
			out = append(out, entity{backstageVersion, "Group", metadata{Name: s.owner}, fields{"type": "team", "children": []string{}}})
		}
		if !systems[s.system] {
			systems[s.system] = true
			out = append(out, entity{backstageVersion, "System", metadata{Name: s.system}, fields{"owner": s.owner}})
		}
		m := metadata{Name: s.name, Annotations: map[string]string{"backout.dev/tier": fmt.Sprint(s.tier)}}
		switch s.kind {
		case backout.ServiceExternal:
			out = append(out, entity{backstageVersion, "Resource", m, fields{"type": "external", "owner": s.owner, "system": s.system}})
		case backout.ServiceDatastore:
			out = append(out, entity{backstageVersion, "Resource", m, fields{"type": "database", "owner": s.owner, "system": s.system}})
		default:
			out = append(out, entity{backstageVersion, "Component", m, t.declareDependencies(s, m.Annotations)})
		}
	}
	return out
}

func (t *topology) declareDependencies(s *service, annotations map[string]string) fields {
	lists := map[string][]string{}
	for _, e := range t.edges(s) {
		ref := t.ref(e.to)
		lists["all"] = append(lists["all"], ref)
		if e.soft {
			lists["soft"] = append(lists["soft"], ref)
		}
		if e.async {
			lists["async"] = append(lists["async"], ref)
		}
		if e.holds {
			lists["holds"] = append(lists["holds"], ref)
		}
	}
	for _, k := range []string{"soft", "async", "holds"} {
		if len(lists[k]) > 0 {
			annotations["backout.dev/"+k] = strings.Join(lists[k], ",")
		}
	}
	spec := fields{"type": "service", "lifecycle": "production", "owner": s.owner, "system": s.system}
	if len(lists["all"]) > 0 {
		spec["dependsOn"] = lists["all"]
	}
	return spec
}

func (t *topology) declareComponents(c Config) []entity {
	dir := c.Dir
	var out []entity
	add := func(id backout.ComponentID, at backout.Location, service, actuator, locator string, instances int) {
		spec := fields{"kind": string(id.Kind()), "service": service, "environment": string(environment), "location": string(at), "actuator": actuator, "locator": locator}
		if instances > 0 {
			spec["instances"] = instances
		}
		out = append(out, own("Component", id.Name(), spec))
	}
	for i := range t.services {
		if s := &t.services[i]; s.own() {
			for _, at := range t.locations {
				actuator, locator := ActuatorShop, string(s.deploymentAt(at))
				if c.Pods != nil {
					actuator, locator = ActuatorKubernetes, t.inCluster(s, at)
				}
				add(s.deploymentAt(at), at, s.name, actuator, locator, s.instances)
			}
		}
	}
	for _, c := range t.settings {
		add(c.id(), c.at, c.service, ActuatorShop, string(c.id()), 0)
	}
	for _, s := range t.splits {
		add(s.id(), s.at, s.service, ActuatorShop, string(s.id()), 0)
	}
	for _, f := range t.toggles {
		add(f.id(), f.at, f.service, ActuatorFlags, flagPath(dir)+"#"+f.name, 0)
	}
	if c.Pods != nil {
		out = append(out, own("Actuator", ActuatorKubernetes, fields{"kubernetes": fields{"fieldManagers": deployers(c), "patience": minutes(c, 60)}}))
	}
	add(t.schemaID(), t.common(), t.store, ActuatorGoose, "sqlite:"+filepath.Join(dir, "shop.db")+"?migrations="+filepath.Join(dir, "migrations"), 0)
	return out
}

func money(minor int64) string { return backout.Money{Minor: minor, Currency: currency}.String() }

// declareBusiness says what the shop is worth: a journey earns its mean worth
// times the number of its transactions a minute, as the load will really make.
func (t *topology) declareBusiness(rate float64) []entity {
	var out []entity
	for _, j := range t.journeys {
		front := t.client(j.clients[0]).front
		var services []string
		seen := map[string]bool{}
		for _, o := range j.ops {
			for _, s := range t.critical(t.named("gateway").name, t.named("gateway").forwarding(front, o)) {
				if !seen[s] {
					seen[s] = true
					services = append(services, s)
				}
			}
		}
		perMinute := int64(math.Round(rate * 60 * j.share * float64(j.minor)))
		out = append(out, own("Journey", j.name, fields{"title": j.title, "services": services, "valuePerMinute": money(perMinute), "tier": j.tier}))
	}
	for _, f := range t.toggles {
		out = append(out, own("Feature", f.name, fields{"flag": string(f.id()), "journeys": f.journeys, "valuePerMinute": money(f.minor)}))
	}
	for _, c := range t.clients {
		spec := fields{"audience": c.name, "sla": c.sla}
		if c.penaltyMinor > 0 {
			spec["penaltyPerMinute"] = money(c.penaltyMinor)
		}
		out = append(out, own("Client", c.name, spec))
	}
	return out
}

// declareContracts: every service works with its callees' releases from one
// before to one after, as the pipeline tests them, and every value of a setting with
// its service's; express checkout needs the
// release of payment that offers it, and the next orders need the migration.
func (t *topology) declareContracts() []entity {
	var out []entity
	add := func(name string, consumer, provider backout.ComponentID, reason string, when, needs fields) {
		out = append(out, own("Contract", name, fields{"consumer": string(consumer), "provider": string(provider), "reason": reason, "rules": []fields{{"when": when, "needs": needs}}}))
	}
	for i := range t.services {
		s := &t.services[i]
		for _, e := range t.edges(s) {
			to := t.service(e.to)
			if !s.own() || !to.own() {
				continue
			}
			for _, at := range t.locations {
				add(t.placed(s.name+"-on-"+to.name, at), s.deploymentAt(at), to.deploymentAt(at), "tested together in the pipeline, one release apart either way",
					fields{"from": s.previous, "to": s.next}, fields{"from": to.previous, "to": to.next})
			}
		}
	}
	for _, c := range t.settings {
		s := t.service(c.service)
		for _, at := range t.locations {
			add(t.placed(c.name+"-on-"+s.name, at), c.id(), s.deploymentAt(at), "both values are tested with the releases from one before to one after",
				fields{"from": "r1", "to": "r2"}, fields{"from": s.previous, "to": s.next})
		}
	}
	for _, s := range t.services {
		for _, o := range s.ops {
			for _, c := range o.calls {
				if to := t.service(c.to); c.flag != "" && to.op(c.flagOp) != nil && to.op(c.flagOp).next {
					for _, at := range t.locations {
						add(t.placed(c.flag+"-needs-"+to.name, at), backout.NewComponentID(backout.KindFlag, c.flag, environment, t.common()), to.deploymentAt(at),
							"only this release of "+to.name+" answers what the flag makes "+s.name+" ask", fields{"from": "on", "to": "on"}, fields{"from": to.next})
					}
				}
			}
		}
	}
	orders := t.named("orders")
	for _, at := range t.locations {
		add(t.placed(orders.name+"-on-"+t.schema, at), orders.deploymentAt(at), t.schemaID(), "this release writes a column that the migration adds", fields{"from": orders.next}, fields{"from": schemaAdditive})
	}
	return out
}

// placed is the name of one of several like documents, one a location.
func (t *topology) placed(name string, at backout.Location) string {
	if len(t.locations) == 1 {
		return name
	}
	return name + "-" + string(at)
}

// declareBindings are the contracts that the scenario adds.
func (t *topology) declareBindings(sc script) []entity {
	var out []entity
	for _, b := range sc.bindings {
		consumer, provider := t.service(b.Consumer), t.service(b.Provider)
		for _, at := range t.locations {
			out = append(out, own("Contract", t.placed(b.Consumer+"-needs-"+b.Provider, at), fields{
				"consumer": string(consumer.deploymentAt(at)), "provider": string(provider.deploymentAt(at)), "reason": b.reason,
				"rules": []fields{{"when": fields{"from": b.ConsumerVersion}, "needs": fields{"from": b.ProviderVersion}}}}))
		}
	}
	return out
}

// deployers are who writes workloads of a shop in a cluster, each when something is shipped.
func deployers(c Config) []string {
	out := append([]string{Deployer}, actors...)
	for _, x := range c.told.Ship {
		if x.By != "" && !slices.Contains(out, x.By) {
			out = append(out, x.By)
		}
	}
	return out
}

// minutes are so many model minutes.
func minutes(c Config, n float64) string { return backout.Duration(n * float64(c.Step)).String() }

// policy is the shop's, where the scenario says nothing else.
func policy(c Config) fields {
	l := c.told.Policy
	minutes := func(n, otherwise float64) string { return minutes(c, cmp.Or(n, otherwise)) }
	return fields{
		"autonomy": string(cmp.Or(l.Autonomy, backout.AutonomyAct)), "coldStart": "act-if-reversible", "minConfidence": .7, "maxPNone": .2, "maxSteps": 6, "maxServices": 6,
		"fourEyesTier": -1, "approvalTimeout": minutes(l.ApprovalMinutes, 20), "cooldown": minutes(l.CooldownMinutes, 20), "maxAttempts": cmp.Or(l.MaxAttempts, 1),
		"maxFailureAge": "90m", // model time; leaks are found late, and here nobody else is at it
	}
}
