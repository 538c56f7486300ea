package backout

import (
	"slices"
	"testing"
	"time"
)

var onset = time.Date(2026, 11, 24, 14, 2, 10, 0, time.UTC)

func lived() (Incident, []Run) {
	at := func(n int) time.Time { return onset.Add(time.Duration(n) * time.Minute) }
	inc := Incident{
		ID: "INC-1", State: StateRecovered, Onset: onset, OpenedAt: at(1), UpdatedAt: at(9),
		Findings:    []Finding{{ID: SeriesID{Subject: Subject{Service: "checkout"}}}, {ID: SeriesID{Subject: Subject{Service: "checkout"}}}},
		Attribution: &Attribution{PNone: .05, Suspects: []Suspect{{Component: "deployment:payment@p/e", To: "2", P: .9}}},
		Attempts: []Attempt{
			{ID: "INC-1/1", StartedAt: at(3), EndedAt: at(4), Result: RunHalted, Approvals: []Approval{{By: Principal{Name: "ann"}, Yes: true}}},
			{ID: "INC-1/2", StartedAt: at(5), EndedAt: at(8), Result: RunCompleted, Approvals: []Approval{{By: Principal{Name: "bob"}, Yes: false}, {By: Principal{Name: "ann"}, Yes: true}},
				TakenBack: []TakenBack{{Component: "deployment:payment@p/e", Service: "payment", From: "2", To: "1", Share: 1}}},
		},
	}
	runs := []Run{{Attempt: "INC-1/1", Entries: []Entry{{Seq: 1, Attempt: "INC-1/1", At: at(3), Kind: EntryIntent, Text: "meant"}, {Seq: 2, Attempt: "INC-1/1", At: at(3), Kind: EntryEffect, Outcome: OutcomeUnknown}}},
		{Attempt: "INC-1/2", Entries: []Entry{{Seq: 1, Attempt: "INC-1/2", At: at(6), Kind: EntryEffect, Outcome: OutcomeDone, Text: "done"}}}}
	return inc, runs
}

func TestPastOf_milestones(t *testing.T) {
	inc, runs := lived()
	p := PastOf(inc, runs)
	for name, c := range map[string]struct {
		got  *Duration
		want time.Duration
	}{"detected": {p.Detected, time.Minute}, "decided": {p.Decided, 3 * time.Minute}, "first effect": {p.FirstEffect, 6 * time.Minute}, "verified": {p.Verified, 8 * time.Minute}} {
		if c.got == nil || c.got.Std() != c.want {
			t.Errorf("%s %v, want %s", name, c.got, c.want)
		}
	}
	if !slices.Equal(p.Services, []ServiceID{"checkout", "payment"}) || !slices.Equal(p.ApprovedBy, []string{"ann"}) || len(p.TakenBack) != 1 || p.Cause != "deployment:payment@p/e" || !p.EndedAt.Equal(inc.UpdatedAt) {
		t.Errorf("%+v", p)
	}
	inc.Attribution.PNone, inc.State, inc.Attempts = .95, StateAttributed, nil
	if p := PastOf(inc, nil); p.Cause != "" || p.Decided != nil || p.FirstEffect != nil || p.Verified != nil || !p.EndedAt.IsZero() {
		t.Errorf("nothing was done, and no change is to blame: %+v", p)
	}
}

func TestTimeline_oneOrderWithSources(t *testing.T) {
	_, runs := lived()
	audit := []AuditEntry{{Seq: 1, At: onset, By: "backout", What: "detected"}, {Seq: 2, At: onset.Add(6 * time.Minute), By: "ann", What: "approved"}}
	sent := []Delivery{
		{Message: Message{At: onset, Audience: AudienceOnCall, Text: "trouble"}, Channel: "pager", Tries: 1, At: onset},
		{Message: Message{At: onset, Audience: AudienceSupport, Text: "words"}, Channel: "chat", Tries: 3, GivenUp: true, Note: "refused"},
	}
	var got []string
	for _, e := range Timeline(audit, runs, sent) {
		got = append(got, string(e.Source)+" "+e.Of+": "+e.Text)
	}
	want := []string{"audit entry 1: detected", "message on-call by pager: trouble", "message support by chat: words [not delivered: refused]",
		"journal attempt 1 entry 1: meant", "journal attempt 1 entry 2: ", "audit entry 2: approved", "journal attempt 2 entry 1: done"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestSeal_coversEveryEntry(t *testing.T) {
	_, runs := lived()
	whole, err := runs[0].Seal()
	if err != nil || whole.Entries != 2 || whole.Attempt != "INC-1/1" {
		t.Fatalf("%+v, %v", whole, err)
	}
	runs[0].Entries[1].Text = "another"
	changed, _ := runs[0].Seal()
	runs[0].Entries = runs[0].Entries[:1]
	shorter, _ := runs[0].Seal()
	if changed.Hash == whole.Hash || shorter.Hash == whole.Hash || shorter.Entries != 1 {
		t.Error("a changed journal has the same seal")
	}
}
