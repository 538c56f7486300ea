package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// at is where this value stands, as file:line.
func (c cursor) at() string { return fmt.Sprintf("%s:%d", c.file, c.node.Line) }

// split takes file:line apart.
func split(at string) (string, int) {
	i := strings.LastIndexByte(at, ':')
	if i < 0 {
		return at, 0
	}
	line, err := strconv.Atoi(at[i+1:])
	if err != nil {
		return at, 0
	}
	return at[:i], line
}

// refer reads a name and checks, when all are known, that it exists.
func refer[T ~string](e *entity, kind string, into *T) func(cursor) {
	return func(c cursor) {
		if s, ok := c.scalar(); ok {
			*into = T(s)
			e.later = append(e.later, func() { c.mustKnow(kind, s) })
		}
	}
}

func refers[T ~string](e *entity, kind string, into *[]T) func(cursor) {
	return func(c cursor) {
		c.list(func(x cursor) {
			var one T
			refer(e, kind, &one)(x)
			*into = append(*into, one)
		})
	}
}

// required reports fields that were left out.
func (e *entity) required(fields map[string]bool) {
	for _, name := range []string{"kind", "service", "environment", "location", "services", "flag", "audience", "consumer", "provider", "rules", "signals", "component", "text", "writer", "writes", "reads", "versions", "lost", "members", "router"} {
		if missing, asked := fields[name]; asked && missing {
			e.wrong("spec.%s: expected a value", name)
		}
	}
}

func readComponent(e *entity) {
	c := backout.Component{Name: e.name}
	e.spec.fields(map[string]func(cursor){
		"kind":    oneOf(&c.Kind, backout.KindDeployment, backout.KindConfig, backout.KindFlag, backout.KindSchema, backout.KindTraffic, backout.KindInfrastructure),
		"service": refer(e, "service", &c.Service), "environment": text(&c.Environment), "location": text(&c.Location),
		"actuator": text(&c.Actuator), "locator": text(&c.Locator), "instances": whole(&c.Instances, 0, mostInstances), "immovable": yes(&c.Immovable),
		"minAvailable": whole(&c.MinAvailable, 0, mostInstances), "maxSurge": whole(&c.MaxSurge, 0, mostInstances), "rollback": readRollback(&c.Rollback),
	})
	e.budget(c)
	e.required(map[string]bool{"service": c.Service == "", "environment": c.Environment == "", "location": c.Location == ""})
	if c.Kind == "" && !e.has(e.file, "spec.kind") {
		e.required(map[string]bool{"kind": true})
	}
	c.ID = backout.NewComponentID(c.Kind, c.Name, c.Environment, c.Location)
	if e.unique("component", string(c.ID)) {
		e.out.Graph.Components = append(e.out.Graph.Components, c)
	}
}

func readJourney(e *entity) {
	j := backout.Journey{ID: backout.JourneyID(e.name), Name: e.title, Services: []backout.ServiceID{}, Tier: defaultTier}
	e.spec.fields(map[string]func(cursor){
		"title": text(&j.Name), "services": refers(e, "service", &j.Services), "valuePerMinute": money(&j.ValuePerMinute), "tier": whole(&j.Tier, 0, 3),
	})
	e.required(map[string]bool{"services": len(j.Services) == 0})
	if j.Name == "" {
		j.Name = e.name
	}
	if e.unique("journey", e.name) {
		e.out.Graph.Journeys = append(e.out.Graph.Journeys, j)
	}
}

func readFeature(e *entity) {
	f := backout.Feature{ID: e.name, Journeys: []backout.JourneyID{}}
	e.spec.fields(map[string]func(cursor){
		"flag": refer(e, "component", &f.Flag), "journeys": refers(e, "journey", &f.Journeys), "valuePerMinute": money(&f.ValuePerMinute),
	})
	e.required(map[string]bool{"flag": f.Flag == ""})
	if e.unique("feature", e.name) {
		e.out.Graph.Features = append(e.out.Graph.Features, f)
	}
}

func readClient(e *entity) {
	c := backout.Client{ID: e.name}
	e.spec.fields(map[string]func(cursor){"audience": text(&c.Audience), "sla": share(&c.SLA), "penaltyPerMinute": money(&c.Penalty)})
	e.required(map[string]bool{"audience": c.Audience == ""})
	if e.unique("client", e.name) {
		e.out.Graph.Clients = append(e.out.Graph.Clients, c)
	}
}

