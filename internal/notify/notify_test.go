package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/notify/notifytest"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

// queue meets the port with the real store, as app does.
type queue struct{ *store.Store }

func (q queue) Due(ctx context.Context, now time.Time) ([]notify.Due, error) {
	due, err := q.Store.Due(ctx, now, 100)
	out := []notify.Due{}
	for _, d := range due {
		out = append(out, notify.Due{Message: d.Message, Channel: d.Channel, Tries: d.Tries})
	}
	return out, err
}

func (q queue) Delivered(ctx context.Context, d notify.Due, at time.Time, note string) error {
	return q.Store.Delivered(ctx, d.Message, d.Channel, at, note)
}

func (q queue) Failed(ctx context.Context, d notify.Due, next time.Time, why string) error {
	return q.Store.Failed(ctx, d.Message, d.Channel, next, why)
}

func (q queue) GiveUp(ctx context.Context, d notify.Due, at time.Time, why string) error {
	return q.Store.GiveUp(ctx, d.Message, d.Channel, at, why)
}

func message(key string, at time.Time, terminal bool) backout.Message {
	return backout.Message{Incident: "i", Audience: backout.AudienceOnCall, Key: key, At: at, Terminal: terminal, Text: key}
}

// post writes messages into the outbox, one a transition.
func post(t *testing.T, s *store.Store, at time.Time, channels []string, messages ...backout.Message) {
	t.Helper()
	in, err := s.Incident(t.Context(), "i")
	if backout.CodeOf(err) == backout.CodeNotFound {
		in, _, err = s.Open(t.Context(), store.Transition{Incident: backout.Incident{ID: "i", Key: "k"}, At: at})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if in, err = s.Transition(t.Context(), store.Transition{Incident: in, At: at, Messages: []backout.Message{m}, Channels: map[backout.Audience][]string{m.Audience: channels}}); err != nil {
			t.Fatal(err)
		}
	}
}

func outbox(t *testing.T, s *store.Store, channels ...notify.Channel) *notify.Outbox {
	t.Helper()
	o, err := notify.New(queue{s}, channels)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func texts(f *notifytest.Fake) []string {
	out := []string{}
	for _, r := range f.Received() {
		out = append(out, r.Text)
	}
	return out
}

func TestDrain_aChannelThatIsAwayDelaysNoOther(t *testing.T) {
	s, now := storetest.New(t), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	chat, hook := &notifytest.Fake{}, &notifytest.Fake{}
	chat.Break(notifytest.Away)
	o := outbox(t, s, notify.Channel{Name: "chat", Notifier: chat}, notify.Channel{Name: "hook", Notifier: hook})
	post(t, s, now, []string{"chat", "hook"}, message("one", now, false), message("two", now, false), message("end", now, true))
	if err := o.Drain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"one", "two", "end"}, texts(hook)); d != "" {
		t.Errorf("hook (-want +got):\n%s", d)
	}
	chat.Break(notifytest.Fine)
	if err := o.Drain(t.Context(), now.Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"one", "two", "end"}, texts(chat)); d != "" {
		t.Errorf("chat, when it was back (-want +got):\n%s", d)
	}
}

// The receiver is away for hours: what has become old news is given up, the end
// arrives.
func TestDrain_theEndArrivesAfterHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fake := storetest.New(t), &notifytest.Fake{}
		fake.Break(notifytest.Away)
		start := time.Now()
		tries := 0
		counted := notifytest.Failing{Notifier: fake, Fails: func(backout.Message) error { tries++; return nil }}
		o := outbox(t, s, notify.Channel{Name: "chat", Notifier: counted})
		post(t, s, start, []string{"chat"}, message("begin", start, false), message("update", start, false))
		for time.Since(start) < 7*time.Hour {
			if time.Since(start) == time.Minute {
				post(t, s, time.Now(), []string{"chat"}, message("end", time.Now(), true))
			}
			if time.Since(start) == 6*time.Hour {
				fake.Break(notifytest.Fine)
			}
			if err := o.Drain(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		if d := cmp.Diff([]string{"end"}, texts(fake)); d != "" {
			t.Errorf("received after six hours (-want +got):\n%s", d)
		}
		if tries > 150 {
			t.Errorf("%d tries in six hours: patience does not grow", tries)
		}
		all, err := s.Deliveries(t.Context(), "i")
		if err != nil || len(all) != 3 || !all[0].GivenUp || !all[1].GivenUp || all[2].Sent.Sub(start) > 6*time.Hour+5*time.Minute {
			t.Errorf("%+v, %v: want old news given up and the end within five minutes of the return", all, err)
		}
	})
}

