package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/notify/notifytest"
)

// workspace is slack-go's test server with a memory: it holds requests to Slack's
// documented limits and answers as documented.
type workspace struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	posts  []post            // guarded by mu
	fault  notifytest.Fault  // guarded by mu
	errors map[string]string // guarded by mu: what a method answers instead
	drops  map[string]int    // guarded by mu: methods whose next answers get lost after they took effect
	calls  map[string]int    // guarded by mu
}

type post struct{ ts, thread, id, text string }

func open(t *testing.T) *workspace {
	t.Helper()
	w := &workspace{t: t, errors: map[string]string{}, drops: map[string]int{}, calls: map[string]int{}}
	srv := slacktest.NewTestServer(func(c slacktest.Customize) {
		c.Handle("/chat.postMessage", w.method("chat.postMessage", w.postMessage))
		c.Handle("/chat.update", w.method("chat.update", w.update))
		c.Handle("/conversations.history", w.method("conversations.history", w.list))
		c.Handle("/conversations.replies", w.method("conversations.replies", w.list))
		c.Handle("/incoming", w.incoming)
	})
	srv.Start()
	t.Cleanup(srv.Stop)
	w.url = srv.GetAPIURL()
	return w
}

func (w *workspace) bot(threads notify.Threads) *Bot {
	w.t.Helper()
	b, err := New(Config{Name: "chat", Token: "xoxb-1", Conversation: "C1", Threads: threads, API: w.url, Link: "https://backout.example.com"})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// with changes the workspace between requests.
func (w *workspace) with(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *workspace) Break(f notifytest.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// Received lists the posts as a reader sees them.
func (w *workspace) Received() []notifytest.Receipt {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []notifytest.Receipt{}
	for _, p := range w.posts {
		out = append(out, notifytest.Receipt{ID: p.id, Text: unescape(p.text)})
	}
	return out
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

func (w *workspace) method(name string, do func(*http.Request) map[string]any) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls[name]++
		if r.FormValue("token") != "xoxb-1" && r.Header.Get("Authorization") != "Bearer xoxb-1" {
			w.t.Errorf("%s without the token", name)
		}
		answer := map[string]any{"ok": false, "error": w.errors[name]}
		switch {
		case w.fault == notifytest.Busy:
			rw.Header().Set("Retry-After", "7")
			rw.WriteHeader(http.StatusTooManyRequests)
			return
		case w.fault == notifytest.Away:
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		case w.fault == notifytest.Refusing:
			answer["error"] = "invalid_auth"
		case w.errors[name] == "":
			answer = do(r)
		}
		if w.drops[name] > 0 {
			w.drops[name]--
			panic(http.ErrAbortHandler) // the connection breaks before the answer
		}
		_ = json.NewEncoder(rw).Encode(answer)
	}
}

// check holds text and blocks to Slack's limits.
func (w *workspace) check(text string, blocks slackgo.Blocks) {
	if text == "" || utf8.RuneCountInString(text) > 40000 {
		w.t.Errorf("text has %d characters", utf8.RuneCountInString(text))
	}
	said := ""
	for _, b := range blocks.BlockSet {
		if s, ok := b.(*slackgo.SectionBlock); ok {
			if err := s.Text.Validate(); err != nil {
				w.t.Error(err)
			}
			said += s.Text.Text
		}
	}
	if len(blocks.BlockSet) == 0 || len(blocks.BlockSet) > 50 || said != text {
		w.t.Errorf("%d blocks say %.80q, the fallback says %.80q", len(blocks.BlockSet), said, text)
	}
	if bare := strings.NewReplacer("&lt;", "", "&gt;", "", "&amp;", "").Replace(text); strings.ContainsAny(bare, "&<>") {
		w.t.Errorf("control characters in %.200q", text)
	}
}

func (w *workspace) postMessage(r *http.Request) map[string]any {
	var blocks slackgo.Blocks
	var meta slackgo.SlackMetadata
	if err := errors.Join(json.Unmarshal([]byte(r.FormValue("blocks")), &blocks), json.Unmarshal([]byte(r.FormValue("metadata")), &meta)); err != nil {
		return map[string]any{"ok": false, "error": "invalid_arguments"}
	}
	w.check(r.FormValue("text"), blocks)
	thread := r.FormValue("thread_ts")
	if r.FormValue("channel") != "C1" {
		return map[string]any{"ok": false, "error": "channel_not_found"}
	}
	if thread != "" && !slices.ContainsFunc(w.posts, func(p post) bool { return p.ts == thread && p.thread == "" }) {
		return map[string]any{"ok": false, "error": "thread_not_found"}
	}
	ts := fmt.Sprintf("1767355200.%06d", w.calls["chat.postMessage"])
	w.posts = append(w.posts, post{ts, thread, meta.EventPayload["id"].(string), r.FormValue("text")})
	return map[string]any{"ok": true, "channel": "C1", "ts": ts}
}

func (w *workspace) update(r *http.Request) map[string]any {
	for i, p := range w.posts {
		if p.ts == r.FormValue("ts") {
			w.posts[i].text = r.FormValue("text")
			return map[string]any{"ok": true, "channel": "C1", "ts": p.ts}
		}
	}
	return map[string]any{"ok": false, "error": "message_not_found"}
}

// list answers history (heads) and replies (a thread with its head).
func (w *workspace) list(r *http.Request) map[string]any {
	out := []slackgo.Message{}
	for _, p := range w.posts {
		if r.FormValue("include_all_metadata") == "1" || r.FormValue("include_all_metadata") == "true" {
			if ts := r.FormValue("ts"); p.thread == ts || p.ts == ts {
				m := slackgo.Message{}
				m.Timestamp, m.Text = p.ts, p.text
				m.Metadata = slackgo.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"id": p.id}}
				out = append(out, m)
			}
		}
	}
	return map[string]any{"ok": true, "messages": out}
}