func versions(into *backout.VersionRange) func(cursor) {
	return func(c cursor) {
		c.fields(map[string]func(cursor){"from": text(&into.From), "to": text(&into.To)})
		if into.From != "" && into.To != "" && backout.CompareVersions(into.From, into.To) > 0 {
			c.wrong("from %s comes after to %s: expected a range", into.From, into.To)
		}
	}
}

func readContract(e *entity) {
	c := backout.Contract{ID: e.name, Source: backout.ContractDeclared, File: e.at(), Rules: []backout.ContractRule{}}
	e.spec.fields(map[string]func(cursor){
		"consumer": refer(e, "component", &c.Consumer), "provider": refer(e, "component", &c.Provider), "reason": text(&c.Reason),
		"rules": func(l cursor) {
			l.list(func(x cursor) {
				var r backout.ContractRule
				x.fields(map[string]func(cursor){"when": versions(&r.When), "needs": versions(&r.Needs)})
				c.Rules = append(c.Rules, r)
			})
		},
	})
	e.required(map[string]bool{"consumer": c.Consumer == "", "provider": c.Provider == "", "rules": len(c.Rules) == 0})
	if e.unique("contract", e.name) {
		e.out.Contracts = append(e.out.Contracts, c)
	}
}

// defaultPolicy is what holds where a Policy says nothing: ask, and look hard.
func defaultPolicy() backout.Policy {
	p := backout.Policy{
		Autonomy: backout.AutonomyAsk, ColdStart: backout.ColdStartAsk, MinConfidence: 0.8, MaxPNone: 0.2, FourEyesTier: 0,
		ApprovalTimeout: backout.Duration(30 * time.Minute), Cooldown: backout.Duration(15 * time.Minute), MaxAttempts: 1,
		MaxFailureAge: backout.Duration(30 * time.Minute), Settle: backout.Duration(2 * time.Minute),
		Budget:  backout.Budget{PlansPerHour: 3, PlansPerDay: 10, StepsPerHour: 20, StepsPerDay: 60},
		Freezes: []backout.Freeze{}, Rules: []backout.PolicyRule{},
	}
	p.Version = policyVersion(p)
	return p
}

// policyVersion names a policy by its content, so that an approval given under
// one policy is not taken for an approval under another.
func policyVersion(p backout.Policy) string {
	p.Version = ""
	b, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:6])
}

func readPolicy(e *entity) {
	if e.policy != "" {
		e.wrong("the policy stands at %s already: expected one in the catalog", e.policy)
		return
	}
	e.policy = e.at()
	p := &e.out.Policy
	e.spec.fields(map[string]func(cursor){
		"autonomy":      oneOf(&p.Autonomy, backout.AutonomyShadow, backout.AutonomyAsk, backout.AutonomyAct),
		"coldStart":     oneOf(&p.ColdStart, backout.ColdStartAsk, backout.ColdStartActIfReversible),
		"minConfidence": share(&p.MinConfidence), "maxPNone": share(&p.MaxPNone), "maxSteps": whole(&p.MaxSteps, 0, 1000),
		"maxServices": whole(&p.MaxServices, 0, 1000), "fourEyesTier": whole(&p.FourEyesTier, -1, 3), "approvalTimeout": span(&p.ApprovalTimeout),
		"skew": skew(&p.Skew), "trust": readTrust(p), "cooldown": span(&p.Cooldown), "maxAttempts": whole(&p.MaxAttempts, 0, 100),
		"freezes": readFreezes(e, p), "rules": readRules(p), "limits": readLimits(&p.Limits), "securityApprovers": names(&p.SecurityApprovers),
		"maxFailureAge": span(&p.MaxFailureAge), "settle": span(&p.Settle), "budget": readBudget(&p.Budget), "killSwitch": yes(&p.KillSwitch),
	})
	p.Version = policyVersion(*p)
}

// readBudget reads what may be done without a person; 0 = no bound.
func readBudget(b *backout.Budget) func(cursor) {
	return func(c cursor) {
		c.fields(map[string]func(cursor){
			"plansPerHour": whole(&b.PlansPerHour, 0, 10_000), "plansPerDay": whole(&b.PlansPerDay, 0, 10_000),
			"stepsPerHour": whole(&b.StepsPerHour, 0, 100_000), "stepsPerDay": whole(&b.StepsPerDay, 0, 100_000),
		})
	}
}

// skew reads by how many releases neighbours may be apart: N-1, or 0 for none.
func skew(into *int) func(cursor) {
	return func(c cursor) {
		s, ok := c.scalar()
		if !ok {
			return
		}
		n, err := strconv.Atoi(strings.TrimPrefix(s, "N-"))
		if err != nil || n < 0 || n > 9 || !strings.HasPrefix(s, "N-") && s != "0" {
			c.wrong("found %q: expected N-1 for neighbours one release apart (up to N-9), or 0 to assume nothing", s)
			return
		}
		*into = n
	}
}

