package ingest_test

import (
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

func TestNewDoor_refusesAnOpenDoor(t *testing.T) {
	for name, c := range map[string]ingest.DoorConfig{
		"nothing":        {},
		"an empty token": {Tokens: []string{"t", " "}},
		"negative limit": {Tokens: []string{"t"}, MaxBody: -1},
	} {
		if _, err := ingest.NewDoor(c); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestCheckAlert_table(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*backout.Alert)
		want   string // field, empty = fine
	}{
		"as it is":            {func(*backout.Alert) {}, ""},
		"nobody known":        {func(a *backout.Alert) { a.Subject = backout.Subject{} }, ""},
		"over":                {func(a *backout.Alert) { a.State, a.EndsAt = backout.AlertResolved, now }, ""},
		"over, no start":      {func(a *backout.Alert) { a.State, a.StartsAt, a.EndsAt = backout.AlertResolved, time.Time{}, now }, ""},
		"no name":             {func(a *backout.Alert) { a.Name = "" }, "name"},
		"no id":               {func(a *backout.Alert) { a.NativeID = " " }, "native_id"},
		"another state":       {func(a *backout.Alert) { a.State = "pending" }, "state"},
		"no start":            {func(a *backout.Alert) { a.StartsAt = time.Time{} }, "starts_at"},
		"starts in an hour":   {func(a *backout.Alert) { a.StartsAt = now.Add(time.Hour) }, "starts_at"},
		"no end":              {func(a *backout.Alert) { a.State = backout.AlertResolved }, "ends_at"},
		"ends before it is":   {func(a *backout.Alert) { a.State, a.EndsAt = backout.AlertResolved, now.Add(-time.Hour) }, "ends_at"},
		"a line break inside": {func(a *backout.Alert) { a.Subject.Service = "a\nb" }, "service"},
		"endless labels":      {func(a *backout.Alert) { a.Labels["x"] = string(make([]byte, 2000)) }, "labels.x"},
	} {
		a := backout.Alert{Source: "m", NativeID: "1", Name: "HighErrors", Subject: backout.Subject{Service: "cart"}, State: backout.AlertFiring, StartsAt: now.Add(-time.Minute), Labels: map[string]string{}}
		c.change(&a)
		got := ""
		for _, p := range ingest.CheckAlert(a, now) {
			got += p.Field
		}
		if got != c.want {
			t.Errorf("%s: mistakes in %q, want %q", name, got, c.want)
		}
	}
}