func (w *workspace) incoming(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var m slackgo.WebhookMessage
	switch w.fault {
	case notifytest.Away:
		http.Error(rw, "rollup_error", http.StatusInternalServerError)
		return
	case notifytest.Refusing:
		http.Error(rw, "channel_is_archived", http.StatusGone)
		return
	case notifytest.Busy:
		rw.Header().Set("Retry-After", "7")
		rw.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.Blocks == nil {
		http.Error(rw, "invalid_payload", http.StatusBadRequest)
		return
	}
	w.check(m.Text, *m.Blocks)
	w.posts = append(w.posts, post{text: m.Text})
	fmt.Fprint(rw, "ok")
}

func TestBot_conforms(t *testing.T) {
	w := open(t)
	notifytest.Conform(t, notifytest.Subject{Notifier: w.bot(&notifytest.Threads{}), Receiver: w, Exact: true})
}

func TestIncoming_conforms(t *testing.T) {
	w := open(t)
	i, err := NewIncoming(w.url+"incoming", "https://backout.example.com")
	if err != nil {
		t.Fatal(err)
	}
	notifytest.Conform(t, notifytest.Subject{Notifier: i, Receiver: w, Repeats: true, Exact: true})
}

// shape is what a reader of the conversation sees: heads and how many replies.
func (w *workspace) shape() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out, heads := map[string]int{}, map[string]string{}
	for _, p := range w.posts {
		if p.thread == "" {
			heads[p.ts] = p.text
		}
	}
	for ts, text := range heads {
		n := 0
		for _, p := range w.posts {
			if p.thread == ts {
				n++
			}
		}
		out[text] += n
	}
	return out
}

func TestBot_oneThreadPerIncidentAndAudience(t *testing.T) {
	w, threads := open(t), &notifytest.Threads{}
	for _, st := range []backout.State{backout.StateDetected, backout.StateExecuting, backout.StateRecovered} {
		for _, incident := range []string{"INC-1", "INC-2"} {
			for _, a := range []backout.Audience{backout.AudienceOnCall, backout.AudienceSupport} {
				m := notifytest.Message(incident, string(st), st)
				m.Audience = a
				if err := w.bot(threads).Notify(t.Context(), m); err != nil { // a new bot each time: restarted
					t.Fatal(err)
				}
			}
		}
	}
	want := map[string]int{}
	for _, h := range []string{"INC-1 on-call", "INC-1 support", "INC-2 on-call", "INC-2 support"} {
		want["["+h+"] "+h[:5]+" is recovered"] = 2
	}
	if d := cmp.Diff(want, w.shape()); d != "" {
		t.Errorf("heads with their newest state and number of replies (-want +got):\n%s", d)
	}
}