// readTrust reads from which confidence on a source is enough without a person.
func readTrust(p *backout.Policy) func(cursor) {
	sources := []backout.ContractSource{backout.ContractSpec, backout.ContractMigration, backout.ContractObserved, backout.ContractSkew}
	return func(c cursor) {
		c.each(func(name string, v cursor) {
			if !slices.Contains(sources, backout.ContractSource(name)) {
				v.wrong("unknown source: expected one of %v", sources)
				return
			}
			least := 0.0
			share(&least)(v)
			if p.Trust == nil {
				p.Trust = map[backout.ContractSource]float64{}
			}
			p.Trust[backout.ContractSource(name)] = least
		})
	}
}

func readFreezes(e *entity, p *backout.Policy) func(cursor) {
	return func(c cursor) {
		c.list(func(x cursor) {
			var f backout.Freeze
			x.fields(map[string]func(cursor){"from": moment(&f.From), "to": moment(&f.To), "reason": text(&f.Reason), "allowRollbacks": yes(&f.AllowRollbacks),
				"services": refers(e, "service", &f.Services), "environment": text(&f.Environment), "location": text(&f.Location)})
			if !f.From.Before(f.To) {
				x.wrong("expected from before to")
			}
			p.Freezes = append(p.Freezes, f)
		})
	}
}

func readRules(p *backout.Policy) func(cursor) {
	return func(c cursor) {
		c.list(func(x cursor) {
			var r backout.PolicyRule
			x.fields(map[string]func(cursor){"name": text(&r.Name), "expr": text(&r.Expr), "deny": text(&r.Deny)})
			if r.Name == "" || r.Expr == "" {
				x.wrong("expected name and expr")
			}
			if slices.ContainsFunc(p.Rules, func(o backout.PolicyRule) bool { return o.Name == r.Name }) {
				x.wrong("rule %s stands twice: expected a name of its own", r.Name)
			}
			p.Rules = append(p.Rules, r)
		})
	}
}

func readSignals(e *entity) {
	n := 0
	e.spec.fields(map[string]func(cursor){"signals": func(c cursor) {
		c.list(func(x cursor) {
			n++
			e.signal(x)
		})
	}})
	e.required(map[string]bool{"signals": n == 0})
	e.unique("signalset", e.name)
}

func (e *entity) signal(x cursor) {
	s := backout.Signal{}
	x.fields(map[string]func(cursor){
		"name":      text(&s.Name),
		"kind":      oneOf(&s.Kind, backout.SignalLatency, backout.SignalErrors, backout.SignalSaturation, backout.SignalTraffic, backout.SignalKPI),
		"direction": oneOf(&s.Direction, backout.WorseUp, backout.WorseDown, backout.WorseBoth),
		"query":     text(&s.Query), "total": text(&s.Total), "opens": yes(&s.Opens),
		"labels": func(l cursor) {
			s.Labels = map[string]string{}
			l.each(func(part string, v cursor) {
				if !slices.Contains([]string{"service", "caller", "journey", "version", "location", "client"}, part) {
					v.wrong("unknown part: expected one of service, caller, journey, version, location, client")
				}
				label := ""
				text(&label)(v)
				s.Labels[part] = label
			})
		},
	})
	ratio := s.Kind == backout.SignalLatency || s.Kind == backout.SignalErrors
	switch {
	case s.Name == "":
		x.wrong("name: expected a value")
	case s.Query == "":
		x.wrong("query: expected a value")
	case s.Kind == "" && !e.has(x.file, x.field+".kind"), s.Direction == "" && !e.has(x.file, x.field+".direction"):
		x.wrong("expected kind and direction")
	case ratio && s.Total == "":
		x.wrong("total: expected the query for the number of requests behind %s", s.Kind)
	}
	if s.Name != "" && e.unique("signal", string(s.Name)) {
		e.out.Signals = append(e.out.Signals, s)
	}
}

// finish resolves references and checks what only the whole can show.
func (l *loader) finish() {
	for i := 0; i < len(l.later); i++ {
		l.later[i]()
	}
	l.cycles()
	for _, f := range l.out.Graph.Features {
		if f.Flag != "" && l.known("component", string(f.Flag)) && f.Flag.Kind() != backout.KindFlag {
			file, line := split(l.names["feature/"+f.ID])
			l.problems = append(l.problems, Problem{file, line, "spec.flag", fmt.Sprintf("%s: expected a component of kind flag", f.Flag)})
		}
	}
}
