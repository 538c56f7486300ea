package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

// thread opens an incident and tells on-call three things by two channels, and
// support one thing by nobody.
func thread(t *testing.T, s *store.Store) {
	t.Helper()
	say := func(key string) []backout.Message {
		return []backout.Message{{Incident: "i", Audience: backout.AudienceOnCall, Key: key}, {Incident: "i", Audience: backout.AudienceSupport, Key: key}}
	}
	channels := map[backout.Audience][]string{backout.AudienceOnCall: {"chat", "hook"}}
	in := mustOpen(t, s, store.Transition{Incident: backout.Incident{ID: "i", Key: "k"}, At: noon, Messages: say("one"), Channels: channels})
	for _, key := range []string{"two", "three"} {
		var err error
		if in, err = s.Transition(t.Context(), store.Transition{Incident: in, At: noon, Messages: say(key), Channels: channels}); err != nil {
			t.Fatal(err)
		}
	}
}

func due(t *testing.T, s *store.Store, at time.Time) []string {
	t.Helper()
	all, err := s.Due(t.Context(), at, 10)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, d := range all {
		out = append(out, d.Channel+" "+d.Message.Key)
	}
	return out
}

func TestDue_keepsAThreadInOrderAndChannelsApart(t *testing.T) {
	s := storetest.New(t)
	thread(t, s)
	message := func(key string) backout.Message {
		return backout.Message{Incident: "i", Audience: backout.AudienceOnCall, Key: key}
	}
	want := func(at time.Time, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, due(t, s, at)); d != "" {
			t.Errorf("due (-want +got):\n%s", d)
		}
	}
	want(noon, "chat one", "hook one")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Delivered(t.Context(), message("one"), "hook", noon, ""))
	must(s.Failed(t.Context(), message("one"), "chat", noon.Add(time.Hour), "away"))
	want(noon, "hook two") // chat's second waits for its first
	must(s.GiveUp(t.Context(), message("one"), "chat", noon.Add(time.Minute), "too old"))
	want(noon, "chat two", "hook two")
	must(s.Failed(t.Context(), message("two"), "chat", noon.Add(time.Hour), "away"))
	all, err := s.Undelivered(t.Context(), noon, 10)
	if err != nil || len(all) != 2 || all[0].Message.Key != "two" || !all[1].GivenUp || all[1].Failure != "too old" {
		t.Errorf("undelivered %+v, %v: want what is tried and what was given up", all, err)
	}
	if all, _ = s.Undelivered(t.Context(), noon.Add(24*time.Hour), 10); len(all) != 1 {
		t.Errorf("a day later %+v: want only what is still tried", all)
	}
}

func TestDelivered_theEndOvertakesWhatFailed(t *testing.T) {
	s := storetest.New(t)
	news := backout.Message{Incident: "i", Audience: backout.AudienceOnCall, Key: "news"}
	end := backout.Message{Incident: "i", Audience: backout.AudienceOnCall, Key: "end", Terminal: true}
	mustOpen(t, s, store.Transition{Incident: backout.Incident{ID: "i", Key: "k"}, At: noon, Messages: []backout.Message{news, end}})
	if d := cmp.Diff([]string{"console news"}, due(t, s, noon)); d != "" {
		t.Errorf("due (-want +got):\n%s", d)
	}
	if err := s.Failed(t.Context(), news, "console", noon.Add(time.Minute), "away"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"console end"}, due(t, s, noon)); d != "" {
		t.Errorf("due (-want +got):\n%s", d)
	}
	if err := s.Delivered(t.Context(), end, "console", noon, ""); err != nil {
		t.Fatal(err)
	}
	if got := due(t, s, noon.Add(time.Hour)); len(got) != 0 {
		t.Errorf("%v is still due after the end", got)
	}
}

func TestThread_isKept(t *testing.T) {
	s := storetest.New(t)
	if got, err := s.Thread(t.Context(), "i/on-call/chat"); err != nil || got != "" {
		t.Fatalf("%q, %v: want nothing yet", got, err)
	}
	for _, body := range []string{"a", "b"} {
		if err := s.KeepThread(t.Context(), "i/on-call/chat", noon, body); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Thread(t.Context(), "i/on-call/chat"); err != nil || got != body {
			t.Errorf("%q, %v: want %q", got, err, body)
		}
	}
	if p, err := s.Prune(t.Context(), noon.Add(time.Second)); err != nil || p.Threads != 1 {
		t.Errorf("pruned %+v, %v", p, err)
	}
}

// A database of the first schema keeps its messages.
func TestNew_upgradesTheOutbox(t *testing.T) {
	db := storetest.Handle(t)
	if _, err := db.Exec(`CREATE TABLE store_schema (version BIGINT NOT NULL); INSERT INTO store_schema VALUES (1);
		CREATE TABLE outbox (incident TEXT, audience TEXT, key TEXT, position BIGINT, next_at BIGINT, tries BIGINT, delivered_at BIGINT, failure TEXT, body TEXT);
		CREATE INDEX outbox_due ON outbox (next_at) WHERE delivered_at = 0;
		INSERT INTO outbox VALUES ('i', 'on-call', 'end', 0, 5, 3, 0, 'away', '{"incident":"i","audience":"on-call","key":"end","terminal":true}')`); err != nil {
		t.Fatal(err)
	}
	for range 2 { // opening it again changes nothing
		s, err := store.New(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Deliveries(t.Context(), "i")
		if err != nil || len(all) != 1 || !all[0].Message.Terminal || all[0].Tries != 3 || all[0].Channel != "console" {
			t.Errorf("%+v, %v: want the message as it was", all, err)
		}
	}
}