// The program dies at each moment of telling; what is said twice or in a second
// thread would be seen.
func TestBot_diesAnywhere(t *testing.T) {
	died := errors.New("died")
	first, second := notifytest.Message("INC-1", "a", backout.StateDetected), notifytest.Message("INC-1", "b", backout.StateExecuting)
	for name, break_ := range map[string]func(w *workspace, threads *notifytest.Threads){
		"before anything is sent":               func(w *workspace, _ *notifytest.Threads) { w.errors["chat.postMessage"] = "service_unavailable" },
		"after Slack has it, before its answer": func(w *workspace, _ *notifytest.Threads) { w.drops["chat.postMessage"] = 1 },
		"after the answer, before our note": func(_ *workspace, th *notifytest.Threads) {
			th.Refuse = func(_, body string) error {
				if strings.Contains(body, `"trying":""`) {
					return died
				}
				return nil
			}
		},
		"while the head is edited": func(w *workspace, _ *notifytest.Threads) { w.drops["chat.update"] = 1 },
	} {
		for _, m := range []backout.Message{first, second} {
			t.Run(name+", message "+m.Key, func(t *testing.T) {
				w, threads := open(t), &notifytest.Threads{}
				if m.Key == "b" {
					if err := w.bot(threads).Notify(t.Context(), first); err != nil {
						t.Fatal(err)
					}
				}
				w.with(func() { break_(w, threads) })
				_ = w.bot(threads).Notify(t.Context(), m) // may well fail
				w.with(func() { w.errors, threads.Refuse = map[string]string{}, nil })
				for range 2 { // tried again, and once more since the outbox's note was lost as well
					if err := w.bot(threads).Notify(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
				replies := map[string]int{"a": 0, "b": 1}[m.Key]
				if d := cmp.Diff(map[string]int{"[INC-1 machines] " + m.Text: replies}, w.shape()); d != "" {
					t.Errorf("-want +got:\n%s", d)
				}
			})
		}
	}
}

func TestBot_withoutTheRightToReadRepeatsOnce(t *testing.T) {
	w, threads := open(t), &notifytest.Threads{}
	m := notifytest.Message("INC-1", "a", backout.StateDetected)
	w.with(func() { w.errors["conversations.history"], w.drops["chat.postMessage"] = "missing_scope", 1 })
	for range 3 {
		_ = w.bot(threads).Notify(t.Context(), m)
	}
	if got := w.Received(); len(got) != 2 || got[0].ID != m.ID() || got[1].ID != m.ID() {
		t.Errorf("received %+v, want it twice with the same id", got)
	}
}

func TestBot_aDeletedHeadBeginsAnew(t *testing.T) {
	w, threads := open(t), &notifytest.Threads{}
	send := func(key string) {
		t.Helper()
		if err := w.bot(threads).Notify(t.Context(), notifytest.Message("INC-1", key, backout.StateExecuting)); err != nil {
			t.Fatal(err)
		}
	}
	send("a")
	w.with(func() { w.posts = nil })
	send("b")
	send("c")
	if d := cmp.Diff(map[string]int{"[INC-1 machines] INC-1 is executing": 1}, w.shape()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestSplit_neverWithinAnEntity(t *testing.T) {
	for n := range 8 {
		s := escape(strings.Repeat("x", n) + strings.Repeat("<&>", 2000))
		parts := split(s)
		if strings.Join(parts, "") != s {
			t.Fatal("something is lost")
		}
		for _, p := range parts {
			if len(p) > sectionLimit || strings.ContainsAny(unescapeAll(p), "&;") {
				t.Errorf("%d characters, ends %q", len(p), p[len(p)-8:])
			}
		}
	}
	if parts := split(strings.Repeat("y", 50_000)); len(parts) != sections || !strings.HasSuffix(parts[sections-1], "(cut)") {
		t.Errorf("%d sections, ends %q", len(parts), parts[len(parts)-1][2900:])
	}
}

func unescapeAll(s string) string {
	return strings.NewReplacer("&lt;", "", "&gt;", "", "&amp;", "").Replace(s)
}