func TestDrain_theSecondChannel(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		fault    notifytest.Fault
		terminal bool
		drains   int
		want     []string
	}{
		"refused for good: at once":              {notifytest.Refusing, true, 1, []string{"m"}},
		"away: not at the first failure":         {notifytest.Away, true, 1, []string{}},
		"away: when a minute has passed":         {notifytest.Away, true, 2, []string{"m"}},
		"news that ends nothing has no second":   {notifytest.Refusing, false, 6, []string{}},
		"busy counts as away, with its own wait": {notifytest.Busy, true, 6, []string{"m"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, first, second := storetest.New(t), &notifytest.Fake{}, &notifytest.Fake{}
			first.Break(c.fault)
			o := outbox(t, s, notify.Channel{Name: "first", Notifier: first, Fallback: "second"}, notify.Channel{Name: "second", Notifier: second})
			post(t, s, now, []string{"first"}, message("m", now, c.terminal))
			for i := range c.drains {
				if err := o.Drain(t.Context(), now.Add(time.Duration(i)*time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(c.want, texts(second)); d != "" {
				t.Errorf("second channel (-want +got):\n%s", d)
			}
			all, _ := s.Deliveries(t.Context(), "i")
			if done := !all[0].Sent.IsZero(); done != (len(c.want) > 0) || done && !strings.Contains(all[0].Failure, "delivered by second, since first:") {
				t.Errorf("%+v: want it noted how it was delivered", all[0])
			}
		})
	}
}

func TestDrain_aBusyReceiverIsLeftAloneAsLongAsItAsked(t *testing.T) {
	s, now, fake := storetest.New(t), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), &notifytest.Fake{}
	fake.Break(notifytest.Busy)
	o := outbox(t, s, notify.Channel{Name: "chat", Notifier: fake})
	post(t, s, now, []string{"chat"}, message("m", now, false))
	for _, wait := range []time.Duration{0, notifytest.BusyFor - time.Second, notifytest.BusyFor} {
		if err := o.Drain(t.Context(), now.Add(wait)); err != nil {
			t.Fatal(err)
		}
		fake.Break(notifytest.Fine)
		if got := len(fake.Received()); got != map[bool]int{true: 1}[wait == notifytest.BusyFor] {
			t.Errorf("after %s it has %d messages", wait, got)
		}
	}
}

func TestDrain_nobodyAcknowledgesIsShown(t *testing.T) {
	s, now, no := storetest.New(t), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), &notifytest.Fake{}
	no.Break(notifytest.Refusing)
	o := outbox(t, s, notify.Channel{Name: "chat", Notifier: no})
	post(t, s, now, []string{"chat", "gone"}, message("news", now, false), message("end", now, true))
	if err := o.Drain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	all, err := s.Undelivered(t.Context(), now.Add(-time.Hour), 10)
	got := []string{}
	for _, d := range all {
		got = append(got, fmt.Sprintf("%s %s given up %t: %s", d.Channel, d.Message.Key, d.GivenUp, d.Failure))
	}
	slices.Sort(got)
	want := []string{"chat end given up false: refused", "chat news given up true: refused", `gone news given up false: no channel "gone" is configured`}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, undelivered (-want +got):\n%s", err, d)
	}
}

func TestDrain_stoppingIsNoFailure(t *testing.T) {
	s, now := storetest.New(t), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ctx, cancel := context.WithCancel(t.Context())
	o := outbox(t, s, notify.Channel{Name: "chat", Notifier: notifytest.Failing{Notifier: &notifytest.Fake{}, Fails: func(backout.Message) error { cancel(); return context.Canceled }}})
	post(t, s, now, []string{"chat"}, message("one", now, false))
	if err := o.Drain(ctx, now); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	if all, _ := s.Deliveries(t.Context(), "i"); all[0].Tries != 0 {
		t.Errorf("%+v: our own stop was held against the receiver", all[0])
	}
}

func TestNew_refuses(t *testing.T) {
	s := storetest.New(t)
	for want, channels := range map[string][]notify.Channel{
		"at least one channel":     nil,
		"a name of its own":        {{Name: "a", Notifier: &notifytest.Fake{}}, {Name: "a", Notifier: &notifytest.Fake{}}},
		"and a notifier":           {{Name: "a"}},
		`fallback "b": expected`:   {{Name: "a", Notifier: &notifytest.Fake{}, Fallback: "b"}},
		`fallback "a": expected a`: {{Name: "a", Notifier: &notifytest.Fake{}, Fallback: "a"}},
	} {
		if _, err := notify.New(queue{s}, channels); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestAnswer(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		status     int
		retryAfter string
		ok, refuse bool
		wait       time.Duration
	}{
		{200, "", true, false, 0}, {204, "", true, false, 0}, {302, "", false, true, 0}, {400, "", false, true, 0}, {410, "5", false, true, 0},
		{408, "", false, false, 0}, {429, "9", false, false, 9 * time.Second}, {503, "Fri, 02 Jan 2026 03:05:05 GMT", false, false, time.Minute}, {500, "soon", false, false, 0},
	} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Retry-After", c.retryAfter)
		rec.WriteHeader(c.status)
		_, _ = rec.WriteString("because")
		err := notify.Answer(rec.Result(), now)
		var later *notify.Later
		wait := time.Duration(0)
		if errors.As(err, &later) {
			wait = later.After
		}
		if (err == nil) != c.ok || errors.Is(err, notify.ErrRefused) != c.refuse || wait != c.wait || err != nil && !strings.Contains(err.Error(), "because") {
			t.Errorf("%d %s: %v", c.status, http.StatusText(c.status), err)
		}
	}
}
