package playground

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// director ships what the script says and reports it, as people and their
// pipelines would.
type director struct {
	script  script
	shop    *shop
	log     *slog.Logger
	reports chan backout.Observation
	etags   map[backout.ComponentID]string // as the last stage left them
	skipped map[backout.ComponentID]bool
	truth   truth
}

type stageDue struct {
	at       float64
	shipment shipment
	stage    int
	fault    *fault // that begins by itself; nil = a stage of the shipment
}

// direct carries the script out, from begun on, until it is through or ctx ends.
func (d *director) direct(ctx context.Context, begun time.Time) {
	var due []stageDue
	for _, s := range d.script.shipments {
		stages := len(s.shares)
		if d.shop.byCluster(s.component) {
			stages = 1 // asked for once, and rolled out by the cluster
		}
		for i := range stages {
			due = append(due, stageDue{at: s.at + float64(i)*s.every, shipment: s, stage: i})
		}
	}
	for _, f := range d.shop.faults {
		if f.component == "" {
			due = append(due, stageDue{at: f.at, fault: &f})
		}
	}
	slices.SortStableFunc(due, func(a, b stageDue) int { return cmp.Compare(a.at, b.at) })
	for _, st := range due {
		if pause(ctx, time.Until(begun.Add(d.shop.steps(st.at)))) != nil {
			return
		}
		if st.fault != nil {
			d.shop.board.begin(*st.fault, time.Now())
			d.injected(time.Now())
			continue
		}
		d.ship(ctx, st)
	}
	d.writeTruth()
	now := time.Now().UTC()
	d.shop.through.Store(&now)
}

// injected notes when the first trouble began.
func (d *director) injected(at time.Time) {
	if d.truth.InjectedAt.IsZero() {
		d.truth.InjectedAt = at.UTC()
		d.writeTruth()
	}
}

// ship carries out one stage, unless somebody else moved the component meanwhile
// or what it needs is not there: then the rest of this shipment is given up.
func (d *director) ship(ctx context.Context, due stageDue) {
	s := due.shipment
	if d.skipped[s.component] {
		return
	}
	err := d.ready(ctx, s)
	if err == nil {
		err = d.move(ctx, due)
	}
	if err != nil {
		d.skipped[s.component] = true
		d.log.Info("shipment given up", "component", s.component, "version", s.to, "err", err)
		return
	}
	now := time.Now().UTC()
	if due.stage == 0 {
		d.begin(s.component, now)
	}
	if d.shop.byCluster(s.component) {
		return // whoever wants to know it looks into the cluster
	}
	o := backout.Observation{Source: "ci", NativeID: fmt.Sprintf("%s=%s/%d", s.component, s.to, due.stage+1), At: now,
		Component: s.component, From: s.from, To: s.to, Digest: s.digest(), Share: s.shares[due.stage], Audience: s.audience(due.stage), Actor: s.actor, Title: s.title}
	if m := d.shop.movables[s.component]; m != nil {
		o.Share = m.State().Live.Shares[s.to] // what is true, not what was asked for
	}
	select {
	case d.reports <- o:
	case <-ctx.Done():
	}
}

// begin begins the faults of a shipment. Those of a deployment began with its
// first instance, see actsOf.
func (d *director) begin(id backout.ComponentID, now time.Time) {
	for _, f := range d.shop.faults {
		if f.component == id && id.Kind() != backout.KindDeployment {
			d.shop.board.begin(f, now)
		}
	}
	if d.script.guilty(id) {
		d.injected(now)
	}
}

func (d *director) ready(ctx context.Context, s shipment) error {
	if s.needs == "" {
		return nil
	}
	if s.needs.Kind() == backout.KindSchema {
		v, err := d.shop.store.schemaVersion(ctx)
		if err != nil {
			return err
		}
		if backout.Version(v) != s.needsVersion {
			return fmt.Errorf("%s is at %s, not %s", s.needs, v, s.needsVersion)
		}
		return nil
	}
	// A cluster takes its time, and a pipeline waits for it.
	until := time.Now()
	if d.shop.byCluster(s.needs) {
		until = until.Add(d.shop.steps(2 * stageSpacing))
	}
	for d.shop.movables[s.needs].State().Live.Shares[s.needsVersion] < .99 {
		if time.Now().After(until) || pause(ctx, beatEvery) != nil {
			return fmt.Errorf("%s is not wholly at %s", s.needs, s.needsVersion)
		}
	}
	return nil
}

func (d *director) move(ctx context.Context, due stageDue) error {
	s := due.shipment
	switch s.component.Kind() {
	case backout.KindFlag:
		return setFlag(d.shop.config.Dir, s.component.Name(), string(s.to), s.audiences[:min(due.stage+1, len(s.audiences))])
	case backout.KindSchema:
		return d.shop.store.migrate(ctx, string(s.to))
	}
	if d.shop.byCluster(s.component) {
		return d.rollOut(ctx, s)
	}
	st, err := d.shop.movables[s.component].Apply(ctx, ComponentMove{To: s.to, Share: s.shares[due.stage]}, d.etags[s.component], "")
	if err != nil {
		return err
	}
	d.etags[s.component] = st.ETag
	return nil
}

// post delivers observations in order, each until it is accepted.
func (d *director) post(ctx context.Context, to beginRequest) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-d.reports:
			for send(ctx, "", to.Token, "POST", to.ObservationsURL, nil, []backout.Observation{o}, nil) != nil {
				if pause(ctx, 200*time.Millisecond) != nil {
					return
				}
			}
		}
	}
}
