package respond

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// In model minutes: the least time between two updates of one phase, and the
// promise "next word by", which leaves a minute to keep it.
const (
	updateEvery = 10
	nextWord    = 11
)

// tell writes what each audience must know about an incident's present state and
// notes it in Incident.Told, to be saved with it. The words are render's; here is
// decided who hears what when:
//
//   - a phase is told when it begins, and once: what comes back within ten model
//     minutes is no news
//   - within a phase an audience hears at most once in ten model minutes, and
//     nothing when there are no new words
//   - who heard of the beginning hears of the end
//
// run is the running attempt's journal where the caller has it.
func (r *Responder) tell(now time.Time, inc *backout.Incident, run *backout.Run) []backout.Message {
	out := []backout.Message{}
	for _, a := range backout.Audiences() {
		phase := phaseKey(a, *inc, run)
		text := render.Message(a, *inc, render.Moment{Now: now, Next: now.Add(r.minutes(nextWord)), Run: run})
		if text == "" || !r.news(now, *inc, a, phase, text) {
			continue
		}
		key := phase
		if i := toldIndex(*inc, a, phase); i >= 0 {
			key = fmt.Sprintf("%s+%s", phase, now.Sub(inc.OpenedAt))
			inc.Told = slices.Delete(slices.Clone(inc.Told), i, i+1)
		}
		inc.Told = append(slices.Clip(inc.Told), backout.Told{Audience: a, Phase: phase, Text: text, At: now})
		out = append(out, backout.Message{
			Incident: inc.ID, Audience: a, Key: key, At: now, State: inc.State, Text: text, Terminal: inc.State.Terminal(), Facts: facts(a, *inc),
		})
	}
	return out
}

// keepTelling saves an update when one is due and leaves the incident alone
// otherwise.
func (r *Responder) keepTelling(ctx context.Context, now time.Time, inc backout.Incident, run *backout.Run) error {
	messages := r.tell(now, &inc, run)
	if len(messages) == 0 {
		return nil
	}
	_, err := r.save(ctx, now, inc, fmt.Sprintf("told %d audiences how it stands", len(messages)), messages)
	return err
}

// news reports whether an audience must hear these words now.
func (r *Responder) news(now time.Time, inc backout.Incident, a backout.Audience, phase, text string) bool {
	var newest time.Time
	for _, t := range inc.Told {
		if t.Audience == a && t.At.After(newest) {
			newest = t.At
		}
	}
	follows := a == backout.AudienceOnCall || a == backout.AudienceMachines
	switch i := toldIndex(inc, a, phase); {
	case i >= 0:
		return a != backout.AudienceMachines && inc.Told[i].Text != text && now.Sub(newest) >= r.minutes(updateEvery)
	case inc.State.Terminal():
		return follows || !newest.IsZero() // who has not heard of trouble need not hear that it is over
	}
	return true
}

func toldIndex(inc backout.Incident, a backout.Audience, phase string) int {
	return slices.IndexFunc(inc.Told, func(t backout.Told) bool { return t.Audience == a && t.Phase == phase })
}

// phaseKey names the phase an audience sees: the state and the attempt; for those
// who work on it also the plan that waits, since another digest must be approved,
// and the wave that runs.
func phaseKey(a backout.Audience, inc backout.Incident, run *backout.Run) string {
	key := fmt.Sprintf("%s/%d", inc.State, len(inc.Attempts))
	works := a == backout.AudienceOnCall || a == backout.AudienceMachines
	switch {
	case works && inc.State == backout.StateWaiting:
		key += fmt.Sprintf("/%.8s", inc.Plan.Digest)
	case a == backout.AudienceOnCall && inc.State == backout.StateExecuting && run != nil && wave(inc, *run) > 0:
		key += fmt.Sprintf("/wave-%d", wave(inc, *run))
	}
	if works && inc.Stop != nil {
		key += "/stopped-" + inc.Stop.At.UTC().Format("150405")
	}
	return key
}

// wave is the number of the last wave in which something is done; 0 = none yet.
func wave(inc backout.Incident, run backout.Run) int {
	n := 0
	for i, w := range inc.Attempts[len(inc.Attempts)-1].Plan.Waves {
		for _, e := range run.Entries {
			if e.Kind == backout.EntryEffect && e.Outcome == backout.OutcomeDone && slices.ContainsFunc(w.Steps, func(s backout.Step) bool { return s.ID == e.Step }) {
				n = i + 1
			}
		}
	}
	return n
}

// facts are a message's values, no more than its audience's words may say.
func facts(a backout.Audience, inc backout.Incident) backout.Facts {
	f := backout.Facts{Onset: inc.Onset, Services: []backout.ServiceID{}, TakenBack: []backout.TakenBack{}}
	if inc.State == backout.StateWaiting && a != backout.AudienceStatusPage && a != backout.AudienceSupport {
		f.Deadline = inc.Deadline
	}
	if inc.Forecast != nil && a != backout.AudienceStatusPage && a != backout.AudienceSupport {
		f.CostNow = inc.Forecast.CostNow
	}
	if a != backout.AudienceOnCall && a != backout.AudienceMachines {
		return f
	}
	f.Environment, f.Why = inc.Environment, inc.Why
	f.Degraded = inc.Degraded
	for _, x := range inc.Findings {
		if s := x.ID.Subject.Service; s != "" && !slices.Contains(f.Services, s) {
			f.Services = append(f.Services, s)
		}
	}
	if at := inc.Attribution; at != nil && len(at.Suspects) > 0 && at.Suspects[0].P >= at.PNone {
		f.Change, f.P = at.Suspects[0].Change, at.Suspects[0].P
	}
	if inc.Plan != nil {
		f.Digest = inc.Plan.Digest
	}
	if n := len(inc.Attempts); n > 0 {
		if as := inc.Attempts[n-1].Approvals; len(as) > 0 {
			f.Approval = &as[len(as)-1]
		}
		if inc.State == backout.StateRecovered {
			f.TakenBack = append(f.TakenBack, inc.Attempts[n-1].TakenBack...)
		}
	}
	return f
}

// returned lists what a run left at the plan's target, from its journal: effects
// whose outcome is done, the largest share each, without what was reversed and without
// what somebody else has moved since. An unknown outcome is not listed.
func returned(attempt backout.Attempt, run backout.Run, changes []backout.Change) []backout.TakenBack {
	share, at := map[string]float64{}, map[string]time.Time{}
	for _, e := range run.Entries {
		switch {
		case e.Outcome != backout.OutcomeDone:
		case e.Kind == backout.EntryEffect, e.Kind == backout.EntrySkipped:
			share[e.Step], at[e.Step] = max(share[e.Step], e.Share), e.At
		case e.Kind == backout.EntryReversed:
			delete(share, e.Step)
		}
	}
	out := []backout.TakenBack{}
	for _, s := range attempt.Plan.Steps() {
		moved := slices.ContainsFunc(changes, func(c backout.Change) bool {
			start := c.Exposure.Start()
			return c.Component == s.Component && c.To != s.To && start.After(at[s.ID]) && start.After(attempt.StartedAt)
		})
		if share[s.ID] > 0 && !moved {
			out = append(out, backout.TakenBack{Component: s.Component, Kind: s.Kind, Service: s.Service, From: s.From, To: s.To, Share: share[s.ID]})
		}
	}
	return out
}
