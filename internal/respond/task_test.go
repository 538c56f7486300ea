package respond

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// desk keeps tasks in memory, the first answer each.
type desk struct{ tasks map[string]backout.Task }

func (d desk) TasksOf(_ context.Context, id backout.AttemptID) ([]backout.Task, error) {
	out := []backout.Task{}
	for _, t := range d.tasks {
		if t.Attempt == id {
			out = append(out, t)
		}
	}
	return out, nil
}

func (d desk) AnswerTask(_ context.Context, key string, a backout.TaskAnswer) (backout.Task, error) {
	t := d.tasks[key]
	if t.Answer != nil {
		return t, &backout.Error{Code: backout.CodeConflict, Message: "answered already"}
	}
	t.Answer = &a
	d.tasks[key] = t
	return t, nil
}

// waitingTown executes a plan whose one step waits for a person.
func waitingTown(t *testing.T) (*town, desk, backout.IncidentID, string) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	inc := tw.until(id, backout.StateExecuting)
	at, step := inc.Attempts[0], inc.Plan.Steps()[0]
	key := string(at.ID) + "/" + step.ID + "/0"
	d := desk{map[string]backout.Task{key: {Key: key, Attempt: at.ID, Step: step.ID, Component: step.Component, From: step.From, To: step.To, Deadline: tw.now.Add(time.Hour)}}}
	tw.r.cfg.Tasks = d
	tw.runner.run = backout.Run{State: backout.RunActive, Entries: []backout.Entry{
		{Seq: 1, Attempt: at.ID, Kind: backout.EntryWaits, Step: step.ID, Component: step.Component, Key: key, Text: "waits for dba-team until 13:30:00 UTC"},
	}}
	return tw, d, id, step.ID
}

func TestAnswer_byWhomForWhat(t *testing.T) {
	tw, d, id, step := waitingTown(t)
	approver, viewer := backout.Principal{Name: "ann", Role: backout.RoleApprover}, backout.Principal{Name: "bob", Role: backout.RoleViewer}
	for name, c := range map[string]struct {
		by           backout.Principal
		step, reason string
		at           time.Time
		want         backout.Code
	}{
		"a viewer":       {viewer, step, "restored", tw.now, backout.CodeForbidden},
		"no reason":      {approver, step, " ", tw.now, backout.CodeInvalid},
		"another step":   {approver, "nobody", "restored", tw.now, backout.CodeNotFound},
		"after the time": {approver, step, "restored", tw.now.Add(2 * time.Hour), backout.CodeNotFound},
	} {
		if _, err := tw.r.Answer(t.Context(), c.at, id, c.by, c.step, true, c.reason); backout.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want code %s", name, err, c.want)
		}
	}
	for _, task := range d.tasks {
		if task.Answer != nil {
			t.Fatalf("a refused answer counted: %+v", task.Answer)
		}
	}
	task, err := tw.r.Answer(t.Context(), tw.now, id, approver, step, true, "restored")
	if err != nil || task.Answer == nil || !task.Answer.Done || task.Answer.By != "ann" || !task.Answer.At.Equal(tw.now) {
		t.Fatalf("%+v, %v", task.Answer, err)
	}
	if last := tw.store.saves[len(tw.store.saves)-1]; !strings.Contains(last, "ann says that step "+step) || !strings.Contains(last, "is done: restored") {
		t.Errorf("the audit log says %q", last)
	}
	if _, err := tw.r.Answer(t.Context(), tw.now, id, approver, step, false, "no, wait"); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("a second answer: %v", err)
	}
}

func TestTell_forWhomTheRunWaits(t *testing.T) {
	tw, _, id, step := waitingTown(t)
	tw.store.messages = nil
	for range 3 {
		tw.step(id)
	}
	// Escalated and halted between two looks: it is told before the end is.
	tw.runner.run.Entries = append(tw.runner.run.Entries, backout.Entry{Seq: 2, Attempt: tw.runner.run.Entries[0].Attempt, Kind: backout.EntryEscalated, Step: step, Text: "dba-team did not do it: head of data hears of it"})
	tw.runner.run.State, tw.runner.run.Why = backout.RunHalted, "nobody did it"
	for range 2 {
		tw.step(id)
	}
	var waits []string
	for _, m := range tw.store.messages {
		if strings.HasPrefix(m.Key, "waits/") || strings.HasPrefix(m.Key, "escalated/") {
			waits = append(waits, m.Text)
			if m.Audience != backout.AudienceOnCall {
				t.Errorf("told to %s", m.Audience)
			}
		}
	}
	want := []string{
		string(id) + ": waits for dba-team until 13:30:00 UTC. When it is done: backout done " + string(id) + " " + step + " --reason \"…\"; if it will not be: backout refuse " + string(id) + " " + step + " --reason \"…\".",
		string(id) + ": dba-team did not do it: head of data hears of it.",
	}
	if d := cmp.Diff(want, waits); d != "" {
		t.Error(d)
	}
}
