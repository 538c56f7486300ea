package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/notify/webhook"
	"github.com/backout-dev/backout/internal/store/storetest"
)

// pager is a receiver that answers with a status and keeps the documents.
type pager struct {
	mu     sync.Mutex
	status int                // guarded by mu
	got    []webhook.Document // guarded by mu
	beats  int                // guarded by mu: heartbeats
}

func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var d webhook.Document
	if r.Header.Get("webhook-id") == "" {
		p.beats++
		w.WriteHeader(p.status)
		return
	}
	if json.NewDecoder(r.Body).Decode(&d) == nil && p.status < 300 {
		p.got = append(p.got, d)
	}
	w.WriteHeader(p.status)
}

// notifyFile writes a --notify file with a webhook for on-call.
func notifyFile(t *testing.T, url, more string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pager.secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
		"notify.yaml": "apiVersion: backout.dev/v1alpha1\nkind: Notify\nmetadata: {name: shop}\nspec:\n  channels:\n" +
			"    - {name: pager, kind: webhook, url: \"" + url + "\", secretFrom: {file: pager.secret}, audiences: [on-call]}\n" + more,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "notify.yaml")
}

func TestTelling_fromFileToReceiver(t *testing.T) {
	p := &pager{status: http.StatusForbidden}
	srv := httptest.NewServer(p)
	defer srv.Close()
	screen := &bytes.Buffer{}
	a := &App{cfg: Config{Notify: notifyFile(t, srv.URL, ""), Console: screen}, store: storetest.New(t)}
	if err := a.openNotifier(); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	inc := backout.Incident{ID: "INC-1", Key: "production", State: backout.StateDetected, OpenedAt: now}
	var messages []backout.Message
	for _, to := range backout.Audiences() {
		messages = append(messages, backout.Message{Incident: "INC-1", Audience: to, Key: "recovered/1", At: now, Text: "over for " + string(to), Terminal: true})
	}
	if _, _, err := (wire.Incidents{Store: a.store, Channels: a.channels}).Open(t.Context(), inc, backout.AuditEntry{At: now, By: "backout", What: "detected"}, messages); err != nil {
		t.Fatal(err)
	}
	if err := a.notifier.Drain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if got := screen.String(); !strings.Contains(got, "[on-call] over for on-call") || strings.Count(got, "\n") != 1 {
		t.Errorf("console: %q, want on-call's message and no other audience's", got)
	}
	if got, away := a.undelivered(t.Context(), now); len(away) != 1 || away[0].What() != "channels pager" || len(got) != 1 || !strings.Contains(got[0], "INC-1 to on-call by pager is tried again: ") || !strings.Contains(got[0], "403") {
		t.Errorf("undelivered %q, want the page that was refused, and why", got)
	}
	p.status = http.StatusOK
	if err := a.notifier.Drain(t.Context(), now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, away := a.undelivered(t.Context(), now); len(p.got) != 1 || p.got[0].Message.Text != "over for on-call" || len(got)+len(away) != 0 {
		t.Errorf("received %+v, undelivered %q, away %v", p.got, got, away)
	}
}

// The executives' only channel refuses, and names no other: on-call's console has the end.
func TestTelling_anOnlyChannelHasASecond(t *testing.T) {
	p := &pager{status: http.StatusForbidden}
	srv := httptest.NewServer(p)
	defer srv.Close()
	file := notifyFile(t, srv.URL, "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte("[on-call]"), []byte("[executive]"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	screen := &bytes.Buffer{}
	a := &App{cfg: Config{Notify: file, Console: screen}, store: storetest.New(t)}
	if err := a.openNotifier(); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	m := backout.Message{Incident: "INC-1", Audience: backout.AudienceExecutive, Key: "recovered/1", At: now, Text: "it is over", Terminal: true}
	if err := a.store.PostNews(t.Context(), now, []backout.News{}, []backout.Message{m}, a.channels); err != nil {
		t.Fatal(err)
	}
	if err := a.notifier.Drain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if untold, _ := a.undelivered(t.Context(), now); !strings.Contains(screen.String(), "[executive] it is over") || len(untold) != 0 {
		t.Errorf("console %q, undelivered %q", screen, untold)
	}
}

// Who is told by one channel alone has on-call's as the second; programs have not.
func TestSecondChannels(t *testing.T) {
	all := []catalog.Channel{
		{Name: "boss", Kind: catalog.ChannelSlack, Audiences: []backout.Audience{backout.AudienceExecutive}},
		{Name: "named", Kind: catalog.ChannelSlack, Audiences: []backout.Audience{backout.AudienceStatusPage}, Fallback: "boss"},
		{Name: "bus", Kind: catalog.ChannelCDEvents, Audiences: []backout.Audience{backout.AudienceMachines}},
		{Name: "pager", Kind: catalog.ChannelWebhook, Audiences: []backout.Audience{backout.AudienceOnCall, backout.AudienceSupport}},
		{Name: "console", Kind: catalog.ChannelConsole, Audiences: []backout.Audience{backout.AudienceOnCall}},
	}
	secondChannels(all)
	got := map[string]string{}
	for _, c := range all {
		got[c.Name] = c.Fallback
	}
	want := map[string]string{"boss": "pager", "named": "boss", "bus": "", "pager": "console", "console": ""}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("second channels (-want +got):\n%s", d)
	}
}

func TestTestNotify_saysWhoAcknowledged(t *testing.T) {
	p := &pager{status: http.StatusOK}
	srv := httptest.NewServer(p)
	defer srv.Close()
	file := notifyFile(t, srv.URL, "    - {name: bus, kind: cdevents, url: \"http://127.0.0.1:1/\", audiences: [machines]}\n    - {name: here, kind: console, audiences: [support]}\n  watchdog: {receivers: [{name: checks, kind: webhook, url: \""+srv.URL+"\"}, {name: am, kind: alertmanager, url: \"http://127.0.0.1:1\"}]}\n")
	screen := &bytes.Buffer{}
	tested, err := TestNotify(t.Context(), file, screen)
	if err != nil || len(tested) != 5 {
		t.Fatalf("%+v, %v", tested, err)
	}
	if tested[3].Channel != "checks" || tested[3].Kind != "watchdog webhook" || tested[3].Err != nil || tested[4].Err == nil || p.beats != 1 {
		t.Errorf("watchdogs %+v, %d heartbeats", tested[3:], p.beats)
	}
	if tested[0].Err != nil || tested[1].Err == nil || tested[2].Err != nil || len(p.got) != 1 || !strings.Contains(screen.String(), "there is no incident") {
		t.Errorf("tested %+v, received %+v, screen %q", tested, p.got, screen)
	}
	if summary, problems := Lint(file); len(problems) > 0 || !strings.Contains(summary, "3 channels") {
		t.Errorf("lint: %q %q", summary, problems)
	}
}

func TestOpenNotifier_namesTheSecretThatIsMissing(t *testing.T) {
	file := notifyFile(t, "https://pager.example.com", "    - {name: chat, kind: slack, tokenFrom: {env: BACKOUT_TEST_NO_TOKEN}, conversation: C1, audiences: [support]}\n")
	a := &App{cfg: Config{Notify: file}, store: storetest.New(t)}
	if err := a.openNotifier(); err == nil || !strings.Contains(err.Error(), "open channel chat: read secret: environment variable BACKOUT_TEST_NO_TOKEN is empty") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(file), "pager.secret")); err != nil {
		t.Fatal(err)
	}
	if err := a.openNotifier(); err == nil || !strings.Contains(err.Error(), "open channel pager: read secret:") {
		t.Errorf("%v", err)
	}
	if _, problems := Lint(filepath.Dir(file)); len(problems) > 0 {
		t.Errorf("a Notify document in a catalog: %q", problems)
	}
}
