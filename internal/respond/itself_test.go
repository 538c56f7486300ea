package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// box is a mailbox in memory.
type box struct {
	told     []backout.News
	messages []backout.Message
	posts    int
}

func (b *box) News(context.Context) ([]backout.News, error) { return b.told, nil }
func (b *box) Post(_ context.Context, _ time.Time, told []backout.News, messages []backout.Message) error {
	b.told, b.messages, b.posts = told, append(b.messages, messages...), b.posts+1
	return nil
}

func blindSince(at time.Time) []backout.Matter {
	return Matters([]backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", at, "connection refused"), backout.Degraded(backout.DegradedMetrics, "errors", at, "no data")})
}

func TestItself_tellsWhenItBecomesBlindAndSeesAgain(t *testing.T) {
	tw, b := newTown(t, true, nil), &box{}
	look := func(after time.Duration, matters []backout.Matter) {
		t.Helper()
		if err := tw.r.Itself(t.Context(), noon.Add(after), "production", b, matters); err != nil {
			t.Fatal(err)
		}
	}
	look(30*time.Second, blindSince(noon))
	if b.posts != 0 {
		t.Errorf("half a minute is told: %+v", b.messages)
	}
	for at := time.Minute; at < 20*time.Minute; at += 10 * time.Second {
		look(at, blindSince(noon))
	}
	look(20*time.Minute, nil)
	look(21*time.Minute, nil)
	want := []string{
		"on-call: ‖ backout in production, since 12:00:00 UTC: metrics: connection refused. This means: no trouble is found and nothing is changed until it is measured again; what runs waits at its gates. What to do: check that the metrics server answers.",
		"executive: The automatic way back is out of order since 12:00:00 UTC: the measurements are missing, so nothing is changed until they are back. On-call has been told. No action needed.",
		"machines: the same",
		"on-call: ✔ backout in production: over at 12:20:00 UTC, since 12:00:00 UTC: metrics: connection refused. This means: no trouble is found and nothing is changed until it is measured again; what runs waits at its gates. What to do: check that the metrics server answers.",
		"executive: The automatic way back works again since 12:20:00 UTC; it did not since 12:00:00 UTC.",
		"machines: the same",
	}
	got, keys := []string{}, map[string]bool{}
	for _, m := range b.messages {
		line := fmt.Sprintf("%s: %s", m.Audience, m.Text)
		if m.Audience == backout.AudienceMachines {
			line = "machines: the same"
		}
		got = append(got, line)
		if keys[m.ID()] || !m.Terminal || !m.OfItself() || m.Incident != "backout-production" {
			t.Errorf("message %+v: want an id of its own, told until acknowledged, in backout's own thread", m)
		}
		keys[m.ID()] = true
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("heard (-want +got):\n%s", d)
	}
}

// What comes and goes all the time is told at most once in ten minutes, and what
// people were told is the truth at the end.
func TestItself_flappingIsNoStorm(t *testing.T) {
	tw, b := newTown(t, true, nil), &box{}
	for n := range 120 { // two hours: blind in every other minute
		at := noon.Add(time.Duration(n) * time.Minute)
		for _, x := range []struct {
			after   time.Duration
			matters []backout.Matter
		}{{0, nil}, {30 * time.Second, nil}} {
			if n%2 == 0 {
				x.matters = blindSince(at.Add(-2 * time.Minute))
			}
			if err := tw.r.Itself(t.Context(), at.Add(x.after), "production", b, x.matters); err != nil {
				t.Fatal(err)
			}
		}
	}
	begun, ended := 0, 0
	for _, m := range b.messages {
		if m.Audience == backout.AudienceOnCall {
			if strings.HasPrefix(m.Text, "✔") {
				ended++
			} else {
				begun++
			}
		}
	}
	if begun == 0 || begun > 12 || ended != begun {
		t.Errorf("in two hours %d beginnings and %d ends were told, want at most 12 of each, and as many", begun, ended)
	}
}

func TestMatters_oneOfASource(t *testing.T) {
	var all []backout.Degradation
	for n := range 50 {
		all = append(all, backout.Degraded(backout.DegradedEngine, fmt.Sprintf("run INC-%d/1", n), noon.Add(-time.Duration(n)*time.Second), "disk I/O error"))
	}
	all = append(all, backout.Degraded(backout.DegradedActuators, "x", noon, "refused"), backout.Degraded(backout.DegradedReplicas, "b", noon, "not seen"))
	got := Matters(all)
	keys := []string{}
	for _, m := range got {
		keys = append(keys, m.Key)
	}
	if !slices.Equal(keys, []string{"engine", "replicas"}) || !strings.Contains(got[0].Text, "and 45 more") || !got[0].Since.Equal(noon.Add(-49*time.Second)) {
		t.Errorf("%+v", got)
	}
}

func TestItself_suddenIsToldAtOnce(t *testing.T) {
	tw, b := newTown(t, true, nil), &box{}
	on := []backout.Matter{{Key: "kill-switch", Since: noon, Sudden: true, Text: "the kill switch is on"}}
	for range 3 {
		if err := tw.r.Itself(t.Context(), noon, "production", b, on); err != nil {
			t.Fatal(err)
		}
	}
	if b.posts != 1 || len(b.messages) != 2 { // executives need not hear
		t.Errorf("%d posts, %+v", b.posts, b.messages)
	}
}

func TestItself_anEventIsToldOnceAndIsNeverOver(t *testing.T) {
	tw, b := newTown(t, true, nil), &box{}
	event := []backout.Matter{{Key: "take-over/b", Since: noon, Once: true, Text: "a took over from b"}}
	for n := range 5 {
		if err := tw.r.Itself(t.Context(), noon.Add(time.Duration(n)*time.Hour), "production", b, event); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		if err := tw.r.Itself(t.Context(), noon.Add(time.Duration(20+n)*24*time.Hour), "production", b, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.messages) != 2 || b.messages[0].Text != "○ backout in production, at 12:00:00 UTC: a took over from b." || len(b.told) != 0 {
		t.Errorf("messages %+v, remembered %+v", b.messages, b.told)
	}
}

func TestSee_keepsTheOpenIncidentTrue(t *testing.T) {
	tw := newTown(t, true, nil)
	dark := []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", noon, "refused")}
	if err := tw.r.See(t.Context(), tw.now, "production", dark); err != nil {
		t.Fatalf("without an incident: %v", err)
	}
	id := tw.detect()
	for range 3 {
		if err := tw.r.See(t.Context(), tw.now, "production", dark); err != nil {
			t.Fatal(err)
		}
	}
	if inc := tw.store.incidents[id]; len(inc.Degraded) != 1 || inc.Row != 1 && inc.Row != 2 {
		t.Errorf("row %d, degraded %v: want it saved once", inc.Row, inc.Degraded)
	}
	if err := tw.r.See(t.Context(), tw.now, "production", nil); err != nil {
		t.Fatal(err)
	}
	if inc := tw.store.incidents[id]; len(inc.Degraded) != 0 || !strings.Contains(tw.store.saves[len(tw.store.saves)-1], "everything can be seen again") {
		t.Errorf("degraded %v, saves %v", inc.Degraded, tw.store.saves)
	}
}
