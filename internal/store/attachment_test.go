package store_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store/storetest"
)

func TestObserve_keepsAttachmentsApart(t *testing.T) {
	s := storetest.New(t)
	ctx := t.Context()
	if state, err := s.AttachedState(ctx); err != nil || state != "" {
		t.Errorf("state %q, %v, want none", state, err)
	}
	o := backout.Observation{Source: "ci", NativeID: "1", At: noon, Component: "c", To: "2",
		Attachments: []backout.Attachment{{Kind: backout.AttachmentOpenAPI, Name: "a.yaml", Body: []byte("one")}}}
	bare := o
	bare.Attachments = nil
	for _, x := range []backout.Observation{bare, o} { // known already when the file comes
		if _, err := s.Observe(ctx, []backout.Observation{x}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := s.AttachedState(ctx)
	if err != nil || first == "" {
		t.Errorf("state %q, %v", first, err)
	}
	o.At, o.Attachments[0].Body = noon.Add(time.Minute), []byte("two")
	if _, err := s.Observe(ctx, []backout.Observation{o}); err != nil {
		t.Fatal(err)
	}
	want := []backout.Attached{{Attachment: o.Attachments[0], Component: "c", Version: "2", At: o.At}}
	got, err := s.Attached(ctx)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if second, err := s.AttachedState(ctx); err != nil || second == first {
		t.Errorf("state %q after another file, %v", second, err)
	}
	o.NativeID = "2"
	if _, err := s.Observe(ctx, []backout.Observation{o}); err != nil {
		t.Fatal(err)
	}
	obs, err := s.Observations(ctx, noon.Add(-time.Hour))
	text, _ := json.Marshal(obs)
	if err != nil || len(obs) != 2 || strings.Contains(string(text), "attachments") {
		t.Errorf("%v: %s", err, text)
	}
}

// What was replaced long ago goes; what was current at the horizon stays.
func TestPrune_keepsTheSpecThatWasCurrent(t *testing.T) {
	s := storetest.New(t)
	for i, v := range []backout.Version{"1", "2", "3"} {
		o := backout.Observation{Source: "ci", NativeID: string(v), At: noon.Add(time.Duration(i) * time.Hour), Component: "c", To: v,
			Attachments: []backout.Attachment{{Kind: backout.AttachmentOpenAPI, Name: "a.yaml", Body: []byte(v)}}}
		if _, err := s.Observe(t.Context(), []backout.Observation{o}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := s.Prune(t.Context(), noon.Add(90*time.Minute))
	left, err2 := s.Attached(t.Context())
	if err != nil || err2 != nil || p.Attachments != 1 || len(left) != 2 || left[0].Version != "2" {
		t.Errorf("%v %v: %+v, left %+v", err, err2, p, left)
	}
}
