package app

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/command"
	"github.com/backout-dev/backout/internal/execute/http"
	"github.com/backout-dev/backout/internal/execute/manual"
	"github.com/backout-dev/backout/internal/store"
)

// means are what declared actuators are put together from, besides what the catalog
// says of them.
type means struct {
	dir       string // what relative paths are relative to
	playbooks []backout.Playbook
	tasks     manual.Tasks
	memory    manual.Memory
	sampler   sampler
	step      time.Duration
}

// openDeclared makes the declared actuators that components name.
func openDeclared(all []catalog.Actuator, named map[string]bool, m means, into map[string]execute.Actuator) error {
	for _, d := range all {
		if !named[d.Name] || d.Kubernetes != nil {
			continue // what is said of the built-in one is read where that is made
		}
		a, err := m.declared(d)
		if err != nil {
			return fmt.Errorf("%s: actuator %s: %w", d.File, d.Name, err)
		}
		into[d.Name] = a
	}
	return nil
}

// wrong says which of the declared actuators can't be made, for those who wrote them
// down. Files of certificates are left out: they lie where it will run.
func wrong(all []catalog.Actuator) []string {
	var out []string
	m := means{tasks: execute.NewTasks(nil)}
	for _, d := range all {
		if d.Kubernetes != nil {
			continue
		}
		for _, r := range []*catalog.HTTPRequest{d.HTTP, d.Probe.HTTP} {
			if r != nil {
				r.TLS = catalog.TLS{}
			}
		}
		if _, err := m.declared(d); err != nil {
			out = append(out, fmt.Sprintf("%s: actuator %s: %v", d.File, d.Name, err))
		}
	}
	return out
}

func (m means) declared(d catalog.Actuator) (execute.Actuator, error) {
	st := d.Reversal
	out := &execute.Declared{Within: d.Within.Std(), Stated: execute.Stated{
		Loss: st.Loss, Lost: st.Lost, Shares: st.Shares, Mixed: st.Mixed, Takes: st.Takes.Std(), Headroom: st.Headroom,
		CompareAndSwap: d.CompareAndSwap(), OnceByKey: d.OnceByKey,
	}}
	machine, err := m.prober(d.Probe)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	if out.Prober = machine; machine == nil {
		out.Prober = manual.Recorded{Memory: m.memory}
	}
	switch {
	case d.HTTP != nil:
		out.Mover, err = http.NewMover(m.request(*d.HTTP), http.Answers{Done: d.HTTP.Done, NotDone: d.HTTP.NotDone, Conflict: d.HTTP.Conflict})
	case d.Command != nil:
		out.Mover, err = command.NewMover(m.program(*d.Command), command.Exits{Done: d.Command.Done, NotDone: d.Command.NotDone, Conflict: d.Command.Conflict})
	case d.Manual != nil:
		out.Mover, err = manual.New(manual.Config{
			Tasks: m.tasks, Playbooks: m.playbooks, Owner: d.Manual.Owner, Machine: machine, Deadline: d.Manual.Deadline.Std(),
			EscalateTo: d.Manual.EscalateTo, EscalateAfter: d.Manual.EscalateAfter.Std(),
		})
	}
	return out, err
}

// prober makes what sees; nil where no machine can.
func (m means) prober(l catalog.Look) (execute.Prober, error) {
	switch {
	case l.HTTP != nil:
		return http.NewProber(m.request(*l.HTTP), http.Reading{Version: l.HTTP.Version, Shares: l.HTTP.Shares, Healthy: l.HTTP.Healthy, Versions: l.HTTP.Versions})
	case l.Command != nil:
		return command.NewProber(m.program(*l.Command))
	case l.Query != nil:
		return queried{*l.Query, m.sampler, m.step}, nil
	}
	return nil, nil
}

func (m means) request(r catalog.HTTPRequest) http.Config {
	c := http.Config{
		Method: r.Method, URL: r.URL, Headers: r.Headers, Body: r.Body, Timeout: r.Timeout.Std(), Secrets: m.secrets(r.HeadersFrom, ""),
		TLS: http.TLS{CA: m.path(r.TLS.CA), Cert: m.path(r.TLS.Cert), Key: m.path(r.TLS.Key)},
	}
	if r.Token != (catalog.Reference{}) {
		c.Secrets["Authorization"] = m.secrets(map[string]catalog.Reference{"": r.Token}, "Bearer ")[""]
	}
	return c
}

func (m means) program(r catalog.Command) command.Config {
	return command.Config{
		Args: r.Args, Dir: m.path(cmp.Or(r.Dir, ".")), Pass: r.Pass, Set: r.Set, Secrets: m.secrets(r.SetFrom, ""), Timeout: r.Timeout.Std(), Grace: r.Grace.Std(),
	}
}

// path is a file's path where the catalog names one.
func (m means) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(m.dir, p)
}

// secrets are read at each use, so that one that was changed needs no restart.
func (m means) secrets(from map[string]catalog.Reference, before string) map[string]func() (string, error) {
	out := map[string]func() (string, error){}
	for name, r := range from {
		out[name] = func() (string, error) {
			s, err := secret(r, m.dir)
			return before + s, err
		}
	}
	return out
}

// queried sees components by what the metrics say.
type queried struct {
	catalog.Query
	sampler sampler
	step    time.Duration
}

// plainValue is what may stand in a query without changing its meaning.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9_.:/@+-]*$`)

// Look asks for one series a version; its values are taken as shares.
func (q queried) Look(ctx context.Context, c backout.Component) (execute.Sight, error) {
	text, err := q.Text.Expand(c.Fields(), func(v string) (string, error) {
		if !plainValue.MatchString(v) {
			return "", &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("%q has no place in a query: expected letters, digits and . : / @ + - _", v)}
		}
		return v, nil
	})
	if err != nil {
		return execute.Sight{}, fmt.Errorf("write query: %w", err)
	}
	const name = "probe"
	now := time.Now().UTC()
	asked := []backout.Signal{{Name: name, Kind: backout.SignalTraffic, Query: text, Labels: map[string]string{"version": q.VersionLabel}}}
	win, err := q.sampler.Sample(ctx, asked, now.Add(-shareSteps*q.step), now, q.step)
	if err != nil {
		return execute.Sight{}, err
	}
	if why := win.Missing[name]; why != "" {
		return execute.Sight{}, &backout.Error{Code: backout.CodeUnavailable, Message: "ask the metrics: " + why}
	}
	live := shares(win, name, now)
	if len(live.Shares) == 0 {
		return execute.Sight{}, &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("%s has no series with a label %s and a value above 0", text, q.VersionLabel)}
	}
	return execute.Sight{Reality: backout.Reality{Live: live, At: now}}, nil
}

// said gives what was said of components.
type said struct {
	*execute.Tasks
	store *store.Store
}

// memoryWindow is how far back the newest change of a component is looked for.
const memoryWindow = 30 * 24 * time.Hour

func (m said) LastChange(ctx context.Context, id backout.ComponentID) (backout.Change, bool, error) {
	obs, err := m.store.Observations(ctx, time.Now().Add(-memoryWindow))
	if err != nil {
		return backout.Change{}, false, err
	}
	changes, _ := backout.Fold(obs)
	last, found := backout.Change{}, false
	for _, c := range changes {
		if c.Component == id && (!found || !c.Exposure.Start().Before(last.Exposure.Start())) {
			last, found = c, true
		}
	}
	return last, found, nil
}
