package store_test

import (
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

func TestPostNews_ordersAThreadByTime(t *testing.T) {
	s, at := storetest.New(t), time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	if told, err := s.News(t.Context()); err != nil || len(told) != 0 {
		t.Fatalf("%v, %v", told, err)
	}
	m := backout.Message{Incident: backout.Self("production"), Audience: backout.AudienceOnCall, At: at, Terminal: true}
	channels := map[backout.Audience][]string{backout.AudienceOnCall: {"pager", "console"}}
	for n, key := range []string{"blind", "over"} {
		m.Key = key
		now := at.Add(time.Duration(n) * time.Minute)
		if err := s.PostNews(t.Context(), now, []backout.News{{Matter: backout.Matter{Key: "metrics"}, At: now, Stands: n == 0}}, []backout.Message{m}, channels); err != nil {
			t.Fatal(err)
		}
	}
	due, err := s.Due(t.Context(), at.Add(time.Hour), 10)
	if err != nil || len(due) != 2 || due[0].Message.Key != "blind" || due[1].Message.Key != "blind" {
		t.Fatalf("due %+v, %v: want the first by each channel", due, err)
	}
	if err := s.Delivered(t.Context(), due[0].Message, "pager", at, ""); err != nil {
		t.Fatal(err)
	}
	if due, err = s.Due(t.Context(), at.Add(time.Hour), 10); err != nil || len(due) != 2 || due[0].Message.Key == due[1].Message.Key {
		t.Errorf("due %+v, %v: want the second by the pager", due, err)
	}
	if told, err := s.News(t.Context()); err != nil || len(told) != 1 || told[0].Stands || told[0].Matter.Key != "metrics" {
		t.Errorf("%+v, %v", told, err)
	}
}

// What can't be kept is not told either.
func TestPostNews_allOrNothing(t *testing.T) {
	db := storetest.Handle(t)
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "DROP TABLE delivery"); err != nil {
		t.Fatal(err)
	}
	m := backout.Message{Incident: backout.Self("production"), Audience: backout.AudienceOnCall, Key: "blind"}
	if err := s.PostNews(t.Context(), time.Now(), []backout.News{{Stands: true}}, []backout.Message{m}, nil); err == nil {
		t.Error("posted without an outbox")
	}
	if told, err := s.News(t.Context()); err != nil || len(told) != 0 {
		t.Errorf("told %+v, %v: want nothing noted that was not posted", told, err)
	}
}
